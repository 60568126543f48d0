"""Single polls of the relay on a real outbox: refused records, their successors, and late commits."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import psycopg
import pytest

from consumers.workers.relay import BATCH_BYTES, LowWaterMark, Relay
from domain.topics import Topics
from infra.postgres.messaging.outbox import Outbox, OutboxRecord, restored
from tests.support.fake_ordered_publisher import FakeOrderedPublisher
from tests.support.fake_publisher import FakePublisher
from witiop.operations.replay import ReplayOutcome, replay


class Post:
    """An outbox, and a relay with a fake publisher."""

    def __init__(self, dsn: str, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.publisher = FakeOrderedPublisher()
        self.outbox = Outbox(connection)
        self.relay = Relay(lambda: psycopg.connect(dsn), self.publisher)

    def put(self, outbox: Outbox | None = None, **values: str) -> None:
        """Adds one record per key."""
        (outbox or self.outbox).add(OutboxRecord("t", key, {}, value.encode()) for key, value in values.items())

    @property
    def published(self) -> list[tuple[str | None, bytes]]:
        return [(record.key, record.value) for record in self.publisher.records]

    @property
    def waiting(self) -> list[bytes]:
        return [queued.record.value for queued in self.outbox.read(0, 100, BATCH_BYTES)]


@pytest.fixture
def post(database: str) -> Iterator[Post]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield Post(database, connection)


def test_a_record_that_can_never_be_published_is_a_dead_letter_and_holds_back_nothing(post: Post) -> None:
    """Neither other keys nor its own. Once the topic takes it, it can be published after all."""
    for chapter in ("1", "2", "3"):
        post.put(anna=f"anna {chapter}", berta=f"berta {chapter}")
    post.publisher.refused = {b"anna 2"}
    assert (6, 6) == post.relay.poll(post.outbox)
    assert [] == post.waiting
    assert [b"anna 1", b"anna 3"] == [value for key, value in post.published if key == "anna"]

    ((id_, reason),) = post.connection.execute("select id, reason from set_aside").fetchall()
    assert "too large for its topic" == reason
    for published in (False, True):
        post.publisher.refused = set() if published else {b"anna 2"}
        (outcome,) = replay(post.connection, FakePublisher(), Topics(), [id_])
        assert ReplayOutcome(id_) == outcome
        assert (1, 1) == post.relay.poll(post.outbox)
        assert published == (("anna", b"anna 2") == post.published[-1])


@pytest.mark.parametrize("headers", ['{"ce_sequence": 1}', '["ce_id"]'])
def test_a_row_that_is_no_record_is_a_dead_letter_and_the_others_are_published(post: Post, headers: str) -> None:
    """Only a defect of ours writes one. Its dead letter holds all of it, also where that is no UTF-8, and a replay does
    not bring it through."""
    post.put(anna="1")
    post.connection.execute(
        "insert into outbox (topic, key, headers, value) values ('t', 'berta', %s::json, %s)", [headers, b"\xff"]
    )
    post.put(berta="2")
    assert (3, 3) == post.relay.poll(post.outbox)
    assert ([], [("anna", b"1"), ("berta", b"2")]) == (post.waiting, post.published)

    ((id_, reason, raw),) = post.connection.execute("select id, reason, raw from set_aside").fetchall()
    assert "its headers are not a record's" == reason
    again = OutboxRecord("t", "berta", json.loads(headers), b"\xff")
    assert again == restored(raw)
    assert [ReplayOutcome(id_)] == list(replay(post.connection, FakePublisher(), Topics(), [id_]))
    assert (1, 1) == post.relay.poll(post.outbox)
    assert [("anna", b"1"), ("berta", b"2")] == post.published


def test_a_poll_reads_large_records_a_few_at_a_time(post: Post) -> None:
    """In the order of their ids, and at least one, however large."""
    half = "x" * (BATCH_BYTES // 2)
    post.put(anna=half, berta=half, carla=half, dora=half + half + half, emil="small")
    assert [(2, 2), (2, 2), (1, 1), (0, 0)] == [post.relay.poll(post.outbox) for _ in range(4)]
    assert ["anna", "berta", "carla", "dora", "emil"] == [key for key, _ in post.published]


def test_a_record_that_fails_holds_back_the_later_records_of_its_key_only(post: Post) -> None:
    for chapter in ("1", "2", "3"):
        post.put(anna=f"anna {chapter}", berta=f"berta {chapter}")
    post.publisher.failing = {b"anna 2"}

    assert (6, 4) == post.relay.poll(post.outbox)
    assert [b"anna 2", b"anna 3"] == post.waiting

    post.publisher.failing = set()
    assert (2, 2) == post.relay.poll(post.outbox)
    assert [b"anna 2", b"anna 3"] == [value for key, value in post.published if key == "anna"][-2:]
    assert (0, 0) == post.relay.poll(post.outbox)


def test_a_record_that_was_committed_late_is_not_skipped(post: Post, database: str) -> None:
    with psycopg.connect(database) as late:
        post.put(Outbox(late), anna="late")
        post.put(berta="early")
        assert (1, 1) == post.relay.poll(post.outbox)
    assert (1, 1) == post.relay.poll(post.outbox)
    assert [("berta", b"early"), ("anna", b"late")] == post.published


def test_an_outbox_that_is_listened_to_wakes_up_when_something_is_added(post: Post, database: str) -> None:
    """A relay reads an empty outbox twice a second only, and publishes at once all the same."""
    with psycopg.connect(database, autocommit=True) as session, ThreadPoolExecutor() as threads:
        outbox = Outbox(session)
        outbox.listen()
        began = monotonic()
        waiting = threads.submit(outbox.wait, 60)
        post.put(anna="1")
        waiting.result()
    assert monotonic() - began < 30


def test_ids_below_the_deleted_ones_are_skipped_after_a_minute_and_read_again_every_ten_seconds() -> None:
    low = LowWaterMark()
    assert 0 == low.id(now=100)
    low.deleted(7, now=101)

    assert 0 == low.id(now=109)
    assert [0, 0] == [low.id(now=150), low.id(now=159)]
    assert [0, 7, 7, 0, 7] == [low.id(now=now) for now in (162, 163, 171, 172, 173)]
