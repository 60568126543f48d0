"""Events of Softbot become facts, or are rejected with every problem named (interface.md)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import (
    BotChoice,
    BotHandoff,
    BotMenuShown,
    BotMessage,
    BotSessionEnded,
    BotSessionStarted,
    Fact,
    MenuOption,
    Party,
)
from domain.ids import fact_id
from domain.inbound.cloudevents import MAX_PROBLEMS
from domain.inbound.problems import EventProblem, InvalidEvents
from domain.inbound.softbot import CONTRACT, read_softbot
from tests.support.cloudevents import SESSION, encoded, event
from tests.support.hostile import BODIES, FRAGMENTS, places, spliced
from tests.support.payloads import NUMBER, PHONE, RECEIVED, SENT, USER_ID, without_arrival
from tests.support.storable import unstorable

A_PHONE = "must be a phone with its country code, e.g. +39 333 1234567"
A_USER_ID = "must be a user id as Meta writes it, e.g. IT.1349"
A_NUMBER_ID = "must be the phone number id that Meta shows, not a phone"
BASE: dict[str, Any] = {
    "id": fact_id("cloudevent", "/tests", "event-1"),
    "phone_number_id": NUMBER,
    "customer": Party(wa_id=PHONE),
    "session_id": "session-1",
    "at": SENT,
    "sent_at": SENT,
}
OPTIONS = [{"id": "1", "title": "Sales"}, {"id": "2", "title": "Support"}]
MENU = event("softbot.menu.shown", SESSION | {"options": OPTIONS})


def read_one(document: object) -> Fact:
    (fact,) = read_softbot(encoded(document), False, RECEIVED)
    return fact


def problems(body: bytes, batch: bool = False) -> list[EventProblem]:
    with pytest.raises(InvalidEvents) as rejected:
        read_softbot(body, batch, RECEIVED)
    return list(rejected.value.problems)


def wrong(document: object) -> dict[str, str]:
    return {problem.field: problem.message for problem in problems(encoded(document))}


@pytest.mark.parametrize(
    ("name", "data", "fact"),
    [
        ("session.started", {}, BotSessionStarted(**BASE)),
        ("message.sent", {"text": "Hi"}, BotMessage(**BASE, text="Hi")),
        ("message.sent", {"text": "", "wamid": "wamid.1"}, BotMessage(**BASE, text="", wamid="wamid.1")),
        (
            "menu.shown",
            {"options": OPTIONS},
            BotMenuShown(**BASE, options=(MenuOption(id="1", title="Sales"), MenuOption(id="2", title="Support"))),
        ),
        ("menu.shown", {"options": []}, BotMenuShown(**BASE, options=())),
        ("choice.made", {"option_id": "1"}, BotChoice(**BASE, option_id="1")),
        ("choice.made", {"option_id": "1", "skillset": "sales"}, BotChoice(**BASE, option_id="1", skillset="sales")),
        ("choice.made", {"option_id": "1", "skillset": None}, BotChoice(**BASE, option_id="1")),
        ("handoff.requested", {"skillset": "sales"}, BotHandoff(**BASE, skillset="sales")),
        ("session.ended", {}, BotSessionEnded(**BASE)),
        ("session.ended", {"outcome": "solved"}, BotSessionEnded(**BASE, outcome="solved")),
    ],
)
def test_every_event_type_becomes_its_fact(name: str, data: dict[str, object], fact: Fact) -> None:
    assert [fact] == without_arrival([read_one(event(f"softbot.{name}", SESSION | data))])


def test_a_batch_becomes_facts_in_order() -> None:
    events = [event("softbot.session.started", SESSION, id=name) for name in "abc"]
    facts = read_softbot(encoded(events), True, RECEIVED)
    assert [fact_id("cloudevent", "/tests", name) for name in "abc"] == [fact.id for fact in facts]
    assert read_softbot(b"[]", True, RECEIVED) == []


@pytest.mark.parametrize(
    ("customer", "party"),
    [
        ({"wa_id": PHONE, "user_id": USER_ID}, Party(wa_id=PHONE, user_id=USER_ID)),
        ({"wa_id": None, "user_id": USER_ID}, Party(user_id=USER_ID)),
        ({"wa_id": USER_ID}, Party(user_id=USER_ID)),
        ({"wa_id": PHONE, "name": "Anna"}, Party(wa_id=PHONE)),
        ({"group_id": "120363000000000077@g.us"}, Party(group_id="120363000000000077")),
        ({"wa_id": PHONE, "group_id": "1"}, Party(wa_id=PHONE, group_id="1")),
        ({"wa_id": f" +{PHONE}@c.us ", "user_id": f"\u200e{USER_ID} "}, Party(wa_id=PHONE, user_id=USER_ID)),
    ],
)
def test_a_customer_has_a_phone_a_user_id_or_a_group(customer: dict[str, object], party: Party) -> None:
    fact = read_one(event("softbot.session.started", SESSION | {"customer": customer}))
    assert isinstance(fact, BotSessionStarted)
    assert party == fact.customer


@pytest.mark.parametrize(
    ("time", "sent_at"),
    [
        ("2026-01-01T10:00:00Z", SENT),
        ("2026-01-01t10:00:00z", SENT),
        ("2026-01-01T12:00:00.250+02:00", SENT + timedelta(milliseconds=250)),
        ("2026-01-01T10:00:00.123456789-00:00", SENT + timedelta(microseconds=123456)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_rfc_3339_with_an_offset(time: str, sent_at: datetime) -> None:
    assert (sent_at, sent_at) == ((fact := read_one(MENU | {"time": time})).sent_at, fact.at)


def test_a_time_too_far_ahead_is_clamped_to_two_seconds_after_arrival() -> None:
    fact = read_one(MENU | {"time": "9999-12-31T23:59:59Z"})
    assert (9999, RECEIVED + timedelta(seconds=2)) == (fact.sent_at.year, fact.at)


@pytest.mark.parametrize(
    "time",
    [
        *(None, 1767261600, True, "", "now", "2026-01-01", "2026-01-01T10:00:00", "2026-01-01 10:00:00Z"),
        *("2026-13-01T10:00:00Z", "2026-02-30T10:00:00Z", "2026-01-01T24:00:01Z", "2026-01-01T10:00:60Z"),
        *("2026-01-01T10:00:00+0200", "2026-01-01T10:00:00+99:00", "20260101T100000Z", "1969-12-31T23:59:59Z"),
        *("9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "٢٠٢٦-01-01T10:00:00Z"),
    ],
)
def test_other_values_are_not_times(time: object) -> None:
    assert ["time"] == list(wrong(MENU | {"time": time}))


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"specversion": "0.3"}, "specversion", "must be '1.0'"),
        ({"specversion": 1.0}, "specversion", "must be '1.0'"),
        ({"id": ""}, "id", "must not be empty"),
        ({"id": 5}, "id", "must be a string"),
        ({"source": " "}, "source", "must not be empty"),
        ({"type": None}, "type", "must be a string"),
        ({"type": "witiop.agents.message.sent.v1"}, "type", f"must be one of {', '.join(CONTRACT)}"),
        ({"type": "witiop.softbot.choice.made.v2"}, "type", f"must be one of {', '.join(CONTRACT)}"),
        ({"datacontenttype": "text/xml"}, "datacontenttype", "must be application/json"),
        ({"data": None}, "data", "must be an object"),
        ({"data": "{}"}, "data", "must be an object"),
    ],
)
def test_an_invalid_attribute_is_named_with_a_fix(change: dict[str, object], field: str, message: str) -> None:
    assert wrong(MENU | change) == {field: message}


@pytest.mark.parametrize(
    ("name", "data", "field", "message"),
    [
        ("session.started", {"phone_number_id": None}, "data.phone_number_id", "must be a string"),
        ("session.started", {"session_id": ""}, "data.session_id", "must not be empty"),
        ("session.started", {"customer": PHONE}, "data.customer", "must be an object"),
        ("session.started", {"customer": {}}, "data.customer", "needs wa_id, user_id or group_id"),
        ("session.started", {"customer": {"wa_id": 447}}, "data.customer.wa_id", "must be a string"),
        ("session.started", {"customer": {"wa_id": ""}}, "data.customer.wa_id", "must not be empty"),
        ("session.started", {"customer": {"wa_id": "\u200b"}}, "data.customer.wa_id", "must not be empty"),
        ("session.started", {"customer": {"wa_id": "336 900 x"}}, "data.customer.wa_id", A_PHONE),
        ("session.started", {"customer": {"wa_id": "0336 900010"}}, "data.customer.wa_id", A_PHONE),
        ("session.started", {"customer": {"wa_id": "120363@g.us"}}, "data.customer.wa_id", A_PHONE),
        ("session.started", {"customer": {"wa_id": "4471"}}, "data.customer.wa_id", A_PHONE),
        ("session.started", {"customer": {"wa_id": "mario.rossi@example.com"}}, "data.customer.wa_id", A_PHONE),
        ("session.started", {"customer": {"wa_id": "mario.rossi"}}, "data.customer.wa_id", A_PHONE),
        ("session.started", {"customer": {"group_id": "@g.us"}}, "data.customer.group_id", "must be the group's id"),
        ("session.started", {"customer": {"user_id": PHONE}}, "data.customer.user_id", A_USER_ID),
        ("session.started", {"customer": {"user_id": "crm.4711"}}, "data.customer.user_id", A_USER_ID),
        ("session.started", {"customer": {"user_id": "it.4711@example.com"}}, "data.customer.user_id", A_USER_ID),
        ("session.started", {"phone_number_id": "+39 06 1"}, "data.phone_number_id", A_NUMBER_ID),
        ("message.sent", {}, "data.text", "is missing"),
        ("message.sent", {"text": True}, "data.text", "must be a string"),
        ("menu.shown", {}, "data.options", "is missing"),
        ("menu.shown", {"options": {}}, "data.options", "must be an array"),
        ("menu.shown", {"options": [*OPTIONS, {"id": "3"}]}, "data.options[2].title", "is missing"),
        ("choice.made", {"skillset": "sales"}, "data.option_id", "is missing"),
        ("choice.made", {"option_id": "1", "skillset": ""}, "data.skillset", "must not be empty"),
        ("handoff.requested", {}, "data.skillset", "is missing"),
        ("session.ended", {"outcome": 5}, "data.outcome", "must be a string"),
    ],
)
def test_an_invalid_field_is_named_with_a_fix(name: str, data: dict[str, object], field: str, message: str) -> None:
    assert wrong(event(f"softbot.{name}", SESSION | data)) == {field: message}


def test_blanks_and_invisible_characters_around_an_id_do_not_count() -> None:
    def around(name: str) -> str:
        return f" \ufeff{name}\u200b\t"

    data = {"phone_number_id": around(NUMBER), "customer": {"wa_id": around(PHONE)}, "session_id": around("session-1")}
    named = {"option_id": around("1"), "skillset": around("sales")}
    expected = BotChoice(**BASE, option_id="1", skillset="sales")
    assert [expected] == without_arrival([read_one(event("softbot.choice.made", data | named))])


def test_texts_and_menus_of_any_size_are_cut() -> None:
    """Whatever is read, masked or searched later is bounded, also if a bot is out of order."""
    message = read_one(event("softbot.message.sent", SESSION | {"text": "x" * 1_000_000}))
    assert isinstance(message, BotMessage)
    menu = read_one(event("softbot.menu.shown", SESSION | {"options": [{"id": "1", "title": "y" * 70_000}] * 1001}))
    assert isinstance(menu, BotMenuShown)
    assert [65_536, 1000, {65_536}] == [len(message.text), len(menu.options), {len(o.title) for o in menu.options}]


def test_unknown_fields_are_ignored() -> None:
    more = event("softbot.menu.shown", MENU["data"] | {"new": 1}, traceparent="00-1", subject="x", datacontenttype=None)
    del more["datacontenttype"]
    assert read_one(MENU) == read_one(more)
    assert read_one(MENU) == read_one(MENU | {"datacontenttype": "application/json; charset=utf-8"})


def test_several_problems_are_reported_together_with_their_events() -> None:
    lacking = event("softbot.menu.shown", {**SESSION, "customer": {}}, id="event-2", time=None)
    assert problems(encoded([MENU, lacking, 5, {"type": "x"}]), batch=True) == [
        EventProblem(1, "event-2", "time", wrong(MENU | {"time": None})["time"]),
        EventProblem(1, "event-2", "data.customer", "needs wa_id, user_id or group_id"),
        EventProblem(1, "event-2", "data.options", "is missing"),
        EventProblem(2, None, "event", "must be an object"),
        EventProblem(3, None, "specversion", "is missing"),
        EventProblem(3, None, "id", "is missing"),
        EventProblem(3, None, "source", "is missing"),
        EventProblem(3, None, "time", "is missing"),
        EventProblem(3, None, "type", f"must be one of {', '.join(CONTRACT)}"),
    ]


def test_only_the_first_problems_of_a_huge_body_are_reported() -> None:
    assert len(problems(b"[" + b"{}," * 50_000 + b"{}]", batch=True)) == MAX_PROBLEMS
    assert len(problems(encoded(MENU | {"data": SESSION | {"options": [0] * 50_000}}))) == 1


@pytest.mark.parametrize(
    ("body", "batch", "message"),
    [
        (b"", False, "must be JSON in UTF-8"),
        (b"[" * 200_000, True, "must be JSON in UTF-8"),
        ("{}".encode("utf-16"), False, "must be JSON in UTF-8"),
        (encoded(MENU), True, "must be an array of events"),
    ],
)
def test_an_invalid_body_is_one_problem(body: bytes, batch: bool, message: str) -> None:
    assert problems(body, batch) == [EventProblem(None, None, "body", message)]


def test_a_batch_sent_as_one_event_is_rejected() -> None:
    assert problems(encoded([MENU])) == [EventProblem(0, None, "event", "must be an object")]


def test_problems_do_not_quote_the_body() -> None:
    """Problems appear in responses and logs, which must not have names, numbers or texts of customers."""
    canary = "447700900999"
    document = event(
        "softbot.menu.shown", {"customer": canary, "options": [canary], "session_id": [canary]}, time=canary
    )
    assert [] == [problem for problem in problems(encoded(document | {"type": MENU["type"]})) if canary in str(problem)]


@pytest.mark.parametrize(("what", "fragment"), FRAGMENTS, ids=[what for what, _ in FRAGMENTS])
def test_a_hostile_value_anywhere_is_rejected_or_storable(what: str, fragment: bytes) -> None:
    for place in places(MENU):
        try:
            facts = read_softbot(spliced(MENU, place, fragment), False, RECEIVED)
        except InvalidEvents as rejected:
            assert rejected.problems
        else:
            assert (place, [[]]) == (place, [unstorable(fact) for fact in facts])


@pytest.mark.parametrize(("what", "body"), BODIES, ids=[what for what, _ in BODIES])
@pytest.mark.parametrize("batch", [False, True])
def test_a_hostile_body_is_rejected(what: str, body: bytes, batch: bool) -> None:
    assert problems(body, batch)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_any_mutated_event_is_rejected_or_read(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([*places(MENU)]))
    body = spliced(MENU, place, encoded(data.draw(JSON)))
    try:
        facts = read_softbot(body, False, RECEIVED)
    except InvalidEvents as rejected:
        assert 0 < len(rejected.problems) <= MAX_PROBLEMS
    else:
        assert [[]] == [unstorable(fact) for fact in facts]
