"""Sends on a real database: asked for by a command, posted at most once, settled by Meta's statuses, and a word to the
customer once Meta accepted them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from threading import Timer
from typing import Any
from uuid import UUID

import pytest

from consumers.workers.sender import MessageSender
from domain.sending.sends import NotSent, Refused, Unanswered, send_id
from domain.topics import Topics
from tests.support.fake_graph import FakeGraph
from tests.support.sending_room import NoWakeups, SendingRoom, open_room
from tests.support.stories import NUMBER


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


def test_an_answer_is_posted_once_and_is_a_word_once_meta_accepted_it(room: SendingRoom) -> None:
    """The row leaves the list when Meta has accepted the answer, and the writer owns the conversation."""
    assert room.is_listed()
    assert [("applied", None)] == room.ask("How can I help?")
    room.post_all()
    assert ["How can I help?"] == room.graph.texts()
    (post,) = room.graph.posts
    assert ("whatsapp", "+16505551234", "text") == (post["messaging_product"], post["to"], post["type"])
    assert ("accepted", ["requested", "accepted"]) == (room.state(), room.log())
    assert ["witiop.message.accepted.v1"] == room.events()
    assert not room.is_listed()
    (row,) = room.office.rows("select owner_id, owner_state, managed from conversations")
    assert ("anna", "x", True) == tuple(row.values())
    room.ask("How can I help?")
    room.post_all()
    assert 1 == len(room.graph.posts)


def test_what_may_have_been_sent_is_unknown_until_a_status_names_it(room: SendingRoom) -> None:
    """An answer of Meta that was lost: the customer is not answered until a status settles it."""
    room.answers(Unanswered("no answer"))
    room.ask()
    room.post_all()
    assert ("unknown", False) == (room.state(), room.is_answered())
    room.meta_reports("delivered", "wamid.x", room.graph.callback(0))
    assert ("delivered", True) == (room.state(), room.is_answered())
    room.post_all()
    assert 1 == len(room.graph.posts)


def test_a_forged_callback_settles_nothing(room: SendingRoom) -> None:
    room.answers(Unanswered("no answer"))
    room.ask()
    room.post_all()
    version, send, attempt, secret = room.graph.callback(0).split(".")
    room.meta_reports("delivered", "wamid.x", f"{version}.{send}.{attempt}.{secret[::-1]}")
    assert "unknown" == room.state()


def test_a_status_may_come_before_the_answer(room: SendingRoom) -> None:
    """Meta's webhook overtakes the answer to the post: the progress never goes back."""
    room.ask()
    room.graph.gate.clear()
    room.sender.poll()
    room.meta_reports("read", "wamid.1", room.graph.callback(0))
    room.graph.gate.set()
    room.post_all()
    assert "read" == room.state()
    assert not room.is_listed()


def test_a_message_that_fails_later_was_no_word(room: SendingRoom) -> None:
    """The customer whose phone never got the answer is left alone again."""
    room.ask()
    room.post_all()
    assert room.is_answered()
    room.meta_reports("failed", "wamid.1", code=131026)
    assert ("failed", False) == (room.state(), room.is_answered())


def test_a_throttled_number_waits_and_sends_later(room: SendingRoom) -> None:
    """The message was certainly not sent, so it is sent again by itself."""
    room.answers(NotSent("Meta's error 130429", "number", timedelta(milliseconds=50), 130429))
    room.ask()
    while room.state() != "accepted":
        room.sender.poll()
    assert (2, ["requested", "not_sent", "accepted"]) == (len(room.graph.posts), room.log())


def test_what_meta_refuses_fails_with_its_code_and_is_not_repeated(room: SendingRoom) -> None:
    room.answers(Refused(131047, "Meta's error 131047"))
    room.ask()
    room.post_all()
    assert ("failed", 1, False) == (room.state(), len(room.graph.posts), room.is_answered())
    assert ["witiop.message.failed.v1"] == room.events()


def test_two_messages_to_one_customer_leave_in_the_order_in_which_they_were_asked_for(room: SendingRoom) -> None:
    """The second waits until the first has an outcome, also an unknown one."""
    room.answers(Unanswered("no answer"))
    room.ask("first", "c1")
    room.ask("second", "c2")
    room.graph.gate.clear()
    room.sender.poll()
    room.sender.poll()
    assert ["first"] == room.graph.texts()
    room.graph.gate.set()
    room.post_all()
    assert ["first", "second"] == room.graph.texts()


def test_nothing_is_posted_after_the_window_ended_while_it_waited(room: SendingRoom) -> None:
    room.ask(hold_seconds=0)
    room.office.connection.execute("update conversations set last_at = last_at - interval '25 hours'")
    room.post_all()
    assert ("expired", []) == (room.state(), room.graph.posts)
    assert ["witiop.message.failed.v1"] == room.events()


def test_nothing_is_posted_that_waited_longer_than_it_was_to_be_sent(room: SendingRoom) -> None:
    """A day, however long the customer's window is open."""
    room.ask()
    room.office.connection.execute("update sends set expires_at = now()")
    room.post_all()
    assert ("expired", "expired", []) == (room.state(), room.send().reason, room.graph.posts)


def test_a_held_message_waits_and_can_be_recalled(room: SendingRoom) -> None:
    room.ask(hold_seconds=60)
    room.post_all()
    assert [] == room.graph.posts
    recall = room.office.command("recall", {"send_command_id": "c"})
    assert [("applied", None)] == room.office.results_of(recall)
    room.office.connection.execute("update sends set due_at = now()")
    room.post_all()
    assert ("recalled", []) == (room.state(), room.graph.posts)


