"""Routing on a real database: waiting conversations are offered to available agents, whatever is before them in the
queue."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from consumers.workers.progress.stall_detector import StallDetector
from consumers.workers.routing import Routing
from domain.facts import AgentAccepted, AgentDeclined
from domain.routing.transfers import RoutingPolicy
from tests.support.office import Office, open_office
from tests.support.stories import FactMaker

PHONES = ("390001", "390002", "390003")


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    """An office whose routing reads two conversations per poll."""
    with open_office(database) as office:
        office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(), batch=2)
        yield office


def decline_all(office: Office) -> None:
    """Declines all offers until none is made."""
    while office.routing.poll():
        for offered in office.rows("select id, owner_id from conversations where owner_state = 'a'"):
            office.desktop_reports(AgentDeclined, offered["owner_id"], offered["id"])


def owner_of(office: Office, conversation: UUID) -> tuple[str, str]:
    (row,) = office.rows(f"select owner_id, owner_state from conversations where id = '{conversation}'")
    return row["owner_id"], row["owner_state"]


def test_conversations_that_all_available_agents_declined_do_not_block_those_behind_them(office: Office) -> None:
    declined = [office.customer_writes("1", phone) for phone in PHONES]
    office.presence("anna", "ready")
    decline_all(office)
    assert [("sales", "q")] * 3 == [owner_of(office, each) for each in declined]

    behind = office.customer_writes("1", "390009")
    assert 1 == office.routing.poll()
    assert ("anna", "a") == owner_of(office, behind)


def test_reservations_that_the_user_declined_do_not_block_the_queue(office: Office) -> None:
    office.presence("anna", "ready")
    for phone in PHONES:
        reserved = office.customer_writes(phone=phone)
        assert [("applied", None)] == office.results_of(office.transfer(reserved, "user", "anna", "exclusive"))
    decline_all(office)
    assert [("anna", "r")] * 3 == [
        (r["owner_id"], r["owner_state"]) for r in office.rows("select * from conversations")
    ]

    behind = office.customer_writes("1", "390009")
    assert 1 == office.routing.poll()
    assert ("anna", "a") == owner_of(office, behind)


def test_the_agent_who_is_ready_for_longest_is_first_however_often_a_desktop_repeats_it(office: Office) -> None:
    """Carla became ready, then Ben; Carla's desktop reports again that she is ready."""
    for agent in ("carla", "ben", "carla"):
        office.presence(agent, "ready")
    conversation = office.customer_writes("2")
    office.routing.poll()
    assert ("carla", "a") == owner_of(office, conversation)


def test_an_agent_who_was_paused_is_ready_since_the_end_of_the_pause(office: Office) -> None:
    for agent, state in (("ben", "ready"), ("carla", "ready"), ("ben", "paused"), ("ben", "ready")):
        office.presence(agent, state)
    conversation = office.customer_writes("2")
    office.routing.poll()
    assert ("carla", "a") == owner_of(office, conversation)


@pytest.mark.parametrize("reserved", [False, True])
def test_a_conversation_that_another_writer_has_locked_does_not_block_those_behind_it(
    office: Office, database: str, reserved: bool
) -> None:
    """Ben has a capacity of one, and the first conversation of the queue stays locked."""
    office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy())
    locked, behind = (office.customer_writes("hello" if reserved else "1", phone) for phone in PHONES[:2])
    for conversation in (locked, behind) if reserved else ():
        office.results_of(office.transfer(conversation, "user", "ben", "exclusive"))
    office.presence("ben", "ready")
    with psycopg.connect(database) as other:
        other.execute(
            "select from customers where id = (select customer_id from conversations where id = %s) for no key update",
            [locked],
        )
        assert 1 == office.routing.poll()
    assert ("ben", "a") == owner_of(office, behind)


def test_an_offer_does_not_end_while_its_acceptance_may_be_unprocessed(office: Office) -> None:
    """The offer ends once the consumer has stalled for too long, and routing has observed that for as long."""
    moments = [0.0]
    office.routing = Routing(
        office.connection.transaction_of,
        office.topics,
        RoutingPolicy(offer=timedelta(0), presence_timeout=timedelta(seconds=30)),
        stalls=StallDetector(600, lambda: moments[-1]),
    )
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()

    office.set_watermark(until="60 s", progress="601 s")
    office.connection.execute("update agent_presence set seen_at = now() - interval '40 s'")
    for at in (200, 400, 599):
        moments.append(at)
        assert 0 == office.routing.poll()
    assert ("anna", "a") == owner_of(office, conversation)

    moments.append(600)
    assert 1 == office.routing.poll()
    assert ("sales", "q") == owner_of(office, conversation)


