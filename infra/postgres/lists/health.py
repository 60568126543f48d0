"""Queries of `witiop doctor`. Each is a single statement, so its result describes a single moment."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

COUNTED = 10_000
"""Limit of a count: a larger number would not change the finding."""

RECOUNT = (
    "begin; lock unmanaged_counts; delete from unmanaged_counts; insert into unmanaged_counts "
    "select phone_number_id, status, reason, count(*) from conversations where unmanaged group by 1, 2, 3; commit"
)
"""Corrects the counters of the list while the system runs: writers update counters last, so their increments add to
what this statement counted."""


class DatabaseServer(NamedTuple):
    """State of the server. `unsafe` lists settings under which a committed transaction can be lost."""

    version: int
    now: datetime
    read_only: bool
    unsafe: list[str]


class ConsumerPosition(NamedTuple):
    """Position of a consumer group in a partition; `lost` counts records that were deleted before they were read."""

    group: str
    topic: str
    partition: int
    next_offset: int
    idle_seconds: float
    lost: int


class Miscount(NamedTuple):
    """A counter of the list (`counted`) that differs from the number of rows (`there`)."""

    phone_number_id: str
    status: str
    reason: int
    counted: int
    there: int


def server(connection: Connection[Any]) -> DatabaseServer:
    """Returns the state of the server. Works without our schema."""
    row = connection.execute(
        "select current_setting('server_version_num')::integer, clock_timestamp(), "
        "pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean, "
        "(select coalesce(array_agg(name order by name), '{}') from pg_settings "
        "where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off')"
    ).fetchone()
    assert row is not None
    return DatabaseServer(*row)


def consumer_positions(connection: Connection[Any]) -> list[ConsumerPosition]:
    """Returns all positions, ordered by group, topic and partition."""
    rows = connection.execute(
        "select group_name, topic, partition, next_offset, extract(epoch from now() - progressed_at)::float, lost "
        "from consumer_offsets order by group_name, topic, partition"
    )
    return [ConsumerPosition(*row) for row in rows]


def outbox_age(connection: Connection[Any]) -> float:
    """Returns the age of the oldest record of the outbox in seconds, 0 if the outbox is empty."""
    row = connection.execute("select extract(epoch from now() - at)::float from outbox order by id limit 1").fetchone()
    return row[0] if row else 0.0


def waiting_dead_letters(connection: Connection[Any]) -> dict[str, int]:
    """Returns how many dead letters were never replayed, by kind; `COUNTED` in total at most."""
    return dict(
        connection.execute(
            "select kind, count(*) from (select kind from set_aside where redriven_at is null limit %s) as waiting "
            "group by kind order by kind",
            [COUNTED],
        ).fetchall()
    )


def miscounts(connection: Connection[Any]) -> list[Miscount]:
    """Returns the counters of the list that are wrong. Reads every listed conversation: about 1 s for 10 million."""
    rows = connection.execute(
        "select phone_number_id, status::text, reason, coalesce(c.n, 0), coalesce(e.n, 0) from unmanaged_counts c "
        "full join (select phone_number_id, status, reason, count(*) as n from conversations "
        "where unmanaged group by phone_number_id, status, reason) e using (phone_number_id, status, reason) "
        "where coalesce(c.n, 0) <> coalesce(e.n, 0) order by phone_number_id, status, reason"
    )
    return [Miscount(*row) for row in rows]


def unknown_numbers(connection: Connection[Any]) -> list[str]:
    """Returns the numbers that customers wrote to but that are not in the directory."""
    rows = connection.execute(
        "select distinct phone_number_id from unmanaged_counts "
        "where phone_number_id not in (select phone_number_id from numbers) order by phone_number_id"
    )
    return [row[0] for row in rows]


def unstaffed_skillsets(connection: Connection[Any]) -> list[str]:
    """Returns the skillsets that a menu leads to but that no user has: nobody can be assigned their conversations."""
    rows = connection.execute(
        "select distinct choice.value from numbers, json_each_text(menu) as choice "
        "where not exists (select from users where choice.value = any (skillsets)) order by choice.value"
    )
    return [row[0] for row in rows]
