"""Files of customers' messages: what is to be fetched, and what became of it. Raises psycopg errors."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.facts import ConversationFact, CustomerTurn, HumanEcho
from domain.mail_body.files import MailFile
from domain.messages.files import LIMITS, transfer_seconds
from infra.postgres.connections.arrays import column_arrays

ID_LIFE = timedelta(days=7)
"""How long Meta keeps what customers send."""
_MARGIN_SECONDS = 60.0
"""A fetch that takes longer than its kind may, and this, has died."""


class DueFetch(NamedTuple):
    """A file to be fetched. `message_id`: the fact of its message; `sha256`: as the message says it; `attempts`: with
    this one."""

    message_id: UUID
    phone_number_id: str
    meta_id: str
    kind: str
    announced_sha256: str | None
    expires_at: datetime
    attempts: int


class StoredFile(NamedTuple):
    """A file that was fetched. `shown_type`: the MIME type that its bytes prove, if browsers may show it."""

    sha256: str
    size: int
    shown_type: str | None
    has_thumbnail: bool


class ReceivedFile(NamedTuple):
    """What is known of a message's file. `state`: `waiting`, `stored` or `failed`; `reason`: why it was not fetched;
    `sha256` to `has_thumbnail`: of a stored one, see `StoredFile`; `conversation_id`: None while its message belongs to
    none; `is_expired`: it was given up because Meta does not keep it any longer; `is_deleted`: the customer deleted its
    message, so nobody may be shown it who has no right to see deleted texts."""

    message_id: UUID
    kind: str
    mime_type: str | None
    file_name: str | None
    state: str
    reason: str | None
    sha256: str | None
    size: int | None
    shown_type: str | None
    has_thumbnail: bool
    conversation_id: UUID | None
    is_expired: bool
    is_deleted: bool


_READ_FILES: LiteralString = """
select m.message_id, m.kind, m.mime_type, m.file_name, m.state, m.reason, m.sha256, m.size, m.shown_type,
  m.has_thumbnail, e.conversation_id, m.state = 'failed' and m.settled_at >= m.expires_at as is_expired,
  coalesce(c.deleted, false) as is_deleted
from media m
left join lateral (
  select wamid, conversation_id from entries where input_id = m.message_id order by conversation_id limit 1
) e on true
left join message_changes c on c.phone_number_id = m.phone_number_id and c.wamid = e.wamid
where m.message_id = any(%b)
"""


def note(connection: Connection[Any], facts: Iterable[ConversationFact]) -> None:
    """Notes the files of new messages, to be fetched at once. One that is noted already stays."""
    rows = [
        (
            fact.id,
            fact.phone_number_id,
            fact.media.id,
            fact.type,
            fact.media.mime_type,
            fact.media.file_name,
            fact.media.sha256,
            fact.sent_at + ID_LIFE,
        )
        for fact in facts
        if isinstance(fact, CustomerTurn | HumanEcho) and fact.media is not None
    ]
    if rows:
        rows.sort(key=lambda row: row[0].int)
        connection.execute(
            "insert into media (message_id, phone_number_id, meta_id, kind, mime_type, file_name, announced_sha256, "
            "expires_at) select * from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], "
            "%b::text[], %b::timestamptz[]) on conflict do nothing",
            column_arrays(rows),
        )


def claim(connection: Connection[Any], most: int) -> list[DueFetch]:
    """Takes at most `most` files to be fetched, the longest due first. They are due again when a fetch of their kind
    must have ended, so what a process took that died is fetched by another."""
    leases = [(kind, transfer_seconds(limit) + _MARGIN_SECONDS) for kind, limit in LIMITS.items()]
    with connection.cursor(row_factory=class_row(DueFetch)) as cursor:
        return cursor.execute(
            "update media m set attempts = m.attempts + 1, next_at = clock_timestamp() + make_interval(secs => "
            "coalesce((select l.seconds from unnest(%b::text[], %b::float8[]) as l (kind, seconds) "
            "where l.kind = m.kind), 600)) "
            "from (select message_id from media where state = 'waiting' and next_at <= clock_timestamp() "
            "order by next_at, message_id limit %b for update skip locked) due where m.message_id = due.message_id "
            "returning m.message_id, m.phone_number_id, m.meta_id, m.kind, m.announced_sha256, m.expires_at, "
            "m.attempts",
            [*column_arrays(leases), most],
        ).fetchall()


def store(connection: Connection[Any], message_id: UUID, file: StoredFile) -> None:
    """Notes that a file was fetched; of a message that was removed meanwhile, that nothing needs it."""
    connection.execute(
        "with noted as (update media set state = 'stored', sha256 = %b, size = %b, shown_type = %b, "
        "has_thumbnail = %b, reason = null, settled_at = clock_timestamp() "
        "where message_id = %b and state = 'waiting' returning message_id) "
        "insert into unneeded_files (sha256) select %b where not exists (select from noted) on conflict do nothing",
        [*file, message_id, file.sha256],
    )


def retry(connection: Connection[Any], message_id: UUID, reason: str, wait: timedelta) -> None:
    """Notes why a file was not fetched, and when it is tried again."""
    connection.execute(
        "update media set reason = %b, next_at = clock_timestamp() + %b where message_id = %b and state = 'waiting'",
        [reason, wait, message_id],
    )


def give_up(connection: Connection[Any], message_id: UUID, reason: str) -> None:
    """Notes that a file is not fetched any more."""
    connection.execute(
        "update media set state = 'failed', reason = %b, settled_at = clock_timestamp() "
        "where message_id = %b and state = 'waiting'",
        [reason, message_id],
    )


def find(connection: Connection[Any], message_id: UUID) -> ReceivedFile | None:
    """Returns the file of a message. Who may be shown it is the caller's to check: see `ReceivedFile`."""
    return of_messages(connection, [message_id]).get(message_id)