def test_a_person_settles_an_unknown_send(room: SendingRoom) -> None:
    """Assumed to be sent it counts as a word; sent again it is posted a second time, because a person said so."""
    room.answers(Unanswered("no answer"), Unanswered("no answer"))
    room.ask(named="c1")
    room.ask(named="c2")
    room.post_all()
    assert ("unknown", "unknown") == (room.state("c1"), room.state("c2"))

    def resolve(command: str, as_: str) -> list[tuple[str, str | None]]:
        data = {"send_id": str(send_id(command)), "as": as_}
        return room.office.results_of(room.office.command("resolve", data))

    assert [("applied", None)] == resolve("c1", "send_again")
    room.post_all()
    assert ("accepted", 3) == (room.state("c1"), len(room.graph.posts))
    assert [("applied", None)] == resolve("c2", "assumed_sent")
    assert "assumed_sent" == room.state("c2")
    assert [("rejected", "nothing_to_resolve")] == resolve("c2", "send_again")


def test_a_sender_that_died_during_a_post_leaves_an_unknown_send(room: SendingRoom) -> None:
    """A late acceptance by the sender that stood still counts all the same."""
    room.ask()
    room.graph.gate.clear()
    room.sender.poll()
    room.office.connection.execute("update sends set claimed_at = claimed_at - interval '31 s'")
    other = MessageSender(room.office.connection.transaction_of, FakeGraph(), Topics(), NoWakeups())
    other.poll()
    assert "unknown" == room.state()
    room.graph.gate.set()
    room.post_all()
    assert "accepted" == room.state()


@pytest.mark.parametrize(
    ("change", "more", "reason"),
    [
        ("update conversations set last_at = last_at - interval '25 hours'", {}, "window_closed"),
        ("select 1", {"expected_last": "wamid.of.an.earlier.one"}, "customer_wrote_meanwhile"),
        ("select 1", {"message": {"media": {"upload_id": str(UUID(int=1))}}}, "media_unknown"),
        ("select 1", {"message": {"template": {"name": "x", "language": "en"}}}, "template_unknown"),
    ],
)
def test_a_send_that_cannot_be_is_refused_with_its_reason(
    room: SendingRoom, change: str, more: dict[str, Any], reason: str
) -> None:
    room.office.connection.execute(change)
    assert [("rejected", reason)] == room.ask(**more)


def test_only_the_owner_writes(room: SendingRoom) -> None:
    """Ben cannot answer what Anna has accepted; the operator cannot either."""
    room.ask(named="c1")
    assert [("rejected", "not_yours")] == room.ask(named="c2", issuer="ben")
    assert [("rejected", "not_yours")] == room.ask(named="c3", issuer="boss")


def test_the_operator_answers_without_owning_the_conversation(room: SendingRoom) -> None:
    room.ask(issuer="boss")
    room.post_all()
    (row,) = room.office.rows("select owner_id, managed, unmanaged from conversations")
    assert (None, True, False) == tuple(row.values())


def test_a_template_is_filled_in_and_reaches_a_customer_whose_window_is_over(room: SendingRoom) -> None:
    """Wrong parameters are refused, and the result says what would be right."""
    components = [{"type": "BODY", "text": "Hello {{1}}, your order is ready."}]
    room.office.connection.execute("insert into graph_accounts (account_id) values ('waba')")
    room.office.connection.execute(
        "insert into templates values "
        "('waba', 'order', 'en', 'APPROVED', 'UTILITY', 'POSITIONAL', %s, 'f', null, now())",
        [json.dumps(components)],
    )
    room.office.connection.execute("update conversations set last_at = last_at - interval '25 hours'")
    template = {"name": "order", "language": "en"}
    assert [("rejected", "parameters_wrong")] == room.ask(named="c1", message={"template": template})
    (result,) = room.office.rows("select value from outbox where topic = 'witiop.command-results.v1'")
    assert "parameters: the template needs 1, not 0" == json.loads(bytes(result["value"]))["detail"]
    assert [("applied", None)] == room.ask(message={"template": {**template, "parameters": ["Ada"]}})
    room.post_all()
    (post,) = room.graph.posts
    assert [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}] == post["template"]["components"]
    (row,) = room.office.rows("select text from sends")
    assert "Hello Ada, your order is ready." == row["text"]


def test_a_customer_is_named_by_their_phone(room: SendingRoom) -> None:
    """In whichever spelling; the answer belongs to their conversation."""
    data = {"phone_number_id": NUMBER, "customer": {"wa_id": "+1 650 555 1234"}, "message": {"text": {"body": "hi"}}}
    assert [("applied", None)] == room.office.results_of(room.office.command("send", data, named="c", issuer="anna"))
    room.post_all()
    assert not room.is_listed()


def test_a_stopped_sender_gives_back_what_it_did_not_begin(room: SendingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """What began is awaited and recorded; a claimed message whose post did not begin waits again."""
    threads = room.sender._posts._threads
    monkeypatch.setattr(threads, "_max_workers", 1)
    room.office.may_send(50)
    other = room.office.customer_writes(phone="16505559999")
    room.ask("first", "c1")
    room.ask("second", "c2", conversation_id=str(other))
    room.graph.gate.clear()
    room.sender.poll()
    assert ("sending", "sending") == (room.state("c1"), room.state("c2"))
    opening = Timer(0.2, room.graph.gate.set)
    opening.start()
    room.sender.end()
    opening.join()
    assert ("accepted", "queued", ["first"]) == (room.state("c1"), room.state("c2"), room.graph.texts())
