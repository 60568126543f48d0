"""The Graph stand-in over HTTP: token, messages, ledger, numbers, subscriptions and media."""

import hashlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from io import BytesIO
from typing import Any

import pytest

from infra.local.errors import LocalServerError
from infra.local.graph.ledger import CAPACITY, AcceptedLedger
from infra.local.graph.media import MediaStore
from tests.support.graph import ACCOUNT, CUSTOMER, NUMBER, TOKEN, Graph, graph_running, message, template

OPUS = b"OggS" + bytes(24) + b"OpusHead\x01\x01" + bytes(40)
"""The begin of a mono voice message."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Graph]:
    with graph_running() as graph:
        yield graph


@pytest.fixture
def graph(shared: Graph) -> Graph:
    shared.control.change(clear=True)
    return shared


def test_an_accepted_message_is_answered_like_meta_and_stands_in_the_ledger(graph: Graph) -> None:
    before = len(graph.control.ledger())
    answered = graph.send(to=f"+{CUSTOMER}", biz_opaque_callback_data="w1.abc")
    assert 200 == answered.status
    assert answered.json == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": f"+{CUSTOMER}", "wa_id": CUSTOMER}],
        "messages": [{"id": answered.wamid}],
    }
    (row,) = graph.control.ledger(after=before)
    assert isinstance(row.pop("at"), float)
    assert row == {
        "callback": "w1.abc",
        "to": f"+{CUSTOMER}",
        "wamid": answered.wamid,
        "phone_number_id": NUMBER,
    }
    (*_, post) = graph.control.posts()
    assert (answered.wamid, {"body": "Hello"}) == (post["wamid"], post["body"]["text"])


def test_a_template_says_that_it_was_accepted(graph: Graph) -> None:
    answered = graph.post(template("order_update", "1234"))
    assert "accepted" == answered.json["messages"][0]["message_status"]


def test_a_message_to_a_business_scoped_user_id_is_answered_with_it(graph: Graph) -> None:
    body = message("text", {"body": "x"}, recipient="IT.70000000000000000001")
    del body["to"]
    assert [{"input": "IT.70000000000000000001", "wa_id": "", "user_id": "IT.70000000000000000001"}] == graph.post(
        body
    ).json["contacts"]


def test_any_number_is_accepted_and_a_refused_message_is_not_in_the_ledger(graph: Graph) -> None:
    before = len(graph.control.ledger())
    assert 200 == graph.post(message("text", {"body": "x"}), number="99").status
    assert 100 == graph.post(message("text", {"body": "x" * 5000})).error
    assert 132000 == graph.post(template("order_update")).error
    assert ["99"] == [row["phone_number_id"] for row in graph.control.ledger(after=before)]


def test_a_read_receipt_is_noted_among_the_posts_and_not_in_the_ledger(graph: Graph) -> None:
    before = len(graph.control.ledger())
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}
    assert {"success": True} == graph.post(body).json
    assert {"success": True} == graph.post({**body, "typing_indicator": {"type": "text"}}).json
    assert [] == graph.control.ledger(after=before)
    assert [(None, body), (None, {**body, "typing_indicator": {"type": "text"}})] == [
        (post["wamid"], post["body"]) for post in graph.control.posts()[-2:]
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/v24.0/{NUMBER}/messages"),
        ("GET", f"/v24.0/{ACCOUNT}/message_templates"),
        ("POST", f"/v24.0/{NUMBER}/media"),
        ("GET", "/_media/7700000000000001"),
    ],
)
def test_every_call_needs_the_token(graph: Graph, method: str, path: str) -> None:
    other, none = (graph.call(method, path, Authorization=header) for header in ("Bearer other", ""))
    assert [(401, 190), (401, 0)] == [(other.status, other.error), (none.status, none.error)]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/messages", 2500),
        ("POST", f"/{NUMBER}/messages", 2500),
        ("POST", "/v24.0/me/messages", 2500),
        ("GET", f"/v24.0/{NUMBER}/messages", 100),
        ("POST", f"/v24.0/{NUMBER}/nonsense", 100),
        ("POST", f"/v24.0/{NUMBER}/messages", 100),  # without a body
    ],
)
def test_other_addresses_and_bodies_are_refused(graph: Graph, method: str, path: str, code: int) -> None:
    refused = graph.call(method, path)
    assert (400, code) == (refused.status, refused.error)


def test_numbers_are_listed_with_their_limits(graph: Graph) -> None:
    fields = "display_phone_number,throughput,whatsapp_business_manager_messaging_limit"
    expected = {
        "display_phone_number": "+44 20 7946 0001",
        "throughput": {"level": "STANDARD", "messages_per_second": 80},
        "whatsapp_business_manager_messaging_limit": "TIER_100K",
        "id": NUMBER,
    }
    assert {"data": [expected]} == graph.call("GET", f"/v24.0/{ACCOUNT}/phone_numbers?fields={fields}").json
    assert expected == graph.call("GET", f"/v24.0/{NUMBER}?fields={fields}").json
    assert "GREEN" == graph.call("GET", "/v24.0/123").json["quality_rating"]


def test_an_account_can_be_subscribed_to_and_left(graph: Graph) -> None:
    path = f"/v24.0/{ACCOUNT}/subscribed_apps"
    for method, apps in (("DELETE", 0), ("POST", 1)):
        assert {"success": True} == graph.call(method, path).json
        assert apps == len(graph.call("GET", path).json["data"])


def test_media_are_uploaded_described_downloaded_sent_and_deleted(graph: Graph) -> None:
    media_id = graph.upload(OPUS, "audio/ogg; codecs=opus").json["id"]
    info = graph.call("GET", f"/v24.0/{media_id}?phone_number_id={NUMBER}").json
    assert (hashlib.sha256(OPUS).hexdigest(), len(OPUS), "audio/ogg") == (
        info["sha256"],
        info["file_size"],
        info["mime_type"],
    )
    path = info["url"].removeprefix(graph.url)
    assert OPUS == graph.call("GET", path).content
    assert 404 == graph.call("GET", f"{path}0").status
    assert 200 == graph.post(message("audio", {"id": media_id})).status
    assert 100 == graph.post(message("image", {"id": media_id})).error
    assert 100 == graph.call("GET", f"/v24.0/{media_id}?phone_number_id=99").error
    assert {"success": True} == graph.call("DELETE", f"/v24.0/{media_id}").json
    assert [100, 100, 100] == [
        graph.call("GET", f"/v24.0/{media_id}").error,
        graph.call("GET", path).error,
        graph.post(message("audio", {"id": media_id})).error,
    ]


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (b"", "image/png"),
        (b"x" * (5 * 1024 * 1024 + 1), "image/jpeg"),
        (b"x" * (500 * 1024 + 1), "image/webp"),
        (b"x" * (16 * 1024 * 1024 + 1), "video/mp4"),
        (b"x", "audio/webm"),
        (b"x", "application/zip"),
        (OPUS.replace(b"Head\x01\x01", b"Head\x01\x02"), "audio/ogg"),  # stereo
        (b"OggS vorbis", "audio/ogg"),
    ],
)
def test_a_file_that_meta_does_not_take_is_refused(graph: Graph, content: bytes, mime_type: str) -> None:
    assert 131053 == graph.upload(content, mime_type).error


def test_an_upload_without_product_or_file_is_refused(graph: Graph) -> None:
    assert 100 == graph.upload(b"x", "text/plain", messaging_product="sms").error
    assert 100 == graph.call("POST", f"/v24.0/{NUMBER}/media", b"{}").error


def test_the_address_of_a_download_ends_after_five_minutes_and_old_media_are_forgotten() -> None:
    store = MediaStore(kept_bytes=15)
    form = b"--x\r\nContent-Disposition: form-data; name=messaging_product\r\n\r\nwhatsapp\r\n--x\r\n"
    head = (
        b"Content-Disposition: form-data; name=file; filename=a\r\nContent-Type: text/plain\r\n\r\n0123456789\r\n--x--"
    )
    body = form + head + b"\r\n"
    first, second = (
        store.upload("1", "multipart/form-data; boundary=x", BytesIO(body), len(body))["id"] for _ in range(2)
    )
    query = dict(pair.split("=") for pair in store.info(second, None, "", 1000.0)["url"].partition("?")[2].split("&"))
    assert b"0123456789" == store.download(second, query["ext"], query["hash"], 1299.0).content
    for media_id, at in ((second, 1301.0), (first, 1000.0)):
        with pytest.raises(Exception, match="100"):
            store.download(media_id, query["ext"], query["hash"], at)
    with pytest.raises(Exception, match="does not exist"):
        store.info(first, None, "", 1000.0)


def test_the_ledger_is_complete_for_200_000_messages_and_says_when_it_is_not() -> None:
    assert CAPACITY >= 200_000
    small = AcceptedLedger(capacity=10)
    for number in range(10):
        small.accept(callback=None, to="1", wamid=str(number), at=1.0, number="1", body=None)
    whole = json.loads(small.json())
    assert (10, 0, 10) == (whole["total"], whole["dropped"], len(whole["accepted"]))
    for number in range(10, 15):
        small.accept(callback=None, to="1", wamid=str(number), at=1.0, number="1", body=None)
    rest = json.loads(small.json(after=12))
    assert (15, 5, ["12", "13", "14"]) == (rest["total"], rest["dropped"], [row["wamid"] for row in rest["accepted"]])


def test_wrong_orders_to_the_stand_in_are_answered_with_what_is_expected(graph: Graph) -> None:
    def said(path: str, body: Any) -> str:
        answered = graph.call("POST", path, json.dumps(body).encode())
        assert 400 == answered.status
        return str(answered.json["error"])

    assert "expected" in said("/_faults", {"set": "error=1"})
    assert "expected" in said("/_faults", [])
    assert "'nonsense' is not a fault" in said("/_faults", {"off": ["nonsense"]})
    assert "phone_number_id" in said("/_customers", {"wa_id": "1", "text": "x"})
    assert "wa_id" in said("/_customers", {"phone_number_id": "1", "text": "x"})
    assert 404 == graph.call("GET", "/_nonsense").status
    with pytest.raises(LocalServerError, match="not a fault"):
        graph.control.change("nonsense")


def test_a_connection_is_used_for_many_messages(graph: Graph) -> None:
    connection = HTTPConnection(graph.url.removeprefix("http://"))
    body = json.dumps(message("text", {"body": "x"}))
    for _ in range(3):
        connection.request("POST", f"/v24.0/{NUMBER}/messages", body, {"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        assert (200, 1) == (response.status, response.read().count(b'"wamid.'))
    connection.close()
