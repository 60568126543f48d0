"""Every fault of the Graph stand-in, as a client and the webhook see it."""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from infra.local.graph.server import GraphOptions
from infra.local.simulator.bodies import signature
from tests.support.graph import ACCOUNT, CUSTOMER, NUMBER, NUMBERS, TOKEN, Graph, graph_running, message, template
from tests.support.listener import Listener, listening
from tests.support.waiting import wait_until

SECRET = "app secret"
QUICK = "status-delays=0/0/0"


class Reported(NamedTuple):
    """An update that the webhook got. `content`: the status, message or value of the account."""

    kind: str
    content: dict[str, Any]
    change: dict[str, Any]


class Stage:
    """A stand-in, and the webhook to which it reports."""

    def __init__(self, graph: Graph, webhook: Listener) -> None:
        self.graph, self.webhook = graph, webhook

    def switch(self, *faults: str) -> None:
        """Switches these on, and everything else off."""
        self.graph.control.change(*faults, clear=True)

    def reported(self) -> list[Reported]:
        """Returns everything that was reported, in order, each body signed."""
        found = []
        for received in list(self.webhook.received):
            assert signature(SECRET, received.body) == received.headers["X-Hub-Signature-256"]
            for entry in json.loads(received.body)["entry"]:
                for change in entry["changes"]:
                    value = change["value"]
                    if change["field"] != "messages":
                        found.append(Reported(change["field"], value, change))
                    found += [Reported("message", item, value) for item in value.get("messages", ())]
                    found += [Reported(item["status"], item, value) for item in value.get("statuses", ())]
        return found

    def of(self, wamid: str) -> list[dict[str, Any]]:
        """Returns the statuses of a message."""
        return [each.content for each in self.reported() if each.content.get("id") == wamid]

    def kinds(self, wamid: str) -> list[str]:
        return [item["status"] for item in self.of(wamid)]

    def quiet(self) -> bool:
        """Whether nothing waits to be reported."""
        return bool(self.graph.control.faults()["webhook"]["waiting"] == 0)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with listening() as webhook:
        options = GraphOptions(TOKEN, SECRET, webhook.url, NUMBERS, [QUICK])
        with graph_running(options) as graph:
            yield Stage(graph, webhook)


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("drop-request", 0, False),
        ("drop-answer", 0, True),
        ("error-before", 500, False),
        ("error-before=503", 503, False),
        ("error-after", 500, True),
        ("error-after=502", 502, True),
        ("error=131056", 400, False),
        ("error=131049", 400, False),
        ("error=130429", 429, False),
        ("error=4/429", 429, False),
        ("error=131000", 500, False),
        ("error=999999", 400, False),
        ("token-expired", 401, False),
        ("unreadable-answer", 200, True),
    ],
)
def test_a_fault_of_the_answer_says_what_it_says_and_the_ledger_has_the_truth(
    stage: Stage, fault: str, status: int, accepted: bool
) -> None:
    stage.switch(f"{fault},next=1", QUICK)
    answered = stage.graph.send(biz_opaque_callback_data="first")
    assert status == answered.status
    if fault.startswith("error="):
        assert int(fault.removeprefix("error=").split("/")[0]) == answered.error
    if fault == "unreadable-answer":
        with pytest.raises(ValueError, match="Unterminated"):
            _ = answered.json
    assert 200 == stage.graph.send(biz_opaque_callback_data="second").status
    assert [*(["first"] if accepted else []), "second"] == stage.graph.accepted()
    wait_until(stage.quiet)
    assert {"second", *(["first"] if accepted else [])} == {
        each.content["biz_opaque_callback_data"] for each in stage.reported()
    }


def test_an_expired_token_refuses_every_call_until_it_is_switched_off(stage: Stage) -> None:
    templates = f"/v24.0/{ACCOUNT}/message_templates"
    stage.switch("token-expired,skip=2")
    assert [200, 200] == [stage.graph.send().status, stage.graph.send().status]
    assert 200 == stage.graph.call("GET", templates).status
    assert [190, 190] == [stage.graph.send().error, stage.graph.send().error]
    assert 190 == stage.graph.call("GET", templates).error
    stage.switch()
    assert [200, 200] == [stage.graph.send().status, stage.graph.call("GET", templates).status]


def test_a_late_answer_comes_after_the_read_time_out_of_the_client(stage: Stage) -> None:
    stage.switch("late-answer=600,next=1")
    with pytest.raises(TimeoutError):
        stage.graph.send(timeout=0.2, biz_opaque_callback_data="late")
    assert 200 == stage.graph.send().status
    assert "late" == stage.graph.accepted()[0]


