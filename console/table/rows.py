"""A conversation as a row of a list: its texts, what can be done with it, and its HTML."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from uuid import UUID
from zlib import crc32

from flask import current_app
from markupsafe import Markup

from console import phrases
from console.messages import ShownMessage, shown_message
from console.request import translated, words
from console.words import phone
from domain.contract.row import Row, visible_name
from domain.contract.texts import NO_NAME, gettext_noop
from domain.conversations.reasons import Reason
from domain.directory import Directory
from infra.postgres.lists.running_out import SOON
from infra.postgres.lists.unmanaged import FoundMessage, ListedConversation

URGENT = timedelta(hours=1)
"""Conversations with less time left than this are shown in red."""


@dataclass(frozen=True, slots=True)
class RowView:
    """The texts of one row. `state`: `active`, `closed`, `dismissed`, or `gone` when it is neither unmanaged
    nor dismissed. `said`: the
    customer's last message; `line`: the name of the number that it was sent to. `why_not`: why nothing can be done with
    it; None: it can be transferred. `can_be_given_back_by`: the user who accepted it, while nobody has written to the
    customer. `left`: time left of its window; None: `end` says how it ended. `haste`: `urgent`, `soon`, or empty.
    `answer`: what is wrong with the last answer, or empty. `promised`: to whom the next one is promised, or empty.
    `campaign`: which campaign the customer answered, or empty. `found`: the message that a search found. `tags`,
    `notes`: its tags, the number of its notes. `mark`: changes whenever the row does."""

    of: Row
    id: str
    state: Literal["active", "closed", "dismissed", "gone"]
    name: str
    contact: str
    said: ShownMessage
    line: str
    why: str
    why_not: str | None
    ago: str
    left: str | None
    end: str
    haste: Literal["urgent", "soon", ""]
    recallable: bool
    can_be_given_back_by: str | None
    answer: str
    promised: str
    campaign: str
    found: FoundMessage | None
    tags: tuple[str, ...]
    notes: int
    mark: str


def row_view(of: Row, directory: Directory) -> RowView:
    """The row of a conversation, in the words of the page."""
    speech = words()
    left = of.window_ends_at - speech.now
    over = of.status == "closed" or left <= timedelta()
    dismissed = of.dismissed
    gone = of.reason is None and dismissed is None
    owner = of.owner
    recallable = gone and not over and owner is not None and owner.state != "accepted"
    if over:
        why_not: str | None = speech.gettext(_why_closed(of))
    elif owner is not None:
        why_not = phrases.owner_now(directory, owner)
    else:
        why_not = speech.gettext(gettext_noop("Already handled")) if gone else None
    return RowView(
        of,
        id=str(of.id),
        state="gone" if gone else "dismissed" if dismissed is not None else "closed" if over else "active",
        name=customer_name(of),
        contact=contact(of),
        said=_last_message(of),
        line=directory.number(of.phone_number_id).name or of.phone_number_id,
        why=why_not or "" if gone else _why(of, directory),
        why_not=why_not,
        ago=speech.ago(of.last_at),
        left=None if over else speech.left(of.window_ends_at),
        end=speech.gettext(gettext_noop("ended") if left > timedelta() else gettext_noop("window over")),
        haste="" if over or left >= SOON else "urgent" if left < URGENT else "soon",
        recallable=recallable,
        can_be_given_back_by=owner.id if owner is not None and owner.state == "accepted" and owner.until else None,
        answer=_answer(of),
        promised=_promised(of, directory),
        campaign=_campaign(of),
        found=_found(of),
        tags=of.tags if isinstance(of, ListedConversation) else (),
        notes=of.notes if isinstance(of, ListedConversation) else 0,
        mark=row_mark(of),
    )


def _why(of: Row, directory: Directory) -> str:
    dismissed = of.dismissed
    return phrases.dismissed_now(directory, dismissed) if dismissed is not None else phrases.reason_short(of.reason)


def _why_closed(of: Row) -> str:
    if of.closed_at is None or of.closed_at >= of.window_ends_at:
        return gettext_noop("Closed: the 24-hour window is over.")
    if of.reason == Reason.BOT_CLOSED:
        return gettext_noop("Closed: the bot ended it.")
    return gettext_noop("Closed: it was ended before the 24-hour window was over.")


def _answer(of: Row) -> str:
    state = of.answer if isinstance(of, ListedConversation) else None
    texts = {
        "unknown": gettext_noop("answer not confirmed"),
        "failed": gettext_noop("answer failed"),
        "dropped": gettext_noop("answer not delivered"),
    }
    return words().gettext(texts[state]) if state in texts else ""


def _promised(of: Row, directory: Directory) -> str:
    promise = of.promise if isinstance(of, ListedConversation) else None
    return phrases.promised_to(directory, *promise) if promise is not None else ""


def _campaign(of: Row) -> str:
    name = of.campaign if isinstance(of, ListedConversation) else None
    return phrases.answered_campaign(name) if name is not None else ""


def _found(of: Row) -> FoundMessage | None:
    return of.found if isinstance(of, ListedConversation) else None


def _last_message(of: Row) -> ShownMessage:
    last = of.last if isinstance(of, ListedConversation) else None
    if last is None or last.kind in _TAPS:
        return ShownMessage("", "", of.last_text or "–")
    said = shown_message(last.kind, last.text, last.extra)
    return said._replace(text=" · ".join(said.text.splitlines()))


_TAPS = ("interactive", "button")
"""Kinds whose text says it all: the title of the button that was tapped."""


def row_mark(of: Row) -> str:
    """A text that changes whenever the row does. Pages hold it, so that the stream knows what they have."""
    more: list[str] = []
    if isinstance(of, ListedConversation):
        more += [of.answer] if of.answer else []
        more += [f"until{of.promise.until.timestamp():.0f}"] if of.promise else []
        more += [f"kept{crc32(repr((of.tags, of.notes)).encode())}"] if of.tags or of.notes else []
    return ".".join([f"{of.id}.{of.version}.{of.sequence}.{of.entries}", *more])


def customer_name(of: Row) -> str:
    """The customer's name; the phone of one whose name was never told; of a group its id."""
    if of.group_id is not None:
        return translated(gettext_noop("Group %(id)s")) % {"id": of.group_id}
    if of.wa_id and not of.customer_name:
        return phone(of.wa_id)
    return visible_name(of) or translated(NO_NAME)


