"""Generates a database of ten million conversations, with the rows that the product itself would write.

The real consumer and the real timer process a few stories, in temporary tables with the names of the product's; then
PostgreSQL copies the resulting rows with new ids and times. So every row has the current form, without a second
definition of it here.

Of N conversations: N/2 customers of ten numbers have an older and a newer conversation each; N/10 of the newer ones are
active, with windows that end within a day, the others are closed. Each has two entries and two to five rows of history;
the outbox is empty. Rows are in the order of the openings, as if they had been inserted one by one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from time import monotonic
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from benchmarks.setup.stories import DIRECTORY, NUMBERS, BenchStory, stories
from consumers.handlers.conversations import Conversations
from consumers.workers.timer import Timer
from domain.facts import FACT
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.local.postgres import LocalPostgres
from infra.postgres import directory
from infra.postgres.conversations import columns
from infra.postgres.migrations import migrate

_CHUNK = 250_000
"""Conversations that are created in one transaction."""


class BenchChat(NamedTuple):
    """A conversation and its customer."""

    id: UUID
    customer_id: UUID
    phone_number_id: str
    wa_id: str


@dataclass(frozen=True, slots=True)
class World:
    """A database with this number of conversations, as of the time `now`."""

    dsn: str
    conversations: int
    now: datetime

    def active(self, how_many: int, chance: Random) -> list[BenchChat]:
        """Returns random active conversations, of different customers."""
        return self._chats(range(self.conversations * 9 // 10, self.conversations), how_many, chance)

    def quiet(self, how_many: int, chance: Random) -> list[BenchChat]:
        """Returns random last conversations of customers without an active one, of different customers. Earlier runs
        opened one for some of them."""
        among = range(self.conversations // 2, self.conversations * 9 // 10)
        chats = self._chats(among, min(3 * how_many, len(among)), chance)
        with psycopg.connect(self.dsn) as connection:
            found = connection.execute(
                "select customer_id from conversations where customer_id = any(%b) and status = 'a'",
                [[chat.customer_id for chat in chats]],
            )
            busy = {customer for (customer,) in found}
        quiet = [chat for chat in chats if chat.customer_id not in busy][:how_many]
        assert len(quiet) == how_many, f"earlier runs used up the {self.conversations:,} conversations: remove the data"
        return quiet

    def any(self, how_many: int, chance: Random) -> list[BenchChat]:
        """Returns random conversations, each at most once."""
        return self._chats(range(self.conversations), how_many, chance)

    def _chats(self, among: range, how_many: int, chance: Random) -> list[BenchChat]:
        with psycopg.connect(self.dsn) as connection:
            found = (
                connection.cursor(row_factory=class_row(BenchChat))
                .execute(
                    "select id, customer_id, phone_number_id, wa_id from conversations "
                    "where id in (select bench.conversation(k) from unnest(%b::bigint[]) k)",
                    [chance.sample(among, how_many)],
                )
                .fetchall()
            )
        chance.shuffle(found)
        return found


def prepare(server: LocalPostgres, conversations: int) -> World:
    """Returns the world of this size, and creates it if no earlier run did (1 million: two minutes, 4 GB on disk).

    Continues an interrupted creation. Replaces a world whose rows the current product cannot read.
    """
    name = f"bench_{conversations}"
    dsn = server.ensure_database(name)
    migrate(dsn)
    with psycopg.connect(dsn, autocommit=True, options="-c timezone=UTC") as connection:
        if _is_readable(connection):
            return World(dsn, conversations, _WorldBuilder(connection, conversations).build())
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(SQL("drop database {}").format(Identifier(name)))
    return prepare(server, conversations)


@contextmanager
def copied(server: LocalPostgres, world: World, name: str) -> Iterator[str]:
    """Yields the address of a copy of a world, which is dropped at the end."""
    source = str(psycopg.conninfo.conninfo_to_dict(world.dsn)["dbname"])
    copy = f"{source}_{name}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        drop = SQL("drop database if exists {}").format(Identifier(copy))
        admin.execute(drop)
        admin.execute(
            SQL("create database {} template {} strategy file_copy").format(Identifier(copy), Identifier(source))
        )
        try:
            yield server.dsn_of(copy)
        finally:
            admin.execute(drop)


def _is_readable(connection: Connection[Any]) -> bool:
    """Returns whether the current product can read the conversations."""
    rows = connection.execute(f"select {columns.READ_BACK} from conversations c limit 1000").fetchall()
    try:
        return all(columns.from_row(row) for row in rows)
    except (TypeError, ValueError):  # pydantic's ValidationError is a ValueError
        return False


_COPIED: tuple[LiteralString, ...] = ("conversations", "entries", "history", "message_status")
_KEYS: dict[LiteralString, LiteralString] = {
    "customers": "id",
    "identities": "phone_number_id, kind, value",
    "message_status": "phone_number_id, wamid, recipient",
    "unmanaged_counts": "phone_number_id, status, reason",
}
"""Unique keys that `on conflict` needs in the temporary tables."""
_TEMPORARY: tuple[LiteralString, ...] = (*{*_COPIED, *_KEYS, "outbox", "consumer_offsets"},)

_FUNCTIONS = SQL(
    """
    create or replace function bench.customer(i bigint) returns uuid immutable parallel safe
      return md5('customer ' || i)::uuid;
    -- the customer of the k-th conversation: older ones in order, newer ones shuffled
    create or replace function bench.place(k bigint) returns bigint immutable parallel safe
      return case when k < {half} then k else (k - {half}) * 7368787 % {half} end;
    -- whole seconds, like Meta's times; the two conversations of a customer are at least two days apart
    create or replace function bench.opened_at(k bigint) returns timestamptz immutable parallel safe
      return date_trunc('second', case
        when k < {half} then {now} - interval '90 days' + interval '44 days' * (k / {half}::float8)
        when k < {active} then {now} - interval '44 days'
          + interval '42 days' * ((k - {half}) / ({active} - {half})::float8)
        else {now} - interval '20 hours' + interval '19 hours' * ((k - {active}) / ({all} - {active})::float8) end);
    create or replace function bench.conversation(k bigint) returns uuid immutable parallel safe
      return (lpad(to_hex((extract(epoch from bench.opened_at(k)) * 1000)::bigint), 12, '0')
        || '8' || substr(md5('conversation ' || k), 1, 3) || 'b' || substr(md5('conversation ' || k), 4, 15))::uuid;
    """
)

_COPIES = SQL(
    """
    create temp table copy on commit drop as
    select k, s.*, bench.customer(i) as new_customer, bench.conversation(k) as new_conversation,
      opened_at - s.begin as shift, (390000000000 + i)::text as new_wa_id,
      md5('first ' || k)::uuid as new_first, md5('second ' || k)::uuid as new_second,
      case when k >= {half} then bench.conversation(i) end as new_previous,
      bench.text(opened_at) as new_begin_text, bench.text(opened_at + interval '30 minutes') as new_later_text
    from generate_series({first}, {last}) k, bench.place(k) i, bench.opened_at(k) opened_at,
      lateral (select * from seed where place = i % 10 and active = (k >= {active})
        and abs(hashint8(k)) % 20 between low and high) s
    """
)
_AS_TEXT = """
    create or replace function bench.text(at timestamptz) returns text immutable parallel safe
      return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
