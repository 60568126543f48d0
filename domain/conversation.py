"""A conversation: what its facts say (evidence), what we decided about it, and the verdict of both at a moment.

Facts and decisions are never mixed (domain.md). Evidence is a summary of facts that can be merged in any order, so the
verdict does not depend on the order in which facts came.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from domain.ids import ConversationId, CustomerId, FactId
from domain.reasons import Reason

Status = Literal["active", "closed"]
OwnerKind = Literal["user", "skillset"]
OwnerState = Literal["queued", "reserved", "assigned", "accepted"]

MAX_LAST_TEXT = 500
"""Characters of the customer's last text that a row of the list holds."""


class Mark(NamedTuple):
    """When, and which fact. Compares in the order in which facts are told apart: time, then id."""

    at: datetime
    fact: FactId


@dataclass(frozen=True, slots=True)
class Route:
    """A menu choice or the bot's hand-off: the skillset that the customer asked for."""

    mark: Mark
    skillset: str


@dataclass(frozen=True, slots=True)
class Session:
    """A Softbot session: when it was first seen and, once it ended, its end."""

    began: Mark
    ended: Mark | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the facts of a conversation say, in a form that merges in any order. `last_text` belongs to `last_turn`."""

    first_turn: Mark | None = None
    last_turn: Mark | None = None
    last_text: str | None = None
    in_hours: Mark | None = None
    route: Route | None = None
    failed_choice: Mark | None = None
    touch: Mark | None = None
    touched_by: str | None = None
    accepted_by: Mark | None = None
    agent_end: Mark | None = None
    sessions: dict[str, Session] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has to act: a skillset (queued or reserved) or a user (reserved, assigned, accepted). `until`: when a reservation
    or an assignment that nobody accepted ends."""

    kind: OwnerKind
    id: str
    state: OwnerState
    until: datetime | None = None


LastDecision = Literal["routed", "accepted", "declined", "lapsed", "expired", "recalled", "transferred"]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What we decided, once, under the customer's lock; later input leads to another decision, never rewrites one.
    `owned` is the fact (or command) that first gave it an owner; `last` the kind of the last decision and `decided` when and
    because of what."""

    owner: Owner | None = None
    queued_at: datetime | None = None
    owned: Mark | None = None
    last: LastDecision | None = None
    decided: Mark | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation of a customer with a number. Everything under "verdict" follows from evidence, decisions, the
    neighbours and the moment of the judgement (`domain.verdict`). `closed_at` is the instant it ended, not the moment
    anybody noticed. `because`: the facts that decided the reason."""

    id: ConversationId
    customer_id: CustomerId
    phone_number_id: str
    opened_at: datetime
    window_ends_at: datetime
    previous: ConversationId | None = None
    wa_id: str | None = None
    user_id: str | None = None
    customer_name: str | None = None
    named_at: datetime | None = None
    entries: int = 0
    evidence: Evidence = field(default_factory=Evidence)
    decisions: Decisions = field(default_factory=Decisions)
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
        return self.evidence.last_text

    @property
    def owner(self) -> Owner | None:
        return self.decisions.owner
