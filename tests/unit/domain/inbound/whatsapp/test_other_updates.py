"""Statuses, calls, echoes, Meta's AI agent, and notices (webhooks.md)."""

import json
from datetime import datetime
from typing import Any

import pytest

from domain.facts import (
    CustomerSignal,
    CustomerTurn,
    HumanEcho,
    MessageStatus,
    Notice,
    Party,
    ThreadControlPassed,
)
from domain.ids import fact_id
from domain.inbound.whatsapp.reader import read
from tests.support.payloads import ACCOUNT, NUMBER, PHONE, RECEIVED, SENT, SHOWN, USER_ID
from tests.support.whatsapp import AT, HANDOVER, MESSAGE, META, SIGNALS, TURNS, facts, message, reading


def test_a_statuss_recipient_is_optional_and_may_be_a_user_id() -> None:
    item = {"id": "wamid.1", "status": "read", "timestamp": AT}
    for more, recipient in (({}, ""), ({"recipient_id": ""}, ""), ({"recipient_user_id": USER_ID}, USER_ID)):
        (fact,) = facts("messages", {"statuses": [item | more]})
        assert isinstance(fact, MessageStatus)
        assert (fact_id("status", "wamid.1", "read", recipient), recipient) == (fact.id, fact.recipient)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([{"code": 131047}, {"code": 1}], 131047),
        ([{"code": "131047"}], None),
        ([{"code": True}], None),
        ([{"code": 2**31}], None),
        ([5], None),
        ([], None),
        ({"code": 131047}, None),
    ],
)
def test_a_status_has_its_first_error_code_if_that_is_valid(errors: object, code: int | None) -> None:
    item = {"id": "wamid.1", "status": "failed", "timestamp": AT, "errors": errors}
    (fact,) = facts("messages", {"statuses": [item]})
    assert isinstance(fact, MessageStatus)
    assert code == fact.code


@pytest.mark.parametrize("value", ["deleted", "warning", "READ"])
def test_an_unknown_status_is_a_notice(value: str) -> None:
    item = {"id": "wamid.1", "status": value, "timestamp": AT}
    (fact,) = facts("messages", {"statuses": [item]})
    assert isinstance(fact, Notice)
    assert ("statuses", item) == (fact.field, fact.body)


@pytest.mark.parametrize(
    ("event", "direction", "is_turn"),
    [
        ("connect", "USER_INITIATED", True),
        ("connect", "BUSINESS_INITIATED", False),
        ("connect", None, False),
        ("terminate", "USER_INITIATED", False),
        ("something_new", "USER_INITIATED", False),
    ],
)
def test_only_the_start_of_a_customers_call_is_a_turn(event: str, direction: str | None, is_turn: bool) -> None:
    call = {"id": "wacid.1", "from": PHONE, "to": PHONE, "timestamp": AT, "event": event, "direction": direction}
    (fact,) = facts("calls", {"calls": [call]})
    assert isinstance(fact, CustomerTurn if is_turn else CustomerSignal)
    assert fact_id("call", NUMBER, "wacid.1", event) == fact.id


@pytest.mark.parametrize(("direction", "phone"), [("USER_INITIATED", "1"), ("BUSINESS_INITIATED", "2"), (None, "1")])
def test_the_customer_of_a_call_is_the_caller_or_the_called_party(direction: str | None, phone: str) -> None:
    call = {"id": "wacid.1", "from": "1", "to": "2", "timestamp": AT, "event": "terminate", "direction": direction}
    (fact,) = facts("calls", {"calls": [call]})
    assert isinstance(fact, CustomerSignal)
    assert Party(wa_id=phone) == fact.customer


@pytest.mark.parametrize("kind", ["text", "image", "edit", "revoke", "something_new"])
def test_every_message_from_the_phone_app_is_a_human_echo(kind: str) -> None:
    echo = {"id": "wamid.1", "from": SHOWN, "to": PHONE, "timestamp": AT, "type": kind}
    (fact,) = facts("smb_message_echoes", {"message_echoes": [echo]})
    assert isinstance(fact, HumanEcho)
    assert (Party(wa_id=PHONE), kind) == (fact.customer, fact.type)


@pytest.mark.parametrize(
    ("kind", "content", "is_word"),
    [
        ("text", {"body": "hello"}, True),
        ("image", {}, True),
        ("interactive", {}, True),
        ("poll", {}, True),
        ("unsupported", {"type": "poll"}, True),
        ("unsupported", {}, False),
        ("unsupported", {"type": "edit"}, False),
        ("edit", {"original_message_id": "wamid.0", "message": {"type": "text", "text": {"body": "hello"}}}, False),
        ("revoke", {"original_message_id": "wamid.0"}, False),
        ("reaction", {"message_id": "wamid.0", "emoji": "\N{THUMBS UP SIGN}"}, False),
        ("system", {}, False),
    ],
)
def test_an_edit_a_deletion_or_a_reaction_in_the_phone_app_is_no_word_to_the_customer(
    kind: str, content: dict[str, Any], is_word: bool
) -> None:
    echo = {"id": "wamid.1", "from": SHOWN, "to": PHONE, "timestamp": AT, "type": kind, kind: content}
    (fact,) = facts("smb_message_echoes", {"message_echoes": [echo]})
    assert isinstance(fact, HumanEcho)
    assert is_word == fact.is_word


def test_an_echo_and_its_message_have_the_same_id() -> None:
    (echo,) = facts("smb_message_echoes", {"message_echoes": [MESSAGE | {"to": PHONE}]})
    assert message().id == echo.id