def contact(of: Row) -> str:
    """The line below the customer's name."""
    if of.group_id is not None:
        return translated(gettext_noop("a group of customers"))
    if of.wa_id:
        return phone(of.wa_id)
    return translated(gettext_noop("no phone shared"))


@dataclass(frozen=True, slots=True)
class RowContext:
    """What a row depends on besides its conversation. `opens`: the address that opens a conversation beside this list,
    up to its id; `actions`: likewise of a conversation's actions; `answers`: the person may have conversations;
    `acts`: and do something about these; `reroutes`: rows that wait can be ticked; `replaces`: the row replaces one
    that the page has."""

    opens: str
    actions: str
    answers: bool
    acts: bool
    reroutes: bool = False
    replaces: bool = False


def render_rows(
    rows: Iterable[Row], directory: Directory, context: RowContext, open_: UUID | None = None
) -> list[Markup]:
    """The rows as HTML, in the language and time zone of the page. Nothing in them belongs to a session, so a row that
    many people look at is rendered at most once a minute (`console.table.snapshot_cache`)."""
    speech = words()
    around = (speech.language, speech.zone.key, context)
    return [_rendered(_RowKey(row, directory, speech.now, (*around, row.id == open_))) for row in rows]


_SECOND, _MINUTE, _DAY, _LONG = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1), timedelta(days=300)


class _RowKey:
    """A row to render, compared by what its HTML depends on: the version of the conversation, the message that a search
    found, the minute of its times, the directory, and the language, time zone and context."""

    __slots__ = ("_key", "around", "directory", "row")

    def __init__(
        self, row: Row, directory: Directory, now: datetime, around: tuple[str, str, RowContext, bool]
    ) -> None:
        self.row, self.directory, self.around = row, directory, around
        age, left = now - row.last_at, row.window_ends_at - now
        minutes = age // _MINUTE if age < _DAY else _DAY if age < _LONG else _LONG
        version = row_mark(row)
        left = max(-_SECOND, left)
        seconds = left // _SECOND if left < _MINUTE else None
        self._key = (version, _found(row), minutes, left // _MINUTE, seconds, around)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RowKey) and self._key == other._key and self.directory is other.directory

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(4096)
def _rendered(key: _RowKey) -> Markup:
    *_, context, here = key.around
    template = current_app.jinja_env.get_template("row.html")
    content = template.render(line=row_view(key.row, key.directory), context=context, here=here)
    return Markup(content)  # noqa: S704 - the template escapes
