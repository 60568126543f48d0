"""The batch protocol (architecture.md, P2 to P4) on a real broker and a real database: every record is processed
exactly once, whatever happens to the handler, the broker, the group or the database meanwhile."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import NoError
from kafka.structs import OffsetAndMetadata
from prometheus_client import REGISTRY
from psycopg import Connection

from consumers.batches.batch_loop import BatchLoop
from consumers.batches.leftover import Leftover
from consumers.batches.metrics import ConsumerMetrics
from consumers.batches.poison import WHOLE_BATCH, Poison, PoisonPolicy, RetryBatch
from consumers.batches.starting import PartitionStarter, mark_of, partition_of
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import GroupReader, IncomingRecord
from infra.kafka.record_reader import RecordReader
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.messaging.offsets import Offsets, Partition, Position, RecordMark
from tests.support.waiting import wait_until

GROUP = "group"
METRICS = ConsumerMetrics("batch-loop")
SESSION_SECONDS = 6.0
"""The shortest session timeout that a broker accepts by default."""

Transaction = Callable[[], AbstractContextManager[Connection[Any]]]


class RecordingHandler:
    """A handler that stores every value in the table `processed`. A value `poison:<kind>` fails in that way, unless the
    handler is `immune`. `retries`: how many of the next batches it asks to retry."""

    def __init__(self) -> None:
        self.immune = False
        self.sizes: list[int] = []
        self.retries = 0

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> Leftover:
        if self.retries:
            self.retries -= 1
            raise RetryBatch
        for record in records:
            value = record.value.decode()
            if value.startswith("poison:") and not self.immune:
                self._fail(connection, record, value.split(":")[1])
            connection.execute(
                'insert into processed (partition, "offset", value) values (%s, %s, %s)',
                [record.partition, record.offset, value],
            )
        self.sizes.append(len(records))
        return Leftover()

    def _fail(self, connection: Connection[Any], record: IncomingRecord, kind: str) -> None:
        match kind:
            case "rule":
                raise Poison(record, "value: not as agreed")
            case "22":
                connection.execute("select 1 / 0")
            case "23":
                connection.execute("insert into processed values (default, null, null, null)")
            case "slow":
                connection.execute("set local statement_timeout = 1; select pg_sleep(10)")
            case _:
                raise KeyError(kind)


class Member:
    """A consumer of the group, in its own thread."""

    def __init__(self, loop: BatchLoop) -> None:
        self.loop = loop
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.loop.run(self._stop)
        except BaseException as error:  # reported by `leave`
            self._failed = error

    @property
    def ready(self) -> bool:
        assert self._failed is None, repr(self._failed)
        return self.loop.not_ready_reason() is None

    def leave(self) -> None:
        self._stop.set()
        self._thread.join()
        assert self._failed is None, repr(self._failed)


class Stage:
    """One topic, one group, and one table of processed records."""

    def __init__(self, kafka: str, dsn: str, stack: ExitStack) -> None:
        self.topic = f"batch-loop-{uuid4().hex[:12]}"
        self.handler = RecordingHandler()
        self.config = KafkaConfig((kafka,))
        self.database = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        self.admin: Any = stack.enter_context(closing(KafkaAdminClient(bootstrap_servers=kafka)))  # type: ignore[no-untyped-call]
        self._dsn = dsn
        self._stack = stack
        producer = KafkaProducer(bootstrap_servers=kafka, metadata_max_age_ms=500)  # type: ignore[no-untyped-call]
        self.producer: Any = stack.enter_context(closing(producer))
        self.database.execute(
            "create table processed (place bigint generated always as identity, partition int, "
            '"offset" bigint not null, value text not null)'
        )

    # the topic

    def create_topic(self, partitions: int = 1) -> None:
        wait_until(lambda: self.topic not in self.admin.list_topics())
        self.admin.create_topics({self.topic: {"num_partitions": partitions, "replication_factor": 1}})
        self.admin.wait_for_topics([self.topic])

    def publish(self, *values: str, partition: int = 0) -> None:
        futures = [self.producer.send(self.topic, value.encode(), partition=partition) for value in values]
        for future in futures:
            future.get(timeout=20)

    # the group

    def reader(
        self, max_records: int = 500, refresh_seconds: float = 30, kind: type[GroupReader] = GroupReader
    ) -> GroupReader:
        return kind(
            self.config.client_options(),
            self.topic + GROUP,
            [self.topic],
            max_records=max_records,
            session_timeout_seconds=SESSION_SECONDS,
            refresh_seconds=refresh_seconds,
        )

    def set_position(self, reader: GroupReader, offset: int) -> None:
        """Stores that the group has processed everything before this offset."""
        while not (paused := reader.paused()):
            reader.poll(0.1)
        (partition,) = paused
        position = Position(reader.topic_id(self.topic), offset)
        Offsets(self.database, GROUP).start(Partition(*partition), position)

    def commit(self, offset: int | None) -> None:
        """Commits an offset for the group to Kafka, or deletes the group from Kafka (None). The group must have no
        members."""
        group = self.topic + GROUP
        if offset is None:
            assert {group: "OK"} == self.admin.delete_groups([group])
        else:
            offsets = {TopicPartition(self.topic, 0): OffsetAndMetadata(offset, "", -1)}
            assert [NoError] == list(self.admin.alter_group_offsets(group, offsets).values())

    def session(self) -> DatabaseSession:
        return self._stack.enter_context(closing(DatabaseSession(self._dsn, "batch-loop")))

    def join(
        self,
        reader: GroupReader | None = None,
        transaction: Transaction | None = None,
        poison_per_minute: int = 20,
        storm_back_off_seconds: float = 60,
        metrics: ConsumerMetrics = METRICS,
        pause: Callable[[float], None] = sleep,
    ) -> Member:
        """Starts one more member, which leaves at the end of the test."""
        loop = BatchLoop(
            reader or self.reader(),
            transaction or self.session().transaction,
            GROUP,
            self.handler,
            metrics,
            PoisonPolicy(poison_per_minute, pause, partition_of),
            storm_back_off_seconds,
        )
        member = Member(loop)
        self._stack.callback(member.leave)
        return member

    def marks(self) -> list[RecordMark]:
        """What the records of partition 0 are recognised by."""
        with RecordReader(self.config.client_options()) as records:
            found = [records.at(self.topic, 0, offset) for offset in range(self.position() or 0)]
            return [mark_of(record) for record in found if record is not None]

    # the results

    def processed(self, partition: int = 0) -> list[str]:
        """Returns the values of a partition in the order in which they were processed."""
        found = self.database.execute("select value from processed where partition = %s order by place", [partition])
        return [row[0] for row in found]

    def dead_letters(self) -> list[tuple[str, str]]:
        """Returns the values and the reasons of the dead letters."""
        found = self.database.execute("select convert_from(raw, 'UTF8'), reason from set_aside order by \"offset\"")
        return found.fetchall()

    def position(self, partition: int = 0) -> int | None:
        """Returns the next offset of the group; None: the group has no position."""
        read = Offsets(self.database, GROUP).read([Partition(self.topic, partition)])
        return next((position.next_offset for position in read.values()), None)


@pytest.fixture
def stage(kafka: str, database: str) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(kafka, database, stack)


def test_records_that_arrive_one_by_one_are_processed_in_batches(stage: Stage) -> None:
    """At a low, steady rate one batch per record would cost ten times as much as the records themselves."""
    stage.create_topic()
    began = monotonic()
    member = stage.join()
    for number in range(100):
        stage.publish(str(number))
        sleep(0.005)
    wait_until(lambda: len(stage.processed()) == 100)
    batches = len(stage.handler.sizes)
    assert batches <= (monotonic() - began) / 0.1 + 1
    assert numbered(0, 100) == stage.processed()
    member.leave()


def numbered(begin: int, end: int, word: str = "") -> list[str]:
    return [f"{word}{number}" for number in range(begin, end)]


# poison


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("rule", "value: not as agreed"),
        ("22", "SQLSTATE 22012"),
        ("23", "SQLSTATE 23502"),
        ("slow", "SQLSTATE 57014"),
        ("defect", "KeyError"),
    ],
)
def test_only_the_poison_becomes_dead_letters_and_its_neighbours_are_processed_in_order(
    stage: Stage, kind: str, reason: str
) -> None:
    values = numbered(0, 100)
    poison = {3: f"poison:{kind}:a", 60: f"poison:{kind}:b", 61: f"poison:{kind}:c"}
    stage.create_topic()
    stage.publish(*(poison.get(place, value) for place, value in enumerate(values)))

    member = stage.join()

    wait_until(lambda: stage.position() == 100)
    assert [value for place, value in enumerate(values) if place not in poison] == stage.processed()
    assert [(value, reason) for value in poison.values()] == stage.dead_letters()
    wait_until(lambda: member.ready)


@pytest.mark.parametrize("kind", ["defect", "22"])
def test_as_much_poison_as_allowed_per_minute_becomes_dead_letters(stage: Stage, kind: str) -> None:
    stage.create_topic()
    stage.publish(*(f"poison:{kind}:{n}" if n % 10 == 9 else str(n) for n in range(200)))

    stage.join(poison_per_minute=20)

    wait_until(lambda: stage.position() == 200)
    assert 20 == len(stage.dead_letters())
    assert [str(n) for n in range(200) if n % 10 != 9] == stage.processed()


def test_what_is_wrong_by_its_senders_doing_becomes_dead_letters_however_many_there_are(stage: Stage) -> None:
    stage.create_topic()
    stage.publish("before", *numbered(0, 60, "poison:rule:"), "after")

    stage.join(poison_per_minute=3)

    wait_until(lambda: stage.position() == 62)
    assert (60, ["before", "after"]) == (len(stage.dead_letters()), stage.processed())


@pytest.mark.parametrize("kind", ["defect", "22"])
def test_a_whole_batch_of_poison_is_not_discarded_and_is_processed_once_it_can_be(stage: Stage, kind: str) -> None:
    poison = numbered(0, WHOLE_BATCH, f"poison:{kind}:")
    stage.create_topic()
    stage.publish(*poison)

    member = stage.join(storm_back_off_seconds=0.5)

    wait_until(lambda: "a whole batch" in (member.loop.not_ready_reason() or ""))
    assert ([], []) == (stage.dead_letters(), stage.processed())
    stage.handler.immune = True
    wait_until(lambda: stage.processed() == poison)
    wait_until(lambda: member.ready)
    assert [] == stage.dead_letters()


def test_more_poison_than_allowed_per_minute_stops_its_partition_alone_until_it_can_be_processed(stage: Stage) -> None:
    """Every partition that is stopped is reported, and with it whatever else is wrong."""
    poison = numbered(0, 4, "poison:22:")
    stage.create_topic(partitions=3)
    for partition in (0, 2):
        stage.publish("before", *poison[:2], "between", *poison[2:], "after", partition=partition)

    member = stage.join(poison_per_minute=3, storm_back_off_seconds=0.5)

    def stopped() -> list[str]:
        return [reason.split(" ")[0] for reason in (member.loop.not_ready_reason() or "").split("; ")]

    both = [f"{stage.topic}[0]", f"{stage.topic}[2]"]
    wait_until(lambda: both == stopped())
    assert "is stopped: more than 3 items a minute" in str(member.loop.not_ready_reason())
    stage.publish(*numbered(0, 50), partition=1)
    wait_until(lambda: stage.position(1) == 50)
    assert both == stopped()

    stage.handler.immune = True
    wait_until(lambda: stage.position() == stage.position(2) == 7)
    for partition in (0, 2):
        harmless = [value for value in stage.processed(partition) if not value.startswith("poison")]
        assert ["before", "between", "after"] == harmless
    done = stage.processed() + stage.processed(2)
    assert 8 == len([value for value in done if value.startswith("poison")]) + len(stage.dead_letters())
    assert len(stage.dead_letters()) <= 6
    wait_until(lambda: member.ready)


def test_a_batch_is_retried_after_a_concurrent_change(stage: Stage) -> None:
    """The pauses between the attempts grow, because the other writer may take some seconds."""
    pauses: list[float] = []
    stage.handler.retries = 3
    stage.create_topic()
    stage.publish("a", "b")

    stage.join(pause=pauses.append)

    wait_until(lambda: stage.position() == 2)
    assert (["a", "b"], 0) == (stage.processed(), stage.handler.retries)
    assert 3 == len(pauses)
    assert all(0 < pause <= 0.02 for pause in pauses)
    assert pauses == sorted(pauses)


# the group


def test_members_share_the_partitions_and_process_every_record_once_while_others_join_and_leave(stage: Stage) -> None:
    stage.create_topic(partitions=4)
    stage.join(stage.reader(max_records=7))
    for round_ in range(4):
        for partition in range(4):
            stage.publish(*numbered(100 * round_, 100 * round_ + 100), partition=partition)
        guest = stage.join(stage.reader(max_records=7))
        wait_until(lambda guest=guest: guest.ready)  # type: ignore[misc]
        if round_ % 2:
            guest.leave()

    wait_until(lambda: [400] * 4 == [stage.position(partition) for partition in range(4)], 40)
    assert [numbered(0, 400)] * 4 == [stage.processed(partition) for partition in range(4)]


def test_a_member_reports_the_lag_of_its_own_partitions_only(stage: Stage) -> None:
    stage.create_topic(partitions=2)
    stage.join(metrics=ConsumerMetrics("first"))
    wait_until(lambda: {"0": 0, "1": 0} == lag("first"))

    stage.join(metrics=ConsumerMetrics("second"))

    wait_until(lambda: len(lag("first")) == len(lag("second")) == 1)
    assert {"0": 0, "1": 0} == lag("first") | lag("second")


def lag(group: str) -> dict[str, float]:
    """Returns partition -> number of waiting records, from the Prometheus metric."""
    (metric,) = [metric for metric in REGISTRY.collect() if metric.name == "witiop_consumer_lag_records"]
    return {s.labels["partition"]: s.value for s in metric.samples if s.labels["group"] == group}


@pytest.mark.parametrize("committed", [None, 0, 5, 1000])
def test_offsets_that_kafka_stores_for_the_group_have_no_effect(stage: Stage, committed: int | None) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 10))
    member = stage.join()
    wait_until(lambda: stage.position() == 10)
    member.leave()

    stage.commit(committed)
    stage.publish(*numbered(10, 20))
    stage.join()

    wait_until(lambda: stage.position() == 20)
    assert numbered(0, 20) == stage.processed()


def test_a_member_that_lost_its_partition_without_noticing_writes_nothing(stage: Stage) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 10))
    stage.join()
    wait_until(lambda: stage.position() == 10)

    # as if another member had processed five more
    stage.database.execute("update consumer_offsets set next_offset = 15, last_hash = null")
    stage.publish(*numbered(10, 20))

    wait_until(lambda: stage.position() == 20)
    assert numbered(0, 10) + numbered(15, 20) == stage.processed()


# the topic


def test_a_position_of_the_log_before_is_not_taken_for_one_that_the_database_has_lost(stage: Stage) -> None:
    """Otherwise everything that posts would be held after a topic was created again, if its partition is started twice
    before a batch of it is processed."""
    stage.create_topic()
    stage.publish(*numbered(0, 10, "old "))
    member = stage.join()
    wait_until(lambda: stage.position() == 10)
    member.leave()
    stage.admin.delete_topics([stage.topic])
    stage.create_topic()
    stage.publish(*numbered(0, 5, "new "))
    stage.commit(10)

    for _ in range(2):
        reader = stage.reader()
        starter = PartitionStarter(reader, stage.session().transaction, GROUP, METRICS)
        while not (new := reader.paused()):
            reader.poll(0.1)
        assert 0 == starter.start(new[0], reader.offset_ranges(new)[new[0]])
        reader.close()
    assert (None, (0,)) == (
        starter.not_ready_reason(),
        stage.database.execute("select count(*) from restores").fetchone(),
    )


@pytest.mark.parametrize("records", [3, 10, 30])
def test_a_topic_that_was_created_again_is_read_from_its_beginning(stage: Stage, records: int) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 10, "old "))
    member = stage.join()
    wait_until(lambda: stage.position() == 10)

    stage.admin.delete_topics([stage.topic])
    stage.create_topic()
    stage.publish(*numbered(0, records, "new "))

    wait_until(lambda: set(numbered(0, records, "new ")) <= set(stage.processed()), 60)
    wait_until(lambda: member.ready and stage.position() == records, 60)
    assert [(1,)] == stage.database.execute("select breaks from consumer_offsets").fetchall()


@pytest.mark.parametrize("position", [25, 40], ids=["grown past the position", "shorter than the position"])
def test_a_log_that_was_cut_back_is_read_again_from_where_it_parts(stage: Stage, position: int) -> None:
    """The log was restored, or lost its tail. Its first ten records are those that were read."""
    stage.create_topic()
    stage.publish(*numbered(0, 30))
    member = stage.join()
    wait_until(lambda: stage.position() == 30)
    member.leave()
    marks = {mark.offset: mark for mark in stage.marks()}
    stage.commit(position)
    stage.database.execute("truncate processed")
    stage.database.execute("update consumer_offsets set next_offset = %s, last_hash = 'another'", [position])
    for offset, digest in ((4, marks[4].digest), (9, marks[9].digest), (19, b"another")):
        row = [GROUP, stage.topic, offset, marks[offset].at, digest]
        stage.database.execute("insert into consumer_trail values (%s, %s, 0, %s, %s, %s)", row)

    again = stage.join()

    wait_until(lambda: stage.processed() == numbered(10, 30))
    wait_until(lambda: again.ready and stage.position() == 30)
    assert [(1,)] == stage.database.execute("select breaks from consumer_offsets").fetchall()
    assert [(4,), (9,)] == stage.database.execute('select "offset" from consumer_trail order by 1').fetchall()
    again.leave()

    stage.publish(*numbered(30, 35))
    stage.join()
    wait_until(lambda: stage.processed() == numbered(10, 35))
    assert [(1,)] == stage.database.execute("select breaks from consumer_offsets").fetchall()


def test_one_record_in_a_thousand_is_remembered(stage: Stage) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 2500))
    stage.join()
    wait_until(lambda: stage.position() == 2500)
    trail = Offsets(stage.database, GROUP).trail(Partition(stage.topic, 0))
    assert 2 == len(trail)


class RecreatedMeanwhile(GroupReader):
    """A reader whose topic has another id, as if it was created again, from the first records on."""

    other_id: str | None = None

    def poll(self, timeout_seconds: float) -> list[IncomingRecord]:
        records = super().poll(timeout_seconds)
        if records and self.other_id is None:
            self.other_id = str(uuid4())
            self.pause(self.assigned())
        return records

    def topic_id(self, topic: str) -> str:
        return self.other_id or super().topic_id(topic)


def test_records_polled_just_before_a_topic_proves_to_be_a_new_one_do_not_hide_earlier_records(
    stage: Stage,
) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 10))
    reader = stage.reader(kind=RecreatedMeanwhile)
    stage.set_position(reader, 5)

    stage.join(reader)

    wait_until(lambda: stage.position() == 10)
    assert numbered(0, 10) == stage.processed()


class SkippingReader(GroupReader):
    """A reader that leaves records out: those before `first` once, as if its place had moved, and the one at `hole`
    always, as where a log has none."""

    first = 0
    hole = -1

    def poll(self, timeout_seconds: float) -> list[IncomingRecord]:
        records = super().poll(timeout_seconds)
        first, self.first = self.first, 0 if records else self.first
        return [record for record in records if record.offset >= first and record.offset != self.hole]


def test_records_that_a_reader_skips_are_read_all_the_same_and_a_hole_of_the_log_stops_nobody(stage: Stage) -> None:
    """Kafka's client moves the place from which it reads; here that is believed for nothing."""
    stage.create_topic()
    stage.publish(*numbered(0, 10))
    reader = stage.reader(kind=SkippingReader)
    assert isinstance(reader, SkippingReader)
    reader.first = 4
    stage.join(reader)
    wait_until(lambda: stage.position() == 10)
    assert numbered(0, 10) == stage.processed()

    reader.hole = 10
    stage.publish(*numbered(10, 15))
    wait_until(lambda: stage.position() == 15)
    assert [*numbered(0, 10), *numbered(11, 15)] == stage.processed()


