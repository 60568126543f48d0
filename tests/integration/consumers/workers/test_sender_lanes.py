"""Whose turn it is: agents first, one message per customer, pauses of a number, and what is shown besides."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from consumers.workers.sender import SenderTerms
from domain.sending.acceptance import SendingPolicy
from domain.sending.sends import Lane, NotSent, PostAccepted
from tests.support.sending_room import SendingRoom, open_room


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


def lane(room: SendingRoom) -> dict[str, object]:
    (row,) = room.office.rows(
        "select paused_until > now() as paused, templates_paused_until > now() as templates, reason, needs_person "
        "from lanes"
    )
    return row


def test_agents_go_first(room: SendingRoom) -> None:
    """Of what is due, the message of an agent is posted before an older one of the product itself."""
    other = room.office.customer_writes(phone="16505559999")
    room.ask("by itself", "c1")
    room.ask("by an agent", "c2", conversation_id=str(other))
    room.office.connection.execute("update sends set lane = 1 where command_id = 'c1'")
    room.office.may_send(1)
    room.office.connection.execute("update lanes set slowdown = 0.0157")
    room.sender.poll()
    room.sender.poll()
    assert ["by an agent"] == room.graph.texts()


@pytest.mark.parametrize("lane", [Lane.AGENT, Lane.CAMPAIGN])
def test_a_number_with_a_large_campaign_keeps_no_other_number_waiting(database: str, lane: Lane) -> None:
    """Of the posts at the same time: an agent's message goes first, and another campaign gets its turns."""
    with open_room(database, SenderTerms(in_flight=4)) as room:
        for n in range(20):
            room.ask("campaign", f"c{n}", conversation_id=str(room.office.customer_writes(phone=f"16505550{n:03}")))
        room.ask("waits", "waits")
        connection = room.office.connection
        connection.execute(
            "update sends set lane = 2, phone_number_id = '0', needs_window = false where text = 'campaign'"
        )
        connection.execute("update sends set lane = %s where text = 'waits'", [lane])
        connection.execute("insert into lanes (phone_number_id, tokens, refilled_at) values ('0', 60, now())")
        room.sender.poll()
        while not room.sender.is_idle:
            room.sender.poll()
        texts = room.graph.texts()
        assert texts.index("waits") < 8


def test_a_customer_to_whom_messages_came_too_fast_waits_longer_and_longer(room: SendingRoom) -> None:
    """131056: 4 s, then 16 s, for this customer alone; the next message to them does not overtake."""
    room.answers(*[NotSent("Meta's error 131056", "recipient", timedelta(seconds=4), 131056)] * 2)
    room.ask("first", "c1")
    room.ask("second", "c2")
    for wait in (4, 16):
        room.post_all()
        (row,) = room.office.rows(
            "select due_at - (select max(at) from send_log where send_id = id) as wait from sends "
            "where command_id = 'c1'"
        )
        assert timedelta(seconds=wait) == row["wait"]
        room.office.connection.execute("update sends set due_at = now() where command_id = 'c1'")
    room.post_all()
    assert ["first", "first", "first", "second"] == room.graph.texts()


def test_after_a_pause_one_message_shows_whether_it_is_over(room: SendingRoom) -> None:
    """A token that ran out pauses the number until a message is accepted, however many wait."""
    room.answers(NotSent("Meta's error 190", "number", timedelta(minutes=1), 190, needs_person=True))
    room.ask("first", "c1")
    room.post_all()
    assert {"paused": True, "templates": None, "reason": "Meta's error 190", "needs_person": True} == lane(room)
    assert "Meta accepts no message (Meta's error 190)" == room.sender.not_ready_reason()
    for n in range(3):
        other = room.office.customer_writes(phone=f"1650555000{n}")
        room.ask("more", f"more{n}", conversation_id=str(other))
    room.office.may_send(50)
    room.office.connection.execute("update lanes set paused_until = now()")
    room.graph.gate.clear()
    room.sender.poll()
    room.sender.poll()
    assert 2 == len(room.graph.posts)
    room.graph.gate.set()
    room.post_all()
    assert 5 == len(room.graph.posts)
    assert {"paused": None, "templates": None, "reason": None, "needs_person": False} == lane(room)
    assert room.sender.not_ready_reason() is None


def test_posts_that_fail_together_are_one_failure(room: SendingRoom) -> None:
    """Meta cannot be reached: the number waits about a second, not a minute, however many posts were under way."""
    room.answers(*[NotSent("Meta could not be reached", "number", timedelta(seconds=1))] * 6)
    for n in range(6):
        other = room.office.customer_writes(phone=f"1650555000{n}")
        room.ask("hi", f"c{n}", conversation_id=str(other))
    room.office.may_send(50)
    room.post_all()
    assert 6 == len(room.graph.posts)
    (row,) = room.office.rows("select paused_until - now() as wait from lanes")
    assert row["wait"] <= timedelta(seconds=2)


def test_a_failure_that_concerns_the_number_pauses_its_templates(room: SendingRoom) -> None:
    """131048, too many complaints, is also reported after Meta accepted a message. Answers go on."""
    room.ask(named="c1")
    room.post_all()
    room.meta_reports("failed", "wamid.1", code=131048)
    assert {"paused": None, "templates": True, "reason": "Meta's error 131048", "needs_person": True} == lane(room)
    room.ask(named="c2")
    room.post_all()
    assert "accepted" == room.state("c2")
    assert lane(room)["templates"]


def test_what_waits_for_others_than_the_allowed_phones_is_not_posted(database: str) -> None:
    """A copy of the database in a test system writes to nobody else."""
    terms = SenderTerms(policy=SendingPolicy(True, frozenset({"390000000"})))
    with open_room(database, terms) as room:
        room.ask()
        room.post_all()
        assert ("expired", "recipient_not_allowed", []) == (room.state(), room.send().reason, room.graph.posts)


def test_a_customer_is_shown_that_somebody_reads_and_writes(room: SendingRoom) -> None:
    """Typing at most every 15 seconds, and nothing that is older than ten."""
    conversation = {"conversation_id": str(room.conversation)}

    def tell(kind: str) -> None:
        assert [("applied", None)] == room.office.results_of(room.office.command(kind, conversation, issuer="anna"))
        room.post_all()
        room.sender._posts._receipt_threads.submit(int).result()

    tell("mark_read")
    tell("mark_read")
    (read,) = room.graph.shown
    assert ("read", False) == (read["status"], "typing_indicator" in read)
    tell("typing")
    tell("typing")
    assert [False, True] == ["typing_indicator" in body for body in room.graph.shown]
    room.office.connection.execute("update receipts set asked_at = now() - interval '16 s', taken_at = null")
    room.post_all()
    assert 2 == len(room.graph.shown)
    tell("typing")
    assert 3 == len(room.graph.shown)
    assert [] == room.graph.posts


def test_the_answer_tells_the_customers_other_id(room: SendingRoom) -> None:
    """The phone of a conversation gets its business-scoped user id: a message from either is of the same customer."""
    room.answers(PostAccepted("wamid.1", "16505551234", "US.13491208655302741918"))
    room.ask()
    room.post_all()
    (row,) = room.office.rows("select wa_id, user_id from conversations")
    assert ("16505551234", "US.13491208655302741918") == tuple(row.values())
    ((customers,),) = room.office.connection.execute("select count(distinct customer_id) from identities").fetchall()
    ((kinds,),) = room.office.connection.execute("select count(*) from identities").fetchall()
    assert (1, 2) == (customers, kinds)
