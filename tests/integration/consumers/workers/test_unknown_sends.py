"""Sends whose answer was lost: what settles them without a person, what is known of the others (S3), and what is never
sent again by itself (S1, S6)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from consumers.workers.sender import SenderTerms
from domain.sending.sends import Unanswered
from infra.postgres.sending.unknown import silences
from tests.support.sending_room import SendingRoom, open_room
from tests.support.stories import NUMBER

LOST = Unanswered("no answer")
TEMPLATE = {"template": {"name": "order", "language": "en"}}


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


@pytest.fixture
def repeating(database: str) -> Iterator[SendingRoom]:
    """A sender that sends free-form messages again."""
    with open_room(database, SenderTerms(resend="free_form")) as room:
        yield room


def has_a_template(room: SendingRoom) -> None:
    room.office.connection.execute("insert into graph_accounts (account_id) values ('waba')")
    room.office.connection.execute(
        "insert into templates values "
        "('waba', 'order', 'en', 'APPROVED', 'UTILITY', 'POSITIONAL', "
        '\'[{"type": "BODY", "text": "Ready"}]\', \'f\', null, now())'
    )


def minutes_pass(room: SendingRoom, minutes: int, heard: bool = True) -> None:
    """As if sends had been posted earlier. `heard`: whether something else of the number was reported since."""
    room.office.connection.execute("update sends set claimed_at = claimed_at - %s", [timedelta(minutes=minutes)])
    room.office.connection.execute("update lanes set heard_at = %s", ["now" if heard else None])
    room.office.set_watermark("0 s")
    room.sender._settle_at = 0


def is_telling(room: SendingRoom) -> bool:
    (silence,) = silences(room.office.connection, room.office.topics.inbound, [room.send()]).values()
    return silence.is_telling


@pytest.mark.parametrize(
    ("recipient", "minutes", "state"),
    [("16505551234", 9, "failed"), ("16505551234", 11, "unknown"), ("16505550000", 1, "unknown")],
)
def test_a_failure_without_callback_data_settles_the_only_send_that_fits(
    room: SendingRoom, recipient: str, minutes: int, state: str
) -> None:
    """Meta puts none into a failure: number, customer and time decide, and where they do not fit, nothing happens."""
    room.answers(LOST)
    room.ask()
    room.post_all()
    minutes_pass(room, minutes)
    room.meta_reports("failed", "wamid.x", code=131026, recipient=recipient)
    assert state == room.state()


def test_a_failure_that_fits_two_sends_settles_neither(room: SendingRoom) -> None:
    room.answers(LOST, LOST)
    room.ask(named="c1")
    room.ask(named="c2")
    room.post_all()
    room.meta_reports("failed", "wamid.x", code=131026)
    assert ("unknown", "unknown") == (room.state("c1"), room.state("c2"))


def test_an_answer_with_another_id_proves_that_the_failure_was_not_of_this_send(room: SendingRoom) -> None:
    """Another system on the same number wrote to the customer in the same second, and failed."""
    room.ask()
    room.graph.gate.clear()
    room.sender.poll()
    room.meta_reports("failed", "wamid.of.another.system", code=131026)
    room.graph.gate.set()
    room.post_all()
    assert ("accepted", "wamid.1") == (room.state(), room.send().wamid)


@pytest.mark.parametrize(("status", "state"), [("failed", "failed"), ("delivered", "delivered")])
def test_a_status_without_callback_data_before_the_answer_counts(room: SendingRoom, status: str, state: str) -> None:
    room.ask()
    room.graph.gate.clear()
    room.sender.poll()
    room.meta_reports(status, "wamid.1", code=131026 if status == "failed" else None)
    room.graph.gate.set()
    room.post_all()
    assert state == room.state()


def test_silence_tells_something_only_while_somebody_listens(room: SendingRoom) -> None:
    """A message was probably not sent if everything of ten minutes after it was processed, and other news did come."""
    room.answers(LOST)
    room.ask()
    room.post_all()
    minutes_pass(room, 9)
    assert not is_telling(room)
    minutes_pass(room, 2, heard=False)
    assert not is_telling(room)
    minutes_pass(room, 0)
    assert is_telling(room)
    room.office.set_watermark("5 minutes")
    assert not is_telling(room)


def test_the_number_is_heard_with_every_status_and_message(room: SendingRoom) -> None:
    room.answers(LOST)
    room.ask()
    room.post_all()
    room.office.customer_writes("somebody else", phone="16505559999")
    (lane,) = room.office.rows("select phone_number_id, heard_at > now() - interval '1 minute' as heard from lanes")
    assert (NUMBER, True) == tuple(lane.values())


def test_nothing_is_sent_again_by_itself(room: SendingRoom) -> None:
    room.answers(LOST)
    room.ask()
    room.post_all()
    minutes_pass(room, 60)
    room.post_all()
    assert ("unknown", 1) == (room.state(), len(room.graph.posts))


def test_the_setting_sends_free_form_messages_once_more_that_were_probably_not_sent(repeating: SendingRoom) -> None:
    """Once: a second silence is for a person."""
    room = repeating
    room.answers(LOST, LOST)
    room.ask()
    room.post_all()
    minutes_pass(room, 5)
    room.post_all()
    assert 1 == len(room.graph.posts)
    minutes_pass(room, 6)
    room.post_all()
    assert ("unknown", 2) == (room.state(), len(room.graph.posts))
    minutes_pass(room, 60)
    room.post_all()
    assert ("unknown", 2) == (room.state(), len(room.graph.posts))


def test_a_template_is_never_sent_again_by_itself_whatever_the_setting(repeating: SendingRoom) -> None:
    """S6."""
    room = repeating
    has_a_template(room)
    room.answers(LOST)
    assert [("applied", None)] == room.ask(message=TEMPLATE)
    room.post_all()
    minutes_pass(room, 60)
    room.post_all()
    assert ("unknown", 1) == (room.state(), len(room.graph.posts))
