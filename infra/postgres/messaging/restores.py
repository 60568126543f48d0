"""Restores of the database (docs/runbook.md): how one is recognised, and what is held until a person decides. What a
backup does not know may have been posted or carried out already, so nothing of it happens a second time by itself.
Raises psycopg errors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.campaigns.recipients import RecipientChange
from infra.postgres.campaigns.counts import Moves
from infra.postgres.campaigns.recipients import RecipientSend, follow_sends
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.mails import MailLogEntry, write_log
from infra.postgres.messaging.offsets import inbound_watermark
from infra.postgres.sending import sends
from infra.postgres.sending.sends import SendLogEntry

GroupPartition = tuple[str, str, int]
"""A consumer group, a topic, and a partition."""


class HeldMail(NamedTuple):
    """A mail that was open when the backup was made."""

    id: UUID
    requested_at: datetime
    issuer: str
    to: Sequence[str]
    subject: str


class HeldSend(NamedTuple):
    """A message to a customer that waited to be posted when the backup was made. `to`: phone, user id or group."""

    id: UUID
    requested_at: datetime
    issuer: str
    to: str
    kind: str


class HeldCommand(NamedTuple):
    """A command that was received before the restore. The restored database does not know whether it was carried
    out."""

    id: str
    received_at: datetime
    issuer: str
    type: str
    conversation_id: UUID | None
    body: bytes


def is_behind(connection: Connection[Any], committed: Mapping[GroupPartition, int]) -> bool:
    """Returns whether the database is older than what was processed. `committed`: the groups' offsets in Kafka, read
    before. They are committed only after PostgreSQL, so they are ahead of the table only after a restore."""
    if not committed:
        return False
    rows = sorted((*place, offset) for place, offset in committed.items())
    found = connection.execute(
        "select from unnest(%b::text[], %b::text[], %b::integer[], %b::bigint[]) "
        "as t (group_name, topic, partition, committed) "
        "left join consumer_offsets o using (group_name, topic, partition) "
        "where t.committed > greatest(coalesce(o.next_offset, 0), coalesce(o.restored_until, 0)) limit 1",
        column_arrays(rows),
    ).fetchone()
    return found is not None


def recognise(connection: Connection[Any]) -> bool:
    """Notes that the database was restored, holds the mails and sends that are open, and pauses campaigns. Returns
    False if that is noted already."""
    row = connection.execute("insert into restores default values on conflict do nothing returning 1").fetchone()
    if row is None:
        return False
    connection.execute(
        "update mails set state = 'held_after_restore' where id in "
        "(select id from mails where state = 'requested' order by id for update)"
    )
    connection.execute(
        "update sends set state = 'held_after_restore' where id in "
        "(select id from sends where state = 'queued' order by id for update)"
    )
    connection.execute(
        "with paused as (update campaigns set state = 'paused', reason = 'restored', changed_by = 'campaigns', "
        "version = version + 1 where id in "
        "(select id from campaigns where state in ('running', 'scheduled') order by id for update) returning id) "
        "insert into campaign_log (campaign_id, at, event, actor, reason) "
        "select id, clock_timestamp(), 'paused', 'campaigns', 'restored' from paused"
    )
    return True


def forget_unconfirmed(connection: Connection[Any]) -> None:
    """Forgets a restore that was unconfirmed when the backup was made, so that the one from it is recognised: mails and
    sends that were requested between the two are held as well."""
    connection.execute("delete from restores where confirmed_at is null")


def is_read_again(connection: Connection[Any], inbound: str) -> bool:
    """Returns whether what came before the last restore was recognised has been processed again, which tells whom
    messages reached that the backup does not know. `inbound`: name of the topic."""
    query = "select coalesce(max(recognised_at) <= %b, true) from restores"
    row = connection.execute(query, [inbound_watermark(connection, inbound)]).fetchone()
    return row is None or bool(row[0])


def is_open(connection: Connection[Any]) -> bool:
    """Returns whether a restore was recognised that nobody has confirmed."""
    return connection.execute("select from restores where confirmed_at is null").fetchone() is not None


def hold_commands(connection: Connection[Any], commands: Sequence[HeldCommand]) -> None:
    """Stores commands for a person to decide."""
    rows = {command.id: command for command in commands}
    if rows:
        connection.execute(
            "insert into held_commands (id, received_at, issuer, type, conversation_id, body) select * from "
            "unnest(%b::text[], %b::timestamptz[], %b::text[], %b::text[], %b::uuid[], %b::bytea[]) "
            "on conflict do nothing",
            column_arrays(rows[id_] for id_ in sorted(rows)),
        )


def held_mails(connection: Connection[Any]) -> list[HeldMail]:
    """Returns the mails that nobody has decided about, the oldest first."""
    rows = connection.execute(
        "select id, requested_at, issuer, recipients, subject from mails where state = 'held_after_restore' "
        "order by requested_at, id"
    ).fetchall()
    return [HeldMail._make(row) for row in rows]


def held_sends(connection: Connection[Any]) -> list[HeldSend]:
    """Returns the sends that nobody has decided about, the oldest first."""
    rows = connection.execute(
        "select id, requested_at, actor, address, kind from sends where state = 'held_after_restore' "
        "order by requested_at, id"
    ).fetchall()
    return [HeldSend._make(row) for row in rows]


def held_commands(connection: Connection[Any]) -> list[HeldCommand]:
    """Returns the commands that nobody has decided about, the oldest first."""
    rows = connection.execute(
        "select id, received_at, issuer, type, conversation_id, body from held_commands where decided_at is null "
        "order by received_at, id"
    ).fetchall()
    return [HeldCommand._make(row) for row in rows]


def mail_events(connection: Connection[Any], mails: Collection[UUID]) -> dict[UUID, str]:
    """Returns mail -> the last event that SES reported for it, also for mails that the database does not know."""
    rows = connection.execute(
        "select distinct on (mail_id) mail_id, event from mail_log where mail_id = any(%b::uuid[]) and actor = 'ses' "
        "order by mail_id, at desc",
        [list(mails)],
    ).fetchall()
    return dict(rows)


def decide_mail(connection: Connection[Any], mail: UUID, again: bool, by: str) -> None:
    """Sends a held mail, or makes it `unknown`: it may have been sent before the restore."""
    row = connection.execute(
        "update mails set state = case when %b then 'requested' else 'unknown' end, due_at = clock_timestamp(), "
        "reason = case when not %b then 'restored' end where id = %b and state = 'held_after_restore' "
        "returning clock_timestamp()",
        [again, again, mail],
    ).fetchone()
    if row is not None:
        write_log(connection, mail, MailLogEntry(row[0], "resent" if again else "held", by, reason="restored"))


def decide_send(connection: Connection[Any], send: UUID, again: bool, by: str) -> None:
    """Lets a held send be posted, or makes it `unknown`: it may have been posted before the restore."""
    row = connection.execute(
        "update sends set state = case when %b then 'queued' else 'unknown' end, due_at = clock_timestamp(), "
        "reason = case when not %b then 'restored' end where id = %b and state = 'held_after_restore' "
        "returning clock_timestamp(), attempt, campaign_id, row_no",
        [again, again, send],
    ).fetchone()
    if row is None:
        return
    at, attempt, campaign, row_no = row
    sends.write_log(
        connection, [(send, SendLogEntry(at, attempt, "send_again" if again else "held", by, None, "restored"))]
    )
    if campaign is not None:
        moves = Moves()
        change = RecipientChange("claimed" if again else "unknown", None, None if again else at)
        follow_sends(connection, [RecipientSend(campaign, row_no, send, change)], moves)
        moves.write(connection)


def decide_command(connection: Connection[Any], command: str, again: bool, by: str) -> None:
    """Notes what a person decided about a held command."""
    connection.execute(
        "update held_commands set decided_at = now(), decided_by = %b, again = %b where id = %b and decided_at is null",
        [by, again, command],
    )


def confirm(connection: Connection[Any], by: str) -> bool:
    """Confirms the restore if nothing is held any more; returns whether it is confirmed now."""
    connection.execute(
        "update restores set confirmed_at = now(), confirmed_by = %b where confirmed_at is null "
        "and not exists (select from mails where state = 'held_after_restore') "
        "and not exists (select from sends where state = 'held_after_restore') "
        "and not exists (select from held_commands where decided_at is null)",
        [by],
    )
    return not is_open(connection)


def held_count(connection: Connection[Any]) -> int | None:
    """Returns how many mails, messages and commands are held; None: no restore is unconfirmed."""
    row = connection.execute(
        "select (select count(*) from mails where state = 'held_after_restore') "
        "+ (select count(*) from sends where state = 'held_after_restore') "
        "+ (select count(*) from held_commands where decided_at is null) from restores where confirmed_at is null"
    ).fetchone()
    return row[0] if row else None


def hold_reason(connection: Connection[Any]) -> str | None:
    """Returns what /readyz says while a restore is unconfirmed; None: there is none."""
    held = held_count(connection)
    if held is None:
        return None
    return f"the database was restored, {held:,} mails, messages and commands are held; see witiop restore list"