def test_latency_delays_every_answer_and_calls_do_not_wait_for_each_other(stage: Stage) -> None:
    stage.switch("latency=300")
    began = time.monotonic()
    assert 200 == stage.graph.send().status
    assert time.monotonic() - began >= 0.3
    stage.switch("latency=300000")
    with pytest.raises(TimeoutError):
        stage.graph.call("GET", f"/v24.0/{NUMBER}", timeout=0.2)
    assert 1 == len(stage.graph.control.posts())  # its own addresses have no latency


def test_a_pause_answers_and_reports_nothing_until_it_is_over(stage: Stage) -> None:
    stage.switch("pause=600", QUICK)
    with pytest.raises(TimeoutError):
        stage.graph.send(timeout=0.2)
    with pytest.raises(TimeoutError):
        stage.graph.call("GET", f"/v24.0/{NUMBER}", timeout=0.2)
    assert (1, []) == (len(stage.graph.accepted()), stage.reported())
    stage.graph.control.change("pause=0.3", off=["pause"])
    began = time.monotonic()
    assert 200 == stage.graph.send().status
    wait_until(lambda: len(stage.reported()) == 6)
    assert time.monotonic() - began >= 0.25


def test_another_wa_id_is_answered_and_reported(stage: Stage) -> None:
    stage.switch("other-wa-id=5215500000000,next=1", QUICK)
    answered, next_one = stage.graph.send(), stage.graph.send()
    assert [{"input": CUSTOMER, "wa_id": "5215500000000"}] == answered.json["contacts"]
    assert CUSTOMER == next_one.json["contacts"][0]["wa_id"]
    wait_until(lambda: len(stage.of(answered.wamid)) == 3)
    assert {"5215500000000"} == {status["recipient_id"] for status in stage.of(answered.wamid)}
    stage.switch("other-wa-id")
    assert "4477900900001" == stage.graph.send().json["contacts"][0]["wa_id"]


def test_templates_are_refused_to_more_people_than_the_limit_and_texts_are_not(stage: Stage) -> None:
    stage.switch("people=2")
    sent = [stage.graph.post(template("order_update", "1", to=f"+4477009000{n:02}")) for n in (1, 2, 1, 3)]
    assert [200, 200, 200, 400] == [answered.status for answered in sent]
    assert 131048 == sent[3].error
    assert 200 == stage.graph.send(to="+447700900003").status
    path = f"/v24.0/{NUMBER}?fields=whatsapp_business_manager_messaging_limit"
    assert "TIER_2" == stage.graph.call("GET", path).json["whatsapp_business_manager_messaging_limit"]


def test_more_messages_per_second_than_the_throughput_are_refused(stage: Stage) -> None:
    stage.switch("throughput=1")

    def refused() -> bool:
        answered = stage.graph.send()
        assert answered.error in (None, 130429)
        return answered.status == 429

    wait_until(refused)
    wait_until(lambda: not refused(), step=0.1)
    stage.switch("throughput=1000")
    answered = stage.graph.call("GET", f"/v24.0/{NUMBER}?fields=throughput")
    assert {"level": "HIGH", "messages_per_second": 1000} == answered.json["throughput"]


def test_a_template_is_paused_in_the_middle_and_reinstated(stage: Stage) -> None:
    def status_of(name: str) -> set[str]:
        rows = stage.graph.call("GET", f"/v24.0/{ACCOUNT}/message_templates?name={name}").json["data"]
        return {row["status"] for row in rows}

    stage.switch("template-paused=order_update,skip=2")
    stage.graph.send()  # not counted: it has no template
    sent = [stage.graph.post(template("order_update", "1")) for _ in range(4)]
    assert [None, None, 132015, 132015] == [answered.error for answered in sent]
    assert ({"PAUSED"}, {"APPROVED"}) == (status_of("order_update"), status_of("hello_world"))
    assert 200 == stage.graph.post(template("hello_world", language="en_US")).status
    stage.switch()
    assert {"APPROVED"} == status_of("order_update")
    assert 200 == stage.graph.post(template("order_update", "1")).status
    wait_until(lambda: len([each for each in stage.reported() if each.kind == "message_template_status_update"]) == 4)
    assert [("PAUSED", "order_update", "en"), ("PAUSED", "order_update", "it")] == [
        (value["event"], value["message_template_name"], value["message_template_language"])
        for kind, value, _ in stage.reported()
        if kind == "message_template_status_update"
    ][:2]


