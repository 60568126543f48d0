"""Transfers on reply on a real database: a closed conversation is promised, its customer gets a template and answers,
and the conversation is transferred once, before menu and bot (docs/design/sending.md)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.directory import Directory
from domain.facts import CustomerIdentityChanged, Party
from domain.ids import fact_id
from domain.sending.sends import NotSent, Refused, Unanswered
from domain.wishes.wish import wish_id
from tests.support.office import COMPANY
from tests.support.promises import PHONE, Promises, open_promises
from tests.support.stories import NUMBER, FactMaker


@pytest.fixture
def shop(database: str) -> Iterator[Promises]:
    with open_promises(database) as shop:
        yield shop


# carrying it out


def test_the_answer_is_reserved_for_whom_it_was_promised_to(shop: Promises) -> None:
    """The history says that it was the customer's answer, and who had asked for it."""
    shop.promised()
    assert ("accepted", ("waiting", None)) == (shop.template(), shop.wish())
    answer = shop.customer_writes()
    assert ("s", "sales", "r") == shop.owner(answer)
    assert ("executed", None) == shop.wish()
    assert [("opened", "customer", "sales"), ("reserved", "boss", "sales")] == shop.office.history(answer)
    (row,) = shop.office.rows(f"select because from history where conversation_id = '{answer}' and event = 'reserved'")
    assert fact_id("command", "p") in row["because"]
    assert 1 == len(shop.office.rows(f"select id from wishes where executed_in = '{answer}'"))


def test_the_promise_comes_before_the_menu(shop: Promises) -> None:
    """The customer answers the template with what the menu would take for a choice."""
    shop.promised(target={"kind": "user", "id": "anna"})
    answer = shop.customer_writes("2")
    assert ("u", "anna", "r") == shop.owner(answer)


def test_a_template_is_no_word_of_a_person(shop: Promises) -> None:
    """A customer who got nothing but a template was not answered, and nobody owns their closed conversation."""
    shop.promised()
    shop.office.process_own_facts()
    (row,) = shop.office.rows(f"select managed, owner_id from conversations where id = '{shop.closed}'")
    assert (False, None) == tuple(row.values())


def test_w1_a_customer_is_promised_once(shop: Promises) -> None:
    """W1. Also when nobody has answered for long: once the first promise is over, there may be another one."""
    shop.promised("p1")
    assert [("rejected", "already_promised")] == shop.promise("p2")
    assert 1 == len(shop.graph.posts)
    shop.ends_in(-1, "p1")
    assert [("applied", None)] == shop.promise("p3")
    assert [("ended", "expired"), ("waiting", None)] == [shop.wish("p1"), shop.wish("p3")]


def test_w2_an_answer_is_transferred_exactly_once(shop: Promises) -> None:
    """W2. After an administrator has recalled it, the customer's next message does not transfer it again."""
    shop.promised()
    answer = shop.customer_writes("yes")
    recall = shop.office.command("recall", {"conversation_id": str(answer)})
    assert [("applied", None)] == shop.office.results_of(recall)
    shop.customer_writes("hello?")
    assert (None, None, None) == shop.owner(answer)
    assert 1 == shop.executed()


def test_w2_both_messages_of_one_batch_count_as_one_answer(shop: Promises) -> None:
    shop.promised()
    maker = FactMaker(customer=Party(wa_id=PHONE))
    now = shop.office.hours_ago(0)
    shop.office.process(maker.turn(now, "yes"), maker.turn(now + 0.0001, "please"))
    assert (1, ("executed", None)) == (shop.executed(), shop.wish())


def test_w2_an_answer_before_our_mark_is_committed_is_an_answer(shop: Promises) -> None:
    """The customer answers faster than the sender notes that Meta accepted the template."""
    shop.graph.gate.clear()
    shop.promise()
    shop.sender.poll()
    assert "sending" == shop.template()
    answer = shop.customer_writes()
    assert ("s", "sales", "r") == shop.owner(answer)
    shop.graph.gate.set()
    shop.post_all()
    assert ("accepted", ("executed", None)) == (shop.template(), shop.wish())


