"""The desk of the demo: presence that never becomes stale, and agents who accept, write, decline, close and pause."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.inbound.agent_desk import read_agent_desk
from infra.local.simulator.bodies import WebhookPost
from infra.local.simulator.desk import Desk, DeskText, OwnedConversation, presence_at

NOW = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
"""Nobody makes a pause."""
OFFERED = OwnedConversation(UUID(int=1), "anna", False, name="Anna Bellini")
WRITTEN = OFFERED._replace(accepted=True, turn=UUID(int=2), turn_at=NOW)


class Received:
    """The posts and texts of a desk."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.texts: list[DeskText] = []

    def deliver(self, post: WebhookPost) -> None:
        self.bodies.append(post.body)

    @property
    def events(self) -> list[tuple[str, str]]:
        """The kind and the state or the agent of each event."""
        parsed = [json.loads(body) for body in self.bodies]
        return [
            (each["type"].split(".", 2)[2].removesuffix(".v1"), each["data"].get("state") or each["data"]["agent_id"])
            for each in parsed
        ]

    @property
    def actions(self) -> list[str]:
        """The last word of each event's kind."""
        return [kind.rpartition(".")[2] for kind, _ in self.events]


@pytest.fixture
def received() -> tuple[Received, Desk]:
    got = Received()
    return got, Desk(got.deliver, got.texts.append)


def test_presence_is_repeated_every_minute(received: tuple[Received, Desk]) -> None:
    got, desk = received
    for seconds in range(0, 130, 10):
        desk.step(NOW + timedelta(seconds=seconds), ["anna", "marco"], [])
    assert [("presence.changed", "ready")] * 6 == got.events
    assert all(read_agent_desk(body, False, NOW) for body in got.bodies)


def test_each_agent_pauses_for_three_minutes_an_hour_and_no_two_together(received: tuple[Received, Desk]) -> None:
    got, desk = received
    minutes = [NOW.replace(minute=0) + timedelta(minutes=minute) for minute in range(60)]
    pauses = [[presence_at(at, place, 2) == "paused" for at in minutes] for place in range(2)]
    assert [3, 3] == [sum(each) for each in pauses]
    assert not any(all(both) for both in zip(*pauses, strict=True))
    # It is told at once, not only when presence is repeated.
    desk.step(minutes[30] - timedelta(seconds=2), ["anna", "marco"], [])
    desk.step(minutes[30], ["anna", "marco"], [])
    assert ("presence.changed", "paused") == got.events[-1]
    assert "coffee" == json.loads(got.bodies[-1])["data"]["reason"]


def test_an_offer_is_accepted_answered_twice_and_closed(received: tuple[Received, Desk]) -> None:
    """The customer answers both texts."""
    got, desk = received
    at, owned = NOW, OFFERED._replace(turn=UUID(int=2), turn_at=NOW)
    for step in range(120):
        at += timedelta(seconds=2)
        desk.step(at, [], [owned])
        if "accepted" in got.actions:
            owned = owned._replace(accepted=True)
        if len(got.texts) > owned.words:
            owned = owned._replace(
                words=len(got.texts), word_at=at, turn=UUID(int=3 + step), turn_at=at + timedelta(seconds=1)
            )
        if "closed" in got.actions:
            break
    assert ["accepted", "closed"] == got.actions
    assert [("anna", True), ("anna", False)] == [(text.agent_id, "Anna" in text.text) for text in got.texts]
    assert 2 == len({text.command_id for text in got.texts})
    assert at - NOW < timedelta(minutes=2)
    assert all(read_agent_desk(body, False, at) for body in got.bodies)


def test_a_desk_that_starts_again_sends_the_same_answer_and_no_second_one(received: tuple[Received, Desk]) -> None:
    """The first desk ended before its text was a word to the customer."""
    got, _ = received
    for _ in range(2):
        desk = Desk(got.deliver, got.texts.append)
        for seconds in range(0, 20, 2):
            desk.step(NOW + timedelta(seconds=seconds), [], [WRITTEN])
    assert 2 == len(got.texts)
    assert 1 == len({text.command_id for text in got.texts})


def test_a_desk_that_starts_again_closes_what_the_first_one_answered(received: tuple[Received, Desk]) -> None:
    got, desk = received
    answered = WRITTEN._replace(words=1, word_at=NOW + timedelta(seconds=10))
    for minutes in range(60, 66):
        desk.step(NOW + timedelta(minutes=minutes), [], [answered])
    assert "closed" == got.actions[0]


def test_an_agent_whose_messages_are_not_sent_closes_at_last(received: tuple[Received, Desk]) -> None:
    got, desk = received
    for seconds in range(0, 150, 2):
        desk.step(NOW + timedelta(seconds=seconds), [], [WRITTEN])
    assert 2 == len(got.texts)
    assert ["closed"] == got.actions


def test_some_who_chose_from_the_menu_are_declined_once_and_nobody_who_was_transferred(
    received: tuple[Received, Desk],
) -> None:
    got, desk = received
    offers = [OFFERED._replace(id=UUID(int=n), may_decline=n <= 12) for n in range(1, 25)]
    for seconds in range(0, 6, 2):
        desk.step(NOW + timedelta(seconds=seconds), [], offers)
    declined = [each for each in got.bodies if b"declined" in each]
    assert {str(UUID(int=6)), str(UUID(int=12))} == {json.loads(body)["data"]["conversation_id"] for body in declined}
    assert 2 == len(declined)
    # Offered again, they are accepted.
    got.bodies.clear()
    desk.step(NOW + timedelta(seconds=10), [], [])
    for seconds in range(12, 24, 2):
        desk.step(NOW + timedelta(seconds=seconds), [], [each for each in offers if each.id.int in (6, 12)])
    assert ["accepted", "accepted"] == got.actions


def test_a_customer_who_was_answered_and_waits_for_long_is_left_to_the_list(received: tuple[Received, Desk]) -> None:
    got, desk = received
    waiting = WRITTEN._replace(words=1, word_at=NOW - timedelta(hours=1), turn_at=NOW - timedelta(minutes=40))
    for seconds in range(0, 600, 10):
        desk.step(NOW + timedelta(seconds=seconds), [], [waiting])
    assert ([], []) == (got.events, got.texts)
