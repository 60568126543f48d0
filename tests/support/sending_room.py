"""A sender on the office's database with a fake Graph API, and Meta's statuses."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from consumers.workers.sender import DEFAULT_TERMS, MessageSender, SenderTerms
from domain.facts import MessageStatus
from domain.ids import fact_id
from domain.sending.sends import PostOutcome, Send, send_id
from domain.topics import Topics
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.sending import sends
from tests.support.fake_graph import FakeGraph
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER


class NoWakeups:
    """Says at once that something may be due."""

    def wait(self, seconds: float) -> bool:
        return True


class SendingRoom:
    """A sender on the office's database with a fake Graph API, and Meta's statuses. Anna answers `conversation`, whose
    customer wrote `hours_ago`. The number has saved up for 50 messages."""

    def __init__(self, office: Office, dsn: str, terms: SenderTerms = DEFAULT_TERMS, hours_ago: float = 1) -> None:
        self.office = office
        self.conversation = office.customer_writes("hello there", hours_ago=hours_ago)
        self.graph = FakeGraph()
        self.session = DatabaseSession(dsn, "test")
        office.may_send(50)
        self.sender = MessageSender(self.session.transaction, self.graph, Topics(), NoWakeups(), terms)

    def ask(
        self, text: str = "hi", named: str = "c", issuer: str = "anna", **more: Any
    ) -> list[tuple[str, str | None]]:
        """Asks for a message and returns the results of the command."""
        data = {"conversation_id": str(self.conversation), "message": {"text": text}, **more}
        return self.office.results_of(self.office.command("send", data, named=named, issuer=issuer))

    def answers(self, *outcomes: PostOutcome) -> None:
        self.graph.answers += outcomes

    def post_all(self) -> None:
        """Polls until nothing is under way, and lets the rules know of what happened."""
        before = -1
        while len(self.graph.posts) != before or not self.sender.is_idle:
            before = len(self.graph.posts)
            self.sender.poll()
        self.office.process_own_facts()

    def send(self, command: str = "c") -> Send:
        """Returns the send of a command."""
        found = sends.find(self.office.connection, send_id(command))
        assert found is not None
        return found[0]

    def state(self, command: str = "c") -> str:
        return self.send(command).state

    def log(self, command: str = "c") -> list[str]:
        found = sends.find(self.office.connection, send_id(command))
        assert found is not None
        return [entry.event for entry in found[1]]

    def meta_reports(
        self,
        status: str,
        wamid: str,
        callback: str | None = None,
        code: int | None = None,
        recipient: str = "16505551234",
    ) -> None:
        """Processes a status of now."""
        now = datetime.now(UTC)
        report = MessageStatus(
            id=fact_id("status", wamid, status, str(now)),
            phone_number_id=NUMBER,
            at=now,
            sent_at=now,
            wamid=wamid,
            recipient=recipient,
            status=status,
            code=code,
            callback=callback,
        )
        self.office.process(report)
        self.office.process_own_facts()

    def is_listed(self) -> bool:
        (row,) = self.office.rows(f"select unmanaged from conversations where id = '{self.conversation}'")
        return bool(row["unmanaged"])

    def is_answered(self) -> bool:
        (row,) = self.office.rows(f"select managed from conversations where id = '{self.conversation}'")
        return bool(row["managed"])

    def events(self) -> list[str]:
        rows = self.office.rows("select headers from outbox where topic = 'witiop.messages.v1' order by id")
        return [row["headers"]["ce_type"] for row in rows]


@contextmanager
def open_room(dsn: str, terms: SenderTerms = DEFAULT_TERMS) -> Iterator[SendingRoom]:
    """Opens a room on an empty database."""
    with open_office(dsn) as office:
        room = SendingRoom(office, dsn, terms)
        with closing(room.session):
            yield room
