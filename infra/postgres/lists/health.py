"""The database queries of `witiop doctor`. Each query is one statement, and so one consistent read. Raises psycopg
errors."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from domain.ids import FactId
from infra.postgres.lists.waiting_facts import OF_BOTS_AND_AGENTS
from infra.postgres.messaging.dead_letters import OUTBOX
from infra.postgres.messaging.offsets import RecordMark

COUNTED = 10_000
"""The highest count that is reported: a higher one would be no worse."""

RECOUNT = (
    "begin; lock unmanaged_counts; delete from unmanaged_counts; insert into unmanaged_counts "
    "select phone_number_id, status, reason, count(*) from conversations where unmanaged group by 1, 2, 3; commit"
)
"""SQL that corrects the counters of the list while all processes run. Writers change the counters last in their
transactions, so their changes are added to what this SQL has counted."""


class DatabaseServer(NamedTuple):
    """The state of the server. `unsafe`: names of settings that are off, so that a committed transaction can be
    lost."""

    version: int
    now: datetime
    read_only: bool
    unsafe: list[str]


class ConsumerPosition(NamedTuple):
    """The position of a consumer group in a partition. `idle_seconds`: since its last progress; `lost`: records that
    the broker deleted before the group read them; `breaks`: how often the log was another one than the one that was
    read; `last`: the record before the position, None if it is not known."""

    group: str
    topic: str
    partition: int
    next_offset: int
    idle_seconds: float
    lost: int
    breaks: int = 0
    last: RecordMark | None = None


RECOUNT_DISMISSED = (
    "begin; lock dismissed_counts; delete from dismissed_counts; insert into dismissed_counts "
    "select phone_number_id, status, dismissed_as, count(*) from conversations where dismissed_as is not null "
    "group by 1, 2, 3; commit"
)
"""As `RECOUNT`, of the dismissed conversations."""


class Miscount(NamedTuple):
    """A counter of the lists that is wrong. `reason`: the code of the reason; or `dismissed_as`: that of a dismissal.
    `counted`: its value; `there`: the actual number of rows."""

    phone_number_id: str
    status: str
    reason: int | None
    dismissed_as: str | None
    counted: int
    there: int

    def __str__(self) -> str:
        of = f"reason {self.reason}" if self.dismissed_as is None else f"dismissed as {self.dismissed_as}"
        return f"number {self.phone_number_id}, status {self.status}, {of}"

    @property
    def fix(self) -> str:
        """SQL that corrects it."""
        return RECOUNT if self.dismissed_as is None else RECOUNT_DISMISSED


def server(connection: Connection[Any]) -> DatabaseServer:
    """Returns the state of the server. Works without the product's schema."""
    row = connection.execute(
        "select current_setting('server_version_num')::integer, clock_timestamp(), "
        "pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean, "
        "(select coalesce(array_agg(name order by name), '{}') from pg_settings "
        "where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off')"
    ).fetchone()
    assert row is not None
    return DatabaseServer(*row)


def missing_standbys(connection: Connection[Any]) -> int:
    """Returns how many synchronous standbys are missing: as long as there are any, commits wait for them. 0 also if
    this role may not see the standbys."""
    row = connection.execute(_MISSING_STANDBYS).fetchone()
    return row[0] if row else 0


_MISSING_STANDBYS: LiteralString = """
with wanted as (
  select case when names = '' then 0
    else coalesce(substring(names from '^\\s*(?:ANY|FIRST)?\\s*(\\d+)\\s*\\(')::integer, 1) end as n
  from (select btrim(current_setting('synchronous_standby_names')) as names) as configured
)
select greatest(0, n - (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum'))::integer)
from wanted where n > 0 and pg_has_role(current_user, 'pg_read_all_stats', 'usage')
"""
"""As many as the number before the names says, or one."""


