"""Real webhook processes on a real broker, with well-behaved and hostile senders."""

import contextlib
import gzip
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from domain.topics import Topics
from tests.support.hostile import BODIES
from tests.support.kafka_topics import new_topics, read_all
from tests.support.payloads import NUMBER, PHONE, body, raw, value_of
from tests.support.process_tree import still_running, tree
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS, from_meta
from tests.support.webhook_process import PATH, WebhookProcess, head, status_of, webhook_process

TEXT = raw("text")
MAX_BODY = 3_145_728
BODY_SECONDS, HEADER_SECONDS = 10, 10
PROMISED_SECONDS, PROCESSORS = 3, 2
"""An answer takes at most this long on the smallest machine, which has so many processors."""


@pytest.fixture(scope="module")
def topics(kafka: str) -> Topics:
    return new_topics(kafka)


@pytest.fixture(scope="module")
def webhook(kafka: str, topics: Topics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    with webhook_process(kafka, topics, tmp_path_factory.mktemp("webhook")) as process:
        yield process


def text_with_id(wamid: str) -> bytes:
    """Returns a body with one text message that has this id."""
    document = body("text")
    value_of(document)["messages"][0]["id"] = wamid
    return json.dumps(document).encode()


def wamids(bootstrap: str, topics: Topics) -> list[str]:
    """Returns the ids of the messages on the inbound topic; what the webhook tells besides has none."""
    values = [json.loads(record.value) for record in read_all(bootstrap, topics.inbound)]
    return [value["wamid"] for value in values if "wamid" in value]


def test_a_200_means_that_the_update_is_on_the_topic(kafka: str, topics: Topics, webhook: WebhookProcess) -> None:
    assert 200 == webhook.post(text_with_id("wamid.first"))[0]

    (record,) = [each for each in read_all(kafka, topics.inbound) if b"wamid.first" in each.value]
    assert f"{NUMBER}:{PHONE}" == record.key


def test_the_median_response_time_is_within_metas_limit(webhook: WebhookProcess) -> None:
    seconds = sorted(webhook.post(TEXT)[1] for _ in range(200))

    assert seconds[100] <= 0.25


def test_each_app_secret_is_accepted_and_others_are_rejected(webhook: WebhookProcess) -> None:
    secrets = [*APP_SECRETS, "theirs"]

    assert [200, 200, 401] == [webhook.post(TEXT, from_meta(TEXT, secret))[0] for secret in secrets]


def test_a_thousand_updates_of_one_post_become_a_thousand_records(
    kafka: str, topics: Topics, webhook: WebhookProcess
) -> None:
    document = body("text")
    message = value_of(document)["messages"][0]
    value_of(document)["messages"] = [message | {"id": f"wamid.many.{n}"} for n in range(1000)]

    assert 200 == webhook.post(json.dumps(document).encode())[0]

    expected = [f"wamid.many.{n}" for n in range(1000)]
    assert expected == [wamid for wamid in wamids(kafka, topics) if wamid.startswith("wamid.many.")]


def test_three_mebibytes_are_accepted_and_one_byte_more_is_rejected(
    kafka: str, topics: Topics, webhook: WebhookProcess
) -> None:
    largest, larger = b"a" * MAX_BODY, b"a" * (MAX_BODY + 1)

    assert [200, 413] == [webhook.post(each)[0] for each in (largest, larger)]

    assert largest in [record.value for record in read_all(kafka, topics.unreadable)]


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY, 200), (MAX_BODY + 1, 413), (10_000_000, 413)])
def test_the_size_limit_applies_to_chunked_bodies(webhook: WebhookProcess, size: int, status: int) -> None:
    whole = b"c" * size
    chunks = (whole[start : start + 60_000] for start in range(0, size, 60_000))

    assert status == webhook.http.post(PATH, content=chunks, headers=from_meta(whole)).status_code