@pytest.mark.parametrize("kind", [*TURNS, *SIGNALS])
@pytest.mark.parametrize("shape", ["field", "object", "array"])
def test_a_message_to_metas_ai_is_a_signal_with_a_flag_for_turns(kind: str, shape: str) -> None:
    messages = [MESSAGE | {"type": kind}]
    shapes: dict[str, tuple[str, dict[str, Any]]] = {
        "field": ("standby", {"messages": messages}),
        "object": ("messages", {"standby": {"messages": messages}}),
        "array": ("messages", {"standby": messages}),
    }
    (fact,) = facts(*shapes[shape])
    assert isinstance(fact, CustomerSignal)
    assert (kind, kind in TURNS) == (fact.type, fact.standby_turn)
    assert fact_id("standby", NUMBER, "wamid.1") == fact.id


def test_a_message_of_metas_ai_is_a_notice() -> None:
    answers = facts("standby", {"standby": {"message_echoes": [MESSAGE | {"to": PHONE}]}})
    answers += facts("standby", {"standby": {"messages": [MESSAGE | {"from": SHOWN}]}})
    assert [("standby", Notice), ("standby", Notice)] == [
        (fact.field, type(fact)) for fact in answers if isinstance(fact, Notice)
    ]


@pytest.mark.parametrize(
    ("sender", "customer"),
    [
        ({"phone_number": "+44 7700-900001"}, Party(wa_id=PHONE)),
        ({"wa_id": PHONE, "user_id": USER_ID}, Party(wa_id=PHONE, user_id=USER_ID)),
        ({"user_id": USER_ID}, Party(user_id=USER_ID)),
        ({"phone_number": USER_ID}, Party(user_id=USER_ID)),
    ],
)
def test_a_hand_over_to_people_names_its_customer(sender: dict[str, object], customer: Party) -> None:
    (fact,) = facts("messaging_handovers", HANDOVER | {"sender": sender})
    assert isinstance(fact, ThreadControlPassed)
    assert (NUMBER, customer, SENT) == (fact.phone_number_id, fact.customer, fact.at)


@pytest.mark.parametrize(
    "more",
    [
        {"control_passed": {"new_owner_role": "ai_agent"}},
        {"control_passed": "escalation"},
        {"type": "control_taken"},
        {"type": None},
    ],
)
def test_any_other_hand_over_is_a_notice(more: dict[str, object]) -> None:
    (fact,) = facts("messaging_handovers", HANDOVER | more)
    assert isinstance(fact, Notice)
    assert ("messaging_handovers", SENT) == (fact.field, fact.at)


def test_messages_of_a_history_are_never_turns() -> None:
    threads = [{"id": PHONE, "messages": [MESSAGE, {}]}]
    found = facts("history", {"history": [{"threads": threads}], "messages": [MESSAGE], "state_sync": [{"a": 1}]})
    assert [("history", MESSAGE), ("history", {}), ("history", MESSAGE), ("history", {"state_sync": [{"a": 1}]})] == [
        (fact.field, fact.body) for fact in found if isinstance(fact, Notice)
    ]


def test_unknown_fields_next_to_the_known_arrays_become_one_notice() -> None:
    found = facts("messages", {"messages": [MESSAGE], "polls": [{"a": 1}, {"b": 2}], "flag": True})
    assert isinstance(found[0], CustomerTurn)
    assert [("messages", {"polls": [{"a": 1}, {"b": 2}], "flag": True})] == [
        (fact.field, fact.body) for fact in found[1:] if isinstance(fact, Notice)
    ]


def test_a_change_with_only_contacts_or_metadata_is_a_notice() -> None:
    contacts = [{"wa_id": PHONE}]
    (fact,) = facts("messages", {"contacts": contacts})
    assert isinstance(fact, Notice)
    assert fact.body == META | {"contacts": contacts}


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"messages": [MESSAGE]}])
def test_an_unknown_field_with_any_value_is_one_notice(value: object) -> None:
    (fact,) = reading("something_new", value).facts
    assert isinstance(fact, Notice)
    assert (ACCOUNT, "something_new", value) == (fact.account_id, fact.field, fact.body)


@pytest.mark.parametrize(
    ("value", "entry", "at"),
    [
        ({"timestamp": AT}, {"time": int(AT) - 60}, SENT),
        ({"timestamp": "2026-01-01"}, {"time": int(AT)}, SENT),
        ({}, {"time": int(AT)}, SENT),
        ({}, {"time": "never"}, RECEIVED),
        ({}, {}, RECEIVED),
    ],
)
def test_the_time_of_a_notice_is_its_own_or_the_entrys_or_its_arrival(
    value: dict[str, object], entry: dict[str, object], at: datetime
) -> None:
    (fact,) = reading("something_new", value, **entry).facts
    assert (at, at) == (fact.sent_at, fact.at)


def test_a_notices_id_depends_on_account_field_time_and_content() -> None:
    def key(account: str = "1", field: str = "account_update", time: int = 1, **value: object) -> object:
        entry = {"id": account, "time": time, "changes": [{"field": field, "value": value}]}
        (fact,) = read(json.dumps({"entry": [entry]}).encode(), RECEIVED).facts
        return fact.id

    assert key(a=1, b=2) == key(b=2, a=1)
    assert len({key(a=1), key(a=2), key("2", a=1), key(field="security", a=1), key(time=2, a=1)}) == 5