def queue_before_a_backlog(office: Office) -> UUID:
    """A customer chose sales 24 h 10 min ago and was queued. The consumers are two hours behind, and what the customer
    wrote an hour ago is not processed yet. Returns the conversation."""
    office.process(FactMaker().turn(office.hours_ago(24 + 1 / 6), "1"), arrived_hours_ago=24 + 1 / 6)
    office.set_watermark(until="2 h")
    ((conversation,),) = office.connection.execute("select id from conversations").fetchall()
    assert isinstance(conversation, UUID)
    return conversation


def catch_up(office: Office) -> None:
    office.process(FactMaker().turn(office.hours_ago(1), "is anybody there?"), arrived_hours_ago=1)
    office.set_watermark(until="0 s")


def test_a_window_that_an_unprocessed_message_may_have_moved_is_not_over_for_routing(office: Office) -> None:
    conversation = queue_before_a_backlog(office)
    office.presence("anna", "ready")
    assert 0 == office.timer.close_due()
    assert 1 == office.routing.poll()
    assert ("anna", "a") == owner_of(office, conversation)
    catch_up(office)
    assert 0 == office.timer.close_due()
    events = [event for event, _, _ in office.history(conversation)]
    assert ["opened", "queued", "assigned"] == events
    assert [{"count": 1}] == office.rows("select count(*) from conversations")


def test_an_offer_that_ends_during_a_backlog_does_not_close_the_conversation(office: Office) -> None:
    """The desktop's report that the agent declines is on another partition, which has no backlog."""
    conversation = queue_before_a_backlog(office)
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    office.desktop_reports(AgentDeclined, "anna", conversation)
    assert 1 == office.routing.poll()
    assert ("sales", "q") == owner_of(office, conversation)
    catch_up(office)
    assert ["opened", "queued", "assigned", "queued"] == [event for event, _, _ in office.history(conversation)]


def test_a_conversation_whose_window_is_over_is_left_to_the_timer(office: Office) -> None:
    """No agent gets it, and nobody's idle time starts again."""
    conversation = queue_before_a_backlog(office)
    office.presence("anna", "ready")
    office.set_watermark(until="5 min")
    assert 0 == office.routing.poll()
    assert [] == office.rows("select * from agent_idle")
    assert 1 == office.timer.close_due()
    assert ["opened", "queued", "became_unmanaged", "closed"] == [event for event, _, _ in office.history(conversation)]


def test_a_declined_offer_returns_to_its_queue_although_the_inbound_topic_has_a_backlog(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    office.set_watermark(until="60 s")
    office.desktop_reports(AgentDeclined, "anna", conversation)
    assert 1 == office.routing.poll()
    assert ("sales", "q") == owner_of(office, conversation)


def test_an_agent_who_accepts_an_ended_offer_loses_the_offer_made_in_the_meantime(office: Office) -> None:
    """Ben has a capacity of one. He accepts the first offer after its end, while he has the second."""
    first, second = (office.customer_writes("1", phone) for phone in PHONES[:2])
    office.presence("ben", "ready")
    hasty = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(offer=timedelta(0)))
    assert [1, 1] == [hasty.poll(), hasty.poll()]
    assert ("sales", "q") == owner_of(office, first)
    assert 1 == office.routing.poll()
    assert ("ben", "a") == owner_of(office, second)

    office.desktop_reports(AgentAccepted, "ben", first)
    assert 1 == office.routing.poll()
    assert [("ben", "x"), ("sales", "q")] == [owner_of(office, each) for each in (first, second)]
    assert 0 == office.routing.poll()


def test_an_offer_ends_once_everything_received_before_its_end_is_processed(office: Office) -> None:
    office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(offer=timedelta(0)))
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    office.set_watermark(until="60 s")
    assert 0 == office.routing.poll()
    office.set_watermark(until="0 s")
    assert 1 == office.routing.poll()
    assert ("sales", "q") == owner_of(office, conversation)


def test_a_declined_offer_goes_to_another_member_and_after_a_presence_event_to_the_same_one(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    decline_all(office)
    office.presence("ben", "ready")
    assert 1 == office.routing.poll()
    assert ("ben", "a") == owner_of(office, conversation)

    office.desktop_reports(AgentDeclined, "ben", conversation)
    office.routing.poll()
    assert ("sales", "q") == owner_of(office, conversation)
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    assert ("anna", "a") == owner_of(office, conversation)
