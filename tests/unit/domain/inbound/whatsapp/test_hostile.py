"""Hostile content of a signed body does not stop the reader, gets lost, or becomes something that cannot be stored."""

import json

import pytest

from domain.facts import CustomerTurn
from domain.inbound.whatsapp.reader import MAX_UPDATES, read
from tests.support.hostile import BODIES, FRAGMENTS, GROWING_BODY, hostile_bodies, places, spliced
from tests.support.payloads import NAMES, RECEIVED, body, value_of, without_arrival
from tests.support.storable import unstorable

ONE_BY_ONE = {"1,000 updates": 1000, "the same update 1,000 times": 1000, "1,000 updates without a sender": 1000}


def violations_in(raw: bytes) -> list[object]:
    """Returns violations in a body's reading: values that cannot be stored, and unreadable parts that are not read
    again as themselves."""
    reading = read(raw, RECEIVED)
    violations: list[object] = [wrong for fact in reading.facts for wrong in unstorable(fact)]
    for part in reading.unreadable:
        again = read(part.raw, RECEIVED)
        if ([], [part.reason]) != (list(again.facts), [unreadable.reason for unreadable in again.unreadable]):
            violations.append(part)
    return violations


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_value_at_any_place_gives_storable_facts_or_replayable_parts(name: str) -> None:
    for what, raw in hostile_bodies(name):
        assert (what, []) == (what, violations_in(raw))


@pytest.mark.parametrize(("what", "raw"), BODIES, ids=[what for what, _ in BODIES])
def test_a_hostile_body_gives_storable_facts_or_replayable_parts(what: str, raw: bytes) -> None:
    assert violations_in(raw) == []


def test_a_body_that_grows_when_it_is_parsed_is_one_fact() -> None:
    assert violations_in(GROWING_BODY) == []
    assert len(read(GROWING_BODY, RECEIVED).facts) == 1


@pytest.mark.parametrize(("what", "fragment"), FRAGMENTS, ids=[what for what, _ in FRAGMENTS])
def test_a_hostile_value_in_one_message_does_not_affect_the_next_one(what: str, fragment: bytes) -> None:
    document = body("batch_two_messages")
    value_of(document)["messages"].reverse()
    (healthy, _) = without_arrival(read(json.dumps(document).encode(), RECEIVED).facts)
    messages = ("entry", 0, "changes", 0, "value", "messages")
    for place in places(document):
        if place[: len(messages) + 1] == (*messages, 1):
            reading = read(spliced(document, place, fragment), RECEIVED)
            assert healthy in without_arrival(reading.facts)
            assert (place, 2) == (place, len(reading.facts) + len(reading.unreadable))


@pytest.mark.parametrize(("what", "fragment"), FRAGMENTS, ids=[what for what, _ in FRAGMENTS])
def test_a_hostile_value_in_one_entry_does_not_affect_the_next_one(what: str, fragment: bytes) -> None:
    document = body("batch_two_entries")
    _, healthy = without_arrival(read(json.dumps(document).encode(), RECEIVED).facts)
    for place in places(document):
        if place[:2] == ("entry", 0):
            assert healthy in without_arrival(read(spliced(document, place, fragment), RECEIVED).facts)


@pytest.mark.parametrize(("what", "count"), ONE_BY_ONE.items())
def test_a_body_of_a_thousand_updates_is_read_update_by_update(what: str, count: int) -> None:
    reading = read(dict(BODIES)[what], RECEIVED)
    assert count == len(reading.facts) + len(reading.unreadable)


def test_a_body_with_more_updates_than_meta_ever_sends_is_unreadable_as_a_whole() -> None:
    document = body("text")
    value = value_of(document)
    value["messages"] *= MAX_UPDATES
    assert len(read(json.dumps(document).encode(), RECEIVED).facts) == MAX_UPDATES
    value["messages"].append({})
    raw = json.dumps(document).encode()
    (unreadable,) = read(raw, RECEIVED).unreadable
    assert (raw, "body: more than 10000 updates") == (unreadable.raw, unreadable.reason)


def test_unreadable_parts_do_not_repeat_huge_context() -> None:
    """A thousand unreadable updates next to one contact of a megabyte stay small."""
    document = body("text")
    value = value_of(document)
    value["contacts"][0]["profile"]["name"] = "x" * 1_000_000
    value["metadata"]["display_phone_number"] = "x" * 1_000_000
    value["messages"] = [{**value["messages"][0], "timestamp": "never"}] * 1000
    reading = read(json.dumps(document).encode(), RECEIVED)
    assert len(reading.unreadable) == 1000
    assert max(len(part.raw) for part in reading.unreadable) < 2000


def test_a_huge_text_or_caption_is_preserved_completely_and_once() -> None:
    words = "x" * 2_000_000
    text, image = body("text"), body("image")
    value_of(text)["messages"][0]["text"]["body"] = words
    value_of(image)["messages"][0]["image"]["caption"] = words
    for document in (text, image):
        (turn,) = read(json.dumps(document).encode(), RECEIVED).facts
        assert isinstance(turn, CustomerTurn)
        assert words in (turn.extra["text"]["body"] if turn.type == "text" else turn.extra["image"]["caption"])
        assert words[: len(turn.text or "")] == turn.text
