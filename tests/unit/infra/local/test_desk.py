"""The desk of the demo: presence that never becomes stale, and agents who accept, write, decline and close."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.inbound.agent_desk import read_agent_desk
from infra.local.simulator.bodies import WebhookPost
from infra.local.simulator.desk import Desk, OwnedConversation

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Received:
    """The posts of a desk."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

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


@pytest.fixture
def received() -> tuple[Received, Desk]:
    got = Received()
    return got, Desk(got.deliver)


def test_the_presence_that_was_reported_last_is_repeated_every_minute(received: tuple[Received, Desk]) -> None:
    got, desk = received
    for seconds in range(0, 130, 10):
        desk.step(NOW + timedelta(seconds=seconds), {"anna": "ready", "marco": "paused"}, [])
    assert [("presence.changed", "ready"), ("presence.changed", "paused")] * 3 == got.events
    assert all(read_agent_desk(body, False, NOW) for body in got.bodies)


def test_offers_are_accepted_answered_and_closed_and_every_fourth_is_declined(received: tuple[Received, Desk]) -> None:
    got, desk = received
    accepted = set[UUID]()
    at = NOW
    for n in range(1, 5):
        id_ = UUID(int=n)
        for _ in range(300):
            desk.step(at, {}, [OwnedConversation(id_, "anna", id_ in accepted)])
            if got.events and got.events[-1][0] == "conversation.accepted":
                accepted.add(id_)
            at += timedelta(seconds=2)
    answered = ["conversation.accepted", "message.sent", "conversation.closed"]
    assert [*answered * 3, "conversation.declined"] == [kind for kind, _ in got.events]
    assert all(read_agent_desk(body, False, at) for body in got.bodies)


def test_what_another_program_accepted_is_left_alone(received: tuple[Received, Desk]) -> None:
    got, desk = received
    for seconds in range(0, 600, 10):
        desk.step(NOW + timedelta(seconds=seconds), {}, [OwnedConversation(UUID(int=1), "anna", True)])
    assert [] == got.events
