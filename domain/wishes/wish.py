"""A wish: the transfer of a closed conversation that is carried out when the customer answers a template
(docs/design/sending.md, *Transfer on reply*).

A wish is open until it was carried out once (`executed`) or came to its `ended`. Its template is a send of its own;
whether that has gone out is read from the send, so the sender writes no wish.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, get_args
from uuid import UUID

from domain.command_bodies.parts import TransferMode
from domain.commands import Rejection, Transfer
from domain.conversations.conversation import Conversation, Decisions, OwnerKind, decision_ref
from domain.conversations.placement.window import WINDOW
from domain.directory import Directory
from domain.facts import CustomerTurn
from domain.ids import CustomerId, fact_id
from domain.routing.agents import Member
from domain.routing.transfers import RoutingPolicy, transfer
from domain.sending.sends import SendState

WishState = Literal["waiting", "armed", "executed", "ended"]
"""`waiting`: Meta has not been asked to send the template; `armed`: it has, so the customer may answer it."""
WISH_STATES: tuple[WishState, ...] = get_args(WishState)
OPEN: tuple[WishState, ...] = ("waiting", "armed")

WishEnd = Literal["expired", "cancelled", "template_failed", "superseded", "opted_out"]
"""Why a wish ended without a transfer. `superseded`: somebody else had taken care of the customer, or of two wishes of
customers who turned out to be one, this was the older."""

TARGET_REMOVED = (Rejection.USER_UNKNOWN, Rejection.SKILLSET_UNKNOWN)
"""Why a wish cannot be carried out any more, whatever the customer writes."""

_SECOND = timedelta(seconds=1)
"""Resolution of the times of turns."""


class PromisedTransfer(Protocol):
    """A transfer that an answer leads to: of a wish, or of a campaign. `command_id`: of the command that asked for it,
    or what stands for it."""

    @property
    def command_id(self) -> str: ...
    @property
    def target_kind(self) -> OwnerKind: ...
    @property
    def target_id(self) -> str: ...
    @property
    def mode(self) -> TransferMode: ...


class TemplateSend(NamedTuple):
    """How far the send of a wish's template is. `claimed_at`: when its last post began; None: none did."""

    state: SendState
    attempt: int = 0
    claimed_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether it can still be recalled: Meta was not asked, or has certainly not sent it."""
        return self.state in ("held", "queued", "held_after_restore")


class Wish(NamedTuple):
    """A transfer on reply. `conversation_id`: the closed one for which it was asked; `target_kind`, `target_id` and
    `mode`: of the transfer; `ends_at`: it is not carried out from then on; `state`: as stored, where `waiting` stands
    for every open one; `executed_in`: the conversation that was transferred; `changed_at`: when it was executed or
    ended."""

    id: UUID
    command_id: str
    phone_number_id: str
    customer_id: CustomerId
    conversation_id: UUID
    send_id: UUID
    target_kind: OwnerKind
    target_id: str
    mode: TransferMode
    actor: str
    requested_at: datetime
    ends_at: datetime
    state: WishState = "waiting"
    ended_because: WishEnd | None = None
    executed_in: UUID | None = None
    changed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


def wish_id(command_id: str) -> UUID:
    """Returns the id of a command's wish, the same however often the command is received."""
    return fact_id("wish", command_id)


def shown_state(wish: Wish, send: TemplateSend | None) -> WishState:
    """Returns the state of a wish as people read it. An attempt of which nobody knows the outcome counts: the customer
    may have got the template."""
    return "armed" if wish.is_open and send is not None and send.attempt > 0 else wish.state


def end_of(wish: Wish, send: TemplateSend | None, now: datetime) -> WishEnd | None:
    """Returns why an open wish is over at `now`; None: it is not."""
    if now >= wish.ends_at:
        return "expired"
    match send.state if send is not None else "failed":
        case "failed" | "dropped":
            return "template_failed"
        case "recalled":
            return "cancelled"
        case "expired":
            return "expired"
        case _:
            return None


def is_answer(send: TemplateSend, turn: CustomerTurn, now: datetime) -> bool:
    """Returns whether a turn carries a wish out that is not over: its own window is open at `now`, and the customer
    wrote it after the post of the template began, or before there was one."""
    if turn.at + WINDOW <= now:
        return False
    return send.waits or send.claimed_at is None or turn.at + _SECOND >= send.claimed_at


def is_superseded(conversation: Conversation) -> bool:
    """Returns whether a person takes care of the conversation already, or somebody has just transferred it."""
    owner = conversation.owner
    return conversation.managed or (owner is not None and owner.state != "queued")


def carried_out(
    promised: PromisedTransfer,
    conversation: Conversation,
    directory: Directory,
    members: Mapping[str, Member],
    now: datetime,
    policy: RoutingPolicy,
) -> Decisions | Rejection:
    """Returns the decisions about the conversation in which the customer answered. An immediate transfer that nobody
    can take becomes an exclusive one to the same target. `members`: as for `domain.routing.transfers.transfer`.

    Rejects only if the target was removed from the directory, or the window is about to end."""
    ref = decision_ref(now, fact_id("command", promised.command_id))
    target = {"kind": promised.target_kind, "id": promised.target_id}
    decided: Decisions | Rejection = Rejection.NO_AGENT_READY
    for mode in ("immediate", "exclusive") if promised.mode == "immediate" else ("exclusive",):
        command = Transfer.model_validate({"conversation_id": conversation.id, "target": target, "mode": mode})
        decided = transfer(conversation, command, directory, members, ref, policy)
        if isinstance(decided, Decisions) or decided in TARGET_REMOVED:
            break
    return decided


def age_order(wish: Wish) -> tuple[datetime, UUID]:
    """Returns the key by which wishes are ordered: of two the later one stays."""
    return wish.requested_at, wish.id