def test_records_that_the_broker_deleted_unread_are_counted_and_reported_as_not_ready(stage: Stage) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 10))
    member = stage.join()
    wait_until(lambda: stage.position() == 10)
    member.leave()
    stage.publish(*numbered(10, 30))
    stage.admin.delete_records({TopicPartition(stage.topic, 0): 18})

    again = stage.join()

    wait_until(lambda: stage.position() == 30)
    assert numbered(0, 10) + numbered(18, 30) == stage.processed()
    assert (
        "8 records were deleted by the broker before they were read; see witiop doctor" == again.loop.not_ready_reason()
    )
    assert [(8,)] == stage.database.execute("select lost from consumer_offsets").fetchall()


def test_partitions_added_while_a_member_runs_are_read_from_their_beginning(stage: Stage) -> None:
    stage.create_topic(partitions=1)
    stage.join(stage.reader(refresh_seconds=1))
    stage.publish(*numbered(0, 10))
    wait_until(lambda: stage.position() == 10)

    stage.admin.create_partitions({stage.topic: 3})
    wait_until(lambda: len(stage.producer.partitions_for(stage.topic)) == 3)
    for partition in range(3):
        stage.publish(*numbered(10, 20), partition=partition)

    wait_until(lambda: [20, 10, 10] == [stage.position(partition) for partition in range(3)], 40)
    assert [numbered(0, 20), numbered(10, 20), numbered(10, 20)] == [
        stage.processed(partition) for partition in range(3)
    ]


