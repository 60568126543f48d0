"""Mails in Postgres. Who tells the outside of one holds its conversation's customer first (architecture.md, P5); a
claim waits for nobody. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.types.json import Json

from domain.facts import MailEvent
from domain.mail import RESENDABLE, Mail, MailRequest, MailState, mail_id
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.lists.cursor import START, Cursor

ABANDONED_SECONDS = 30.0
"""A post that began this long ago is over, also in a sender that lives: its time-outs are shorter together."""

_MAIL: LiteralString = (
    "id, command_id, conversation_id, issuer, recipients, subject, body, masked, requested_at, state, reason, "
    "attempts, message_id, fates, rejected"
)


@dataclass(frozen=True, slots=True)
class MailPage:
    """Mails, the latest first, and the cursor of the next page (None: this was the last)."""

    mails: Sequence[Mail]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class MailLogEntry:
    """One thing that happened to a mail. `actor`: the issuer of a command, `ses`, `mails` (our sender)."""

    at: datetime
    event: str
    actor: str
    recipients: Sequence[str] = ()
    reason: str | None = None


def now(connection: Connection[Any]) -> datetime:
    """The database's."""
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


# asking for one


def transcript_bytes(connection: Connection[Any], conversation: UUID) -> int:
    """How much was said in a conversation. O(its entries)."""
    row = connection.execute(
        "select coalesce(sum(octet_length(body)), 0)::bigint from entries where conversation_id = %b", [conversation]
    ).fetchone()
    assert row is not None
    return int(row[0])


def request(
    connection: Connection[Any],
    command_id: str,
    issuer: str,
    asked: MailRequest,
    now: datetime,
    recalled_by: str | None = None,
) -> None:
    """Keeps a mail, due when its hold is over. `recalled_by`: who did not want it any more before it was asked for."""
    due = now + asked.hold
    connection.execute(
        "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, requested_at, "
        "held_until, due_at, state) values (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b) "
        "on conflict do nothing",
        [
            mail_id(command_id),
            command_id,
            asked.conversation_id,
            issuer,
            list(asked.to),
            asked.subject,
            asked.body,
            asked.masked,
            now,
            due,
            due,
            "recalled" if recalled_by is not None else "requested",
        ],
    )
    write_log(connection, mail_id(command_id), MailLogEntry(now, "requested", issuer))
    if recalled_by is not None:
        write_log(connection, mail_id(command_id), MailLogEntry(now, "recalled", recalled_by))


def recall_held(connection: Connection[Any], command_id: str, issuer: str, now: datetime) -> bool:
    """Withdraws the mail of that command; False: there is none that is still held at `now`."""
    row = connection.execute(
        "update mails set state = 'recalled' where id = %b and state = 'requested' and held_until > %b returning id",
        [mail_id(command_id), now],
    ).fetchone()
    if row is not None:
        write_log(connection, row[0], MailLogEntry(now, "recalled", issuer))
    return row is not None


# sending


def due(connection: Connection[Any]) -> Mail | None:
    """Locks the mail that is longest due. None: none is, or others are taking them."""
    row = connection.execute(
        f"select {_MAIL} from mails where state = 'requested' and due_at <= clock_timestamp() "
        "order by due_at limit 1 for update skip locked"
    ).fetchone()
    return _mail(row) if row else None


def claim(connection: Connection[Any], mail: UUID) -> int:
    """A mail that was due is `sending` from this moment; its post may begin once this is committed. Returns which of
    its posts that is, from 1."""
    row = connection.execute(
        "update mails set state = 'sending', attempts = attempts + 1, claimed_at = clock_timestamp() where id = %b "
        "returning attempts",
        [mail],
    ).fetchone()
    assert row is not None
    attempt: int = row[0]
    return attempt


def abandoned(connection: Connection[Any], seconds: float = ABANDONED_SECONDS) -> list[UUID]:
    """Mails whose sender began to post that long ago and never said how it ended, without a lock."""
    rows = connection.execute(
        "select id from mails where state = 'sending' and claimed_at <= clock_timestamp() - make_interval(secs => %b) "
        "limit 100",
        [seconds],
    ).fetchall()
    return [row[0] for row in rows]


def conversations_of(connection: Connection[Any], mails: Collection[UUID]) -> dict[UUID, UUID]:
    """The conversations of the mails that exist: what to lock before `lock`."""
    rows = connection.execute(
        "select id, conversation_id from mails where id = any(%b::uuid[])", [list(mails)]
    ).fetchall()
    return dict(rows)


def lock(connection: Connection[Any], mails: Collection[UUID]) -> dict[UUID, Mail]:
    """Takes the mails' locks in the order of their ids, after their customers', and reads them."""
    if not mails:
        return {}
    rows = connection.execute(
        f"select {_MAIL} from mails where id = any(%b::uuid[]) order by id for update", [list(mails)]
    ).fetchall()
    return {row[0]: _mail(row) for row in rows}


