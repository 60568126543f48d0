"""Members of a consumer group on a real broker."""

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


def test_partitions_added_while_two_busy_members_work_reach_both_of_them(kafka: str, admin: Any) -> None:
    """The join outlasts the leader's poll here: the other member is at work for a second between two polls."""
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


class NoText(str):
    """A name of a header that a program of another kind wrote."""

    def encode(self, *_: str) -> bytes:
        return b"\xff\xfename"


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_a_header_whose_name_is_no_text_holds_nobody_up(kafka: str, admin: Any, codec: str | None) -> None:
    """Its record and those behind it are read."""
    topic = f"names-{uuid4().hex}"
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    admin.wait_for_topics([topic])
    options = KafkaConfig((kafka,)).client_options()
    with closing(KafkaProducer(bootstrap_servers=kafka, compression_type=codec, linger_ms=200)) as producer:  # type: ignore[no-untyped-call]
        headers: list[tuple[str, bytes]] = [("a", b"1"), (NoText(), b""), ("ü", b"\xff")]
        sent = [producer.send(topic, b"before"), producer.send(topic, b"bad", headers=headers, key=b"k")]  # type: ignore[no-untyped-call]
        for each in (*sent, producer.send(topic, b"behind")):  # type: ignore[no-untyped-call]
            each.get(5)

    with closing(GroupReader(options, topic, [topic])) as reader:
        wait_until(lambda: reader.poll(0.1) == [] and reader.silent())
        reader.begin_at(reader.silent()[0], 0)
        found: list[IncomingRecord] = []
        while len(found) < 3:
            found += reader.poll(5)

    assert [b"before", b"bad", b"behind"] == [record.value for record in found]
    assert (("a", b"1"), ("??name", b""), ("??", b"\xff")) == found[1].raw_headers


@pytest.mark.parametrize("before", [0, 2], ids=["no topic", "fewer partitions"])
def test_who_comes_back_under_the_name_of_before_reads_what_was_added_in_the_meantime(
    kafka: str, admin: Any, before: int
) -> None:
    """The broker gives a member that it knows what it had, whatever has become of the topics."""
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