def test_a_sender_that_expects_100_continue_is_rejected_before_it_sends_a_large_body(webhook: WebhookProcess) -> None:
    with webhook.connect() as connection:
        connection.sendall(head(from_meta(b""), f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue"))

        assert 413 == status_of(connection)


def test_an_endless_body_is_cut_off_and_uses_little_memory(webhook: WebhookProcess) -> None:
    before = webhook.memory()
    chunk = b"10000\r\n" + b"e" * 0x10000 + b"\r\n"
    sent = 0

    with webhook.connect() as connection:
        connection.sendall(head(from_meta(b""), "Transfer-Encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            while sent < 200_000_000:
                connection.sendall(chunk)
                sent += len(chunk)

    assert sent < 100_000_000
    assert webhook.memory() - before < 50_000_000


def test_slow_senders_are_cut_off_while_others_are_served(webhook: WebhookProcess) -> None:
    signed = from_meta(TEXT)
    beginnings = {
        "no head": b"",
        "half a head": b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\n",
        "half a body": head(signed, f"Content-Length: {len(TEXT)}") + TEXT[:50],
        "a chunk": head(signed, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n",
    }
    many = 30  # of each kind, more than there are threads
    began = time.monotonic()
    slow = [webhook.connect() for _ in range(many * len(beginnings))]
    dripping = webhook.connect()
    dripping.sendall(head(signed, "Transfer-Encoding: chunked"))
    for connection, beginning in zip(slow, list(beginnings.values()) * many, strict=True):
        connection.sendall(beginning)

    served = [webhook.post(TEXT) for _ in range(20)]
    assert {200} == {status for status, _ in served}
    assert max(seconds for _, seconds in served) < BODY_SECONDS / 2

    with contextlib.suppress(ConnectionError):
        while time.monotonic() - began < 2 * BODY_SECONDS:
            dripping.sendall(b"1\r\nd\r\n")
            time.sleep(0.05)  # the sender's own pace
    assert BODY_SECONDS <= time.monotonic() - began < 2 * BODY_SECONDS
    answers = [status_of(connection) for connection in slow]
    assert [None, None, 408, 408] * many == answers
    assert time.monotonic() - began < 2 * max(BODY_SECONDS, HEADER_SECONDS)
    for connection in (*slow, dripping):
        connection.close()


def test_more_silent_connections_than_a_process_has_keep_nobody_out(webhook: WebhookProcess) -> None:
    silent = [webhook.connect() for _ in range(513)]
    for connection in silent[::2]:
        connection.sendall(b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\n")

    with httpx.Client(base_url=webhook.http.base_url, timeout=15) as newcomer:
        began = time.monotonic()
        assert 200 == newcomer.post(PATH, content=TEXT, headers=from_meta(TEXT)).status_code
        assert time.monotonic() - began < HEADER_SECONDS / 2
    for connection in silent:
        connection.close()


def test_a_connection_can_be_reused(webhook: WebhookProcess) -> None:
    with webhook.connect() as connection:
        request = head(from_meta(TEXT), f"Content-Length: {len(TEXT)}") + TEXT
        connection.sendall(request)
        answer = connection.makefile("rb")
        while answer.readline().strip():
            pass
        connection.sendall(request)

        assert b"HTTP/1.1 200 OK\r\n" == answer.readline()


def test_a_body_shorter_than_its_content_length_is_never_published(
    kafka: str, topics: Topics, webhook: WebhookProcess
) -> None:
    short = text_with_id("wamid.short")
    with webhook.connect() as connection:
        connection.sendall(head(from_meta(short), f"Content-Length: {len(short) + 1}") + short)
        connection.shutdown(socket.SHUT_WR)

        assert status_of(connection) in {400, None}
    assert "wamid.short" not in wamids(kafka, topics)


def test_bytes_beyond_the_content_length_are_not_part_of_the_body(
    kafka: str, topics: Topics, webhook: WebhookProcess
) -> None:
    long = text_with_id("wamid.long")
    with webhook.connect() as connection:
        connection.sendall(head(from_meta(long), f"Content-Length: {len(long) - 1}") + long)

        assert 401 == status_of(connection)
    assert "wamid.long" not in wamids(kafka, topics)


@pytest.mark.parametrize("name", ["a million empty updates", "5,000 updates"])
def test_fifty_large_bodies_at_once_cost_less_than_the_promised_time(webhook: WebhookProcess, name: str) -> None:
    """What is measured is processor time, because other programs of the machine do not count: parsed one after the
    other, these bodies took 50 s. That an answer is sent in time whatever happens is told in `test_http_limits`."""
    large = dict(BODIES)["a million empty updates"] if name.startswith("a million") else _with_updates(5000)
    whole = head(from_meta(large), f"Content-Length: {len(large)}") + large

    def post() -> int | None:
        with webhook.connect() as connection:
            connection.sendall(whole)
            return status_of(connection)

    before = webhook.cpu_seconds()
    with ThreadPoolExecutor(50) as senders:
        answers = [senders.submit(post) for _ in range(50)]
        statuses = {answer.result() for answer in answers}

    assert {200, 503} >= statuses
    assert webhook.cpu_seconds() - before < PROMISED_SECONDS * PROCESSORS
    assert 200 == webhook.post(TEXT)[0]


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "99999999999999999999999"])
def test_an_invalid_content_length_is_rejected(webhook: WebhookProcess, length: str) -> None:
    with webhook.connect() as connection:
        connection.sendall(head(from_meta(TEXT), f"Content-Length: {length}") + TEXT)

        assert status_of(connection) in {400, 413, None}
    assert 200 == webhook.post(TEXT)[0]


def test_a_gzip_bomb_is_stored_without_being_unpacked(kafka: str, topics: Topics, webhook: WebhookProcess) -> None:
    before = webhook.memory()
    bomb = gzip.compress(b"\0" * 500_000_000)

    assert 200 == webhook.post(bomb, from_meta(bomb) | {"Content-Encoding": "gzip"})[0]

    assert bomb in [record.value for record in read_all(kafka, topics.unreadable)]
    assert webhook.memory() - before < 50_000_000


def test_a_signature_header_that_is_not_utf_8_is_answered_with_401(webhook: WebhookProcess) -> None:
    with webhook.connect() as connection:
        connection.sendall(head({"X-Hub-Signature-256": "sha256=\xff\xfe"}, f"Content-Length: {len(TEXT)}") + TEXT)

        assert 401 == status_of(connection)


def test_after_sigterm_open_requests_finish_and_the_exit_code_is_0(kafka: str, topics: Topics, tmp_path: Path) -> None:
    with webhook_process(kafka, topics, tmp_path) as webhook, webhook.connect() as connection:
        late = text_with_id("wamid.late")
        connection.sendall(head(from_meta(late), f"Content-Length: {len(late)}") + late[:20])
        assert 200 == webhook.post(TEXT)[0]  # so the incomplete request has been accepted too
        os.kill(webhook.worker.pid, signal.SIGTERM)
        wait_until(lambda: _refuses_connections(webhook))
        connection.sendall(late[20:])

        assert 200 == status_of(connection)
        assert 0 == webhook.worker.wait_end(10)
    assert "wamid.late" in wamids(kafka, topics)


def test_workers_end_when_their_parent_is_killed(kafka: str, topics: Topics, tmp_path: Path) -> None:
    with webhook_process(kafka, topics, tmp_path, webhook_processes=2) as webhook:
        processes = tree(webhook.worker.pid)
        assert 3 == len(processes)

        os.kill(webhook.worker.pid, signal.SIGKILL)

        wait_until(lambda: not still_running(processes))


def test_the_parent_exits_with_an_error_when_a_worker_dies(kafka: str, topics: Topics, tmp_path: Path) -> None:
    with webhook_process(kafka, topics, tmp_path, webhook_processes=2) as webhook:
        processes = tree(webhook.worker.pid)

        processes[1].kill()

        wait_until(lambda: not webhook.worker.runs)
        assert [] == still_running(processes)
        assert 1 == webhook.worker.wait_end()


def test_metrics_of_several_processes_are_added_up(kafka: str, topics: Topics, tmp_path: Path) -> None:
    with webhook_process(kafka, topics, tmp_path, webhook_processes=2) as webhook:
        for _ in range(40):
            webhook.http.close()
            webhook.http = httpx.Client(base_url=webhook.http.base_url)  # a connection always reaches the same process
            webhook.post(TEXT)

        expected = 'witiop_webhook_requests_total{outcome="ok",path="/webhooks/whatsapp"} 40.0'
        assert expected in webhook.worker.metrics()
        busy = [process for process in psutil.Process(webhook.worker.pid).children() if process.num_threads() > 1]
        assert 2 == len(busy)


def test_a_port_in_use_is_an_error(kafka: str, topics: Topics, webhook: WebhookProcess, tmp_path: Path) -> None:
    second = WebhookProcess(kafka, topics, tmp_path, webhook_port=webhook.port)

    assert 0 != second.worker.wait_end(15)
    second.end()


@pytest.mark.parametrize(("point", "copies"), [("webhook.after-verify", 1), ("webhook.after-publish-before-answer", 2)])
def test_a_body_that_was_not_answered_is_on_the_topic_after_the_sender_repeats_it(
    kafka: str, topics: Topics, webhook: WebhookProcess, tmp_path: Path, point: str, copies: int
) -> None:
    update = text_with_id(f"wamid.{point}")
    with webhook_process(kafka, topics, tmp_path, crash_at=point) as dying:
        with pytest.raises(httpx.TransportError):
            dying.post(update)
        assert 1 == dying.worker.wait_end(10)

    assert 200 == webhook.post(update)[0]

    assert copies == wamids(kafka, topics).count(f"wamid.{point}")


def test_many_concurrent_senders_are_all_answered(webhook: WebhookProcess) -> None:
    answers: list[int] = []
    senders = [threading.Thread(target=lambda: answers.append(webhook.post(TEXT)[0])) for _ in range(40)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert [200] * 40 == answers


def _with_updates(many: int) -> bytes:
    document = body("text")
    message = value_of(document)["messages"][0]
    value_of(document)["messages"] = [message | {"id": f"wamid.large.{n}"} for n in range(many)]
    return json.dumps(document).encode()


def _refuses_connections(webhook: WebhookProcess) -> bool:
    try:
        webhook.connect().close()
    except ConnectionError:
        return True
    return False
