"""Customers who were answered and wrote again, on a real database: the timer puts them on the list, unless somebody is
writing to them (domain.md, *Waiting for a reply*)."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumers.workers.sender import MessageSender
from domain.conversations.ownership.deadlines import AnswerPolicy
from domain.conversations.reasons import Reason
from domain.facts import AgentAccepted, AgentMessage
from domain.routing.transfers import RoutingPolicy
from domain.sending.sends import PostOutcome, Refused, Unanswered
from domain.topics import Topics
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.lists.health import miscounts
from infra.postgres.lists.waiting_for_reply import ReplyFilter, waiting_for_reply
from tests.support.fake_graph import FakeGraph
from tests.support.office import Office, open_office
from tests.support.sending_room import NoWakeups

NO_REPLY = (None, None, None, True, Reason.NO_REPLY.code)
TAKEN = (None, None, None, True, Reason.TAKEN_NOT_ANSWERED.code)
ANNA = ("u", "anna", "x", False, None)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office
        assert [] == miscounts(office.connection)


@pytest.fixture
def strict(database: str) -> Iterator[Office]:
    """An office in which agents must write as soon as they accept, and as soon as the customer writes again."""
    now = timedelta(0)
    with open_office(database, RoutingPolicy(answer=AnswerPolicy(now, now, now, now))) as office:
        yield office
        assert [] == miscounts(office.connection)


def answered(office: Office, agent: str = "anna", minutes_ago: float = 30, phone: str = "16505551234") -> UUID:
    """A customer to whom an agent wrote then, and who wrote again a minute later."""
    conversation = office.customer_writes(phone=phone)
    office.desktop_reports(AgentAccepted, agent, conversation, minutes_ago=minutes_ago + 1)
    office.desktop_reports(AgentMessage, agent, conversation, minutes_ago=minutes_ago)
    office.customer_writes("and now?", phone, hours_ago=(minutes_ago - 1) / 60)
    return conversation


def write(office: Office, conversation: UUID, **more: Any) -> None:
    """Anna asks for a message."""
    data = {"conversation_id": str(conversation), "message": {"text": "hi"}, **more}
    assert [("applied", None)] == office.results_of(office.command("send", data, issuer="anna"))


def test_the_timer_lists_a_customer_without_a_reply_and_anybody_can_take_them(office: Office) -> None:
    conversation = answered(office, minutes_ago=10.9)
    assert 0 == office.timer.end_owners()
    assert ANNA == office.owner()
    other = answered(office, "ben", minutes_ago=12, phone="390")
    assert 1 == office.timer.end_owners()
    assert 0 == office.timer.end_owners()
    assert [None, "anna"] == [
        row["owner_id"] for row in office.rows("select owner_id from conversations order by owner_id nulls first")
    ]
    assert [("released", "clock", None), ("became_unmanaged", "clock", None)] == office.history(other)[-2:]
    take = office.transfer(other, "user", "carla", "immediate", issuer="carla")
    assert [("applied", None)] == office.results_of(take)
    office.desktop_reports(AgentMessage, "carla", other)
    assert ("managed", "agent:carla", "carla") == office.history(other)[-1]
    assert conversation != other


def test_the_timer_waits_until_everything_from_then_is_processed(office: Office) -> None:
    conversation = answered(office, minutes_ago=20)
    office.set_watermark("15 min")
    assert 0 == office.timer.end_owners()
    office.desktop_reports(AgentMessage, "anna", conversation, minutes_ago=14)
    office.set_watermark("0 s")
    assert 0 == office.timer.end_owners()
    assert ANNA == office.owner()


@pytest.mark.parametrize(("customer", "listed"), [("new", TAKEN), ("answered", NO_REPLY)])
@pytest.mark.parametrize("outcome", [Refused(131047, "no"), Unanswered("lost"), None])
def test_nobody_is_taken_from_an_agent_whose_message_is_being_sent(
    strict: Office, database: str, customer: str, listed: tuple[object, ...], outcome: PostOutcome | None
) -> None:
    """While the message is held, queued or being sent, and until the word that Meta accepted is processed. If it was
    not sent, the deadline is looked at again."""
    conversation = answered(strict) if customer == "answered" else strict.customer_writes()
    write(strict, conversation, hold_seconds=60)
    assert ANNA == strict.owner()
    assert 0 == strict.timer.end_owners()
    for state in ("queued", "sending"):
        strict.connection.execute("update sends set state = %s, due_at = now()", [state])
        assert 0 == strict.timer.end_owners()
    strict.connection.execute("update sends set state = 'queued'")
    graph = FakeGraph()
    with closing(DatabaseSession(database, "test")) as session:
        if outcome is not None:
            graph.answers.append(outcome)
        sender = MessageSender(session.transaction, graph, Topics(), NoWakeups())
        while not graph.posts or not sender.is_idle:
            sender.poll()
    assert (0 if outcome is None else 1) == strict.timer.end_owners()
    if outcome is not None:
        assert listed == strict.owner()
        return
    strict.process_own_facts()
    assert 0 == strict.timer.end_owners()
    assert ANNA == strict.owner()


def test_a_word_that_is_never_processed_delays_the_timer_for_ten_minutes_only(strict: Office) -> None:
    conversation = answered(strict)
    write(strict, conversation)
    strict.connection.execute("update sends set state = 'accepted', wamid = 'w', claimed_at = now() - interval '9 min'")
    assert 0 == strict.timer.end_owners()
    strict.connection.execute("update sends set claimed_at = now() - interval '11 min'")
    assert 1 == strict.timer.end_owners()


def test_the_list_of_those_who_wait_for_a_reply_begins_with_who_waits_longest(office: Office) -> None:
    first = answered(office, minutes_ago=50, phone="390")
    second = answered(office, "ben", minutes_ago=40, phone="391")
    third = answered(office, minutes_ago=3, phone="392")
    office.customer_writes(phone="393")
    office.desktop_reports(AgentMessage, "anna", office.customer_writes(phone="394"))
    found = waiting_for_reply(office.connection, ReplyFilter(), 2)
    assert [first, second] == [row.id for row in found.rows]
    assert found.next is not None
    rest = waiting_for_reply(office.connection, ReplyFilter(), 2, found.next)
    assert ([third], None) == ([row.id for row in rest.rows], rest.next)
    assert 2 == office.timer.end_owners()
    assert [first, second, third] == [row.id for row in waiting_for_reply(office.connection, ReplyFilter(), 10).rows]
    mine = waiting_for_reply(office.connection, ReplyFilter(user="anna"), 10)
    assert [third] == [row.id for row in mine.rows]
    assert [] == waiting_for_reply(office.connection, ReplyFilter(number="other"), 10).rows
