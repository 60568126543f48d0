"""Windows end by the clock: on time, once, and never while a record waits that would keep them open."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import psycopg
import pytest
from kafka import KafkaProducer
from psycopg import Connection

from consumers.handlers.conversations import Conversations
from consumers.workers.progress.inbound_progress import UnreadBacklog
from consumers.workers.timer import BATCH, Timer
from domain.facts import FACT, CustomerTurn, Fact, Party
from domain.ids import fact_id
from domain.topics import Topics
from infra.kafka.backlog import Backlog
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable, IncomingRecord
from infra.kafka.topics import TopicSettings, create_or_repair
from infra.postgres import directory
from infra.postgres.connections.session import DatabaseSession
from tests.support.inbound import publish_facts
from tests.support.kafka_topics import new_topics
from tests.support.outcome import assert_list_is_right
from tests.support.stories import DIRECTORY, NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

DAY = timedelta(hours=24)


class Installation:
    """A database with the conversations of one number, without a broker: facts are processed at once."""

    def __init__(self, dsn: str, stack: ExitStack) -> None:
        self.connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        with self.connection.transaction():
            directory.apply(self.connection, DIRECTORY)
        self._dsn = dsn
        self._stack = stack

    def receives(self, turns: Sequence[Fact]) -> None:
        """Processes turns as if each had arrived in time."""
        records = [
            IncomingRecord(Topics().inbound, 0, n, turn.at, FACT.dump_json(turn), ()) for n, turn in enumerate(turns)
        ]
        with self.connection.transaction():
            Conversations(Topics()).apply(self.connection, records)

    def timer(
        self,
        stalled_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
        backlog: UnreadBacklog | None = None,
    ) -> Timer:
        session = self._stack.enter_context(closing(DatabaseSession(self._dsn, "timer")))
        return Timer(session.transaction, Topics(), stalled_seconds, clock, backlog)

    def set_watermark(self, to: str, progress: str = "0 s", partition: int = 0) -> None:
        """Sets the watermark to `to` before now, and the consumers' last progress to `progress` before now."""
        self.connection.execute(
            "insert into consumer_offsets "
            "(group_name, topic, topic_id, partition, next_offset, caught_up_to, progressed_at) "
            "values ('g', %s, 'id', %s, 0, now() - %s::interval, now() - %s::interval) "
            "on conflict (group_name, topic, partition) do update "
            "set caught_up_to = excluded.caught_up_to, progressed_at = excluded.progressed_at",
            [Topics().inbound, partition, to, progress],
        )

    def statuses(self) -> list[str]:
        """Returns the statuses in the order of the customers."""
        return [row[0] for row in self.connection.execute("select status::text from conversations order by wa_id")]


@pytest.fixture
def installation(database: str) -> Iterator[Installation]:
    with ExitStack() as stack:
        yield Installation(database, stack)


def turn(customer: str, at: datetime) -> CustomerTurn:
    return CustomerTurn(
        id=fact_id(customer, at.isoformat()),
        phone_number_id=NUMBER,
        customer=Party(wa_id=customer),
        at=at,
        sent_at=at,
        type="text",
        wamid=f"wamid.{customer}.{at.isoformat()}",
        text="Hello",
    )


def ago(**since: float) -> datetime:
    return datetime.now(UTC) - timedelta(**since)


def test_a_window_is_closed_at_its_end_which_is_not_the_moment_the_timer_ran(installation: Installation) -> None:
    over, open_still = ago(hours=24, seconds=3), ago(hours=23)
    installation.receives([turn("1", over), turn("2", open_still)])

    assert 1 == installation.timer().close_due()

    closed = installation.connection.execute(
        "select closed_at, reason from conversations where status = 'c'"
    ).fetchall()
    assert [(over + DAY, 7)] == closed
    assert ["c", "a"] == installation.statuses()
    assert_list_is_right(installation.connection)
    assert 0 == installation.timer().close_due()


def test_records_that_wait_on_the_topic_keep_windows_open_until_they_are_processed(installation: Installation) -> None:
    installation.receives([turn("1", ago(hours=24, seconds=30)), turn("2", ago(hours=24, seconds=90))])
    timer = installation.timer()

    installation.set_watermark("60 s")
    assert 1 == timer.close_due()
    assert ["a", "c"] == installation.statuses()

    installation.set_watermark("10 s")
    assert 1 == timer.close_due()