# the database


@pytest.mark.parametrize("committed", [True, False])
def test_after_a_lost_answer_to_a_commit_every_record_is_processed_exactly_once(stage: Stage, committed: bool) -> None:
    stage.create_topic()
    stage.publish(*numbered(0, 10))
    transaction = LosesAnswers(stage.session(), stage.handler, committed)

    stage.join(transaction=transaction.begin)

    wait_until(lambda: stage.position() == 10)
    assert 1 == transaction.lost
    assert numbered(0, 10) == stage.processed()


class LosesAnswers:
    """Transactions. The answer to the COMMIT of the first one with records is lost, whether or not it was committed."""

    def __init__(self, session: DatabaseSession, handler: RecordingHandler, committed: bool) -> None:
        self.lost = 0
        self._session = session
        self._handler = handler
        self._committed = committed

    @contextmanager
    def begin(self) -> Iterator[Connection[Any]]:
        with self._session.transaction() as connection:
            yield connection
            if self._loses and not self._committed:
                self._lose()
        if self._loses:
            self._lose()

    @property
    def _loses(self) -> bool:
        return bool(self._handler.sizes) and not self.lost

    def _lose(self) -> None:
        self.lost += 1
        raise psycopg.OperationalError("server closed the connection unexpectedly")


def test_a_defect_of_the_program_stops_the_partition_and_nothing_is_written(stage: Stage) -> None:
    stage.create_topic()
    stage.publish("a", "b")
    stage.database.execute("alter table processed rename to gone")

    member = stage.join(storm_back_off_seconds=0.5)

    wait_until(lambda: "a defect of the program (SQLSTATE 42P01)" in (member.loop.not_ready_reason() or ""))
    assert (0, []) == (stage.position(), stage.dead_letters())
    stage.database.execute("alter table gone rename to processed")
    wait_until(lambda: member.ready)
    assert ["a", "b"] == stage.processed()