"""

_NEW: dict[str, LiteralString] = {
    "conversations.id": "c.new_conversation",
    "conversations.customer_id": "c.new_customer",
    "conversations.wa_id": "c.new_wa_id",
    "conversations.previous": "c.new_previous",
    "entries.input_id": "case s.input_id when c.first then c.new_first else c.new_second end",
    "entries.customer_id": "c.new_customer",
    "entries.conversation_id": "c.new_conversation",
    "history.conversation_id": "c.new_conversation",
    "message_status.recipient": "c.new_wa_id",
}
"""Columns that differ by more than shifted times and replaced ids."""

# every customer has one newer conversation; its last turn confirmed the phone number
_CUSTOMERS: tuple[LiteralString, ...] = (
    "insert into public.customers (id) select new_customer from copy where k >= {half}",
    "insert into public.identities (phone_number_id, kind, value, customer_id, at) "
    "select number, 'w', new_wa_id, new_customer, begin + shift from copy where k >= {half}",
)


class _WorldBuilder:
    """Creates a world on an autocommit connection. Finished steps are recorded in `bench.step`."""

    def __init__(self, connection: Connection[Any], conversations: int) -> None:
        self._connection = connection
        self._bounds = {
            "half": Literal(conversations // 2),
            "active": Literal(conversations * 9 // 10),
            "all": Literal(conversations),
        }
        self._all = conversations
        self._began = monotonic()

    def build(self) -> datetime:
        """Creates the world and returns its current time."""
        do = self._connection.execute
        do("create schema if not exists bench")
        do("create table if not exists bench.step (name text primary key)")
        do("create table if not exists bench.index (place int generated always as identity, name text, again text)")
        do("create table if not exists bench.world (now timestamptz)")
        do("insert into bench.world select date_trunc('second', now()) where not exists (select from bench.world)")
        row = do("select now from bench.world").fetchone()
        assert row is not None
        now: datetime = row[0]
        if do("select 1 from bench.step where name = 'everything'").fetchone():
            return now
        do(_AS_TEXT)
        do(_FUNCTIONS.format(**self._bounds, now=Literal(now)))
        directory.apply(self._connection, DIRECTORY)
        self._step("indexes dropped", self._drop_indexes)
        self._process_stories(now)
        for first in range(0, self._all, _CHUNK):
            last = min(first + _CHUNK, self._all) - 1
            self._step(f"conversations to {last}", partial(self._copy, first, last))
        for name, again in do("select name, again from bench.index order by place").fetchall():
            self._step(f"index {name}", partial(do, again))
        self._step("counts", partial(do, _COUNTS))
        do("vacuum (analyze)")
        do("insert into bench.step values ('everything')")
        return now

    def _step(self, name: str, work: Callable[[], object]) -> None:
        """Runs a step in one transaction, unless it was done before."""
        with self._connection.transaction():
            if not self._connection.execute(
                "insert into bench.step values (%s) on conflict do nothing returning 1", [name]
            ).fetchone():
                return
            work()
        print(f"  {monotonic() - self._began:6.0f} s  {name}", flush=True)

    def _drop_indexes(self) -> None:
        """Drops all indexes and stores their definitions: creating them after the rows is ten times as fast."""
        tables = [f"public.{table}" for table in (*_COPIED, "customers", "identities")]
        dropped = self._connection.execute(_INDEXES, {"tables": tables}).fetchall()
        for name, drop, again in dropped:
            self._connection.execute("insert into bench.index (name, again) values (%s, %s)", [name, again])
            self._connection.execute(drop)

    def _process_stories(self, now: datetime) -> None:
        """Processes the stories in temporary tables, which PostgreSQL finds before those of the schema."""
        do = self._connection.execute
        for table in _TEMPORARY:
            do(
                SQL("create temp table {0} (like public.{0} including defaults including identity)").format(
                    Identifier(table)
                )
            )
        for table, key in _KEYS.items():
            do(SQL("create unique index on {} ({})").format(Identifier(table), SQL(key)))
        do(
            "create temp table story "
            "(wa_id text, place int, active boolean, low int, high int, first uuid, second uuid)"
        )
        # stories that are processed after the timer ran stay active
        self._process(now - timedelta(days=10), active=False)
        while Timer(self._same, Topics()).close_due():
            pass
        self._process(now - timedelta(hours=20), active=True)
        do(
            "create temp table seed as select t.*, c.id as conversation, c.phone_number_id as number, "
            "c.opened_at as begin, bench.text(c.opened_at) as begin_text, "
            "bench.text(c.opened_at + interval '30 minutes') as later_text "
            "from story t join conversations c using (wa_id)"
        )
        do("analyze seed")

    def _process(self, begin: datetime, active: bool) -> None:
        for place in NUMBERS:
            low = 0
            for story in stories(place, begin, active):
                first, second = story.facts[:2]
                self._connection.execute(
                    "insert into story values (%s, %s, %s, %s, %s, %s, %s)",
                    [story.customer, place, active, low, low + story.weight - 1, first.id, second.id],
                )
                low += story.weight
                with self._connection.transaction():
                    Conversations(Topics()).apply(self._connection, _records(story))

    @contextmanager
    def _same(self) -> Iterator[Connection[Any]]:
        with self._connection.transaction():
            yield self._connection

    def _copy(self, first: int, last: int) -> None:
        do = self._connection.execute
        bounds = {**self._bounds, "first": Literal(first), "last": Literal(last)}
        do(_COPIES.format(**bounds))
        do("analyze copy")
        for table in _COPIED:
            do(self._insert(table))
        for statement in _CUSTOMERS:
            do(SQL(statement).format(**bounds))

    def _insert(self, table: LiteralString) -> Composed:
        """Returns the statement that copies the stories' rows with new ids and shifted times, also within texts."""
        columns = self._connection.execute(
            "select attname, atttypid::regtype::text from pg_attribute "
            "where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
            [f"public.{table}"],
        ).fetchall()
        mine = {"conversations": "id = c.conversation", "message_status": "recipient = c.wa_id"}
        return SQL(
            "insert into public.{table} ({names}) select {values} from copy c join {table} s on s.{mine} order by c.k"
        ).format(
            table=Identifier(table),
            names=SQL(", ").join(Identifier(name) for name, _ in columns),
            values=SQL(", ").join(_copied(table, name, kind) for name, kind in columns),
            mine=SQL(mine.get(table, "conversation_id = c.conversation")),
        )