def write(connection: Connection[Any], mails: Iterable[Mail], pause: timedelta = timedelta()) -> None:
    """Keeps what locked mails have become. `pause`: until those that are `requested` again are due."""
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


# what was told of them


def write_log(connection: Connection[Any], mail: UUID, said: MailLogEntry) -> None:
    """One thing more that happened."""
    connection.execute(
        "insert into mail_log (id, mail_id, at, event, actor, recipients, reason) values (%b, %b, %b, %b, %b, %b, %b)",
        [uuid4(), mail, said.at, said.event, said.actor, list(said.recipients), said.reason],
    )


def store_events(connection: Connection[Any], events: Collection[MailEvent]) -> set[UUID]:
    """Keeps events of SES and returns the ids of those that are new, also where nobody knows the mail."""
    rows = sorted({(e.id, e.mail_id, e.at, e.type, "ses", e.reason, "\n".join(e.recipients)) for e in events}, key=_id)
    if not rows:
        return set()
    new = connection.execute(
        "insert into mail_log (id, mail_id, at, event, actor, reason, recipients) "
        "select id, mail_id, at, event, actor, reason, coalesce(string_to_array(nullif(recipients, ''), E'\\n'), '{}') "
        "from unnest(%b::uuid[], %b::uuid[], %b::timestamptz[], %b::text[], %b::text[], %b::text[], %b::text[]) "
        "as t (id, mail_id, at, event, actor, reason, recipients) on conflict do nothing returning id",
        column_arrays(rows),
    ).fetchall()
    return {row[0] for row in new}


# for people


def page(connection: Connection[Any], rows: int, after: Cursor = START, state: MailState | None = None) -> MailPage:
    """Mails, the latest first, then id; those in one state if it is given."""
    where: LiteralString = "and state = %b " if state else ""
    found = connection.execute(
        f"select {_MAIL} from mails where (requested_at, id) < (%b, %b) {where}"
        "order by requested_at desc, id desc limit %b",
        [after.at, after.id, *([state] if state else []), rows + 1],
    ).fetchall()
    shown = [_mail(row) for row in found[:rows]]
    more = len(found) > rows
    return MailPage(shown, Cursor(shown[-1].requested_at, shown[-1].id) if more else None)


def find(connection: Connection[Any], mail: UUID) -> tuple[Mail, list[MailLogEntry]] | None:
    """A mail and everything that happened to it, in order."""
    row = connection.execute(f"select {_MAIL} from mails where id = %b", [mail]).fetchone()
    if row is None:
        return None
    log = connection.execute(
        "select at, event, actor, recipients, reason from mail_log where mail_id = %b order by at, id", [mail]
    ).fetchall()
    return _mail(row), [MailLogEntry(*each) for each in log]


def of_conversation(connection: Connection[Any], conversation: UUID, most: int = 100) -> list[Mail]:
    """Its mails, the latest first."""
    found = connection.execute(
        f"select {_MAIL} from mails where conversation_id = %b order by requested_at desc, id desc limit %b",
        [conversation, most],
    ).fetchall()
    return [_mail(row) for row in found]


def returned(connection: Connection[Any], mails: Collection[UUID]) -> dict[tuple[UUID, str], str]:
    """By mail and recipient why it came back, as SES said it last."""
    found = connection.execute(
        "select mail_id, unnest(recipients), reason from mail_log "
        "where mail_id = any(%b::uuid[]) and event = 'bounced' and reason is not null order by at, id",
        [list(mails)],
    ).fetchall()
    return {(mail, recipient.casefold()): reason for mail, recipient, reason in found}


def standing(connection: Connection[Any]) -> tuple[int, float]:
    """How many mails are unknown, and for how many seconds the one that is longest due has waited (0: none is due)."""
    row = connection.execute(
        "select (select count(*) from mails where state = 'unknown'), coalesce(extract(epoch from clock_timestamp() - "
        "(select min(due_at) from mails where state = 'requested' and due_at <= clock_timestamp())), 0)::float"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def resend(connection: Connection[Any], mail: UUID, issuer: str) -> bool:
    """Makes an unknown or failed mail due again: an administrator says so. False: it is neither (any more)."""
    row = connection.execute(
        "update mails set state = 'requested', reason = null, rejected = false, due_at = clock_timestamp() "
        "where id = %b and state = any(%b::text[]) returning clock_timestamp()",
        [mail, list(RESENDABLE)],
    ).fetchone()
    if row is not None:
        write_log(connection, mail, MailLogEntry(row[0], "resent", issuer))
    return row is not None


def _id(row: tuple[Any, ...]) -> UUID:
    found: UUID = row[0]
    return found


def _mail(row: Sequence[Any]) -> Mail:
    return Mail(
        id=row[0],
        command_id=row[1],
        conversation_id=row[2],
        issuer=row[3],
        to=tuple(row[4]),
        subject=row[5],
        body=row[6],
        masked=row[7],
        requested_at=row[8],
        state=row[9],
        reason=row[10],
        attempts=row[11],
        message_id=row[12],
        delivery=row[13],
        rejected=row[14],
    )
