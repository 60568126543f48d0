"""A long conversation, part by part: the newest part first, the rest on demand. Raises psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import TranscriptItem, transcript
from domain.facts import ConversationFact
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.conversations import entries
from infra.postgres.lists.conversation_page import (
    deliveries,
    history,
    message_changes,
    read_conversation,
    with_answered_templates,
)
from infra.postgres.lists.cursor import CursorError

PART = 100
"""Messages and events of one part."""
MAX_OPEN = 1000
"""Messages and events that an open page is sent again when something changes."""
_SAME_SECOND = 200
"""A part begins with a whole second, if that adds at most so many."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EntryCursor(NamedTuple):
    """A message or event of a conversation, by its place."""

    at: datetime
    arrival: int
    id: UUID

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}-{self.arrival}-{self.id.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CursorError for anything that `str` did not write."""
        at, _, rest = text.partition("-")
        arrival, _, id_ = rest.partition("-")
        try:
            number = int(arrival)
            if not -(2**63) <= number < 2**63:  # nor could PostgreSQL compare it
                raise ValueError(text)
            return cls(_EPOCH + timedelta(microseconds=int(at)), number, UUID(id_))
        except (ValueError, OverflowError):
            raise CursorError("not a place in a conversation") from None


def entry_cursor(text: str | None) -> EntryCursor | None:
    """The entry that a text from an address names; None if it names none."""
    try:
        return EntryCursor.parse(text) if text else None
    except CursorError:
        return None


FIRST = EntryCursor(datetime.min.replace(tzinfo=UTC), 0, UUID(int=0))
"""Precedes every entry."""


@dataclass(frozen=True, slots=True)
class ConversationPart:
    """A part of what lies between `after` and `before`, in reading order. `first`, `last`: its ends; None: it has no
    entries. `rest`: how many entries lie before it, `beyond`: how many behind it. `history`: all of the
    conversation's; `caused`: the times of the facts that the history names; `named`: messages outside of the part to
    which something in it replies, and the facts that decided."""

    conversation: Conversation
    transcript: Sequence[TranscriptItem]
    first: EntryCursor | None
    last: EntryCursor | None
    rest: int
    beyond: int
    after: EntryCursor | None
    before: EntryCursor | None
    history: Sequence[HistoryEntry]
    caused: dict[UUID, datetime]
    named: Sequence[TranscriptItem]


def conversation_part(
    conn: Connection[Any],
    conversation_id: UUID,
    *,
    before: EntryCursor | None = None,
    after: EntryCursor | None = None,
    since: EntryCursor | None = None,
    around: EntryCursor | None = None,
) -> ConversationPart | None:
    """Returns the last part before `before` (None: the newest) and after `after`, from one consistent read, or None if
    the conversation does not exist. `around`: the part around this entry instead of the last. `since`: everything from
    this entry on, at most `MAX_OPEN`. `conn` must not be in a transaction."""
    with one_snapshot(conn):
        of = read_conversation(conn, conversation_id)
        if of is None:
            return None
        bounds = _Bounds(conversation_id, before, after, since)
        facts = _around(conn, bounds, around) if around else _read(conn, bounds, MAX_OPEN if since else PART, down=True)
        first, last = min(map(_place, facts), default=None), max(map(_place, facts), default=None)
        story = history(conn, of)
        because = {fact for event in story for fact in event.because} | set(of.because)
        return ConversationPart(
            of,
            with_answered_templates(
                conn, of, transcript(facts, deliveries(conn, of, facts), message_changes(conn, of, facts))
            ),
            first,
            last,
            _count(conn, bounds._replace(before=first, since=None)) if facts else 0,
            _count(conn, bounds._replace(after=last, since=None)) if facts and around else 0,
            after,
            before,
            story,
            _times(conn, because),
            _named(conn, of, facts),
        )


def place_of(conn: Connection[Any], conversation_id: UUID, message: UUID) -> EntryCursor | None:
    """Returns where in a conversation a message is; None: it is not in this one."""
    found = conn.execute(
        "select at, arrival, input_id from entries where input_id = %s and conversation_id = %s order by at limit 1",
        (message, conversation_id),
    ).fetchone()
    return EntryCursor(*found) if found else None


class _Bounds(NamedTuple):
    conversation: UUID
    before: EntryCursor | None
    after: EntryCursor | None
    since: EntryCursor | None

    @property
    def values(self) -> dict[str, object]:
        found: dict[str, object] = {"conversation": self.conversation}
        for name in ("before", "after", "since"):
            place = getattr(self, name)
            found |= {f"{name}_{part}": getattr(place, part, None) for part in EntryCursor._fields}
        return found


_WITHIN = """
  e.conversation_id = %(conversation)s
  and (%(before_at)s::timestamptz is null
    or (e.at, e.arrival, e.input_id) < (%(before_at)s, %(before_arrival)s::bigint, %(before_id)s::uuid))
  and (%(after_at)s::timestamptz is null
    or (e.at, e.arrival, e.input_id) > (%(after_at)s, %(after_arrival)s::bigint, %(after_id)s::uuid))
  and (%(since_at)s::timestamptz is null
    or (e.at, e.arrival, e.input_id) >= (%(since_at)s, %(since_arrival)s::bigint, %(since_id)s::uuid))
"""


def _around(conn: Connection[Any], bounds: _Bounds, place: EntryCursor) -> list[ConversationFact]:
    above = _read(conn, bounds._replace(before=place), PART // 2, down=True)
    return above + _read(conn, bounds._replace(since=place), max(1, PART - len(above)), down=False)


def _read(conn: Connection[Any], bounds: _Bounds, most: int, *, down: bool) -> list[ConversationFact]:
    direction = "desc" if down else "asc"
    statement = (
        f"select {entries.READ_BACK} from entries e where {_WITHIN} "
        f"order by e.at {direction}, e.arrival {direction}, e.input_id {direction} limit %(most)s"
    )
    facts = [entries.from_row(row) for row in conn.execute(statement, {**bounds.values, "most": most})]
    if down and len(facts) == most:
        edge = _place(facts[-1])
        second = bounds._replace(before=edge).values | {"most": _SAME_SECOND, "second": edge.at.replace(microsecond=0)}
        same = conn.execute(statement.replace("order by", "and e.at >= %(second)s order by"), second)
        facts += [entries.from_row(row) for row in same]
    return facts


def _count(conn: Connection[Any], bounds: _Bounds) -> int:
    found = conn.execute(f"select count(*) from entries e where {_WITHIN}", bounds.values).fetchone()
    assert found is not None
    return int(found[0])


def _place(fact: ConversationFact) -> EntryCursor:
    return EntryCursor(fact.at, fact.arrival, fact.id)


def _times(conn: Connection[Any], facts: Collection[UUID]) -> dict[UUID, datetime]:
    return dict(conn.execute("select input_id, at from entries where input_id = any(%s)", (list(facts),)).fetchall())


def _named(conn: Connection[Any], of: Conversation, facts: Sequence[ConversationFact]) -> list[TranscriptItem]:
    """Returns the messages of the conversation that these reply to, and the facts that decided, where they are not
    among them."""
    known = {getattr(fact, "wamid", None) for fact in facts}
    replied = {wamid for fact in facts if (wamid := replied_to(getattr(fact, "extra", {}))) and wamid not in known}
    decided = set(of.because) - {fact.id for fact in facts}
    if not replied and not decided:
        return []
    found = conn.execute(
        f"select {entries.READ_BACK} from entries e "
        "where e.conversation_id = %s and (e.wamid = any(%s) or e.input_id = any(%s))",
        (of.id, list(replied), list(decided)),
    )
    named = [entries.from_row(row) for row in found]
    return transcript(named, {}, message_changes(conn, of, named))


def replied_to(extra: dict[str, Any]) -> str | None:
    """Returns the wamid of the message that a message quotes."""
    context = extra.get("context")
    wamid = context.get("id") if isinstance(context, dict) else None
    return wamid if isinstance(wamid, str) and wamid else None
