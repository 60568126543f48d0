"""What is known of unknown sends: whether Meta's webhooks would have named them by now. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from psycopg import Connection

from domain.sending.sends import Send, SendStatus, StatusReport
from domain.sending.unknown import REPORTED_WITHIN, Silence
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.statuses import STATUS_RANKS
from infra.postgres.messaging.offsets import inbound_watermark
from infra.postgres.sending.sends import SEND_COLUMNS, read

_LOOKED_AT = 1000


def without_wamid(connection: Connection[Any], numbers: Collection[str], since: datetime) -> list[Send]:
    """Returns the sends of these numbers that were posted since then and whose message's id is not known, in the order
    of their ids. Takes no lock."""
    if not numbers:
        return []
    return read(
        connection,
        f"select {SEND_COLUMNS} from sends where state in ('sending', 'unknown') and wamid is null "
        "and phone_number_id = any(%b::text[]) and claimed_at >= %b order by id",
        [sorted(numbers), since],
    )


def known_statuses(
    connection: Connection[Any], messages: Collection[tuple[str, str]]
) -> dict[tuple[str, str], list[StatusReport]]:
    """Returns number and wamid -> what Meta reported of messages before their answer, without callback data."""
    if not messages:
        return {}
    rows = connection.execute(
        "select m.phone_number_id, m.wamid, m.rank, m.failed_at is not null, m.code "
        "from unnest(%b::text[], %b::text[]) as t (phone_number_id, wamid) "
        "join message_status m using (phone_number_id, wamid)",
        column_arrays(sorted(messages)),
    ).fetchall()
    found: dict[tuple[str, str], list[StatusReport]] = {}
    for number, wamid, rank, failed, code in rows:
        reports = found.setdefault((number, wamid), [])
        if rank:
            reports.append(StatusReport(wamid, _STATUS_OF[rank]))
        if failed:
            reports.append(StatusReport(wamid, "failed", code=code))
    return found


_STATUS_OF = {rank: cast(SendStatus, status) for status, rank in STATUS_RANKS.items()}


def silences(connection: Connection[Any], inbound: str, sends: Iterable[Send]) -> dict[UUID, Silence]:
    """Returns for each of the sends that are unknown what was heard since its post. `inbound`: the topic."""
    unknown = [send for send in sends if send.state == "unknown" and send.claimed_at is not None]
    if not unknown:
        return {}
    heard_until = inbound_watermark(connection, inbound)
    rows = connection.execute(
        "select phone_number_id, heard_at from lanes where phone_number_id = any(%b::text[])",
        [sorted({send.phone_number_id for send in unknown})],
    ).fetchall()
    heard_at = dict(rows)
    return {
        send.id: Silence(send.claimed_at, heard_until, heard_at.get(send.phone_number_id))
        for send in unknown
        if send.claimed_at is not None
    }


def long_unknown(connection: Connection[Any]) -> Sequence[Send]:
    """Returns at most 1,000 unknown sends that are no templates, that Meta would have reported by now, and that nobody
    but a person has posted again; none while a restore of the database is not confirmed. Takes no lock."""
    return read(
        connection,
        f"select {SEND_COLUMNS} from sends s where state = 'unknown' and kind <> 'template' "
        "and claimed_at < clock_timestamp() - %b and not exists (select from send_log l "
        "where l.send_id = s.id and l.event = 'send_again' and l.actor = 'sender') "
        "and not exists (select from restores where confirmed_at is null) order by claimed_at limit %b",
        [REPORTED_WITHIN, _LOOKED_AT],
    )


def undelivered(connection: Connection[Any], inbound: str) -> list[UUID]:
    """Returns at most 1,000 sends that Meta accepted, has given up since, and would have reported by now: what its
    webhooks brought until ten minutes later has been processed, and they brought something about the number since.
    `inbound`: the topic. Takes no lock."""
    rows = connection.execute(
        "select s.id from sends s join lanes l using (phone_number_id) "
        "where s.state in ('accepted', 'sent') and s.gives_up_at <= %b and l.heard_at > s.gives_up_at "
        "order by s.gives_up_at limit %b",
        [inbound_watermark(connection, inbound) - REPORTED_WITHIN, _LOOKED_AT],
    ).fetchall()
    return [id_ for (id_,) in rows]


def note_heard(connection: Connection[Any], numbers: Iterable[str]) -> set[str]:
    """Notes that a webhook of these numbers arrived; returns those that something was sent from. Skips numbers that a
    sender has locked: the next webhook will do."""
    rows = connection.execute(
        "update lanes set heard_at = clock_timestamp() where phone_number_id in (select phone_number_id from lanes "
        "where phone_number_id = any(%b::text[]) order by phone_number_id for update skip locked) "
        "returning phone_number_id",
        [sorted(numbers)],
    ).fetchall()
    return {number for (number,) in rows}
