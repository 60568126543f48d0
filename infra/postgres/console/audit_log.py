"""The audit log as a list: what people did in the console and on the command line, and the commands that came from
elsewhere, the latest first. Raises psycopg errors.

A page reads as many rows of the console's log as it shows, each from the index of an event; then those commands of the
same time that the console's log does not have. So it takes as long among ten million rows as among a thousand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple, Self, get_args
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from infra.postgres.console.audit import AuditEvent

AuditKind = Literal["sign_ins", "people", "commands", "downloads", "refused", "other"]
"""What people look for."""
_EVENTS: dict[AuditKind, tuple[AuditEvent, ...]] = {
    "sign_ins": (
        "signed_in",
        "signed_out",
        "sign_in_refused",
        "provider_refused",
        "password_refused",
        "code_refused",
        "recovery_code_used",
    ),
    "people": (
        "sign_in_made",
        "sign_in_disabled",
        "sign_in_enabled",
        "level_changed",
        "password_reset",
        "password_changed",
        "sessions_ended",
        "factor_enrolled",
        "factor_removed",
        "recovery_codes_made",
    ),
    "commands": ("asked", "held_back", "not_kept"),
    "downloads": ("downloaded", "deleted_opened"),
    "refused": ("forbidden", "form_refused"),
}
_ALL: tuple[AuditEvent, ...] = get_args(AuditEvent)
KINDS: Mapping[AuditKind, Sequence[AuditEvent]] = {
    **_EVENTS,
    "other": tuple(each for each in _ALL if not any(each in known for known in _EVENTS.values())),
}
_NO_ACTS = ("witiop.command.typing.v1", "witiop.command.mark_read.v1")
"""Commands that change nothing that anybody would look for."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None: all. `person`: who did it; `since` (inclusive), `until` (exclusive): when."""

    person: str | None = None
    kind: AuditKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    conversation: UUID | None = None


class AuditCursor(NamedTuple):
    """The end of a page. `source`: `a` for the console's log, `c` for commands, which follow it at the same time;
    `place`: the entry's id, or partition and offset."""

    at: datetime
    source: Literal["a", "c"]
    place: tuple[int, int]

    def __str__(self) -> str:
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        return f"{microseconds}{self.source}{self.place[0]}-{self.place[1]}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The cursor of a text that `str` wrote; None for any other."""
        for source in ("a", "c"):
            moment, found, place = text.partition(source)
            first, dash, second = place.partition("-")
            if found and dash and all(each.isdecimal() and len(each) < 19 for each in (moment, first, second)):
                try:
                    at = _EPOCH + timedelta(microseconds=int(moment))
                except OverflowError:
                    return None
                return cls(at, "a" if source == "a" else "c", (int(first), int(second)))
        return None


@dataclass(frozen=True, slots=True)
class LoggedAct:
    """An entry. `event`: as stored, None: a command that the console did not send, whose `type` is given; `result`: of
    a command, None: none yet; `reason`: why it was rejected."""

    at: datetime
    source: Literal["a", "c"]
    place_a: int
    place_b: int
    event: str | None
    person: str | None
    address: str | None
    conversation_id: UUID | None
    detail: dict[str, Any]
    type: str | None
    result: str | None
    reason: str | None

    @property
    def cursor(self) -> AuditCursor:
        return AuditCursor(self.at, self.source, (self.place_a, self.place_b))


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, and the cursor of the next page (None: this is the last one)."""

    rows: Sequence[LoggedAct]
    next: AuditCursor | None


def page(conn: Connection[Any], which: AuditFilter, rows: int, after: AuditCursor | None = None) -> AuditPage:
    """Returns one page, behind `after`."""
    found = _console_rows(conn, which, rows + 1, after)
    floor = found[-1].at if len(found) > rows else None
    if which.kind in (None, "commands"):
        found += _commands(conn, which, rows + 1, after, floor)
        found.sort(key=lambda each: (each.at, each.source == "a", each.place_a, each.place_b), reverse=True)
    shown = found[:rows]
    return AuditPage(shown, shown[-1].cursor if len(found) > rows else None)


def acts(conn: Connection[Any], which: AuditFilter, rows: int) -> Iterator[LoggedAct]:
    """All entries, read so many at a time."""
    found = page(conn, which, rows)
    yield from found.rows
    while found.next is not None:
        found = page(conn, which, rows, found.next)
        yield from found.rows


def _values(which: AuditFilter, rows: int) -> dict[str, object]:
    return {
        "person": which.person,
        "conversation": which.conversation,
        "since": which.since or _EPOCH,
        "until": which.until or _END,
        "events": list(KINDS[which.kind] if which.kind else _ALL),
        "limit": rows,
    }


def _console_rows(conn: Connection[Any], which: AuditFilter, rows: int, after: AuditCursor | None) -> list[LoggedAct]:
    # commands follow the console's entries of the same time
    place = (_END, 0) if after is None else (after.at, after.place[0] if after.source == "a" else 0)
    values = {**_values(which, rows), "at": place[0], "id": place[1]}
    statement = console_statement(which.person is not None, which.conversation is not None, which.kind is not None)
    return conn.cursor(row_factory=class_row(LoggedAct)).execute(statement, values, prepare=True).fetchall()


def _commands(
    conn: Connection[Any], which: AuditFilter, rows: int, after: AuditCursor | None, floor: datetime | None
) -> list[LoggedAct]:
    """Commands that the console's log does not have. Not older than `floor`: what is older belongs to the next page,
    and most commands are the console's, so that looking for others might take long."""
    values = {**_values(which, rows), "floor": floor or _EPOCH, "no_acts": list(_NO_ACTS)}
    if after is None:
        values |= {"at": _END, "partition": _LAST, "offset": _LAST}
    elif after.source == "a":
        values |= {"at": after.at, "partition": _LAST, "offset": _LAST}
    else:
        values |= {"at": after.at, "partition": after.place[0], "offset": after.place[1]}
    statement = commands_statement(which.person is not None, which.conversation is not None)
    return conn.cursor(row_factory=class_row(LoggedAct)).execute(statement, values, prepare=True).fetchall()


