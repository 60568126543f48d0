"""How much a number may send: less by what comes in, campaigns with a reserve for agents, and templates to a limited
number of people a day."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.sending.numbers import GraphNumber
from domain.sending.sends import Lane
from domain.sending.templates import Template
from infra.postgres.sending import accounts, claims, library
from tests.support.sending_room import SendingRoom, open_room
from tests.support.stories import NUMBER

TEMPLATE = {"template": {"name": "order", "language": "en"}}
PHONES = [f"1650555000{n}" for n in range(6)]


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


def meta_allows(room: SendingRoom, people_per_day: int | None) -> None:
    connection, now = room.office.connection, datetime.now(UTC)
    number = GraphNumber(NUMBER, "+39 02 0000", "The shop", "GREEN", 80, people_per_day)
    accounts.store_numbers(connection, "waba", [number], now)
    body = [{"type": "BODY", "text": "Ready"}]
    template = Template("waba", "order", "en", "APPROVED", "UTILITY", "POSITIONAL", body)
    library.store_templates(connection, "waba", [template], now)


def has_saved(room: SendingRoom, tokens: float) -> None:
    """Lets the number send as many messages at once, and no time passes until it does."""
    room.office.may_send(tokens)
    room.office.connection.execute("update lanes set refilled_at = now() + interval '1 hour'")


def is_of_a_campaign(room: SendingRoom) -> None:
    """Makes a message of what waits into one of a campaign."""
    room.office.connection.execute("update sends set lane = %s where state = 'queued'", [Lane.CAMPAIGN])


def asks(room: SendingRoom, hours_ago: float, *phones: str) -> list[UUID]:
    """Asks for the template to customers who wrote that long ago; returns their conversations."""
    conversations = [room.office.customer_writes(phone=phone, hours_ago=hours_ago) for phone in phones]
    for phone, conversation in zip(phones, conversations, strict=True):
        assert [("applied", None)] == room.ask("", phone, "boss", conversation_id=str(conversation), message=TEMPLATE)
    return conversations


def waiting(room: SendingRoom) -> int:
    ((count,),) = room.office.connection.execute("select count(*) from sends where state = 'queued'").fetchall()
    return int(count)


def rate(room: SendingRoom) -> float:
    with room.session.transaction() as connection:
        return claims.wait_for_lane(connection, NUMBER).bucket.rate


def test_what_comes_in_is_taken_from_what_may_be_sent(room: SendingRoom) -> None:
    """Meta counts both. What had waited to be processed says nothing about now."""
    room.office.may_send(1)
    room.office.customer_writes("the number is heard", PHONES[0])
    before = rate(room)
    room.office.process(*(room.office.maker.turn(n / 100, f"message {n}") for n in range(100)))
    assert 53 < rate(room) < before - 9
    room.office.connection.execute("update inbound_rates set at = at - interval '10 minutes'")
    room.office.process(*(room.office.maker.turn(n / 100, f"late {n}") for n in range(100)), arrived_hours_ago=1)
    assert before < 64.1 and rate(room) > 63.9


def test_campaigns_leave_a_fifth_of_what_may_be_sent_to_agents(room: SendingRoom) -> None:
    """Of 64 messages 12.8 stay: of five only two are sent, and then those of an agent."""
    for phone in PHONES[:5]:
        room.ask("news", phone, "boss", conversation_id=str(room.office.customer_writes(phone=phone)))
    is_of_a_campaign(room)
    has_saved(room, 15)
    room.sender.poll()
    assert ["news"] * 2 == room.graph.texts()
    room.ask("by an agent", "c")
    has_saved(room, 3)
    room.sender.poll()
    assert ["by an agent"] == room.graph.texts()[2:]
    has_saved(room, 50)
    room.post_all()
    assert ["news"] * 3 == room.graph.texts()[3:]


def test_templates_reach_as_many_people_a_day_as_meta_allows(room: SendingRoom) -> None:
    """The third waits, not refused, while customers whose window is open get everything; a day later it leaves."""
    meta_allows(room, 2)
    room.office.may_send(50)
    asks(room, 30, *PHONES[:3])
    room.post_all()
    assert (2, 1) == (len(room.graph.posts), waiting(room))
    asks(room, 1, PHONES[4])
    room.ask("hello", "c")
    room.post_all()
    assert (4, 1) == (len(room.graph.posts), waiting(room))
    number = next(n for n in accounts.numbers(room.office.connection) if n.phone_number_id == NUMBER)
    assert (2, 2) == (number.people_reached, number.people_per_day)
    room.office.connection.execute("update sends set claimed_at = claimed_at - interval '1 day'")
    room.sender._people._count_at = 0
    room.post_all()
    assert (5, 0) == (len(room.graph.posts), waiting(room))


def test_who_was_not_reached_does_not_count(room: SendingRoom) -> None:
    """Meta counts people to whom something was delivered; what failed leaves room for somebody else."""
    meta_allows(room, 1)
    room.office.may_send(50)
    asks(room, 30, *PHONES[:2])
    room.post_all()
    assert 1 == waiting(room)
    room.meta_reports("failed", "wamid.1", room.graph.callback(0), code=131026)
    room.sender._people._count_at = 0
    room.post_all()
    assert (2, 0) == (len(room.graph.posts), waiting(room))


def test_the_same_person_counts_once(room: SendingRoom) -> None:
    meta_allows(room, 2)
    room.office.may_send(50)
    (conversation,) = asks(room, 30, PHONES[0])
    room.ask("", "again", "boss", conversation_id=str(conversation), message=TEMPLATE)
    room.post_all()
    room.sender._people._count_at = 0
    asks(room, 30, PHONES[1])
    room.post_all()
    assert (3, 0) == (len(room.graph.posts), waiting(room))


def test_campaigns_leave_some_of_the_people_a_day_to_agents(room: SendingRoom) -> None:
    """95 % of twenty are nineteen: the twentieth is only for who writes by hand."""
    meta_allows(room, 20)
    room.office.may_send(50)
    room.office.connection.execute(
        "insert into sends (id, command_id, phone_number_id, address, address_kind, recipient, kind, lane, content, "
        "actor, is_word, is_claim, needs_window, requested_at, held_until, due_at, state, claimed_at, secret, "
        "reaches_person) select gen_random_uuid(), 'earlier', %s, n, 'phone', n, 'template', 2, '{}', 'boss', false, "
        "false, false, now(), now(), now(), 'delivered', now(), '', true from generate_series(1, 19) n",
        [NUMBER],
    )
    asks(room, 30, PHONES[0])
    is_of_a_campaign(room)
    room.post_all()
    assert 1 == waiting(room)
    asks(room, 30, PHONES[1])
    room.post_all()
    assert (1, 1) == (len(room.graph.posts), waiting(room))


def test_a_number_without_a_known_limit_reaches_everybody(room: SendingRoom) -> None:
    meta_allows(room, None)
    room.office.may_send(50)
    asks(room, 30, *PHONES)
    room.post_all()
    assert (6, 0) == (len(room.graph.posts), waiting(room))
