"""The desk of the demo: agents who stay at their desks, accept what they are offered, write and close. Only for the
numbers of the demo; whatever happens on other numbers is left alone."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from infra.local.simulator import bodies
from infra.local.simulator.bodies import WebhookPost

_SOURCE = "/simulator/desk"
_RENEWED_EVERY = timedelta(seconds=60)
"""A fifth of the time after which a silent desk counts as offline."""
_ACCEPTED_AFTER = timedelta(seconds=4)
_WRITES_AFTER = timedelta(seconds=6)
_CLOSES_AFTER = timedelta(minutes=4)
_DECLINES_EVERY = 4
"""Every fourth offer is declined."""


class OwnedConversation(NamedTuple):
    """A conversation that an agent was offered, or has accepted."""

    id: UUID
    agent_id: str
    accepted: bool


@dataclass(slots=True)
class _Handled:
    """A conversation that was offered to the desk. `step`: what the agent does next, `due`: when."""

    step: str
    due: datetime


@dataclass(slots=True)
class Desk:
    """The desk. `deliver` posts to a webhook; `step` is to be called every few seconds."""

    deliver: Callable[[WebhookPost], None]
    _renewed_at: datetime | None = None
    _offers: int = 0
    _handled: dict[UUID, _Handled] = field(default_factory=dict)

    def step(self, now: datetime, presence: Mapping[str, str], owned: Collection[OwnedConversation]) -> None:
        """Does what is due. `presence`: the state that each agent last reported; it is repeated, so that it never
        becomes stale. `owned`: the conversations that these agents have. Raises the errors of `deliver`."""
        if self._renewed_at is None or now - self._renewed_at >= _RENEWED_EVERY:
            for agent, state in presence.items():
                self._post("presence.changed", now, {"agent_id": agent, "state": state}, agent, str(now))
            self._renewed_at = now
        known = {each.id: each for each in owned}
        self._handled = {id_: handled for id_, handled in self._handled.items() if id_ in known}
        for each in owned:
            if each.id not in self._handled and not each.accepted:
                self._offers += 1
                step = "declined" if self._offers % _DECLINES_EVERY == 0 else "accepted"
                self._handled[each.id] = _Handled(step, now + _ACCEPTED_AFTER)
        for id_, handled in self._handled.items():
            if handled.due <= now:
                self._act(known[id_], handled, now)

    def _act(self, owned: OwnedConversation, handled: _Handled, now: datetime) -> None:
        named = {"agent_id": owned.agent_id, "conversation_id": str(owned.id)}
        match handled.step:
            case "accepted":
                self._post("conversation.accepted", now, named, str(owned.id), "accepted", str(now))
                handled.step, handled.due = "writes", now + _WRITES_AFTER
            case "writes" if owned.accepted:
                text = "Buongiorno, sono di Cicli Zefiro: ci penso io. / Hello, I will take care of it."
                self._post("message.sent", now, {**named, "text": text}, str(owned.id), "writes", str(now))
                handled.step, handled.due = "closed", now + _CLOSES_AFTER
            case "closed":
                self._post("conversation.closed", now, {**named, "note": "answered"}, str(owned.id), "closed", str(now))
                handled.due = datetime.max.replace(tzinfo=now.tzinfo)
            case "declined":
                self._post("conversation.declined", now, {**named, "note": "busy"}, str(owned.id), "declined", str(now))
                handled.due = datetime.max.replace(tzinfo=now.tzinfo)

    def _post(self, kind: str, at: datetime, data: bodies.BodyObject, *key: str) -> None:
        event = bodies.cloud_event(f"agents.{kind}", _SOURCE, ":".join((kind, *key)), at, data)
        self.deliver(bodies.from_ours("agents", event))
