"""Events of the agent desktop become facts, or are rejected with every problem named (interface.md)."""

from typing import Any
from uuid import UUID

import pytest

from domain.facts import AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, AgentPresenceChanged, Fact, Party
from domain.ids import fact_id
from domain.inbound.agent_desk import CONTRACT, read_agent_desk
from domain.inbound.problems import InvalidEvents
from tests.support.cloudevents import encoded, event
from tests.support.payloads import NUMBER, PHONE, RECEIVED, SENT, without_arrival

CONVERSATION = "0190a000-0000-8000-8000-000000000001"
BY_ID = {"agent_id": "anna", "conversation_id": CONVERSATION}
BY_CUSTOMER = {"agent_id": "anna", "phone_number_id": NUMBER, "customer": {"wa_id": PHONE}}
BASE: dict[str, Any] = {
    "id": fact_id("cloudevent", "/tests", "event-1"),
    "agent_id": "anna",
    "at": SENT,
    "sent_at": SENT,
}
OF_ID: dict[str, Any] = BASE | {"conversation_id": UUID(CONVERSATION)}
OF_CUSTOMER: dict[str, Any] = BASE | {"phone_number_id": NUMBER, "customer": Party(wa_id=PHONE)}


def wrong(document: object) -> dict[str, str]:
    with pytest.raises(InvalidEvents) as rejected:
        read_agent_desk(encoded(document), False, RECEIVED)
    return {problem.field: problem.message for problem in rejected.value.problems}


@pytest.mark.parametrize(
    ("name", "data", "fact"),
    [
        *(
            (
                "presence.changed",
                {"agent_id": "anna", "state": state},
                AgentPresenceChanged.model_validate(BASE | {"state": state}),
            )
            for state in ("ready", "paused", "offline")
        ),
        ("conversation.accepted", BY_ID, AgentAccepted(**OF_ID)),
        ("conversation.accepted", BY_CUSTOMER, AgentAccepted(**OF_CUSTOMER)),
        ("conversation.accepted", BY_ID | BY_CUSTOMER, AgentAccepted(**OF_ID | OF_CUSTOMER)),
        ("message.sent", BY_ID | {"text": "Hi"}, AgentMessage(**OF_ID, text="Hi")),
        ("message.sent", BY_CUSTOMER | {"text": "Hi", "wamid": "w"}, AgentMessage(**OF_CUSTOMER, text="Hi", wamid="w")),
        ("conversation.declined", BY_ID, AgentDeclined(**OF_ID)),
        ("conversation.declined", BY_ID | {"note": "Not mine"}, AgentDeclined(**OF_ID, note="Not mine")),
        ("conversation.closed", BY_CUSTOMER | {"note": "Done"}, AgentClosed(**OF_CUSTOMER, note="Done")),
    ],
)
def test_every_event_type_becomes_its_fact(name: str, data: dict[str, object], fact: Fact) -> None:
    assert [fact] == without_arrival(read_agent_desk(encoded(event(f"agents.{name}", data)), False, RECEIVED))


def test_a_batch_becomes_facts_in_order() -> None:
    events = [event("agents.conversation.accepted", BY_ID, id=name) for name in "abc"]
    facts = read_agent_desk(encoded(events), True, RECEIVED)
    assert [fact_id("cloudevent", "/tests", name) for name in "abc"] == [fact.id for fact in facts]


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"phone_number_id": NUMBER},
        {"customer": {"wa_id": PHONE}},
        {"conversation_id": None, "phone_number_id": "1"},
    ],
)
@pytest.mark.parametrize("name", ["conversation.accepted", "conversation.declined", "conversation.closed"])
def test_an_event_must_name_its_conversation(name: str, named: dict[str, object]) -> None:
    document = event(f"agents.{name}", {"agent_id": "anna"} | named)
    assert wrong(document) == {"data": "needs conversation_id, or phone_number_id and customer"}


@pytest.mark.parametrize(
    ("name", "data", "field", "message"),
    [
        ("presence.changed", {"state": "ready"}, "data.agent_id", "is missing"),
        ("presence.changed", {"agent_id": "anna"}, "data.state", "is missing"),
        (
            "presence.changed",
            {"agent_id": "anna", "state": "away"},
            "data.state",
            "must be 'ready', 'paused' or 'offline'",
        ),
        ("conversation.accepted", BY_ID | {"agent_id": ""}, "data.agent_id", "must not be empty"),
        ("conversation.accepted", BY_ID | {"conversation_id": "1"}, "data.conversation_id", "must be a UUID"),
        (
            "conversation.accepted",
            BY_ID | {"conversation_id": 1},
            "data.conversation_id",
            "must be a UUID, as a string",
        ),
        ("conversation.accepted", BY_CUSTOMER | {"customer": {}}, "data.customer", "needs wa_id, user_id or group_id"),
        ("message.sent", BY_ID, "data.text", "is missing"),
        ("conversation.closed", BY_ID | {"note": 5}, "data.note", "must be a string"),
    ],
)
def test_an_invalid_field_is_named_with_a_fix(name: str, data: dict[str, object], field: str, message: str) -> None:
    assert wrong(event(f"agents.{name}", data)) == {field: message}


def test_an_event_type_of_softbot_is_rejected() -> None:
    assert wrong(event("softbot.session.started", BY_ID)) == {"type": f"must be one of {', '.join(CONTRACT)}"}
