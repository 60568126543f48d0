"""A conversation that is gone, with its customer, its facts and its history, as data protection may ask for: whatever
still names it has its outcome, and nothing fails."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import Connection

from consumers.handlers.conversations import Conversations
from consumers.workers.mails import Mails
from consumers.workers.routing import Routing
from consumers.workers.timer import Timer
from domain.facts import FACT, AgentMessage, MailEvent
from domain.ids import fact_id
from domain.mail import mail_id
from domain.mail_body.compose import MailSender
from domain.routing.transfers import RoutingPolicy
from infra.kafka.consumer import IncomingRecord
from infra.postgres import mails
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.messaging.parked import parked_now
from tests.support.fake_mailer import FakeMailer
from tests.support.office import Office, open_office

TABLES = ("history", "entries", "conversations", "identities", "customers", "unmanaged_counts")


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def delete(office: Office) -> None:
    for table in TABLES:
        office.connection.execute(f"delete from {table}")


def test_what_names_a_deleted_conversation_has_its_outcome(office: Office, database: str) -> None:
    gone = office.customer_writes("hello")
    email = {"conversation_id": str(gone), "to": ["a@example.com"], "subject": "s", "body": "b"}
    commands = [office.command("email", email, named=name) for name in ("posted", "due")]
    assert [("applied", None)] * 2 == office.results_of(*commands)
    posted, due = mail_id("posted"), mail_id("due")
    assert 1 == mails.claim(office.connection, posted)
    assert [("applied", None)] == office.results_of(office.transfer(gone, "skillset", "sales", "exclusive"))
    delete(office)

    with closing(DatabaseSession(database, "mails")) as session:
        worker = Mails(session.transaction, FakeMailer(), MailSender("w@example.com", "W"), office.topics, 1000)
        worker.poll()
        office.connection.execute(
            "update mails set claimed_at = claimed_at - interval '1 hour' where state = 'sending'"
        )
        worker.poll()
    states = dict(office.connection.execute("select id, state || coalesce(': ' || reason, '') from mails").fetchall())
    assert "failed: the conversation no longer exists" == states[due]
    assert states[posted].startswith("unknown")

    now = datetime.now(UTC)
    office.process(
        MailEvent(
            id=fact_id("ses", "1"), at=now, sent_at=now, mail_id=posted, type="delivered", recipients=("a@x.com",)
        )
    )
    found = mails.find(office.connection, posted)
    assert found is not None and "sent" == found[0].state

    refused = ("rejected", "conversation_unknown")
    recall = office.command("recall", {"conversation_id": str(gone)})
    assert [refused] * 3 == office.results_of(
        office.transfer(gone, "user", "anna", "immediate"), recall, office.command("email", email, named="late")
    )
    said = AgentMessage.model_validate(
        {"id": fact_id("m"), "at": now, "sent_at": now, "agent_id": "anna", "conversation_id": gone, "text": "hi"}
    )
    record = IncomingRecord("t", 0, office.next_offset(), now, FACT.dump_json(said), ())
    with office.connection.transaction():
        leftover = Conversations(office.topics).apply(office.connection, [record])
    assert [gone] == [early.conversation_id for early in leftover.early]

    office.presence("anna", "ready")
    assert (0, 0, 0) == (office.routing.poll(), office.timer.close_due(), office.timer.end_owners())
    assert [] == parked_now(office.connection)
    assert gone != office.customer_writes("hello again", hours_ago=0)


def test_workers_pass_over_a_conversation_that_is_deleted_after_they_have_found_it(office: Office) -> None:
    office.presence("anna", "ready")
    begun: list[str] = []

    def transaction() -> AbstractContextManager[Connection[Any]]:
        begun.append("transaction")
        if len(begun) == 2:
            delete(office)
        return office.connection.transaction_of()

    timer = Timer(transaction, office.topics)
    routing = Routing(transaction, office.topics, RoutingPolicy())
    for poll in (timer.close_due, timer.end_owners, routing.poll):
        waits = office.customer_writes("hello", hours_ago=23)
        assert [("applied", None)] == office.results_of(office.transfer(waits, "user", "anna", "exclusive"))
        ends = "owner_until" if poll == timer.end_owners else "window_ends_at"
        if poll != routing.poll:
            office.connection.execute(f"update conversations set {ends} = now() - interval '1 s'")
        begun.clear()
        assert (0, 2) == (poll(), len(begun)), "it found the conversation, and then nothing"
    assert [] == parked_now(office.connection)
