"""Workers that have nothing to do wake nobody, on a real database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from consumers.workers.mails import Mails
from consumers.workers.media.fetching import MediaFetching
from consumers.workers.media.transfers import MediaTransfers
from consumers.workers.media.uploading import MediaUploading
from consumers.workers.sender import MessageSender
from domain.topics import Topics
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.media import GraphMedia
from infra.media.thumbnails import thumbnail
from infra.postgres.connections.hints import CHANGES, MEDIA, SENDS, SYNC, ChangeHints
from infra.postgres.connections.session import DatabaseSession
from tests.integration.consumers.workers.test_mails import SENDER
from tests.support.fake_graph import FakeGraph
from tests.support.fake_mailer import FakeMailer
from tests.support.fake_store import FakeStore
from tests.support.office import Office, open_office
from tests.support.sending_room import NoWakeups

Poll = Callable[[], object]


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        office.customer_writes("hello there")
        yield office


def test_idle_workers_send_no_hints(office: Office, database: str) -> None:
    """A hint for every look into an empty queue would wake the one who looks, without an end. PostgreSQL fires
    triggers of statements also if they change no row."""
    with ExitStack() as stack:
        session = stack.enter_context(closing(DatabaseSession(database, "test")))
        graph = GraphMedia(GraphClient(GraphAccess("http://127.0.0.1:1", "v24.0", "token")))
        fetching = MediaFetching(graph, FakeStore(), thumbnail)
        polls: list[Poll] = [
            MessageSender(session.transaction, FakeGraph(), Topics(), NoWakeups()).poll,
            MediaTransfers("fetching", session.transaction, fetching, 2, NoWakeups()).poll,
            MediaTransfers(
                "uploading", session.transaction, MediaUploading(graph, FakeStore(), Topics()), 2, NoWakeups()
            ).poll,
            Mails(session.transaction, FakeMailer(), SENDER, Topics(), 1000).poll,
            office.timer.end_owners,
            office.timer.close_due,
            office.timer.end_wishes,
            office.routing.poll,
        ]
        for poll in polls:
            poll()  # creates what is kept for each number
        hints = {
            channel: stack.enter_context(ChangeHints(database, channel)) for channel in (CHANGES, SENDS, MEDIA, SYNC)
        }
        for poll in polls:
            poll()
            assert set() == {channel for channel, hint in hints.items() if hint.wait(0.05)}, poll
