"""The desk of the demo: agents who stay at their desks, accept what they are offered, write and close, and pause now
and then. Only for the numbers of the demo; whatever happens on other numbers is left alone.

What an agent does next follows from the conversation as it is stored, so a desk that starts again goes on.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from infra.local.simulator import bodies
from infra.local.simulator.bodies import WebhookPost

_SOURCE = "/simulator/desk"
_RENEWED_EVERY = timedelta(seconds=60)
"""A fifth of the time after which a silent desk counts as offline."""
_DECLINES_ONE_IN = 6
_WORDS = 2
"""How often an agent writes before they close."""
_AGAIN_AFTER = timedelta(seconds=60)
"""After this, an action without effect is repeated."""
_LEFT_WAITING = timedelta(minutes=30)
"""A customer who was answered and has waited for this long is left waiting: that is what the list is for."""
_PAUSE_EVERY, _PAUSE = timedelta(hours=1), timedelta(minutes=3)

DeskAction = Literal["accepted", "declined", "writes", "closed"]
_WAITS: dict[DeskAction, timedelta] = {
    "accepted": timedelta(seconds=4),
    "declined": timedelta(seconds=4),
    "writes": timedelta(seconds=6),
    "closed": timedelta(seconds=30),
}
"""How long an agent takes."""
_CLOSES_SILENT_AFTER = timedelta(minutes=2)
_TEXTS = (
    ("Hello, this is {name} from Cicli Zefiro. I will take care of it.", "Buongiorno, sono {name}: ci penso io."),
    ("All done. Anything else?", "Fatto. Le serve altro?"),
)


class OwnedConversation(NamedTuple):
    """A conversation that an agent was offered, or has accepted. `name`: of the agent; `may_decline`: nobody is
    disappointed if they do; `speaks_italian`: the customer; `turn`, `turn_at`: the customer's last message and its
    time; `words`, `word_at`: how often this agent wrote, and when last."""

    id: UUID
    agent_id: str
    accepted: bool
    name: str = ""
    may_decline: bool = False
    speaks_italian: bool = False
    turn: UUID | None = None
    turn_at: datetime | None = None
    words: int = 0
    word_at: datetime | None = None

    @property
    def customer_waits(self) -> bool:
        """Whether the customer wrote after the agent's last word."""
        return self.turn_at is not None and (self.word_at is None or self.turn_at > self.word_at)


class DeskText(NamedTuple):
    """A text that an agent sends. `command_id`: the same for the same answer, so that it is sent once."""

    agent_id: str
    conversation_id: UUID
    text: str
    command_id: str


class _Intent(NamedTuple):
    """What an agent is about to do about a conversation, and what it answers."""

    conversation: UUID
    action: DeskAction
    about: UUID | None


@dataclass(slots=True)
class _Due:
    at: datetime
    times: int = 0


class Desk:
    """The desk. `deliver` posts to a webhook, `send` asks for a message; `step` is to be called every few seconds."""

    def __init__(self, deliver: Callable[[WebhookPost], None], send: Callable[[DeskText], None]) -> None:
        self._deliver = deliver
        self._send = send
        self._renewed_at: datetime | None = None
        self._reported: dict[str, str] = {}
        self._declined: set[UUID] = set()
        self._due: dict[_Intent, _Due] = {}

    def step(self, now: datetime, agents: Sequence[str], owned: Collection[OwnedConversation]) -> None:
        """Does what is due. `agents`: who is simulated; `owned`: the conversations that they have. Raises the errors of
        `deliver` and `send`."""
        self._report_presence(now, agents)
        intents = {
            _Intent(each.id, action, each.turn): each for each in owned if (action := self._next(each, now)) is not None
        }
        self._due = {intent: due for intent, due in self._due.items() if intent in intents}
        for intent, each in intents.items():
            wait = _WAITS[intent.action]
            if intent.action == "closed" and not each.customer_waits:
                wait = _CLOSES_SILENT_AFTER
            due = self._due.setdefault(intent, _Due(now + wait))
            if due.at <= now:
                due.at = now + _AGAIN_AFTER
                due.times += 1
                self._act(each, intent, now, gives_up=due.times > 2)

    def _report_presence(self, now: datetime, agents: Sequence[str]) -> None:
        """Reports changes at once, and all states again and again, so that none becomes stale."""
        states: dict[str, str] = {agent: presence_at(now, place, len(agents)) for place, agent in enumerate(agents)}
        renew = self._renewed_at is None or now - self._renewed_at >= _RENEWED_EVERY
        for agent, state in states.items():
            if renew or self._reported.get(agent) != state:
                reason = {"reason": "coffee"} if state == "paused" else {}
                self._post("presence.changed", now, {"agent_id": agent, "state": state, **reason}, agent, str(now))
        self._reported = states
        if renew:
            self._renewed_at = now

    def _next(self, owned: OwnedConversation, now: datetime) -> DeskAction | None:
        """Returns what the agent does next; None: nothing."""
        if not owned.accepted:
            declines = owned.may_decline and owned.id.int % _DECLINES_ONE_IN == 0 and owned.id not in self._declined
            return "declined" if declines else "accepted"
        if not owned.customer_waits or owned.turn_at is None:
            return "closed"
        if owned.words and now - owned.turn_at >= _LEFT_WAITING:
            return None
        return "writes" if owned.words < _WORDS else "closed"

    def _act(self, owned: OwnedConversation, intent: _Intent, now: datetime, *, gives_up: bool) -> None:
        named = {"agent_id": owned.agent_id, "conversation_id": str(owned.id)}
        match intent.action:
            case "writes" if not gives_up:
                text = _TEXTS[min(owned.words, _WORDS - 1)][owned.speaks_italian].format(name=owned.name.split(" ")[0])
                id_ = f"desk:{owned.id}:{owned.agent_id}:{owned.turn}:{owned.words}"
                self._send(DeskText(owned.agent_id, owned.id, text, id_))
            case "writes" | "closed":
                closed = {**named, "outcome": "solved"}
                self._post("conversation.closed", now, closed, str(owned.id), "closed", str(now))
            case "accepted":
                self._post("conversation.accepted", now, named, str(owned.id), "accepted", str(now))
            case "declined":
                self._declined.add(owned.id)
                self._post("conversation.declined", now, {**named, "note": "busy"}, str(owned.id), "declined", str(now))

    def _post(self, kind: str, at: datetime, data: bodies.BodyObject, *key: str) -> None:
        event = bodies.cloud_event(f"agents.{kind}", _SOURCE, ":".join((kind, *key)), at, data)
        self._deliver(bodies.from_ours("agents", event))


def presence_at(now: datetime, place: int, agents: int) -> Literal["ready", "paused"]:
    """Returns whether an agent is ready or makes a pause, by the time alone: each has three minutes an hour, and no two
    at the same time. `place`: of the agent among all `agents`."""
    begins = place * _PAUSE_EVERY.total_seconds() / agents
    into = (now.timestamp() - begins) % _PAUSE_EVERY.total_seconds()
    return "paused" if into < _PAUSE.total_seconds() else "ready"
