"""Consumer group members on a real broker."""

from collections.abc import Iterator
from contextlib import closing
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import GroupReader, IncomingRecord
from tests.support.waiting import wait_until


@pytest.fixture
def admin(kafka: str) -> Iterator[Any]:
    with closing(KafkaAdminClient(**KafkaConfig((kafka,)).client_options())) as client:  # type: ignore[no-untyped-call]
        yield client


def test_partitions_added_while_two_members_are_busy_are_assigned_to_both(kafka: str, admin: Any) -> None:
    """The join outlasts the leader's poll, because the other member works for a second between two polls."""
    topic = f"added-{uuid4().hex}"
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}})
    admin.wait_for_topics([topic])
    options = KafkaConfig((kafka,)).client_options()
    leader, other = (GroupReader(options, topic, [topic], refresh_seconds=1) for _ in range(2))
    stop = Event()

    def work() -> None:
        while not stop.wait(1.0):
            other.poll(0.1)
        other.close()

    wait_until(lambda: leader.poll(0.1) == [] and len(leader.assigned()) == 2)
    member = Thread(target=work)
    member.start()
    try:
        wait_until(lambda: leader.poll(0.1) == [] and len(leader.assigned()) == len(other.assigned()) == 1)
        admin.create_partitions({topic: 8})
        wait_until(lambda: leader.poll(0.1) == [] and len(leader.assigned()) == len(other.assigned()) == 4, seconds=40)
    finally:
        stop.set()
        member.join()
        leader.close()


class NotUtf8(str):
    """A header name that is not UTF-8, as another program may write it."""

    def encode(self, *_: str) -> bytes:
        return b"\xff\xfename"


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_a_header_name_that_is_not_utf_8_does_not_block_the_partition(
    kafka: str, admin: Any, codec: str | None
) -> None:
    """The record with the header is read, and the records after it."""
    topic = f"names-{uuid4().hex}"
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    admin.wait_for_topics([topic])
    options = KafkaConfig((kafka,)).client_options()
    with closing(KafkaProducer(bootstrap_servers=kafka, compression_type=codec, linger_ms=200)) as producer:  # type: ignore[no-untyped-call]
        headers: list[tuple[str, bytes]] = [("a", b"1"), (NotUtf8(), b""), ("ü", b"\xff")]
        sent = [producer.send(topic, b"before"), producer.send(topic, b"bad", headers=headers, key=b"k")]  # type: ignore[no-untyped-call]
        for each in (*sent, producer.send(topic, b"behind")):  # type: ignore[no-untyped-call]
            each.get(5)

    with closing(GroupReader(options, topic, [topic])) as reader:
        wait_until(lambda: reader.poll(0.1) == [] and reader.paused())
        reader.resume_from(reader.paused()[0], 0)
        records: list[IncomingRecord] = []
        while len(records) < 3:
            records += reader.poll(5)

    assert [b"before", b"bad", b"behind"] == [record.value for record in records]
    assert (("a", b"1"), ("??name", b""), ("??", b"\xff")) == records[1].raw_headers


@pytest.mark.parametrize("before", [0, 2], ids=["no topic", "fewer partitions"])
def test_a_static_member_that_returns_reads_partitions_added_in_the_meantime(
    kafka: str, admin: Any, before: int
) -> None:
    """The broker gives a known static member its earlier partitions, even if the topics have changed."""
    topic = f"back-{uuid4().hex}"
    options = KafkaConfig((kafka,)).client_options()

    def create(partitions: int) -> None:
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
        admin.wait_for_topics([topic])

    if before:
        create(before)
    with closing(GroupReader(options, topic, [topic], instance="one")) as reader:
        wait_until(lambda: reader.poll(0.1) == [] and reader.is_member() and len(reader.assigned()) == before)
    if before:
        admin.create_partitions({topic: 6})
    else:
        create(6)
    with closing(GroupReader(options, topic, [topic], instance="one")) as reader:
        wait_until(lambda: reader.poll(0.1) == [] and len(reader.assigned()) == 6, seconds=20)
