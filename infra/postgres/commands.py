"""Commands that were seen, and the audit of every record of their topic. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.statements import columns

Outcome = Literal["applied", "rejected", "repeated"]


class Audited(NamedTuple):
    """What became of one record: a row of the audit, in its order. `command_id`, `type`, `source` and `issuer` are None
    when it was not authentic: then nothing in it is believed."""

    topic: str
    partition: int
    offset: int
    received_at: datetime
    command_id: str | None
    type: str | None
    source: str | None
    issuer: str | None
    outcome: Outcome
    reason: str | None
    what: str | None
    conversation_id: UUID | None
    version: int | None
    batch_id: str | None


def claim(connection: Connection[Any], ids: Collection[str]) -> set[str]:
    """Takes the ids that are new, in their order, and returns them; the others were carried out or refused before."""
    if not ids:
        return set()
    rows = connection.execute(
        "insert into commands (id) select id from unnest(%b::text[]) as t (id) order by id "
        "on conflict do nothing returning id",
        [sorted(set(ids))],
    ).fetchall()
    return {row[0] for row in rows}


def count_repeats(connection: Connection[Any], ids: Iterable[str]) -> None:
    """Each stands once for each time it came again."""
    repeats: dict[str, int] = {}
    for command in ids:
        repeats[command] = repeats.get(command, 0) + 1
    if repeats:
        connection.execute(
            "update commands c set repeats = c.repeats + t.n from unnest(%b::text[], %b::integer[]) as t (id, n) "
            "where c.id = t.id",
            columns(sorted(repeats.items())),
        )


def audit(connection: Connection[Any], rows: Sequence[Audited]) -> None:
    """One row a record."""
    if rows:
        connection.execute(
            'insert into command_audit (topic, partition, "offset", received_at, command_id, type, source, issuer, '
            "outcome, reason, what, conversation_id, version, batch_id) "
            "select * from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[], %b::text[], %b::text[], "
            "%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::integer[], %b::text[]) "
            "on conflict do nothing",
            columns(rows),
        )