def test_the_timer_waits_for_a_stalled_partition_only_for_the_set_time(installation: Installation) -> None:
    installation.receives([turn("1", ago(hours=24, seconds=30))])
    moments = [0.0]
    timer = installation.timer(stalled_seconds=600, clock=lambda: moments[-1])

    def closed_after(seconds: float, progress: str) -> int:
        while moments[-1] < seconds:  # the timer polls all the time
            moments.append(moments[-1] + 100)
            installation.set_watermark("1 hour", progress)
            closed = timer.close_due()
        return closed

    assert 0 == closed_after(500, "610 s")
    assert 0 == closed_after(700, "590 s")
    assert 1 == closed_after(800, "610 s")


def test_after_an_outage_the_consumers_get_the_same_time_again(installation: Installation) -> None:
    """The machine was suspended for an hour: no consumer made progress, and none is stalled."""
    installation.receives([turn("1", ago(hours=24, seconds=30))])
    moments = [0.0]
    timer = installation.timer(stalled_seconds=600, clock=lambda: moments[-1])
    for _ in range(7):
        moments.append(moments[-1] + 100)
        installation.set_watermark("1 hour", "0 s")
        assert 0 == timer.close_due()

    moments.append(moments[-1] + 3600)
    installation.set_watermark("2 hours", "1 hour")
    assert 0 == timer.close_due()


class Unread:
    """Partitions in which records wait; None: the broker does not answer."""

    def __init__(self, *partitions: int) -> None:
        self.partitions: Sequence[int] | None = partitions

    def beyond(self, begun: Collection[int]) -> Sequence[int]:
        if self.partitions is None:
            raise BrokerUnreachable("KafkaConnectionError")
        return [each for each in self.partitions if each not in begun]


def test_records_in_a_partition_without_a_consumer_keep_windows_open(installation: Installation) -> None:
    """Partitions were added, and everything in the older ones is processed."""
    installation.receives([turn("1", ago(hours=24, seconds=30))])
    installation.set_watermark("0 s")
    added = Unread(0, 7)
    timer = installation.timer(backlog=added)

    assert 0 == timer.close_due()

    added.partitions = [0]
    assert 1 == timer.close_due()


@pytest.mark.parametrize("waiting", [(7,), None], ids=["a partition that nobody reads", "no broker"])
def test_the_timer_waits_for_records_without_a_consumer_only_for_the_set_time(
    installation: Installation, waiting: tuple[int, ...] | None
) -> None:
    installation.receives([turn("1", ago(hours=24, seconds=30))])
    unread = Unread()
    unread.partitions = waiting
    moments = [0.0]
    timer = installation.timer(stalled_seconds=600, clock=lambda: moments[-1], backlog=unread)

    def closed(*seconds: float) -> list[int]:
        numbers = []
        for each in seconds:
            moments.append(each)
            installation.set_watermark("0 s")
            numbers.append(timer.close_due())
        return numbers

    assert [0] * 6 == closed(0, 200, 400, 590, 2000, 2200)  # the machine was suspended: the time starts again
    assert [0, 0, 0, 1] == closed(2400, 2500, 2590, 2600)


def test_added_partitions_hold_the_timer_only_while_records_wait_in_them(
    kafka: str, installation: Installation
) -> None:
    topics = new_topics(kafka, partitions=1)
    config = KafkaConfig((kafka,))
    installation.receives([turn(str(n), ago(hours=24, seconds=30)) for n in range(2)])
    installation.set_watermark("0 s")
    with closing(Backlog(config, topics.inbound)) as backlog:
        create_or_repair(config, topics, TopicSettings(partitions=2, replication_factor=1))
        assert [] == backlog.beyond({0})
        producer: Any = KafkaProducer(bootstrap_servers=kafka, acks="all")  # type: ignore[no-untyped-call]
        with closing(producer):
            producer.send(topics.inbound, b"{}", partition=1).get(20)

        assert ([1], []) == (backlog.beyond({0}), backlog.beyond({0, 1}))
        assert 0 == installation.timer(backlog=backlog).close_due()
        installation.set_watermark("0 s", partition=1)
        assert 2 == installation.timer(backlog=backlog).close_due()