def of_conversation(connection: Connection[Any], conversation: UUID) -> list[ReceivedFile]:
    """Returns the files of a conversation that were fetched and not deleted, in the order of their messages."""
    rows = connection.execute(
        "select m.message_id from entries e join media m on m.message_id = e.input_id "
        "where e.conversation_id = %b and m.state = 'stored' order by e.at, e.arrival, e.input_id",
        [conversation],
    ).fetchall()
    found = of_messages(connection, [row[0] for row in rows])
    return [file for (message,) in rows if not (file := found[message]).is_deleted]


def of_messages(connection: Connection[Any], message_ids: Collection[UUID]) -> dict[UUID, ReceivedFile]:
    """Returns the files of those of the messages that have one, by message. See `find`."""
    if not message_ids:
        return {}
    with connection.cursor(row_factory=class_row(ReceivedFile)) as cursor:
        found = cursor.execute(_READ_FILES, [list(message_ids)]).fetchall()
    return {file.message_id: file for file in found}


class FetchDiagnostics(NamedTuple):
    """How fetching goes. `overdue_seconds`: how long the file that waits longest for its first attempt has waited;
    `failed`: files of the last week that were not fetched; `example`: why the latest of them was not."""

    overdue_seconds: float
    failed: int
    example: str | None


def diagnostics(connection: Connection[Any]) -> FetchDiagnostics:
    """Returns how fetching goes."""
    with connection.cursor(row_factory=class_row(FetchDiagnostics)) as cursor:
        row = cursor.execute(
            "select coalesce(extract(epoch from clock_timestamp() - (select min(next_at) from media "
            "where state = 'waiting' and next_at <= clock_timestamp())), 0)::float as overdue_seconds, "
            "(select count(*) from media where state = 'failed' "
            "and settled_at > clock_timestamp() - interval '7 days') as failed, "
            "(select reason from media where state = 'failed' order by settled_at desc limit 1) as example"
        ).fetchone()
    return row or FetchDiagnostics(0.0, 0, None)


def mail_files(connection: Connection[Any], conversation: UUID) -> list[MailFile]:
    """Returns the stored files of a conversation in the order of their messages, as mails name and attach them."""
    return [
        MailFile(file.message_id, file.kind, file.file_name, file.shown_type, file.sha256, file.size)
        for file in of_conversation(connection, conversation)
        if file.sha256 is not None and file.size is not None
    ]
