"""Routing on a real database: what waits reaches whoever is available, whatever stands before it in the queue."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from consumers.workers.routing import Routing
from consumers.workers.stall_detector import StallDetector
from domain.facts import AgentAccepted, AgentDeclined
from domain.routing.transfers import RoutingPolicy
from tests.support.office import Office, open_office

PHONES = ("390001", "390002", "390003")


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    """Where a round looks at two conversations."""
    with open_office(database) as office:
        office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(), batch=2)
        yield office


def decline_all(office: Office) -> None:
    """Whatever they are offered, until nothing more is."""
    while office.routing.round():
        for offered in office.rows("select id, owner_id from conversations where owner_state = 'a'"):
            office.agent_desktop_reports(AgentDeclined, offered["owner_id"], offered["id"])


def owner_of(office: Office, conversation: UUID) -> tuple[str, str]:
    (row,) = office.rows(f"select owner_id, owner_state from conversations where id = '{conversation}'")
    return row["owner_id"], row["owner_state"]


def test_what_everybody_let_pass_does_not_hide_what_waits_behind_it(office: Office) -> None:
    declined = [office.customer_writes("1", phone) for phone in PHONES]
    office.presence("anna", "ready")
    decline_all(office)
    assert [("sales", "q")] * 3 == [owner_of(office, each) for each in declined]

    behind = office.customer_writes("1", "390009")
    assert 1 == office.routing.round()
    assert ("anna", "a") == owner_of(office, behind)


def test_what_is_reserved_for_a_user_who_let_it_pass_does_not_hide_the_queue(office: Office) -> None:
    office.presence("anna", "ready")
    for phone in PHONES:
        reserved = office.customer_writes(phone=phone)
        assert [("applied", None)] == office.results_of(office.transfer(reserved, "user", "anna", "exclusive"))
    decline_all(office)
    assert [("anna", "r")] * 3 == [
        (r["owner_id"], r["owner_state"]) for r in office.rows("select * from conversations")
    ]

    behind = office.customer_writes("1", "390009")
    assert 1 == office.routing.round()
    assert ("anna", "a") == owner_of(office, behind)


def test_who_is_ready_for_longest_goes_first_however_often_their_desk_says_so(office: Office) -> None:
    """Carla came, then Ben; Carla's desk repeats that she is ready."""
    for agent in ("carla", "ben", "carla"):
        office.presence(agent, "ready")
    conversation = office.customer_writes("2")
    office.routing.round()
    assert ("carla", "a") == owner_of(office, conversation)


def test_who_was_away_is_ready_since_they_came_back(office: Office) -> None:
    for agent, state in (("ben", "ready"), ("carla", "ready"), ("ben", "paused"), ("ben", "ready")):
        office.presence(agent, state)
    conversation = office.customer_writes("2")
    office.routing.round()
    assert ("carla", "a") == owner_of(office, conversation)


@pytest.mark.parametrize("reserved", [False, True])
def test_what_somebody_else_holds_does_not_hide_what_waits_behind_it(
    office: Office, database: str, reserved: bool
) -> None:
    """Ben takes one conversation; whoever works on the first of the queue may take a while."""
    office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy())
    held, behind = (office.customer_writes("hello" if reserved else "1", phone) for phone in PHONES[:2])
    for conversation in (held, behind) if reserved else ():
        office.results_of(office.transfer(conversation, "user", "ben", "exclusive"))
    office.presence("ben", "ready")
    with psycopg.connect(database) as other:
        other.execute(
            "select from customers where id = (select customer_id from conversations where id = %s) for no key update",
            [held],
        )
        assert 1 == office.routing.round()
    assert ("ben", "a") == owner_of(office, behind)


def inbound_is_worked_in(office: Office, until: str, progress: str = "0 s") -> None:
    """Everything that came until so long ago; its consumer last moved that long ago."""
    office.connection.execute(
        "insert into consumer_offsets "
        "(group_name, topic, topic_id, partition, next_offset, caught_up_to, progressed_at) "
        "values ('g', %s, 'id', 0, 0, now() - %s::interval, now() - %s::interval) "
        "on conflict (group_name, topic, partition) do update "
        "set caught_up_to = excluded.caught_up_to, progressed_at = excluded.progressed_at",
        [office.topics.inbound, until, progress],
    )


def test_an_offer_is_not_taken_back_while_its_acceptance_may_wait_on_the_topic(office: Office) -> None:
    """Once its consumer has stalled for too long, it is; by a router that watched for as long."""
    moments = [0.0]
    office.routing = Routing(
        office.connection.transaction_of,
        office.topics,
        RoutingPolicy(offer=timedelta(0), silent=timedelta(seconds=30)),
        patience=StallDetector(600, lambda: moments[-1]),
    )
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.round()

    inbound_is_worked_in(office, until="60 s", progress="601 s")
    office.connection.execute("update agent_presence set seen_at = now() - interval '40 s'")
    for at in (200, 400, 599):
        moments.append(at)
        assert 0 == office.routing.round()
    assert ("anna", "a") == owner_of(office, conversation)

    moments.append(600)
    assert 1 == office.routing.round()
    assert ("sales", "q") == owner_of(office, conversation)


def test_what_was_declined_goes_back_although_other_things_wait_on_the_topic(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.round()
    inbound_is_worked_in(office, until="60 s")
    office.agent_desktop_reports(AgentDeclined, "anna", conversation)
    assert 1 == office.routing.round()
    assert ("sales", "q") == owner_of(office, conversation)


def test_who_accepts_what_had_ended_loses_what_they_were_offered_in_the_meantime(office: Office) -> None:
    """Ben may have one: the acceptance of the first comes after its end, while he is offered the second."""
    first, second = (office.customer_writes("1", phone) for phone in PHONES[:2])
    office.presence("ben", "ready")
    hasty = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(offer=timedelta(0)))
    assert [1, 1] == [hasty.round(), hasty.round()]
    assert ("sales", "q") == owner_of(office, first)
    assert 1 == office.routing.round()
    assert ("ben", "a") == owner_of(office, second)

    office.agent_desktop_reports(AgentAccepted, "ben", first)
    assert 1 == office.routing.round()
    assert [("ben", "x"), ("sales", "q")] == [owner_of(office, each) for each in (first, second)]
    assert 0 == office.routing.round()


def test_an_offer_ends_once_everything_that_came_until_its_end_is_worked_in(office: Office) -> None:
    office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(offer=timedelta(0)))
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.round()
    inbound_is_worked_in(office, until="60 s")
    assert 0 == office.routing.round()
    inbound_is_worked_in(office, until="0 s")
    assert 1 == office.routing.round()
    assert ("sales", "q") == owner_of(office, conversation)


def test_what_one_member_let_pass_goes_to_another_and_after_a_presence_event_to_the_same(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    decline_all(office)
    office.presence("ben", "ready")
    assert 1 == office.routing.round()
    assert ("ben", "a") == owner_of(office, conversation)

    office.agent_desktop_reports(AgentDeclined, "ben", conversation)
    office.routing.round()
    assert ("sales", "q") == owner_of(office, conversation)
    office.presence("anna", "ready")
    assert 1 == office.routing.round()
    assert ("anna", "a") == owner_of(office, conversation)