def test_a_customer_whom_another_process_has_locked_is_left_for_the_next_poll(
    installation: Installation, database: str
) -> None:
    installation.receives([turn("1", ago(hours=25)), turn("2", ago(hours=25))])

    with psycopg.connect(database) as other:
        first = "select customer_id from conversations where wa_id = '1'"
        other.execute(f"select from customers where id = ({first}) for no key update")
        assert 1 == installation.timer().close_due()
        assert ["a", "c"] == installation.statuses()

    assert 1 == installation.timer().close_due()


def test_a_window_that_moved_while_the_timer_waited_for_the_lock_stays_open(
    installation: Installation, database: str
) -> None:
    installation.receives([turn("1", ago(hours=25)), turn("2", ago(hours=25))])
    closed: list[int] = []
    timer = installation.timer()
    running = threading.Thread(target=lambda: closed.append(timer.close_due()))

    with psycopg.connect(database) as other:
        other.execute("lock table customers in access exclusive mode")
        running.start()
        waits = "select from pg_locks where relation = 'customers'::regclass and not granted"
        wait_until(lambda: installation.connection.execute(waits).fetchone() is not None)
        other.execute("update conversations set window_ends_at = now() + interval '1 hour' where wa_id = '1'")
    running.join()

    assert ([1], ["a", "c"]) == (closed, installation.statuses())


def test_many_windows_that_end_together_are_closed_once_by_two_timers(installation: Installation) -> None:
    how_many = 2 * BATCH
    installation.receives([turn(str(n), ago(hours=25)) for n in range(how_many)])
    stop = threading.Event()
    timers = [installation.timer(), installation.timer()]
    threads = [threading.Thread(target=timer.run, args=(stop,)) for timer in timers]
    for thread in threads:
        thread.start()

    active = "select from conversations where status = 'a'"
    wait_until(lambda: installation.connection.execute(active).fetchone() is None)
    stop.set()
    for thread in threads:
        thread.join()

    events = "select event, count(*), count(distinct conversation_id) from history group by 1 order by 1"
    every = [(name, how_many, how_many) for name in ("became_unmanaged", "closed", "opened")]
    assert every == installation.connection.execute(events).fetchall()
    assert_list_is_right(installation.connection)


def test_after_an_outage_the_windows_that_waiting_messages_move_stay_open_and_the_others_close_in_time(
    system: System,
) -> None:
    (consumer,) = system.run("conversations", consumer_instance="one")
    ends = datetime.now(UTC) + timedelta(seconds=5)
    quiet, busy = ([f"{word}{n}" for n in range(6)] for word in ("39", "49"))
    publish_facts(system, [turn(customer, ends - DAY) for customer in (*quiet, *busy)])
    with psycopg.connect(system.dsn, autocommit=True) as connection:
        wait_until(lambda: customers(connection, "a") == sorted(quiet + busy))
        consumer.kill()
        publish_facts(system, [turn(customer, ends - timedelta(hours=1)) for customer in busy])
        (timer,) = system.run("timer")

        wait_until(lambda: clock(connection) > ends + timedelta(seconds=2))
        assert sorted(quiet + busy) == customers(connection, "a")

        system.run("conversations", consumer_instance="one")
        wait_until(lambda: customers(connection, "a") == sorted(busy))
        assert sorted(quiet) == customers(connection, "c")
        assert timer.metric("witiop_timer_windows_closed_total") == len(quiet)
        assert_list_is_right(connection)


def test_the_end_of_a_window_is_visible_within_five_seconds(system: System) -> None:
    system.run("conversations", "timer")
    ends = datetime.now(UTC) + timedelta(seconds=4)
    publish_facts(system, [turn(f"39{n}", ends - DAY) for n in range(20)])

    with psycopg.connect(system.dsn, autocommit=True) as connection:
        wait_until(lambda: len(customers(connection, "a")) == 20)
        wait_until(lambda: clock(connection) > ends)
        wait_until(lambda: len(customers(connection, "c")) == 20, seconds=5)


def customers(connection: Connection[Any], status: str) -> list[str]:
    """Customers with a conversation of this status."""
    rows = connection.execute("select wa_id from conversations where status = %s order by 1", [status])
    return [row[0] for row in rows]


def clock(connection: Connection[Any]) -> datetime:
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now
