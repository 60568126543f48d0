"""The webhook for Meta: its responses, and the records that it publishes."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from domain.facts import FACT
from domain.inbound.reading import BodyReading, UnreadablePart
from domain.inbound.whatsapp.reader import read
from domain.ports import OutgoingRecord
from infra.serving.wsgi_bridge import ARRIVED_KEY
from tests.support.fake_publisher import FakePublisher
from tests.support.hostile import BODIES
from tests.support.payloads import NUMBER, PHONE, RECEIVED, body, raw, value_of
from tests.support.sightings import updates
from tests.support.webhook_app import APP_SECRETS, TOPICS, VERIFY_TOKEN, from_meta, signature, webhook_app
from webhook.app import MAX_BODY_BYTES
from webhook.intake import MAX_VALUE_BYTES, PARSE_SECONDS, PUBLISH_SECONDS

PATH = "/webhooks/whatsapp"
HANDSHAKE = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}


def test_the_handshake_is_answered_with_the_bare_challenge(client: FlaskClient) -> None:
    answer = client.get(PATH, query_string=HANDSHAKE)

    assert (200, "text/plain", "1158201444") == (answer.status_code, answer.mimetype, answer.text)


@pytest.mark.parametrize(
    "query",
    [
        {},
        HANDSHAKE | {"hub.verify_token": "another"},
        HANDSHAKE | {"hub.verify_token": "tökén"},
        HANDSHAKE | {"hub.mode": "unsubscribe"},
        {name: value for name, value in HANDSHAKE.items() if name != "hub.challenge"},
        {name: value for name, value in HANDSHAKE.items() if name != "hub.verify_token"},
    ],
)
def test_a_handshake_with_wrong_parameters_is_rejected(client: FlaskClient, query: dict[str, str]) -> None:
    assert 403 == client.get(PATH, query_string=query).status_code


def test_an_update_becomes_one_record_with_its_customers_key(client: FlaskClient, publisher: FakePublisher) -> None:
    text = raw("text")

    answer = client.post(PATH, data=text, headers=from_meta(text))

    (fact,) = read(text, RECEIVED).facts
    expected = [OutgoingRecord(TOPICS.inbound, f"{NUMBER}:{PHONE}", FACT.dump_json(fact))]
    assert (200, b"", expected) == (answer.status_code, answer.data, publisher.records)


@pytest.mark.parametrize("secret", APP_SECRETS)
def test_each_app_secret_is_accepted(client: FlaskClient, secret: str) -> None:
    assert 200 == client.post(PATH, data=raw("text"), headers=from_meta(raw("text"), secret)).status_code


def test_every_update_of_every_entry_change_and_array_becomes_its_own_record(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    document = body("text")
    message = value_of(document)["messages"][0]
    value_of(document)["messages"] = [message | {"id": f"wamid.{n}"} for n in range(1000)]
    batch = json.dumps(document).encode()

    client.post(PATH, data=batch, headers=from_meta(batch))

    expected = [f"wamid.{n}" for n in range(1000)]
    assert expected == [json.loads(record.value)["wamid"] for record in publisher.on(TOPICS.inbound)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "nonsense"},
        {"X-Hub-Signature-256": "sha256=ä"},
        {"X-Hub-Signature": "sha1=" + "0" * 40},
        {"X-Witiop-Signature-256": signature(raw("text"), APP_SECRETS[0])},
    ],
)
def test_a_body_without_a_valid_signature_is_rejected_and_not_published(
    client: FlaskClient, publisher: FakePublisher, headers: dict[str, str]
) -> None:
    answer = client.post(PATH, data=raw("text"), headers=headers)

    assert (401, []) == (answer.status_code, updates(publisher))


def test_an_unreadable_signed_body_is_stored_as_received(client: FlaskClient, publisher: FakePublisher) -> None:
    nonsense = b"\x1f\x8b gzip?"

    answer = client.post(PATH, data=nonsense, headers=from_meta(nonsense) | {"Content-Encoding": "gzip"})

    headers = (("witiop_source", b"whatsapp"), ("witiop_reason", b"body: not valid JSON"))
    assert (200, [OutgoingRecord(TOPICS.unreadable, None, nonsense, headers)]) == (
        answer.status_code,
        publisher.records,
    )


def test_an_unreadable_update_does_not_block_the_others(client: FlaskClient, publisher: FakePublisher) -> None:
    document = body("text")
    message = value_of(document)["messages"][0]
    value_of(document)["messages"] = [message, message | {"id": None}]
    mixed = json.dumps(document).encode()

    answer = client.post(PATH, data=mixed, headers=from_meta(mixed))

    assert (200, 1, 1) == (answer.status_code, len(publisher.on(TOPICS.inbound)), len(publisher.on(TOPICS.unreadable)))


@pytest.mark.parametrize(("name", "hostile"), BODIES, ids=[name for name, _ in BODIES])
def test_every_hostile_signed_body_is_stored_and_answered_with_200(
    client: FlaskClient, publisher: FakePublisher, name: str, hostile: bytes
) -> None:
    answer = client.post(PATH, data=hostile, headers=from_meta(hostile))

    reading = read(hostile, RECEIVED)
    expected = len(reading.facts), len(reading.unreadable)
    assert (200, expected) == (
        answer.status_code,
        (len(publisher.on(TOPICS.inbound)), len(publisher.on(TOPICS.unreadable))),
    )


def test_the_largest_body_is_accepted_and_one_byte_more_is_rejected(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    largest = b"x" * MAX_BODY_BYTES

    accepted = client.post(PATH, data=largest, headers=from_meta(largest))
    rejected = client.post(PATH, data=largest + b"x", headers=from_meta(largest + b"x"))

    assert (200, 413, [largest]) == (
        accepted.status_code,
        rejected.status_code,
        [record.value for record in publisher.records],
    )


def test_large_bodies_are_parsed_one_at_a_time(publisher: FakePublisher, registry: CollectorRegistry) -> None:
    """Parsing takes many times the bytes of a body. A small body does not wait for large ones."""
    large, small = b"x" * 100_000, raw("text")
    together, small_read = threading.Barrier(2), threading.Event()

    def reader(body: bytes, received_at: datetime) -> BodyReading:
        if body == small:
            small_read.set()
            return BodyReading((), ())
        assert small_read.wait(60)
        with pytest.raises(threading.BrokenBarrierError):
            together.wait(0.1)  # the other large body is never parsed at the same time
        together.reset()
        return BodyReading((), (UnreadablePart(body, "body: not valid JSON"),))

    app = webhook_app(publisher, registry, reader)
    with ThreadPoolExecutor(3) as pool:

        def post(body: bytes) -> int:
            return app.test_client().post(PATH, data=body, headers=from_meta(body)).status_code

        answers = [pool.submit(post, body) for body in (large, large, small)]
        assert [200, 200, 200] == [answer.result() for answer in answers]


def test_without_acknowledgement_the_answer_is_503_with_retry_after(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    publisher.unreachable = True

    answer = client.post(PATH, data=raw("text"), headers=from_meta(raw("text")))

    assert (503, "2") == (answer.status_code, answer.headers["Retry-After"])


def test_time_that_a_request_has_waited_is_not_available_to_the_broker(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    arrived = time.monotonic() - 1.0

    client.post(PATH, data=raw("text"), headers=from_meta(raw("text")), environ_overrides={ARRIVED_KEY: arrived})

    (deadline,) = publisher.deadlines
    assert PUBLISH_SECONDS - (time.monotonic() - arrived) <= deadline <= PUBLISH_SECONDS - 1.0


def test_a_request_that_has_waited_too_long_is_not_published(client: FlaskClient, publisher: FakePublisher) -> None:
    arrived = time.monotonic() - PUBLISH_SECONDS

    answer = client.post(
        PATH, data=raw("text"), headers=from_meta(raw("text")), environ_overrides={ARRIVED_KEY: arrived}
    )

    assert (503, "2", []) == (answer.status_code, answer.headers["Retry-After"], publisher.records)


def test_a_large_body_that_waited_for_others_is_rejected_without_being_parsed(
    publisher: FakePublisher, registry: CollectorRegistry
) -> None:
    """One body is parsed all the while; another waits for it and is too late."""
    parsing, release = threading.Event(), threading.Event()
    read_bodies: list[bytes] = []

    def slow(body: bytes, received_at: datetime) -> BodyReading:
        read_bodies.append(body)
        parsing.set()
        release.wait()
        return read(body, received_at)

    app = webhook_app(publisher, registry, slow)
    large = raw("text") + b" " * 70_000
    first = threading.Thread(target=lambda: app.test_client().post(PATH, data=large, headers=from_meta(large)))
    first.start()
    parsing.wait()
    late = time.monotonic() - PARSE_SECONDS

    answer = app.test_client().post(PATH, data=large, headers=from_meta(large), environ_overrides={ARRIVED_KEY: late})

    release.set()
    first.join()
    assert (503, "2", [large]) == (answer.status_code, answer.headers["Retry-After"], read_bodies)


def test_a_body_without_updates_is_accepted_without_a_broker(client: FlaskClient, publisher: FakePublisher) -> None:
    publisher.unreachable = True
    nothing = b'{"object":"whatsapp_business_account","entry":[]}'

    assert 200 == client.post(PATH, data=nothing, headers=from_meta(nothing)).status_code


def test_an_update_too_large_for_a_record_is_stored_as_the_whole_body(
    publisher: FakePublisher, registry: CollectorRegistry
) -> None:
    def grown(body: bytes, received_at: datetime) -> BodyReading:
        reading = read(body, received_at)
        (fact,) = reading.facts
        return BodyReading([fact, fact.model_copy(update={"text": "x" * MAX_VALUE_BYTES})], reading.unreadable)

    client = webhook_app(publisher, registry, grown).test_client()

    assert 200 == client.post(PATH, data=raw("text"), headers=from_meta(raw("text"))).status_code
    assert 1 == len(publisher.on(TOPICS.inbound))
    assert [raw("text")] == [record.value for record in publisher.on(TOPICS.unreadable)]


def test_an_unreadable_update_that_grew_too_large_for_a_record_is_stored_as_the_whole_body(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    document = body("text")
    nameless = {"id": None, "type": "order", "order": {"product_items": ["here"]}}
    value_of(document)["messages"] = [value_of(document)["messages"][0] | nameless]
    huge = json.dumps(document).encode().replace(b'"here"', b",".join([b"1e5"] * 750_000))

    answer = client.post(PATH, data=huge, headers=from_meta(huge))

    assert (200, [huge]) == (answer.status_code, [record.value for record in publisher.on(TOPICS.unreadable)])
