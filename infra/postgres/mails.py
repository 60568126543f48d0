"""Mails in Postgres. A writer that publishes an event about a mail locks the conversation's customer first
(architecture.md, P5); reserving waits for nobody. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Json
from pydantic_core import to_json

from domain.facts import MailEvent
from domain.mail import RESENDABLE, Mail, MailRequest, MailState, mail_id
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.lists.cursor import START, Cursor

ABANDONED_SECONDS = 30.0
"""A post that began this long ago is over, also in a sender that still runs: its time-outs together are shorter."""

RESERVED_SECONDS = 60.0
"""How long a sender has a mail for itself while it composes it."""

_MAIL: LiteralString = (
    "id, command_id, conversation_id, issuer, recipients, subject, body, masked, requested_at, state, reason, "
    "attempts, message_id, fates as delivery, rejected, with_notes"
)
"""Columns under the names of the fields of `Mail`; `recipients` is its `to`."""


@dataclass(frozen=True, slots=True)
class MailPage:
    """Mails, the latest first, and the cursor of the next page (None: this is the last page)."""

    mails: Sequence[Mail]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class MailLogEntry:
    """One thing that happened to a mail. `actor`: the issuer of a command, `ses`, or `mails` (our sender)."""

    at: datetime
    event: str
    actor: str
    recipients: Sequence[str] = ()
    reason: str | None = None


# requesting and recalling


def request(
    connection: Connection[Any],
    command_id: str,
    issuer: str,
    wanted: MailRequest,
    now: datetime,
    recalled_by: str | None = None,
) -> None:
    """Stores a mail, due when its hold is over. `recalled_by`: the issuer of a recall that arrived before the
    request."""
    due = now + wanted.hold
    connection.execute(
        "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, requested_at, "
        "held_until, due_at, state, with_notes) values (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b) "
        "on conflict do nothing",
        [
            mail_id(command_id),
            command_id,
            wanted.conversation_id,
            issuer,
            list(wanted.to),
            wanted.subject,
            wanted.body,
            wanted.masked,
            now,
            due,
            due,
            "recalled" if recalled_by is not None else "requested",
            wanted.with_notes,
        ],
    )
    write_log(connection, mail_id(command_id), MailLogEntry(now, "requested", issuer))
    if recalled_by is not None:
        write_log(connection, mail_id(command_id), MailLogEntry(now, "recalled", recalled_by))


def recall_held(connection: Connection[Any], command_id: str, issuer: str, now: datetime) -> bool:
    """Recalls the mail of that command; returns False if none is still held at `now`."""
    row = connection.execute(
        "update mails set state = 'recalled' where id = %b and state = 'requested' and held_until > %b returning id",
        [mail_id(command_id), now],
    ).fetchone()
    if row is not None:
        write_log(connection, row[0], MailLogEntry(now, "recalled", issuer))
    return row is not None


# sending


def reserve(connection: Connection[Any], but: Collection[UUID] = ()) -> Mail | None:
    """Returns the mail that is longest due and none of `but`, for one sender alone: if it is not claimed within
    `RESERVED_SECONDS`, it is due again. None: none is due, or others are reserving those that are."""
    rows = _mails(
        connection,
        "update mails set due_at = clock_timestamp() + make_interval(secs => %b) where id = (select id from mails "
        "where state = 'requested' and due_at <= clock_timestamp() and id <> all(%b::uuid[]) "
        f"order by due_at limit 1 for update skip locked) returning {_MAIL}",
        [RESERVED_SECONDS, list(but)],
    )
    return rows[0] if rows else None


def claim(connection: Connection[Any], mail: UUID) -> int | None:
    """Makes a mail `sending`; its post may begin once this is committed. Returns the number of this post, from 1; None:
    the mail is not `requested`, because another sender was faster."""
    row = connection.execute(
        "update mails set state = 'sending', attempts = attempts + 1, claimed_at = clock_timestamp() "
        "where id = %b and state = 'requested' returning attempts",
        [mail],
    ).fetchone()
    return row[0] if row is not None else None


def abandoned(
    connection: Connection[Any], seconds: float = ABANDONED_SECONDS, but: Collection[UUID] = ()
) -> list[UUID]:
    """Returns at most 100 mails, none of `but`, whose post began at least that long ago and has no outcome. Takes no
    lock."""
    rows = connection.execute(
        "select id from mails where state = 'sending' and claimed_at <= clock_timestamp() - make_interval(secs => %b) "
        "and id <> all(%b::uuid[]) limit 100",
        [seconds, list(but)],
    ).fetchall()
    return [row[0] for row in rows]


def conversations_of(connection: Connection[Any], mails: Collection[UUID]) -> dict[UUID, UUID]:
    """Returns mail -> conversation for the mails that exist. Their customers are to be locked before `lock`."""
    rows = connection.execute(
        "select id, conversation_id from mails where id = any(%b::uuid[])", [list(mails)]
    ).fetchall()
    return dict(rows)


def lock(connection: Connection[Any], mails: Collection[UUID]) -> dict[UUID, Mail]:
    """Locks the mails in the order of their ids, after their customers, and returns them by id."""
    if not mails:
        return {}
    rows = _mails(
        connection, f"select {_MAIL} from mails where id = any(%b::uuid[]) order by id for update", [list(mails)]
    )
    return {mail.id: mail for mail in rows}


def write(connection: Connection[Any], mails: Iterable[Mail], pause: timedelta = timedelta()) -> None:
    """Writes changed mails, whose locks the caller holds. `pause`: until those that are `requested` again are due."""
    for mail in mails:
        connection.execute(
            "update mails set state = %b, reason = %b, message_id = %b, fates = %b, rejected = %b, "
            "due_at = case when %b then clock_timestamp() + %b else due_at end where id = %b",
            [
                mail.state,
                mail.reason,
                mail.message_id,
                Json(dict(mail.delivery)),
                mail.rejected,
                mail.state == "requested",
                pause,
                mail.id,
            ],
        )


# the log


def write_log(connection: Connection[Any], mail: UUID, entry: MailLogEntry) -> None:
    """Adds an entry to a mail's log."""
    connection.execute(
        "insert into mail_log (id, mail_id, at, event, actor, recipients, reason) values (%b, %b, %b, %b, %b, %b, %b)",
        [uuid4(), mail, entry.at, entry.event, entry.actor, list(entry.recipients), entry.reason],
    )


