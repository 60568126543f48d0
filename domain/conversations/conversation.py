"""A conversation: what its facts say (evidence), what we decided about it, and the verdict of both at a moment.

Facts and decisions are never mixed (domain.md). Evidence is a summary of facts that can be merged in any order, so the
verdict does not depend on the order in which facts came.

All of it is tuples: copying one with a change is the rule's most frequent step, and a tuple does it five times as fast
as a dataclass.
"""

from datetime import datetime
from typing import Literal, NamedTuple

from domain.conversations.reasons import Reason
from domain.ids import ConversationId, CustomerId, FactId

Status = Literal["active", "closed"]
OwnerKind = Literal["user", "skillset"]
OwnerState = Literal["queued", "reserved", "assigned", "accepted"]

MAX_LAST_TEXT = 500
"""Characters of the customer's last text that a row of the list holds."""


class FactRef(NamedTuple):
    """When, and which fact. Compares in the order in which facts are told apart: time, then id."""

    at: datetime
    fact: FactId


class Route(NamedTuple):
    """A menu choice or the bot's hand-off: the skillset that the customer asked for."""

    mark: FactRef
    skillset: str


class BotSession(NamedTuple):
    """A Softbot session: when it was first seen and, once it ended, its end."""

    began: FactRef
    ended: FactRef | None = None


class Evidence(NamedTuple):
    """What the facts of a conversation say, in a form that merges in any order: the first or the last of each kind. It
    is stored in this order, so new parts go to the end.

    `last_text` is the last turn that held text, with that text. `in_hours`: the first turn inside the number's hours.
    `failed_choice`: the first turn that looked like a choice and was none. `touch`: the first human touch;
    `agent_took`: the first by an agent, accepting or writing. `agent_ends`: the agents' closings, except those that a
    later turn made void. `sessions`: the Softbot's, by their ids. `named`: the customer's last name."""

    first_turn: FactRef | None = None
    last_turn: FactRef | None = None
    last_text: tuple[FactRef, str] | None = None
    in_hours: FactRef | None = None
    route: Route | None = None
    failed_choice: FactRef | None = None
    touch: FactRef | None = None
    agent_took: FactRef | None = None
    agent_ends: tuple[FactRef, ...] = ()
    sessions: dict[str, BotSession] = {}  # noqa: RUF012 - never changed in place
    named: tuple[FactRef, str] | None = None


class Owner(NamedTuple):
    """Who has to act: a skillset (queued or reserved) or a user (reserved, assigned, accepted). `until`: when a
    reservation, or an assignment that nobody accepted, ends."""

    kind: OwnerKind
    id: str
    state: OwnerState
    until: datetime | None = None


Decision = Literal[
    "routed", "accepted", "declined", "lapsed", "expired", "recalled", "removed", "transferred", "offered"
]


class Decisions(NamedTuple):
    """What we decided about a conversation. Each decision is taken once, under the customer's lock; later input leads
    to another decision and never rewrites an earlier one.

    `first_owned`: the decision that first gave the conversation an owner. `last` and `because`: the last decision and
    what led to it. `returns_to`: the queue or reservation that an assignment came from and goes back to.
    `reserved_to`: the end of a reservation by its own term, also while it is being offered (the window may end it
    sooner). `next_of`: the skillset whose next member is offered an immediate transfer that nobody accepted.
    `declined_by`: agents who declined or missed the offer, each with the time of their last presence event at that
    moment; they are not offered it again before their next presence event."""

    owner: Owner | None = None
    queued_at: datetime | None = None
    first_owned: FactRef | None = None
    last: Decision | None = None
    because: FactRef | None = None
    returns_to: Owner | None = None
    next_of: str | None = None
    declined_by: tuple[tuple[str, datetime], ...] = ()
    reserved_to: datetime | None = None


class Conversation(NamedTuple):
    """One conversation of a customer with a number.

    What stands under "verdict" follows from evidence, decisions, the next conversation and the moment of the judgement
    (`domain.conversations.classification`). `closed_at` is the instant it ended, not the moment anybody noticed;
    `because` are the facts that decided the reason. `version` counts changes of
    owner, status and managed; `sequence` the public events."""

    id: ConversationId
    customer_id: CustomerId
    phone_number_id: str
    opened_at: datetime
    window_ends_at: datetime
    previous: ConversationId | None = None
    wa_id: str | None = None
    user_id: str | None = None
    entries: int = 0
    evidence: Evidence = Evidence()
    decisions: Decisions = Decisions()
    # verdict
    status: Status = "active"
    closed_at: datetime | None = None
    managed: bool = False
    reason: Reason | None = None
    because: tuple[FactId, ...] = ()
    # what the outside was told
    version: int = 0
    sequence: int = 0

    @property
    def unmanaged(self) -> bool:
        """On the list: it has a reason to be there."""
        return self.reason is not None

    @property
    def last_at(self) -> datetime:
        """When the customer last wrote."""
        return self.evidence.last_turn.at if self.evidence.last_turn else self.opened_at

    @property
    def last_text(self) -> str | None:
        """The customer's last text (S7), cut to `MAX_LAST_TEXT`."""
        return self.evidence.last_text[1] if self.evidence.last_text else None

    @property
    def customer_name(self) -> str | None:
        """As the customer last called themselves; for display."""
        return self.evidence.named[1] if self.evidence.named else None

    @property
    def owner(self) -> Owner | None:
        return self.decisions.owner
