"""A conversation as a row of a list: what is shown, what can be done about it, and how that stands in a page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from uuid import UUID

from flask import current_app
from markupsafe import Markup

from console import phrases
from console.request import translated, words
from console.words import phone
from domain.contract.row import Row
from domain.contract.texts import gettext_noop
from domain.directory import Directory

URGENT = timedelta(hours=1)
"""Less than that is left: red."""


@dataclass(frozen=True, slots=True)
class RowView:
    """One row. `state`: `active`, `closed`, or `gone`: it is no longer unmanaged. `why_not`: why nothing can be done
    with it; None: it can. `left`: of its window; None: nothing, `end` says so. `row_mark`: changes whenever the row
    does."""

    of: Row
    id: str
    state: Literal["active", "closed", "gone"]
    name: str
    contact: str
    why: str
    why_not: str | None
    ago: str
    left: str | None
    end: str
    urgent: bool
    recallable: bool
    seen: str


def row_view(of: Row, directory: Directory) -> RowView:
    """The row of a conversation as it is."""
    speech = words()
    left = of.window_ends_at - speech.now
    over = of.status == "closed" or left <= timedelta()
    gone = of.reason is None
    owner = of.owner
    recallable = gone and not over and owner is not None and owner.state != "accepted"
    if over:
        why_not: str | None = speech.gettext(gettext_noop("Closed: Meta's 24 hours are over, or it was ended."))
    elif owner is not None:
        why_not = phrases.owner_now(directory, owner)
    else:
        why_not = speech.gettext(gettext_noop("Somebody takes care of it")) if gone else None
    return RowView(
        of,
        id=str(of.id),
        state="gone" if gone else "closed" if over else "active",
        name=customer_name(of),
        contact=contact(of),
        why=why_not or "" if gone else phrases.reason_short(of.reason),
        why_not=why_not,
        ago=speech.ago(of.last_at),
        left=None if over else speech.left(of.window_ends_at),
        end=speech.gettext(gettext_noop("ended") if left > timedelta() else gettext_noop("window over")),
        urgent=not over and left < URGENT,
        recallable=recallable,
        seen=row_mark(of),
    )


def row_mark(of: Row) -> str:
    """What a page has of a row: changes whenever the row does."""
    return f"{of.id}.{of.version}.{of.sequence}.{of.entries}"


def customer_name(of: Row) -> str:
    """The best name there is."""
    return (
        of.customer_name
        or (phone(of.wa_id) if of.wa_id else of.user_id)
        or translated(gettext_noop("Unknown customer"))
    )


def contact(of: Row) -> str:
    """What stands below the name."""
    if of.wa_id:
        return phone(of.wa_id)
    return translated(gettext_noop("no phone shared"))


@dataclass(frozen=True, slots=True)
class RowContext:
    """What a row says besides its conversation. `opens`: the address that opens one beside this list, and `deeds`: of
    what is done with one, up to its id; `answers`: who looks may have conversations; `anew`: it takes the place of the
    row that a page has."""

    opens: str
    deeds: str
    answers: bool
    anew: bool = False


def render_rows(
    rows: Iterable[Row], directory: Directory, frame: RowContext, open_: UUID | None = None
) -> list[Markup]:
    """The rows as they stand in a page, in the language and the zone of the words that are spoken. Nothing in them
    depends on whose page it is, so what many look at is drawn once a minute at most."""
    speech = words()
    around = (speech.language, speech.zone.key, frame)
    return [_drawn(_Drawing(row, directory, speech.now, (*around, row.id == open_))) for row in rows]


_MINUTE, _DAY, _LONG = timedelta(minutes=1), timedelta(days=1), timedelta(days=300)


class _Drawing:
    """A row to draw, known by what it depends on: the conversation as it is, the minute of its times, and `around`."""

    __slots__ = ("_key", "around", "directory", "row")

    def __init__(
        self, row: Row, directory: Directory, now: datetime, around: tuple[str, str, RowContext, bool]
    ) -> None:
        self.row, self.directory, self.around = row, directory, around
        age, left = now - row.last_at, row.window_ends_at - now
        minutes = age // _MINUTE if age < _DAY else _DAY if age < _LONG else _LONG
        is_as = (row.id, row.version, row.sequence, row.entries)
        self._key = (is_as, minutes, max(-1, left // _MINUTE), around)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Drawing) and self._key == other._key and self.directory is other.directory

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(4096)
def _drawn(one: _Drawing) -> Markup:
    *_, frame, here = one.around
    template = current_app.jinja_env.get_template("row.html")
    content = template.render(line=row_view(one.row, one.directory), frame=frame, here=here)
    return Markup(content)  # noqa: S704 - a template escapes
