"""Properties of the reader that hold for any damaged body (webhooks.md; reliability.md, Hostile input)."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.inbound.whatsapp.reader import read
from tests.support.hostile import places
from tests.support.payloads import NAMES, RECEIVED, body, raw, value_of, without_arrival
from tests.support.storable import unstorable

WORDS = st.sampled_from(
    ["", " ", "\0", "\ud800", "0", "1767261600", "1e15", "US.1349", "447700900001", "wamid.1", "x" * 300]
) | st.sampled_from(["text", "system", "edit", "connect", "escalation", "sent", "deleted", "messages", "standby"])
KEYS = WORDS | st.sampled_from(
    ["id", "type", "from", "to", "timestamp", "threads", "group_id", "from_user_id", "wa_id"]
)
TEXTS = WORDS | st.text(st.characters(exclude_categories=()), max_size=8)
NUMBERS = st.integers() | st.sampled_from([2**63, 10**400, -1, 1767261600]) | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One of the test bodies after up to four mutations: a value is replaced, removed, added or duplicated anywhere."""
    document: Any = body(draw(st.sampled_from(NAMES)))
    for _ in range(draw(st.integers(1, 4))):
        place: Any = draw(st.sampled_from([*places(document)][1:] or [("entry",)]))
        holder: Any = document
        for step in place[:-1]:
            holder = holder[step]
        match draw(st.sampled_from(["replace", "remove", "add", "duplicate"])):
            case "replace":
                holder[place[-1]] = draw(VALUES)
            case "remove" if len(document):
                del holder[place[-1]]
            case "add" if isinstance(holder, dict):
                holder[draw(KEYS)] = draw(VALUES)
            case _ if isinstance(holder, list):
                holder.append(holder[place[-1]])
    return json.dumps(document).replace("Infinity", "1e999").encode()


@settings(max_examples=400)
@given(mutated())
def test_any_mutation_gives_storable_facts_and_replayable_unreadable_parts(raw: bytes) -> None:
    reading = read(raw, RECEIVED)
    assert [unstorable(fact) for fact in reading.facts] == [[] for _ in reading.facts]
    for part in reading.unreadable:
        again = read(part.raw, RECEIVED)
        assert ([], [part.reason]) == (list(again.facts), [unreadable.reason for unreadable in again.unreadable])


@settings(max_examples=100)
@given(mutated())
def test_a_repeated_body_gives_the_same_ids_also_a_year_later(raw: bytes) -> None:
    first = [fact.id for fact in read(raw, RECEIVED).facts]
    assert first == [fact.id for fact in read(raw, RECEIVED.replace(year=2027)).facts]


@settings(max_examples=100)
@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_unreadable(raw: bytes) -> None:
    for part in read(raw, RECEIVED).unreadable:
        assert [part.reason] == [again.reason for again in read(part.raw, RECEIVED).unreadable]


@settings(max_examples=100)
@given(st.data())
def test_the_order_of_contacts_does_not_matter(data: st.DataObject) -> None:
    document = body("text_user_ids")
    value = value_of(document)
    ids = st.sampled_from(["447700900001", "447700900002", "IT.1", "IT.2", ""])
    contact = st.fixed_dictionaries(
        {}, optional={"wa_id": ids, "user_id": ids, "profile": st.just({"name": "A"}) | st.just({"name": "B"})}
    )
    sender = st.fixed_dictionaries({}, optional={"from": ids, "from_user_id": ids})
    contacts = data.draw(st.lists(contact, max_size=4))
    message = {key: part for key, part in value["messages"][0].items() if key != "from"}
    value["messages"] = [message | data.draw(sender) for _ in range(3)]
    value["contacts"] = contacts
    one = read(json.dumps(document).encode(), RECEIVED)
    value["contacts"] = data.draw(st.permutations(contacts))
    assert one == read(json.dumps(document).encode(), RECEIVED)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
def test_bodies_merged_into_one_give_the_facts_of_each_in_order(names: list[str]) -> None:
    merged = {
        "object": "whatsapp_business_account",
        "entry": [entry for name in names for entry in body(name)["entry"]],
    }
    separate = [fact for name in names for fact in read(raw(name), RECEIVED).facts]
    assert without_arrival(separate) == without_arrival(read(json.dumps(merged).encode(), RECEIVED).facts)
