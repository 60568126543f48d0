"""A conversation as a row of a list: what is shown, and what can be done about it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from admin import phrases
from admin.http import translated, words
from admin.words import marked, phone
from domain.directory import Directory
from domain.rows import Row

URGENT = timedelta(hours=1)
"""Less than that is left: red."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `state`: `active`, `closed`, or `gone`: it is no longer unmanaged. `why_not`: why nothing can be done
    with it; None: it can. `seen`: changes whenever the row does."""

    of: Row
    state: Literal["active", "closed", "gone"]
    name: str
    contact: str
    why: str
    why_not: str | None
    urgent: bool
    recallable: bool
    seen: str

    @property
    def id(self) -> str:
        return str(self.of.id)


def line(of: Row, directory: Directory) -> Line:
    """The row of a conversation as it is."""
    left = of.window_ends_at - words().now
    over = of.status == "closed" or left <= timedelta()
    gone = of.reason is None
    owner = of.owner
    recallable = gone and not over and owner is not None and owner.state != "accepted"
    if over:
        why_not: str | None = translated(marked("Closed: Meta's 24 hours are over, or it was ended."))
    elif owner is not None:
        why_not = phrases.owner_now(directory, owner)
    else:
        why_not = translated(marked("Somebody takes care of it")) if gone else None
    return Line(
        of,
        state="gone" if gone else "closed" if over else "active",
        name=customer_name(of),
        contact=contact(of),
        why=why_not or "" if gone else phrases.reason_short(of.reason),
        why_not=why_not,
        urgent=not over and left < URGENT,
        recallable=recallable,
        seen=f"{of.id}.{of.version}.{of.sequence}.{of.entries}",
    )


def customer_name(of: Row) -> str:
    """The best name there is."""
    return of.customer_name or (phone(of.wa_id) if of.wa_id else of.user_id) or translated(marked("Unknown customer"))


def contact(of: Row) -> str:
    """What stands below the name."""
    if of.wa_id:
        return phone(of.wa_id)
    return translated(marked("no phone shared"))