def test_w2_an_answer_to_a_template_of_which_nothing_is_known_counts(shop: Promises) -> None:
    """Meta's answer was lost, so the customer may have got the template."""
    shop.answers(Unanswered("no answer"))
    shop.promised()
    assert ("unknown", ("s", "sales", "r")) == (shop.template(), shop.owner(shop.customer_writes()))


def test_a_customer_who_writes_first_is_transferred_and_gets_no_template(shop: Promises) -> None:
    shop.promise()
    answer = shop.customer_writes("I found it")
    shop.post_all()
    assert ("s", "sales", "r") == shop.owner(answer)
    assert ("recalled", []) == (shop.template(), shop.graph.posts)


def test_a_throttled_template_is_recalled_as_well(shop: Promises) -> None:
    """It was certainly not sent, although a post of it had begun."""
    shop.answers(NotSent("Meta's error 130429", "number", timedelta(hours=1), 130429))
    shop.promise()
    shop.sender.poll()
    shop.post_all()
    shop.customer_writes("hello?")
    assert ("recalled", ("executed", None)) == (shop.template(), shop.wish())


def test_what_was_written_before_the_template_is_no_answer_to_it(shop: Promises) -> None:
    """It reaches us after the template went out; the next message is the answer."""
    shop.promised()
    conversation = shop.customer_writes("never mind", hours_ago=1)
    assert (None, None, None) == shop.owner(conversation)
    shop.customer_writes("yes please")
    assert ("s", "sales", "r") == shop.owner(conversation)


def test_a_message_whose_own_window_is_over_is_no_answer(shop: Promises) -> None:
    """It was on its way for more than a day, and nobody could answer it any more."""
    shop.promise()
    late = FactMaker(customer=Party(wa_id=PHONE)).turn(shop.office.hours_ago(25), "hello?")
    shop.office.process(late)
    assert (("waiting", None), 0) == (shop.wish(), shop.executed())


def test_nobody_can_take_an_immediate_transfer_so_it_waits_for_its_target(shop: Promises) -> None:
    shop.promised(mode="immediate")
    assert ("s", "sales", "r") == shop.owner(shop.customer_writes())


def test_an_immediate_transfer_is_offered_at_once(shop: Promises) -> None:
    shop.office.presence("anna", "ready")
    shop.promised(mode="immediate")
    answer = shop.customer_writes()
    assert ("u", "anna", "a") == shop.owner(answer)
    assert 1 == len(shop.office.rows("select * from agent_idle where agent_id = 'anna'"))


def test_two_answers_in_one_batch_do_not_exceed_what_an_agent_can_take(shop: Promises) -> None:
    """Ben takes one conversation; the other customer waits for him."""
    second = shop.office.customer_writes("and mine?", "16505550000", 30)
    shop.office.timer.close_due()
    shop.office.presence("ben", "ready")
    target = {"kind": "user", "id": "ben"}
    shop.promised("p1", mode="immediate", target=target)
    shop.promised("p2", conversation=second, mode="immediate", target=target)
    now = shop.office.hours_ago(0)
    shop.office.process(
        *(FactMaker(customer=Party(wa_id=phone)).turn(now, f"yes, {phone}") for phone in (PHONE, "16505550000"))
    )
    states = shop.office.rows("select owner_state from conversations where owner_id = 'ben' order by owner_state")
    assert ["a", "r"] == [row["owner_state"] for row in states]


# its end


def test_w3_a_promise_is_not_kept_after_its_end(shop: Promises) -> None:
    """W3. The timer has not noticed the end yet."""
    shop.promised()
    shop.ends_in(-1)
    answer = shop.customer_writes()
    assert (None, None, None) == shop.owner(answer)
    assert ("ended", "expired") == shop.wish()


def test_w3_an_answer_in_time_that_waited_for_us_is_in_time(shop: Promises) -> None:
    """It reached us an hour before the end, and the consumer was down until now."""
    shop.promised()
    shop.ends_in(-1)
    shop.office.set_watermark("2 h")
    assert 0 == shop.office.timer.end_wishes()
    shop.office.connection.execute("update sends set claimed_at = now() - interval '2 hours'")
    answer = FactMaker(customer=Party(wa_id=PHONE)).turn(shop.office.hours_ago(0), "yes")
    shop.office.process(answer, arrived_hours_ago=1)
    assert ("executed", None) == shop.wish()