def consumer_positions(connection: Connection[Any]) -> list[ConsumerPosition]:
    """Returns the positions of all consumer groups, ordered by group, topic and partition."""
    rows = connection.execute(
        "select group_name, topic, partition, next_offset, extract(epoch from now() - progressed_at)::float, lost, "
        "breaks, last_at, last_hash from consumer_offsets order by group_name, topic, partition"
    ).fetchall()
    return [
        ConsumerPosition._make([*position, RecordMark(position[3] - 1, at, digest) if digest else None])
        for *position, at, digest in rows
    ]


def outbox_age(connection: Connection[Any]) -> float:
    """Returns for how many seconds the oldest record of the outbox has waited (0: the outbox is empty)."""
    row = connection.execute("select extract(epoch from now() - at)::float from outbox order by id limit 1").fetchone()
    return row[0] if row else 0.0


def waiting_dead_letters(connection: Connection[Any]) -> dict[str, int]:
    """Returns kind -> number of dead letters that were not replayed yet, at most `COUNTED` of all kinds together. The
    kind of events that could not be published is `outbox`."""
    return dict(
        connection.execute(
            "select kind, count(*) from (select case when source = %s then source else kind end as kind "
            "from set_aside where redriven_at is null limit %s) as waiting group by kind order by kind",
            [OUTBOX, COUNTED],
        ).fetchall()
    )


def waiting_reports(connection: Connection[Any]) -> dict[str, int]:
    """Returns kind -> number of facts of bots and agents of the last week that have waited for a conversation for five
    minutes or more; at most `COUNTED` of all kinds together."""
    return dict(
        connection.execute(
            "select kind, count(*) from (select kind from entries where conversation_id is null and kind = any(%s) "
            "and at > now() - interval '7 days' and at < now() - interval '5 minutes' limit %s) as waiting "
            "group by kind order by kind",
            [list(OF_BOTS_AND_AGENTS), COUNTED],
        ).fetchall()
    )


def is_noticed(connection: Connection[Any], ids: Collection[FactId]) -> bool:
    """Returns whether one of these notices has arrived."""
    row = connection.execute("select exists (select from notices where input_id = any(%b::uuid[]))", [list(ids)])
    return bool(row.fetchone() == (True,))


def miscounts(connection: Connection[Any]) -> list[Miscount]:
    """Returns the counters of the lists that are wrong. Reads all unmanaged and dismissed conversations: about 1 s for
    10 million."""
    rows = connection.execute(
        "select phone_number_id, status::text, reason, null, coalesce(c.n, 0), coalesce(e.n, 0) "
        "from unmanaged_counts c "
        "full join (select phone_number_id, status, reason, count(*) as n from conversations "
        "where unmanaged group by phone_number_id, status, reason) e using (phone_number_id, status, reason) "
        "where coalesce(c.n, 0) <> coalesce(e.n, 0) union all "
        "select phone_number_id, status::text, null, dismissed_as::text, coalesce(c.n, 0), coalesce(e.n, 0) "
        "from dismissed_counts c "
        "full join (select phone_number_id, status, dismissed_as, count(*) as n from conversations "
        "where dismissed_as is not null group by 1, 2, 3) e using (phone_number_id, status, dismissed_as) "
        "where coalesce(c.n, 0) <> coalesce(e.n, 0) order by 1, 2, 3, 4"
    )
    return [Miscount(*row) for row in rows]


def unknown_numbers(connection: Connection[Any]) -> list[str]:
    """Returns the numbers that have unmanaged conversations and are not in the directory."""
    rows = connection.execute(
        "select distinct phone_number_id from unmanaged_counts "
        "where phone_number_id not in (select phone_number_id from numbers) order by phone_number_id"
    )
    return [row[0] for row in rows]


def unstaffed_skillsets(connection: Connection[Any]) -> list[str]:
    """Returns the skillsets that a number's menu leads to and that have no members, so that no agent could take a
    conversation from their queues."""
    rows = connection.execute(
        "select distinct choice.value from numbers, json_each_text(menu) as choice "
        "where not exists (select from users where choice.value = any (skillsets)) order by choice.value"
    )
    return [row[0] for row in rows]
