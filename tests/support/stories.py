"""Facts of a story in short form: `turn(0, "hello")` is a message that the customer wrote at hour 0."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from domain.conversations.conversation import Decision, Decisions, FactRef, Owner, decision_ref
from domain.conversations.events import Cause, PublicEvent
from domain.conversations.fold import decide, expire, fold, settle
from domain.conversations.history import CustomerHistory, FoldContext, FoldResult
from domain.directory import Directory, Number, Skillset
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentMessage,
    BotChoice,
    BotHandoff,
    BotMessage,
    BotSessionEnded,
    BotSessionStarted,
    ConversationFact,
    CustomerSignal,
    CustomerTurn,
    HumanEcho,
    Party,
    ThreadControlPassed,
)
from domain.ids import CustomerId, FactId, fact_id

NUMBER = "106540352242922"
CUSTOMER = Party(wa_id="16505551234", name="Sheena")
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
DIRECTORY = Directory(
    numbers={
        NUMBER: Number(NUMBER, menu={"1": "sales", "2": "support"}),
        "bot": Number("bot", softbot=True),
        "plain": Number("plain"),
    },
    skillsets={"sales": Skillset("sales", "Sales"), "support": Skillset("support", "Support")},
)


def at(hour: float) -> datetime:
    """A moment of the story, in hours since its start."""
    return START + timedelta(hours=hour)


class FactMaker:
    """Makes facts of one customer and one number. The same arguments give the same fact."""

    def __init__(self, number: str = NUMBER, customer: Party = CUSTOMER) -> None:
        self.number = number
        self._customer = customer

    def _base(self, hour: float, *what: str) -> dict[str, object]:
        moment = at(hour)
        return {
            "id": fact_id(self.number, str(hour), *what),
            "phone_number_id": self.number,
            "customer": self._customer,
            "at": moment,
            "sent_at": moment,
        }

    def _message(self, hour: float, *what: str) -> dict[str, object]:
        base = self._base(hour, *what)
        wamid = f"wamid.{base['id']}"
        return {**base, "id": fact_id("message", self.number, wamid), "wamid": wamid}

    def turn(self, hour: float, text: str | None = "hello", is_reply: bool = False) -> CustomerTurn:
        base = self._message(hour, "turn", str(text))
        kind = "text" if text is not None else "image"
        option = text if is_reply else None
        return CustomerTurn.model_validate(
            {
                **base,
                "type": kind,
                "text": text,
                "is_reply": is_reply,
                "option_id": option,
            }
        )

    def signal(self, hour: float, kind: str = "reaction", standby_turn: bool = False) -> CustomerSignal:
        base = self._message(hour, "signal", kind)
        return CustomerSignal.model_validate({**base, "type": kind, "standby_turn": standby_turn})

    def edits(self, hour: float, turn: CustomerTurn, text: str) -> CustomerSignal:
        """The customer edits a message."""
        signal = self.signal(hour, "edit")
        ids = self._message(hour, "edit", turn.wamid, text)
        return signal.model_copy(update={**ids, "marks": turn.wamid, "text": text, "customer": self._customer})

    def deletes(self, hour: float, turn: CustomerTurn) -> CustomerSignal:
        """The customer deletes a message."""
        signal = self.signal(hour, "revoke")
        ids = self._message(hour, "revoke", turn.wamid)
        return signal.model_copy(update={**ids, "marks": turn.wamid, "customer": self._customer})

    def unreadable(self, hour: float, kind: Literal["content", "untyped"] = "content") -> CustomerSignal:
        """A message that WhatsApp does not pass on."""
        return self.signal(hour, "unsupported").model_copy(update={"unreadable": kind})

    def echo(self, hour: float) -> HumanEcho:
        base = self._message(hour, "echo")
        return HumanEcho.model_validate({**base, "type": "text", "text": "we are here"})

    def handover(self, hour: float) -> ThreadControlPassed:
        return ThreadControlPassed.model_validate(self._base(hour, "handover"))

    def bot(self, hour: float, session: str = "s1") -> BotMessage:
        return BotMessage.model_validate(
            {**self._base(hour, "bot", session), "session_id": session, "text": "how can I help?"}
        )

    def bot_starts(self, hour: float, session: str = "s1") -> BotSessionStarted:
        return BotSessionStarted.model_validate({**self._base(hour, "starts", session), "session_id": session})

    def bot_ends(self, hour: float, session: str = "s1", outcome: str | None = None) -> BotSessionEnded:
        base = self._base(hour, "ends", session)
        return BotSessionEnded.model_validate({**base, "session_id": session, "outcome": outcome})

    def choice(self, hour: float, skillset: str, session: str = "s1") -> BotChoice:
        base = self._base(hour, "choice", skillset, session)
        return BotChoice.model_validate({**base, "session_id": session, "option_id": "o", "skillset": skillset})

    def handoff(self, hour: float, skillset: str, session: str = "s1") -> BotHandoff:
        base = self._base(hour, "handoff", skillset, session)
        return BotHandoff.model_validate({**base, "session_id": session, "skillset": skillset})

    def accepted(self, hour: float, agent: str = "anna") -> AgentAccepted:
        return AgentAccepted.model_validate({**self._base(hour, "accepted", agent), "agent_id": agent})

    def answered(self, hour: float, agent: str = "anna") -> AgentMessage:
        return AgentMessage.model_validate({**self._base(hour, "answered", agent), "agent_id": agent, "text": "hi"})

    def agent_closes(self, hour: float, agent: str = "anna", note: str | None = None) -> AgentClosed:
        base = self._base(hour, "closes", agent, str(note))
        return AgentClosed.model_validate({**base, "agent_id": agent, "note": note})


class Story:
    """Folds facts one after the other and collects the public events."""

    def __init__(self, now: datetime, directory: Directory = DIRECTORY, number: str = NUMBER) -> None:
        self.history = CustomerHistory(CustomerId(fact_id("customer")), number)
        self.now = now
        self.events: list[PublicEvent] = []
        self.places: dict[FactId, object] = {}
        self.facts: dict[FactId, ConversationFact] = {}
        self._directory = directory

    def receive(self, *facts: ConversationFact) -> "Story":
        """Folds the facts that were not received before, in this order."""
        for fact in facts:
            if fact.id not in self.facts:
                self.facts[fact.id] = fact
                self.take(fold(self.history, fact, self.context))
        return self

    def decides(self, hour: float, owner: Owner | None, last: Decision) -> FactRef:
        """Applies a decision of routing, of an admin or of the timer to the latest conversation at that hour, which is
        then the time. Returns its reference."""
        ref = decision_ref(at(hour), fact_id(last, str(hour)))
        conversation = self.history.conversations[-1]
        first = conversation.decisions.first_owned or ref
        decisions = Decisions(owner=owner, first_owned=first, last=last, because=ref)
        self.now = at(hour)
        cause = Cause((ref.fact,), "boss")
        self.take(decide(self.history, conversation.id, decisions, cause, self.context))
        return ref

    def wait_until(self, now: datetime) -> "Story":
        """Sets the clock to `now` and runs the timer."""
        self.now = now
        self.take(expire(self.history, self.context))
        return self

    def take(self, step: FoldResult) -> None:
        self.history = step.history
        self.events += step.events
        self.places.update({placed.fact.id: placed.conversation for placed in step.placements})
        for again in step.rechosen:
            facts = [self.facts[fact] for fact, conversation in self.places.items() if conversation == again]
            self.take(settle(self.history, again, facts, self.context))
        for cut in step.cut:
            facts = [self.facts[fact] for fact, conversation in self.places.items() if conversation == cut]
            (ends_at,) = (c.window_ends_at for c in self.history.conversations if c.id == cut)
            if any(fact.at >= ends_at for fact in facts):
                self.take(settle(self.history, cut, facts, self.context))

    @property
    def context(self) -> FoldContext:
        return FoldContext(self._directory, self.now)

    @property
    def published(self) -> list[str]:
        """The names of the public events, in order."""
        return [event.name for event in self.events]

    def transcript(self) -> list[FactId]:
        """The facts of all conversations, one conversation after the other."""
        order = {c.id: place for place, c in enumerate(self.history.conversations)}
        placed = [(order[c], self.facts[f].at, f) for f, c in self.places.items() if c in order]  # type: ignore[index]
        return [fact for *_, fact in sorted(placed)]


def names(events: Iterable[PublicEvent]) -> list[str]:
    return [event.name for event in events]