def test_the_text_of_a_template_is_edited(stage: Stage) -> None:
    def body() -> str:
        (row,) = stage.graph.call("GET", f"/v24.0/{ACCOUNT}/message_templates?name=hello_world").json["data"]
        (found,) = (part["text"] for part in row["components"] if part["type"] == "BODY")
        return str(found)

    before = body()
    stage.switch("template-text=hello_world/Welcome, {{1}}")
    assert "Welcome, {{1}}" == body()
    assert 132000 == stage.graph.post(template("hello_world", language="en_US")).error
    wait_until(lambda: [each for each in stage.reported() if each.kind == "message_template_components_update"])
    stage.switch()
    assert before == body()


def test_statuses_have_the_callback_data_and_the_price(stage: Stage) -> None:
    answered = stage.graph.post(template("spring_offer", biz_opaque_callback_data="w1.abc"))
    assert 132000 == answered.error
    sent = stage.graph.post(template("order_update", "1", biz_opaque_callback_data="w1.abc"))
    wait_until(lambda: len(stage.of(sent.wamid)) == 3)
    assert ["sent", "delivered", "read"] == stage.kinds(sent.wamid)
    (first, *_) = stage.of(sent.wamid)
    assert first["timestamp"].isdecimal()
    assert first | {"timestamp": ""} == {
        "id": sent.wamid,
        "status": "sent",
        "timestamp": "",
        "recipient_id": CUSTOMER,
        "biz_opaque_callback_data": "w1.abc",
        "pricing": {"pricing_model": "PMP", "type": "regular", "category": "utility"},
    }
    (change, *_) = (each.change for each in stage.reported())
    assert {"display_phone_number": NUMBERS[0][1], "phone_number_id": NUMBER} == change["metadata"]
    assert f'"id":"{ACCOUNT}"'.encode() in stage.webhook.received[0].body
    assert "/webhooks/whatsapp" == stage.webhook.received[0].path


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("statuses-reversed", ["read", "delivered", "sent"]),
        ("statuses-twice", ["sent", "delivered", "read", "sent", "delivered", "read"]),
        ("failed-later=131049,after=0", ["sent", "failed"]),
        ("no-statuses", []),
    ],
)
def test_statuses_come_reversed_twice_not_at_all_or_fail_later(stage: Stage, fault: str, expected: list[str]) -> None:
    stage.switch(f"{fault},next=1", QUICK)
    sent, control = stage.graph.send(biz_opaque_callback_data="x"), stage.graph.send()
    wait_until(lambda: len(stage.of(control.wamid)) == 3 and len(stage.of(sent.wamid)) >= len(expected))
    wait_until(stage.quiet)
    assert expected == stage.kinds(sent.wamid)
    if "failed" in expected:
        failed = stage.of(sent.wamid)[-1]
        assert 131049 == failed["errors"][0]["code"]
        assert failed["errors"][0]["error_data"]["details"]
        assert "biz_opaque_callback_data" not in failed


def test_statuses_without_callback_data(stage: Stage) -> None:
    stage.switch("no-callback", QUICK)
    sent = stage.graph.send(biz_opaque_callback_data="x")
    wait_until(lambda: len(stage.of(sent.wamid)) == 3)
    assert not any("biz_opaque_callback_data" in status for status in stage.of(sent.wamid))


def test_a_status_arrives_before_the_answer(stage: Stage) -> None:
    stage.switch("status-first=600,next=1", "status-delays=600/600/600")
    with pytest.raises(TimeoutError):
        stage.graph.send(timeout=0.3)
    wait_until(lambda: [each.kind for each in stage.reported()] == ["sent", "delivered"])


@pytest.mark.parametrize(("value", "expected"), [("release", ["sent", "delivered", "read"]), ("drop", ["failed"])])
def test_a_paced_template_is_held_and_then_released_or_dropped(stage: Stage, value: str, expected: list[str]) -> None:
    stage.switch(f"pacing={value},after=0.2,next=1", QUICK)
    assert "message_status" not in stage.graph.send().json["messages"][0]  # a text is never held
    sent = stage.graph.post(template("order_update", "1"))
    assert "held_for_quality_assessment" == sent.json["messages"][0]["message_status"]
    wait_until(lambda: len(stage.of(sent.wamid)) == len(expected))
    assert expected == stage.kinds(sent.wamid)
    if value == "drop":
        assert 132015 == stage.of(sent.wamid)[0]["errors"][0]["code"]
    assert "accepted" == stage.graph.post(template("order_update", "1")).json["messages"][0]["message_status"]


