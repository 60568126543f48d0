"""Recipients of a campaign: one per row of its file, each in exactly one state with a reason (C5)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from domain.ids import fact_id
from domain.sending.graph_errors import status_error
from domain.sending.sends import AddressKind, Send

RecipientState = Literal[
    "imported",
    "planned",
    "deferred",
    "claimed",
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "unknown",
    "assumed_sent",
    "skipped",
    "cancelled",
]
RECIPIENT_STATES: tuple[RecipientState, ...] = get_args(RecipientState)
TO_DO: tuple[RecipientState, ...] = ("planned", "deferred")
"""States of recipients whose message is still to be handed to the sender."""

RowProblem = Literal[
    "phone_missing",
    "phone_invalid",
    "phone_is_a_number",
    "phone_without_country",
    "parameter_empty",
    "parameter_line_break",
    "parameter_spaces",
    "parameter_too_long",
    "zone_unknown",
    "language_unknown",
    "cell_error",
    "too_many_cells",
]
"""What is wrong with a row of the file. New problems may be added."""
ROW_PROBLEMS: tuple[RowProblem, ...] = get_args(RowProblem)

SkipReason = Literal[
    "duplicate",
    "opted_out",
    "active_conversation",
    "us_marketing",
    "recently_reached",
    "recipient_not_allowed",
    "parameters_unfit",
]
"""Why nothing is sent to a good row. New reasons may be added."""
SKIP_REASONS: tuple[SkipReason, ...] = get_args(SkipReason)

HELD = "held"
"""Reason of an accepted recipient whose message Meta holds back, because its template is being paced."""
QUIET = "quiet_hours"
"""Reason of a deferred recipient whose message was not posted before quiet hours began."""
RETRY_LATER = "retry_later"
"""Reason of a deferred recipient whose message failed, and can only succeed after a while."""
NOT_DELIVERED = "not_delivered"
"""Reason of a failed recipient whose message Meta gave up without a word."""


@dataclass(frozen=True, slots=True)
class CampaignRecipient:
    """A recipient whose message is to be handed to the sender. `person`: the customer's id or the address; `zone`: of
    the recipient; `attempt`: sends so far, in all waves."""

    campaign_id: UUID
    row_no: int
    phone_number_id: str
    address: str
    address_kind: AddressKind
    person: str
    parameters: dict[str, str]
    zone: str
    wave: int
    variant: int
    attempt: int
    state: RecipientState


class RecipientChange(NamedTuple):
    """What a change of its send means for a recipient. `accepted_at`: when Meta was asked, if it accepted; `due_at`:
    before when another attempt cannot succeed; None: it does not matter."""

    state: RecipientState
    reason: str | None
    accepted_at: datetime | None
    due_at: datetime | None = None


def campaign_send_id(campaign: UUID, row_no: int, attempt: int) -> UUID:
    """Returns the id of a recipient's send number `attempt`: however often it is asked for, it is one send."""
    return fact_id("campaign send", str(campaign), str(row_no), str(attempt))


def after_send(send: Send, at: datetime, *, held: bool = False) -> RecipientChange:
    """Returns what the state of its send means for a recipient. `at`: when that came about; `held`: Meta holds the
    message back."""
    accepted_at = send.claimed_at
    match send.state:
        case "queued" | "sending" | "held_after_restore":
            return RecipientChange("claimed", None, None)
        case "accepted":
            return RecipientChange("accepted", HELD if held else None, accepted_at)
        case "sent" | "delivered" | "read":
            return RecipientChange(send.state, None, accepted_at)
        case "played":
            return RecipientChange("read", None, accepted_at)
        case "failed":
            if send.error is None:
                return RecipientChange("failed", None, None)
            error = status_error(send.error)
            due_at = at + error.wait if error.kind == "later" else None
            return RecipientChange("failed", str(send.error), None, due_at)
        case "dropped":
            return RecipientChange("failed", NOT_DELIVERED, None)
        case "unknown":
            return RecipientChange("unknown", None, accepted_at)
        case "assumed_sent":
            return RecipientChange("assumed_sent", None, accepted_at)
        case "recalled":
            return RecipientChange("planned", None, None)
        case "expired":
            if send.reason in SKIP_REASONS:
                return RecipientChange("skipped", send.reason, None)
            return RecipientChange("deferred", QUIET, None)