def store_events(connection: Connection[Any], events: Collection[MailEvent]) -> set[UUID]:
    """Stores events of SES, also about unknown mails, and returns the ids of those that are new."""
    # arrays of different lengths in one parameter must be text, so the recipients are sent as JSON
    rows = sorted(
        {(e.id, e.mail_id, e.at, e.type, "ses", e.reason, to_json(e.recipients).decode()) for e in events}, key=_id
    )
    if not rows:
        return set()
    new = connection.execute(
        "insert into mail_log (id, mail_id, at, event, actor, reason, recipients) "
        "select id, mail_id, at, event, actor, reason, array(select json_array_elements_text(recipients)) "
        "from unnest(%b::uuid[], %b::uuid[], %b::timestamptz[], %b::text[], %b::text[], %b::text[], %b::json[]) "
        "as t (id, mail_id, at, event, actor, reason, recipients) on conflict do nothing returning id",
        column_arrays(rows),
    ).fetchall()
    return {row[0] for row in new}


# reading


def page(connection: Connection[Any], rows: int, after: Cursor = START, state: MailState | None = None) -> MailPage:
    """Returns a page of mails, ordered by time of request, then id, the latest first. `state`: of all mails shown."""
    where: LiteralString = "and state = %b " if state else ""
    found = _mails(
        connection,
        f"select {_MAIL} from mails where (requested_at, id) < (%b, %b) {where}"
        "order by requested_at desc, id desc limit %b",
        [after.at, after.id, *([state] if state else []), rows + 1],
    )
    shown = found[:rows]
    more = len(found) > rows
    return MailPage(shown, Cursor(shown[-1].requested_at, shown[-1].id) if more else None)


def find(connection: Connection[Any], mail: UUID) -> tuple[Mail, list[MailLogEntry]] | None:
    """Returns a mail and its log in the order of time; None: there is no such mail."""
    found = _mails(connection, f"select {_MAIL} from mails where id = %b", [mail])
    if not found:
        return None
    with connection.cursor(row_factory=class_row(MailLogEntry)) as cursor:
        log = cursor.execute(
            "select at, event, actor, recipients, reason from mail_log where mail_id = %b order by at, id", [mail]
        ).fetchall()
    return found[0], log


def of_conversation(connection: Connection[Any], conversation: UUID, most: int = 100) -> list[Mail]:
    """Returns at most `most` mails of a conversation, the latest first."""
    return _mails(
        connection,
        f"select {_MAIL} from mails where conversation_id = %b order by requested_at desc, id desc limit %b",
        [conversation, most],
    )


def returned(connection: Connection[Any], mails: Collection[UUID]) -> dict[tuple[UUID, str], str]:
    """Returns (mail, recipient in lower case) -> why it bounced or was not sent, as SES reported last."""
    found = connection.execute(
        "select mail_id, unnest(recipients), reason from mail_log "
        "where mail_id = any(%b::uuid[]) and event in ('bounced', 'complained') and reason is not null "
        "order by at, id",
        [list(mails)],
    ).fetchall()
    return {(mail, recipient.casefold()): reason for mail, recipient, reason in found}


def standing(connection: Connection[Any]) -> tuple[int, float]:
    """Returns how many mails are unknown, and for how many seconds the mail that is longest due has waited (0: none is
    due)."""
    row = connection.execute(
        "select (select count(*) from mails where state = 'unknown'), coalesce(extract(epoch from clock_timestamp() - "
        "(select min(due_at) from mails where state = 'requested' and due_at <= clock_timestamp())), 0)::float"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def resend(connection: Connection[Any], mail: UUID, issuer: str) -> bool:
    """Makes an unknown or failed mail due again, as an administrator asked; returns False if it is neither."""
    row = connection.execute(
        "update mails set state = 'requested', reason = null, rejected = false, fates = '{}', "
        "due_at = clock_timestamp() where id = %b and state = any(%b::text[]) returning clock_timestamp()",
        [mail, list(RESENDABLE)],
    ).fetchone()
    if row is not None:
        write_log(connection, mail, MailLogEntry(row[0], "resent", issuer))
    return row is not None


def _id(row: tuple[Any, ...]) -> UUID:
    found: UUID = row[0]
    return found


def _mails(connection: Connection[Any], query: LiteralString, values: Sequence[Any] = ()) -> list[Mail]:
    """Returns the mails of a query that selects `_MAIL`."""
    with connection.cursor(row_factory=kwargs_row(_mail)) as cursor:
        return cursor.execute(query, values).fetchall()


def _mail(recipients: list[str], **fields: Any) -> Mail:  # noqa: ANN401  # columns of a row
    return Mail(to=tuple(recipients), **fields)