@cache
def console_statement(of_person: bool, of_conversation: bool, of_kind: bool) -> Composed:
    """Returns the SQL of the console's entries."""
    person = SQL("and name = %(person)s" if of_person else "")
    if of_conversation:
        conversation = SQL("and conversation_id = %(conversation)s")
        event = SQL("and event = any(%(events)s)" if of_kind else "")
        found = _PLAIN.format(person=person, conversation=conversation, event=event)
    elif of_person or of_kind:
        found = _OF_EVENTS.format(person=person)
    else:
        found = _PLAIN.format(person=SQL(""), conversation=SQL(""), event=SQL(""))
    return _WITH_RESULTS.format(found=found)


@cache
def commands_statement(of_person: bool, of_conversation: bool) -> Composed:
    """Returns the SQL of the commands that the console did not send."""
    return _COMMANDS.format(
        person=SQL("and issuer = %(person)s" if of_person else ""),
        conversation=SQL("and conversation_id = %(conversation)s" if of_conversation else ""),
    )


_PLAIN = SQL(
    "select * from console_audit where (at, id) < (%(at)s, %(id)s) and at >= %(since)s and at < %(until)s "
    "{person} {conversation} {event} order by at desc, id desc limit %(limit)s"
)
_OF_EVENTS = SQL(
    "select a.* from unnest(%(events)s::text[]) as e (event) cross join lateral ("
    "select * from console_audit where event = e.event {person} and (at, id) < (%(at)s, %(id)s) "
    "and at >= %(since)s and at < %(until)s order by at desc, id desc limit %(limit)s) as a "
    "order by at desc, id desc limit %(limit)s"
)
"""Each event is read from its own index, so rare ones among millions of others take no longer."""
_WITH_RESULTS = SQL(
    """
    select a.at, 'a' as source, a.id as place_a, 0::bigint as place_b, a.event, a.name as person, a.address,
      a.conversation_id, a.detail, null as type,
      case when a.event = 'held_back' then 'rejected' when a.event = 'not_kept' then 'rejected'
        when a.event = 'asked' then r.outcome end as result,
      coalesce(r.reason, a.detail ->> 'held_back') as reason
    from ({found}) as a left join lateral (
      select outcome, reason from command_audit c
      where a.event = 'asked' and c.command_id = a.command_id and c.outcome <> 'repeated' limit 1
    ) as r on true
    order by a.at desc, a.id desc
    """
)
_COMMANDS = SQL(
    """
    select received_at as at, 'c' as source, partition::bigint as place_a, "offset" as place_b, null as event,
      issuer as person, null as address, conversation_id,
      json_build_object('source', source) as detail, type, outcome as result, reason
    from command_audit c
    where (received_at, partition, "offset") < (%(at)s, %(partition)s, %(offset)s)
      and received_at <= %(at)s and received_at >= greatest(%(since)s, %(floor)s) and received_at < %(until)s
      {person} {conversation} and outcome <> 'repeated' and coalesce(type, '') <> all(%(no_acts)s)
      and not exists (select from console_audit a where a.event = 'asked' and a.command_id = c.command_id)
    order by received_at desc, partition desc, "offset" desc limit %(limit)s
    """
)
_EPOCH, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_LAST = 2**31 - 1