def test_the_timer_ends_what_nobody_answered(shop: Promises) -> None:
    shop.promised()
    assert 0 == shop.office.timer.end_wishes()
    shop.ends_in(-1)
    shop.office.set_watermark("0 s")
    assert 1 == shop.office.timer.end_wishes()
    assert ("ended", "expired") == shop.wish()


def test_no_template_is_posted_after_the_end(shop: Promises) -> None:
    shop.promise(holds_hours=1)
    shop.office.connection.execute("update sends set expires_at = now()")
    shop.post_all()
    shop.office.set_watermark("0 s")
    shop.office.timer.end_wishes()
    assert (("ended", "expired"), []) == (shop.wish(), shop.graph.posts)


def test_a_template_that_meta_refuses_ends_the_promise(shop: Promises) -> None:
    shop.answers(Refused(131026, "Meta's error 131026"))
    shop.promised()
    shop.office.set_watermark("0 s")
    shop.office.timer.end_wishes()
    assert ("ended", "template_failed") == shop.wish()


def test_a_template_that_fails_later_ends_the_promise_when_the_customer_writes(shop: Promises) -> None:
    """They did not get it, so what they write is a conversation like any other."""
    shop.promised()
    shop.meta_reports("failed", "wamid.1", shop.graph.callback(0), 131026)
    answer = shop.customer_writes()
    assert (("ended", "template_failed"), (None, None, None)) == (shop.wish(), shop.owner(answer))


def test_a_cancelled_promise_recalls_its_template(shop: Promises) -> None:
    shop.promise()
    cancel = shop.office.command("recall", {"deferred_id": str(wish_id("p"))})
    again = shop.office.command("recall", {"deferred_id": str(wish_id("p"))})
    assert [("applied", None), ("rejected", "nothing_to_recall")] == shop.office.results_of(cancel, again)
    shop.post_all()
    assert (("ended", "cancelled"), []) == (shop.wish(), shop.graph.posts)
    assert (None, None, None) == shop.owner(shop.customer_writes())


def test_a_recalled_template_cancels_the_promise(shop: Promises) -> None:
    shop.promise()
    assert [("applied", None)] == shop.office.results_of(shop.office.command("recall", {"send_command_id": "p"}))
    shop.office.set_watermark("0 s")
    shop.office.timer.end_wishes()
    assert ("ended", "cancelled") == shop.wish()


@pytest.mark.parametrize("word", ["Stop!", "*Disiscrivimi*", "BAJA", "désabonner"])
def test_a_customer_who_wants_no_more_messages_is_not_transferred(shop: Promises, word: str) -> None:
    shop.promised()
    answer = shop.customer_writes(word)
    assert (("ended", "opted_out"), (None, None, None)) == (shop.wish(), shop.owner(answer))


def test_a_promise_does_not_take_a_customer_from_an_agent(shop: Promises) -> None:
    """Anna answered what the customer had written before the template."""
    shop.promised()
    conversation = shop.customer_writes("never mind", hours_ago=1)
    send = {"conversation_id": str(conversation), "message": {"text": "hi"}}
    shop.office.results_of(shop.office.command("send", send, issuer="anna"))
    shop.customer_writes("yes")
    assert (("ended", "superseded"), ("u", "anna", "x")) == (shop.wish(), shop.owner(conversation))


def test_a_promise_to_somebody_who_left_ends(shop: Promises) -> None:
    shop.promised(target={"kind": "user", "id": "anna"})
    users = {name: user for name, user in COMPANY.users.items() if name != "anna"}
    shop.office.apply_directory(Directory(COMPANY.numbers, COMPANY.skillsets, users))
    answer = shop.customer_writes()
    assert (("ended", "cancelled"), (None, None, None)) == (shop.wish(), shop.owner(answer))


# who it is about


def test_a_promise_follows_the_customer_to_a_new_phone(shop: Promises) -> None:
    shop.promised()
    now = datetime.now(UTC)
    shop.office.process(
        CustomerIdentityChanged(
            id=fact_id("moved"),
            phone_number_id=NUMBER,
            customer=Party(wa_id=PHONE),
            at=now,
            sent_at=now,
            becomes=Party(wa_id="16505559999"),
            wamid="wamid.moved",
        )
    )
    answer = shop.customer_writes(phone="16505559999")
    assert (("executed", None), ("s", "sales", "r")) == (shop.wish(), shop.owner(answer))


