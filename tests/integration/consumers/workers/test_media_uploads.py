"""Files that are sent, on a real database with the Graph stand-in: uploaded before the post, which is made once."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.workers.media.transfers import MediaTransfers
from consumers.workers.media.uploading import MediaUploading
from consumers.workers.sender import MessageSender
from domain.sending.sends import Send, send_id
from domain.topics import Topics
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.media import GraphMedia, NotUploaded, Uploaded, UploadOutcome, UploadRefused
from infra.graph.messages import GraphMessages
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.media import uploads
from infra.postgres.media.uploads import UploadedFile
from infra.postgres.sending import sends
from tests.support.fake_store import FakeStore
from tests.support.graph import NUMBERS, TOKEN, Graph, graph_running
from tests.support.office import Office, open_office
from tests.support.sending_room import NoWakeups
from tests.support.stories import NUMBER

PHOTO = b"\xff\xd8\xff\xe0 our photo"


class CountedMedia(GraphMedia):
    """Counts uploads. `answers`: outcomes of the next ones, which do not reach the stand-in."""

    def __init__(self, api: GraphClient) -> None:
        super().__init__(api)
        self.count = 0
        self.answers: list[UploadOutcome] = []

    def upload(self, phone_number_id: str, name: str, mime_type: str, file: Any, size: int) -> UploadOutcome:
        self.count += 1
        if self.answers:
            return self.answers.pop(0)
        return super().upload(phone_number_id, name, mime_type, file, size)


class Room:
    """A customer who wrote, and the sender and uploader of the company that answers with a photo."""

    def __init__(self, office: Office, dsn: str, graph: Graph) -> None:
        self.office = office
        self.graph = graph
        self.store = FakeStore()
        self.conversation = office.customer_writes("hello there")
        office.may_send(50)
        api = GraphClient(GraphAccess(graph.url, "v24.0", TOKEN))
        self.media = CountedMedia(api)
        self.session = DatabaseSession(dsn, "test")
        self.sender = MessageSender(self.session.transaction, GraphMessages(api), Topics(), NoWakeups())
        task = MediaUploading(self.media, self.store, Topics())
        self.uploader = MediaTransfers("uploading", self.session.transaction, task, 2, NoWakeups())

    def upload(self, content: bytes = PHOTO) -> UUID:
        digest = hashlib.sha256(content).hexdigest()
        self.store.put(digest, io.BytesIO(content))
        file = UploadedFile(uuid4(), "image", "image/jpeg", "photo.jpg", len(content), digest, "anna")
        uploads.add(self.office.connection, file)
        return file.id

    def ask(self, upload: UUID, named: str = "c", **more: Any) -> list[tuple[str, str | None]]:
        media = {"upload_id": str(upload), "caption": "Our shop"}
        data = {"conversation_id": str(self.conversation), "message": {"media": media}, **more}
        return self.office.results_of(self.office.command("send", data, named=named, issuer="anna"))

    def ask_text(self, named: str) -> None:
        data = {"conversation_id": str(self.conversation), "message": {"text": "And a word"}}
        self.office.results_of(self.office.command("send", data, named=named, issuer="anna"))

    def upload_all(self) -> None:
        self.uploader.poll()
        while not self.uploader.is_idle:
            self.uploader.poll()

    def post_all(self) -> None:
        for _ in range(3):
            self.sender.poll()
            while not self.sender.is_idle:
                self.sender.poll()

    def send(self, command: str = "c") -> Send:
        found = sends.find(self.office.connection, send_id(command))
        assert found is not None
        return found[0]

    def accepted(self) -> int:
        return len(self.graph.control.ledger())


@pytest.fixture
def room(database: str) -> Iterator[Room]:
    numbers = [*NUMBERS, (NUMBER, "+44 20 7946 0009", "330000000000001")]
    with open_office(database) as office, graph_running(numbers=numbers) as graph:
        room = Room(office, database, graph)
        with closing(room.session):
            yield room
            room.uploader.end()


def test_a_photo_is_uploaded_and_then_posted_under_metas_id(room: Room) -> None:
    """What is posted has Meta's id in place of ours, and nothing is posted before Meta has the file."""
    assert [("applied", None)] == room.ask(room.upload())
    room.post_all()
    assert (0, "queued") == (room.accepted(), room.send().state)
    room.upload_all()
    room.post_all()
    assert (1, "accepted", 1) == (room.accepted(), room.send().state, room.media.count)
    (meta_id,) = (row["meta_id"] for row in room.office.rows("select meta_id from meta_uploads"))
    (post,) = room.graph.control.posts()
    assert {"id": meta_id, "caption": "Our shop"} == post["body"]["image"]


