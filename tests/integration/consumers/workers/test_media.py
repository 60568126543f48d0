"""Files of customers on a real database: noted with their message, fetched at once, tried again while Meta has them."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumers.workers.media.fetching import MediaFetching, wait_after
from consumers.workers.media.transfers import MediaTransfers
from domain.facts import CustomerTurn, HumanEcho
from domain.messages.received import ReceivedMedia
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.media import GraphMedia
from infra.media.store import THUMBNAIL
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.media import received
from infra.postgres.media.received import ReceivedFile
from tests.support.fake_store import FakeStore
from tests.support.media_source import CONTENT, MediaSource, media_source
from tests.support.office import Office, open_office
from tests.support.sending_room import NoWakeups
from tests.support.stories import NUMBER, FactMaker

HASH = hashlib.sha256(CONTENT).hexdigest()


class Room:
    """A company whose customers send files, a server that has them, and the worker that fetches them."""

    def __init__(self, office: Office, dsn: str, source: MediaSource) -> None:
        self.office = office
        self.source = source
        self.store = FakeStore()
        self.session = DatabaseSession(dsn, "test")
        self.worker = self.new_worker()

    def new_worker(self) -> MediaTransfers[Any, Any]:
        media = GraphMedia(GraphClient(GraphAccess(self.source.url, "v24.0", "token", read_seconds=2)))
        fetching = MediaFetching(media, self.store, lambda _: b"small")
        return MediaTransfers("fetching", self.session.transaction, fetching, 2, NoWakeups())

    def customer_sends(self, id_: str = "77", kind: str = "image", hours_ago: float = 1, **more: Any) -> UUID:
        media = ReceivedMedia(id=id_, **more)
        turn = FactMaker().turn(self.office.hours_ago(hours_ago), "").model_copy(update={"type": kind, "media": media})
        self.office.process(turn)
        return turn.id

    def fetch_all(self) -> None:
        """Polls until nothing is under way."""
        self.worker.poll()
        while not self.worker.is_idle:
            self.worker.poll()

    def file(self, message: UUID) -> ReceivedFile:
        found = received.find(self.office.connection, message)
        assert found is not None
        return found

    def make_due(self) -> None:
        self.office.connection.execute("update media set next_at = now() - interval '1 s' where state = 'waiting'")


@pytest.fixture
def room(database: str) -> Iterator[Room]:
    with open_office(database) as office, media_source() as source:
        room = Room(office, database, source)
        with closing(room.session):
            yield room
            room.worker.end()


def test_a_photo_is_fetched_kept_under_its_hash_and_made_small(room: Room) -> None:
    message = room.customer_sends(sha256=HASH, mime_type="image/jpeg")
    room.fetch_all()
    assert {HASH: CONTENT, HASH + THUMBNAIL: b"small"} == room.store.files
    file = room.file(message)
    assert ("stored", HASH, len(CONTENT), "image/jpeg", True) == (
        file.state,
        file.sha256,
        file.size,
        file.shown_type,
        file.has_thumbnail,
    )
    room.fetch_all()
    assert 2 == len(room.source.asked)


def test_a_repeated_message_is_fetched_once(room: Room) -> None:
    """Meta repeats webhooks, and a replay does too."""
    media = ReceivedMedia(id="77")
    turn = FactMaker().turn(room.office.hours_ago(1), "").model_copy(update={"type": "image", "media": media})
    room.office.process(turn)
    room.office.process(turn)
    room.fetch_all()
    room.office.process(turn)
    room.fetch_all()
    assert 2 == len(room.source.asked)


def test_files_of_colleagues_in_the_phone_app_are_fetched_too(room: Room) -> None:
    room.office.process(FactMaker().turn(room.office.hours_ago(2), "hello"))
    turn = FactMaker().turn(room.office.hours_ago(1), "")
    echo = HumanEcho(
        id=turn.id,
        phone_number_id=NUMBER,
        at=turn.at,
        sent_at=turn.at,
        customer=turn.customer,
        type="image",
        wamid="wamid.echo",
        media=ReceivedMedia(id="77"),
    )
    room.office.process(echo)
    room.fetch_all()
    assert "stored" == room.file(echo.id).state


def test_a_text_has_no_file(room: Room) -> None:
    room.office.process(FactMaker().turn(room.office.hours_ago(1), "hello"))
    assert [] == room.office.rows("select * from media")


@pytest.mark.parametrize("fault", ["hash", "gone", "trouble", "store"])
def test_what_was_not_fetched_is_tried_again(room: Room, fault: str) -> None:
    """Also an id that Meta says it does not know: only time decides that it is gone."""
    message = room.customer_sends(sha256=None if fault != "hash" else "0" * 64)
    match fault:
        case "hash":
            room.source.info = {"sha256": "1" * 64}
        case "gone":
            room.source.info, room.source.info_status = {"error": {"code": 100}}, 404
        case "trouble":
            room.source.status = 503
        case _:
            room.store.failing = True
    room.fetch_all()
    file = room.file(message)
    assert ("waiting", None) == (file.state, file.sha256)
    assert file.reason
    room.fetch_all()
    assert 1 == len(room.office.rows("select 1 from media where attempts = 1 and next_at > now() + interval '3 s'"))
    room.source.info, room.source.info_status, room.source.status, room.store.failing = {}, 200, 200, False
    room.make_due()
    room.office.connection.execute("update media set announced_sha256 = null")
    room.fetch_all()
    assert ("stored", None) == (room.file(message).state, room.file(message).reason)


def test_trying_again_becomes_rarer_but_never_ends_before_the_id_does() -> None:
    waits = [wait_after(attempts).total_seconds() for attempts in (1, 2, 3, 10, 11, 500)]
    assert [5, 10, 20, 2560, 3600, 3600] == waits
    spent, attempts = timedelta(), 0
    while spent < received.ID_LIFE:
        attempts += 1
        spent += wait_after(attempts)
    assert 170 < attempts < 190


def test_an_id_that_has_expired_is_tried_once_more_and_given_up(room: Room) -> None:
    message = room.customer_sends(hours_ago=7 * 24 + 1)
    room.source.info, room.source.info_status = {"error": {"code": 100}}, 400
    room.fetch_all()
    file = room.file(message)
    assert ("failed", "Meta does not keep it any longer; the last try: Meta's error 100") == (file.state, file.reason)
    room.make_due()
    room.fetch_all()
    assert 1 == len(room.source.asked)


def test_a_file_that_is_too_large_is_given_up_at_once(room: Room) -> None:
    message = room.customer_sends(kind="sticker")
    room.source.info = {"file_size": 500 * 1024 + 1}
    room.fetch_all()
    assert ("failed", "larger than the 512,000 bytes that a file of this kind may have") == (
        room.file(message).state,
        room.file(message).reason,
    )


def test_a_slow_download_holds_up_no_other_and_no_transaction(room: Room) -> None:
    room.source.gate.clear()
    slow = room.customer_sends("slow")
    room.worker.poll()
    assert [] == room.office.rows(
        "select 1 from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"
    )
    room.source.info = {"url": f"{room.source.url}/_quick"}
    quick = room.customer_sends("quick")
    while room.file(quick).state == "waiting" and room.file(quick).reason is None:
        room.worker.poll()
    assert "waiting" == room.file(slow).state
    room.source.gate.set()
    room.fetch_all()


def test_at_most_so_many_are_fetched_at_once(room: Room) -> None:
    room.source.gate.clear()
    for number in range(5):
        room.customer_sends(str(number))
    room.worker.poll()
    assert [{"n": 2}] == room.office.rows("select count(*) as n from media where attempts = 1")
    room.source.gate.set()
    room.fetch_all()
    assert [{"n": 5}] == room.office.rows("select count(*) as n from media where state = 'stored'")


def test_what_a_process_took_that_died_is_fetched_by_another(room: Room) -> None:
    message = room.customer_sends()
    with room.session.transaction() as connection:
        (taken,) = received.claim(connection, 1)
        assert [] == received.claim(connection, 1)
    (row,) = room.office.rows("select extract(epoch from next_at - now())::float as lease from media")
    assert 140 < row["lease"] < 145  # 5 MiB at 100 kB/s, half a minute, and a minute more
    room.make_due()
    room.fetch_all()
    assert (message, "stored") == (taken.message_id, room.file(message).state)


def test_a_file_names_its_conversation_and_says_that_the_customer_deleted_it(room: Room) -> None:
    message = room.customer_sends()
    ((own, wamid),) = room.office.connection.execute("select conversation_id, wamid from entries")
    assert (own, False) == (room.file(message).conversation_id, room.file(message).is_deleted)
    deletion = room.office.maker.signal(room.office.hours_ago(0.5), "revoke").model_copy(update={"marks": wamid})
    room.office.process(deletion)
    assert room.file(message).is_deleted


def test_a_turn_with_a_file_is_still_a_turn(room: Room) -> None:
    room.customer_sends()
    (row,) = room.office.rows("select kind, detail -> 'media' ->> 'id' as media from entries")
    assert (CustomerTurn.model_fields["kind"].default, "77") == tuple(row.values())