def test_w1_of_two_promises_to_one_customer_the_later_one_stays(shop: Promises) -> None:
    """W1. The phone and the user id of a customer who was promised under each turn out to be one person's."""
    maker = FactMaker(customer=Party(user_id="US.1"))
    shop.office.process(maker.turn(shop.office.hours_ago(29), "hello"))
    shop.office.timer.close_due()
    (other,) = shop.office.rows("select id from conversations where user_id = 'US.1'")
    shop.promised("p1")
    shop.promised("p2", conversation=other["id"], target={"kind": "user", "id": "anna"})
    both = FactMaker(customer=Party(wa_id=PHONE, user_id="US.1"))
    shop.office.process(both.turn(shop.office.hours_ago(0), "yes"))
    assert [("ended", "superseded"), ("executed", None)] == [shop.wish("p1"), shop.wish("p2")]
    assert 1 == shop.executed()


# what is refused


def test_what_can_be_transferred_now_is_not_promised(shop: Promises) -> None:
    """The customer has written again; the closed conversation is not their last one."""
    shop.customer_writes("hello?", hours_ago=1)
    assert [("rejected", "conversation_open")] == shop.promise()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"conversation": UUID(int=7)}, "conversation_unknown"),
        ({"target": {"kind": "user", "id": "zoe"}}, "user_unknown"),
        ({"target": {"kind": "skillset", "id": "zoe"}}, "skillset_unknown"),
        ({"template": {"name": "x", "language": "en"}}, "template_unknown"),
        ({"template": {"name": "call", "language": "en"}}, "parameters_wrong"),
        ({"holds_hours": 0}, "malformed"),
    ],
)
def test_what_cannot_be_promised_is_refused_with_its_reason(shop: Promises, more: dict[str, Any], reason: str) -> None:
    assert [("rejected", reason)] == shop.promise(**more)
    assert [] == shop.office.rows("select id from wishes union select id from sends")


# whatever happens when


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.permutations(["post", "turn", "joined", "fails", "ends"]))
def test_w1_w2_w3_in_every_order(shop: Promises, steps: list[str]) -> None:
    """The customer writes, once by phone and once under a user id as well, which joins them with a customer to whom
    somebody else was promised before; the template is posted; it fails; the promise ends. The first message is
    transferred, once, unless the template had failed or the promise was over; the older promise counts only if the
    later one had come to its end before they were joined."""
    shop.customers += 1
    phone, user_id, named = f"393450{shop.customers:06}", f"US.{shop.customers}", f"p{shop.customers}"
    conversation = shop.customer_writes("hello", 30, phone)
    shop.office.process(FactMaker(customer=Party(user_id=user_id)).turn(shop.office.hours_ago(31), user_id))
    shop.office.timer.close_due()
    (other,) = shop.office.rows(f"select id from conversations where user_id = '{user_id}'")
    assert [("applied", None)] == shop.promise(f"{named}-older", other["id"])
    shop.post_all()
    assert [("applied", None)] == shop.promise(named, conversation)
    before, later, older, is_over = shop.executed(), "waiting", "waiting", False
    for step in steps:
        match step:
            case "post":
                shop.post_all()
            case "turn" | "joined":
                party = Party(wa_id=phone, user_id=user_id if step == "joined" else None)
                shop.office.process(FactMaker(customer=party).turn(shop.office.hours_ago(0), f"{step} {phone}"))
                if step == "joined":
                    older = "executed" if later == "ended" else "ended"
                if later == "waiting":
                    later = "ended" if is_over else "executed"
            case "fails" if shop.template(named) == "accepted":
                shop.meta_reports("failed", str(shop.send(named).wamid), code=131026)
                is_over = True
            case "ends":
                shop.ends_in(-1, named)
                is_over = True
    shop.office.timer.end_wishes()
    assert (later, older) == (shop.wish(named)[0], shop.wish(f"{named}-older")[0])
    assert (later, older).count("executed") == shop.executed() - before <= 1