BUTTONS = message(
    "interactive",
    {
        "type": "button",
        "body": {"text": "When?"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": "d1", "title": "Monday"}}]},
    },
)
LIST = message(
    "interactive",
    {
        "type": "list",
        "body": {"text": "What?"},
        "action": {"button": "Choose", "sections": [{"rows": [{"id": "r1", "title": "Repair"}]}]},
    },
)
OFFER = message(
    "template",
    {
        "name": "spring_offer",
        "language": {"code": "en"},
        "components": [
            {"type": "header", "parameters": [{"type": "text", "text": "Zefiro"}]},
            {"type": "body", "parameters": [{"type": "text", "text": "Anna"}, {"type": "text", "text": "30 April"}]},
        ],
    },
)


@pytest.mark.parametrize(
    ("how", "body", "kind", "content"),
    [
        ("text", BUTTONS, "text", {"body": "Thank you"}),
        ("button", message("text", {"body": "Hello"}), "text", {"body": "Thank you"}),
        ("button", message("contacts", [{"name": {"formatted_name": "A"}}]), "text", {"body": "Thank you"}),
        (
            "button",
            BUTTONS,
            "interactive",
            {"type": "button_reply", "button_reply": {"id": "d1", "title": "Monday"}},
        ),
        ("button", LIST, "interactive", {"type": "list_reply", "list_reply": {"id": "r1", "title": "Repair"}}),
        ("button", OFFER, "button", {"payload": "Tell me more", "text": "Tell me more"}),
    ],
)
def test_a_customer_answers_with_a_text_or_a_button_and_quotes_the_message(
    stage: Stage, how: str, body: dict[str, Any], kind: str, content: dict[str, Any]
) -> None:
    stage.switch(f"replies={how},after=0", QUICK)
    sent = stage.graph.post(body)
    assert 200 == sent.status, sent.content
    wait_until(lambda: [each for each in stage.reported() if each.kind == "message"])
    (reply,) = (each for each in stage.reported() if each.kind == "message")
    assert (CUSTOMER, kind, content) == (reply.content["from"], reply.content["type"], reply.content[kind])
    assert {"from": "442079460001", "id": sent.wamid} == reply.content["context"]
    assert [{"wa_id": CUSTOMER}] == reply.change["contacts"]


def test_a_customer_writes_when_told(stage: Stage) -> None:
    control = stage.graph.control
    picture = {"type": "image", "image": {"id": "1", "mime_type": "image/png"}}
    wamids = [
        control.customer_writes(phone_number_id=NUMBER, wa_id=CUSTOMER, name="Anna Rossi", text="Is it ready?"),
        control.customer_writes(phone_number_id=NUMBER, user_id="IT.7000001", message=picture),
    ]
    wait_until(lambda: len(stage.reported()) == 2)
    assert wamids == [each.content["id"] for each in stage.reported()]
    assert {"body": "Is it ready?"} == stage.reported()[0].content["text"]
    assert ("IT.7000001", picture["image"]) == (
        stage.reported()[1].content["from_user_id"],
        stage.reported()[1].content["image"],
    )


def test_updates_are_reported_again_until_the_webhook_accepts_them_and_in_order(stage: Stage) -> None:
    stage.webhook.answer = lambda n: 503 if n == 0 else 0 if n == 1 else 200
    sent = [stage.graph.send() for _ in range(3)]
    wait_until(stage.quiet)
    first, second, third = stage.webhook.received[:3]
    assert first.body == second.body == third.body
    wait_until(lambda: len({each.content["id"] for each in stage.reported()}) == 3)
    for answered in sent:
        assert ["sent", "delivered", "read"] == list(dict.fromkeys(stage.kinds(answered.wamid)))


def test_nothing_is_reported_for_an_account_without_subscription(stage: Stage) -> None:
    stage.graph.call("DELETE", f"/v24.0/{ACCOUNT}/subscribed_apps")
    stage.graph.send()
    stage.graph.call("POST", f"/v24.0/{ACCOUNT}/subscribed_apps")
    sent = stage.graph.send()
    wait_until(lambda: len(stage.of(sent.wamid)) == 3)
    assert 3 == len(stage.reported())


def test_hits_are_counted_per_switch(stage: Stage) -> None:
    stage.switch("drop-answer,every=2", f"error=131026,to=+{CUSTOMER}5")
    for _ in range(3):
        stage.graph.send()
    found = stage.graph.control.faults()
    assert [("drop-answer", 3, 1), ("error", 0, 0)] == [
        (rule["name"], rule["seen"], rule["hits"]) for rule in found["faults"]
    ]
    assert {"name": "latency", "value": "milliseconds", "effect": "answers every call after this time"} in found[
        "known"
    ]
