"""One row that cannot be processed delays no other, whichever worker finds it (consumers/workers/isolation.py). A row
is spoilt by an entry in its history, whose number the conversation's next event needs."""

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest

from consumers.workers.isolation import PARKED_SECONDS
from consumers.workers.mails import Mails
from consumers.workers.routing import Routing
from domain.mail import mail_id
from domain.mail_body.compose import MailSender
from domain.routing.transfers import RoutingPolicy
from infra.postgres import mails
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.messaging.parked import parked_now
from tests.support.fake_mailer import FakeMailer
from tests.support.office import Office, open_office

PHONES = ("390001", "390002", "390003")


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def spoil(office: Office, conversation: UUID) -> None:
    office.connection.execute(
        "insert into history (conversation_id, sequence, at, event, because, actor) "
        "select id, sequence + 1, now(), 'corrected', '{}', 'nobody' from conversations where id = %s",
        [conversation],
    )


def repair(office: Office) -> None:
    office.connection.execute("delete from history where actor = 'nobody'")


def is_parked(office: Office, worker: str, items: int, why: str = "SQLSTATE 23505") -> bool:
    return [(worker, why, items)] == [(each.worker, each.reason, each.items) for each in parked_now(office.connection)]


def test_the_timer_closes_the_others_and_says_what_it_could_not_close(office: Office) -> None:
    spoilt, *others = [office.customer_writes(phone=phone, hours_ago=23.9) for phone in PHONES]
    spoil(office, spoilt)
    office.connection.execute("update conversations set window_ends_at = window_ends_at - interval '1 hour'")
    assert 2 == office.timer.close_due()
    closed = office.rows("select id from conversations where status = 'c'")
    assert set(others) == {row["id"] for row in closed}
    assert is_parked(office, "timer", 1)
    assert "1 parked (SQLSTATE 23505); see witiop doctor" in (office.timer.not_ready_reason() or "")
    assert 0 == office.timer.close_due()


def test_routing_offers_what_waits_behind_the_ones_that_it_could_not_offer(office: Office) -> None:
    """It reads one conversation per poll."""
    moments = [0.0]
    office.routing = Routing(
        office.connection.transaction_of, office.topics, RoutingPolicy(), batch=1, clock=lambda: moments[0]
    )
    *spoilt, behind = [office.customer_writes("1", phone) for phone in PHONES]
    for conversation in spoilt:
        spoil(office, conversation)
    office.presence("anna", "ready")
    assert [0, 0, 1] == [office.routing.poll() for _ in PHONES]
    assert [{"id": behind}] == office.rows("select id from conversations where owner_state = 'a'")
    assert is_parked(office, "routing", 2)

    repair(office)
    moments.append(moments.pop() + PARKED_SECONDS)
    office.connection.execute("update users set max_conversations = 3")
    assert [1, 1] == [office.routing.poll() for _ in spoilt]
    assert [] == parked_now(office.connection)


def test_a_row_that_the_program_cannot_read_is_parked(office: Office) -> None:
    spoilt, other = [office.customer_writes("1", phone) for phone in PHONES[:2]]
    office.connection.execute("update conversations set memory = '[[], 7]' where id = %s", [spoilt])
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    assert [{"id": other}] == office.rows("select id from conversations where owner_state = 'a'")


def test_a_mail_whose_outcome_cannot_be_stored_is_not_sent_again_and_delays_no_other(
    office: Office, database: str
) -> None:
    """Its conversation is spoilt. The mail is unknown as soon as that can be stored."""
    moments = [0.0]
    with closing(DatabaseSession(database, "mails")) as session:
        mailer = FakeMailer()
        worker = Mails(
            session.transaction,
            mailer,
            MailSender("witiop@example.com", "WitiOp"),
            office.topics,
            1000,
            abandoned_seconds=0,
            clock=lambda: moments[0],
        )
        conversations = [office.customer_writes(phone=phone) for phone in PHONES[:2]]
        for conversation in conversations:
            email = {"conversation_id": str(conversation), "to": ["a@example.com"], "subject": "s", "body": "b"}
            assert [("applied", None)] == office.results_of(office.command("email", email, named=str(conversation)))
        spoil(office, conversations[0])
        for _ in range(3):
            worker.poll()
        assert ["sending", "sent"] == [state_of(office, conversation) for conversation in conversations]
        assert 2 == len(mailer.posts)
        assert is_parked(office, "mails", 1)

        repair(office)
        moments.append(moments.pop() + PARKED_SECONDS)
        worker.poll()
        assert ["unknown", "sent"] == [state_of(office, conversation) for conversation in conversations]
        assert 2 == len(mailer.posts)
        assert [] == parked_now(office.connection)


def state_of(office: Office, conversation: UUID) -> str:
    found = mails.find(office.connection, mail_id(str(conversation)))
    assert found is not None
    return found[0].state