def _copied(table: str, column: str, kind: LiteralString) -> Composable:
    if (new := _NEW.get(f"{table}.{column}")) is not None:
        return SQL(new)
    old = SQL("s.{}").format(Identifier(column))
    if kind == "timestamp with time zone":
        return SQL("{} + c.shift").format(old)
    if kind not in ("json", "uuid[]") and column != "wamid":
        return old
    text = SQL("{}::text").format(old)
    for name in ("first", "second", "begin_text", "later_text", "wa_id"):
        text = SQL("replace({}, c.{}::text, c.{}::text)").format(text, Identifier(name), Identifier(f"new_{name}"))
    return SQL("{}::{}").format(text, SQL(kind))


def _records(story: BenchStory) -> list[IncomingRecord]:
    topic = Topics().inbound
    return [
        IncomingRecord(topic, 0, place, fact.at, FACT.dump_json(fact), ()) for place, fact in enumerate(story.facts)
    ]


_INDEXES = """
    select indexrelid::regclass::text,
      case when n.oid is null then format('drop index %%s', indexrelid::regclass)
        else format('alter table %%s drop constraint %%I', indrelid::regclass, conname) end,
      case when n.oid is null then replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
        else format('alter table public.%%s add constraint %%I %%s', indrelid::regclass, conname,
          pg_get_constraintdef(n.oid)) end
    from pg_index left join pg_constraint n on conindid = indexrelid and contype in ('p', 'u')
    where indrelid = any(%(tables)s::regclass[])
    order by indisprimary desc
"""

_COUNTS = """
    insert into public.unmanaged_counts (phone_number_id, status, reason, n)
    select phone_number_id, status, reason, count(*) from public.conversations where unmanaged group by 1, 2, 3
"""