def test_a_photo_that_is_sent_again_is_not_uploaded_again(room: Room) -> None:
    upload = room.upload()
    room.ask(upload, "c1")
    room.upload_all()
    room.ask(upload, "c2")
    room.upload_all()
    room.post_all()
    assert (2, 1) == (room.accepted(), room.media.count)


def test_after_a_month_meta_needs_the_file_again(room: Room) -> None:
    upload = room.upload()
    room.ask(upload, "c1")
    room.upload_all()
    room.post_all()
    room.office.connection.execute("update meta_uploads set expires_at = now() - interval '1 s'")
    room.ask(upload, "c2")
    room.post_all()
    assert 1 == room.accepted()
    room.upload_all()
    room.post_all()
    assert (2, 2) == (room.accepted(), room.media.count)


def test_messages_stay_in_their_order_while_a_file_is_uploaded(room: Room) -> None:
    """S4: the text that was written after the photo waits for it."""
    room.ask(room.upload(), "c1")
    room.ask_text("c2")
    room.post_all()
    assert 0 == room.accepted()
    room.upload_all()
    room.post_all()
    assert ["accepted", "accepted"] == [room.send(name).state for name in ("c1", "c2")]


def test_an_upload_that_fails_for_good_fails_the_send_with_words(room: Room) -> None:
    room.media.answers = [UploadRefused(131053, "Meta's error 131053")]
    upload = room.upload()
    room.ask(upload)
    room.upload_all()
    send = room.send()
    assert ("failed", 131053, "the file could not be uploaded (Meta's error 131053)") == (
        send.state,
        send.error,
        send.reason,
    )
    room.post_all()
    assert 0 == room.accepted()
    room.ask(upload, "again")
    room.upload_all()
    room.post_all()
    assert 1 == room.accepted()


def test_a_file_that_the_store_lost_fails_the_send_with_words(room: Room) -> None:
    upload = room.upload()
    room.store.files.clear()
    room.ask(upload)
    room.upload_all()
    assert ("failed", None) == (room.send().state, room.send().error)


def test_an_upload_without_an_answer_is_repeated_and_the_message_posted_once(room: Room) -> None:
    """A crash between the upload and its record leads to a second upload, never to a second message."""
    room.media.answers = [NotUploaded("Meta could not be reached", timedelta())]
    room.ask(room.upload())
    room.upload_all()
    room.post_all()
    assert (0, "queued") == (room.accepted(), room.send().state)
    room.office.connection.execute("update meta_uploads set next_at = now() - interval '1 s'")
    room.upload_all()
    room.post_all()
    room.post_all()
    assert (1, 2) == (room.accepted(), room.media.count)


def test_two_processes_upload_a_file_once(room: Room) -> None:
    room.ask(room.upload())
    with room.session.transaction() as connection:
        assert 1 == len(uploads.claim(connection, 5))
        assert [] == uploads.claim(connection, 5)


def test_a_send_that_waits_for_its_file_until_nobody_expects_it_expires(room: Room) -> None:
    room.ask(room.upload())
    room.office.connection.execute("update sends set expires_at = now() - interval '1 s'")
    room.post_all()
    assert (0, "expired") == (room.accepted(), room.send().state)


def test_an_upload_that_is_not_ours_is_unknown(room: Room) -> None:
    assert [("rejected", "media_unknown")] == room.ask(uuid4())


def test_uploaded_is_what_meta_has(room: Room) -> None:
    room.media.answers = [Uploaded("not at the stand-in")]
    room.ask(room.upload())
    room.upload_all()
    room.post_all()
    assert ("failed", 0) == (room.send().state, room.accepted())
