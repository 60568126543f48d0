"""Customers answer a campaign: each answer is counted once, on the recipient whose message it answers, with what became
of the conversation (docs/design/campaigns.md, *Answers*)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.campaigns.campaign import Campaign
from domain.facts import AgentMessage, CustomerIdentityChanged, CustomerTurn, Party
from domain.ids import fact_id
from domain.sending.sends import Refused, Unanswered
from infra.postgres.campaigns.answers import wrong_answer_counts
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.stories import NUMBER, FactMaker

PHONE = "16505550002"
"""Of the recipient in row 2, the first below the headings."""


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def _sent(room: CampaignRoom, people: int = 1, name: str = "Autumn", **changes: Any) -> Campaign:
    campaign = room.planned(people, name, **changes)
    assert ("applied", None) == room.command("start", campaign)
    room.run()
    return campaign


def _turn(room: CampaignRoom, text: str = "hello", customer: Party | None = None, **more: Any) -> CustomerTurn:
    """Returns a message that a customer writes now, by default the one in row 2."""
    maker = FactMaker(customer=customer or Party(wa_id=PHONE))
    return maker.turn(room.office.hours_ago(more.pop("hours_ago", 0)), text).model_copy(update=more)


def _hours_pass(room: CampaignRoom, hours: float) -> None:
    room.connection.execute("update recipients set accepted_at = accepted_at - %b", [timedelta(hours=hours)])


# what is an answer


def test_the_first_turn_after_the_message_is_its_answer(room: CampaignRoom) -> None:
    autumn = _sent(room, 2)
    conversation = room.office.customer_writes("hello", PHONE, 0)
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)
    assert [{"conversation_id": conversation}] == room.office.rows("select conversation_id from campaign_answers")
    room.office.customer_writes("hello?", PHONE, 0)
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def _told(room: CampaignRoom, conversation: str) -> dict[str, list[str] | None]:
    """Returns the public events about a conversation since the last command, with the campaigns that they name."""
    rows = room.office.rows("select headers, value from outbox where topic = 'witiop.conversations.v1' order by id")
    values = [(row["headers"]["ce_type"].split(".")[2], json.loads(bytes(row["value"]))) for row in rows]
    return {
        name: [each["name"] for each in value["campaigns"]] if "campaigns" in value else None
        for name, value in values
        if value["id"] == conversation
    }


def test_the_events_of_a_conversation_name_the_campaigns_that_were_answered_in_it(room: CampaignRoom) -> None:
    """From the first turn on, and also where somebody decides something later."""
    _sent(room)
    _sent(room, name="Winter", into_active=True)
    conversation = room.office.customer_writes("hello", PHONE, 0)
    stranger = room.office.customer_writes("hello", "16505559999", 0)
    assert {"opened": ["Winter"], "became_unmanaged": ["Winter"]} == _told(room, str(conversation))
    assert {"opened": None, "became_unmanaged": None} == _told(room, str(stranger))
    room.office.process(_turn(room, quotes="wamid.1"))
    to_sales = room.office.transfer(conversation, "skillset", "sales", "exclusive")
    assert [("applied", None)] == room.office.results_of(to_sales)
    assert {"reserved": ["Winter", "Autumn"]} == _told(room, str(conversation))


def test_a_quote_and_a_button_of_the_template_prove_an_answer(room: CampaignRoom) -> None:
    autumn = _sent(room, 2)
    room.office.process(_turn(room, "sure", quotes="wamid.1", customer=Party(wa_id=room.reached()[0][1:])))
    second = Party(wa_id=room.reached()[1][1:])
    room.office.process(_turn(room, "Yes, please", second, type="button", option_id="Yes, please"))
    assert {"quote", "button"} == {proof for proof, _ in room.answers(autumn).values()}


def test_of_two_campaigns_the_quoted_one_is_answered_else_the_latest(room: CampaignRoom) -> None:
    autumn, winter = _sent(room), _sent(room, name="Winter")
    room.office.process(_turn(room, quotes="wamid.1"))
    assert ({2: ("quote", "unmanaged")}, {}) == (room.answers(autumn), room.answers(winter))
    spring = _sent(room, 2, "Spring", into_active=True)
    room.office.process(_turn(room, "and now?"))
    assert ({}, {2: ("likely", "unmanaged")}) == (room.answers(winter), room.answers(spring))


def test_a_turn_before_the_message_is_no_answer(room: CampaignRoom) -> None:
    autumn = _sent(room)
    room.office.process(_turn(room, hours_ago=0.1))
    assert {} == room.answers(autumn)


def test_a_turn_after_72_hours_is_no_answer(room: CampaignRoom) -> None:
    autumn = _sent(room, 2)
    _hours_pass(room, 71.9)
    room.office.process(_turn(room))
    _hours_pass(room, 0.2)
    room.office.process(_turn(room, customer=Party(wa_id="16505550003")))
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def test_a_reaction_is_no_answer(room: CampaignRoom) -> None:
    autumn = _sent(room)
    maker = FactMaker(customer=Party(wa_id=PHONE))
    turn = maker.turn(room.office.hours_ago(0))
    signal = maker.unreadable(room.office.hours_ago(0), "content")
    room.office.process(signal.model_copy(update={"unreadable": None, "type": "reaction", "marks": "wamid.1"}))
    assert {} == room.answers(autumn)
    room.office.process(turn)
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def test_a_message_that_failed_has_no_answer_and_one_of_which_nothing_is_known_has(room: CampaignRoom) -> None:
    room.graph.answers += [Refused(131026, "Meta's error 131026"), Unanswered("no answer")]
    autumn = _sent(room, 2)
    for phone in ("16505550002", "16505550003"):
        room.office.customer_writes("hello", phone, 0)
    (unknown,) = room.office.rows("select row_no from recipients where state = 'unknown'")
    assert {unknown["row_no"]: ("likely", "unmanaged")} == room.answers(autumn)


def test_an_answer_before_our_mark_is_committed_counts(room: CampaignRoom) -> None:
    """The customer answers faster than the sender notes that Meta accepted the message."""
    autumn = room.planned(2)
    room.command("start", autumn)
    room.worker.poll()
    room.office.customer_writes("hello", "16505550003", 0)
    assert ({"claimed": 2}, {}) == (room.counts(autumn), room.answers(autumn))  # nothing was posted
    room.graph.gate.clear()
    room.sender.poll()
    room.office.customer_writes("hello", PHONE, 0)
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)
    room.graph.gate.set()
    room.run()
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


# once


def test_an_answer_that_comes_again_counts_once(room: CampaignRoom) -> None:
    autumn = _sent(room)
    turn = _turn(room)
    for batch in ([turn, turn], [turn]):
        room.office.process(*batch)
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def test_an_earlier_turn_that_comes_late_is_the_answer(room: CampaignRoom) -> None:
    """The conversation is the same, so is the count."""
    autumn = _sent(room)
    first, second = _turn(room, "first"), _turn(room, "second", quotes="wamid.1")
    room.office.process(second)
    room.office.process(first)
    assert {2: ("quote", "unmanaged")} == room.answers(autumn)
    assert [{"at": first.at}] == room.office.rows("select at from campaign_answers")


# who answers


def test_who_writes_with_a_user_id_alone_answers_what_went_to_their_phone(room: CampaignRoom) -> None:
    both = Party(wa_id=PHONE, user_id="US.1")
    room.planned(0, "Before")
    room.office.process(_turn(room, customer=both, hours_ago=50))
    autumn = _sent(room)
    room.office.process(_turn(room, customer=Party(user_id="US.1")))
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def test_two_identities_that_turn_out_to_be_one_customer(room: CampaignRoom) -> None:
    """The phone and the user id were two customers, until a turn names both."""
    room.planned(0, "Before")
    room.office.process(_turn(room, customer=Party(user_id="US.1"), hours_ago=60))
    room.office.process(_turn(room, customer=Party(wa_id=PHONE), hours_ago=50))
    autumn = _sent(room)
    room.office.process(_turn(room, customer=Party(wa_id=PHONE, user_id="US.1")))
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def _moved(room: CampaignRoom, hours_ago: float) -> CustomerIdentityChanged:
    """Returns Meta's report that the customer left the phone for another one."""
    at = room.office.maker.turn(room.office.hours_ago(hours_ago)).at
    return CustomerIdentityChanged.model_validate(
        {
            **{"id": fact_id("moved"), "at": at, "sent_at": at, "phone_number_id": NUMBER, "wamid": "wamid.moved"},
            **{"customer": Party(wa_id=PHONE), "becomes": Party(wa_id="16505559999")},
        }
    )


def test_who_took_the_number_over_answers_nothing_and_who_left_it_does(room: CampaignRoom) -> None:
    room.planned(0, "Before")
    room.office.process(_turn(room, hours_ago=50))
    autumn = _sent(room)
    room.office.process(_moved(room, 0))
    room.office.process(_turn(room, "who is this?"))
    assert {} == room.answers(autumn)
    room.office.process(_turn(room, "thanks", Party(wa_id="16505559999")))
    assert {2: ("likely", "unmanaged")} == room.answers(autumn)


def test_who_left_the_number_before_the_message_answers_nothing(room: CampaignRoom) -> None:
    room.planned(0, "Before")
    room.office.process(_turn(room, hours_ago=50))
    room.office.process(_moved(room, 40))
    autumn = _sent(room)
    room.office.process(_turn(room, "hello", Party(wa_id="16505559999")))
    assert {} == room.answers(autumn)


def test_a_stranger_with_a_recycled_number_answers_nothing(room: CampaignRoom) -> None:
    """Meta reports no change, but the plan knew another customer behind the phone."""
    room.planned(0, "Before")
    room.office.process(_turn(room, customer=Party(wa_id=PHONE, user_id="US.1"), hours_ago=50))
    autumn = room.planned(1)
    ((customer,),) = room.connection.execute("select customer_id from conversations").fetchall()
    room.connection.execute("update recipients set person = %b", [str(customer)])
    room.command("start", autumn)
    room.run()
    room.office.process(_turn(room, customer=Party(wa_id=PHONE, user_id="US.2")))
    assert {} == room.answers(autumn)


# what becomes of it


def _outcome(room: CampaignRoom, campaign: Campaign) -> str:
    ((_, outcome),) = room.answers(campaign).values()
    return outcome


def test_the_outcome_of_an_answer_follows_its_conversation(room: CampaignRoom) -> None:
    """It waits, reaches a human, and is resolved when its window ends."""
    autumn = _sent(room)
    conversation = room.office.customer_writes("1", PHONE, 0)
    assert "waiting" == _outcome(room, autumn)
    room.office.desktop_reports(AgentMessage, "anna", conversation)
    assert "human" == _outcome(room, autumn)
    _window_ends(room, conversation)
    assert "resolved" == _outcome(room, autumn)


def test_a_command_takes_an_answer_off_the_list(room: CampaignRoom) -> None:
    autumn = _sent(room)
    conversation = room.office.customer_writes("hello", PHONE, 0)
    assert "unmanaged" == _outcome(room, autumn)
    transfer = room.office.transfer(conversation, "skillset", "sales", "exclusive")
    assert [("applied", None)] == room.office.results_of(transfer)
    assert "waiting" == _outcome(room, autumn)


def test_an_answer_that_nobody_took_ends_unmanaged(room: CampaignRoom) -> None:
    autumn = _sent(room)
    conversation = room.office.customer_writes("1", PHONE, 0)
    _window_ends(room, conversation)
    assert "unmanaged" == _outcome(room, autumn)


def _window_ends(room: CampaignRoom, conversation: UUID) -> None:
    """Lets the timer find that the window is over, whatever was written meanwhile."""
    room.connection.execute(
        "update conversations set window_ends_at = now() - interval '1 minute' where id = %b", [conversation]
    )
    room.office.set_watermark("0 s")
    room.office.timer.close_due()


def test_wrong_counters_and_outcomes_are_found(room: CampaignRoom) -> None:
    """For `witiop doctor`."""
    autumn = _sent(room)
    room.office.customer_writes("hello", PHONE, 0)
    room.connection.execute("update campaign_answers set outcome = 'human'")
    room.connection.execute("update campaign_answer_counts set outcome = 'human'")
    assert [autumn.id] == wrong_answer_counts(room.connection, [autumn.id])
    room.connection.execute("update campaign_answers set outcome = 'unmanaged'")
    assert [autumn.id] == wrong_answer_counts(room.connection, [autumn.id])


# to whom it goes


def _answers_to(kind: str, name: str, mode: str = "exclusive", hours: int = 72) -> dict[str, Any]:
    return {"target": {"kind": kind, "id": name}, "mode": mode, "holds_hours": hours}


def _owner(room: CampaignRoom) -> tuple[Any, ...]:
    (row,) = room.office.rows("select owner_kind, owner_id, owner_state from conversations")
    return tuple(row.values())


def test_who_answers_is_transferred_and_the_history_says_which_campaign(room: CampaignRoom) -> None:
    """Before the menu, which would take the text for a choice."""
    autumn = _sent(room, answers_to=_answers_to("user", "anna"))
    conversation = room.office.customer_writes("2", PHONE, 0)
    assert ("u", "anna", "r") == _owner(room)
    assert {2: ("likely", "waiting")} == room.answers(autumn)
    assert ("reserved", "campaign:Autumn", "anna") == room.office.history(conversation)[-1]


def test_an_immediate_one_is_offered_to_who_is_ready_else_waits_for_the_target(room: CampaignRoom) -> None:
    _sent(room, 2, answers_to=_answers_to("skillset", "sales", "immediate"))
    room.office.customer_writes("hello", PHONE, 0)
    assert ("s", "sales", "r") == _owner(room)
    room.office.presence("anna", "ready")
    room.office.customer_writes("hello", "16505550003", 0)
    rows = room.office.rows("select owner_id, owner_state from conversations where wa_id = '16505550003'")
    assert [{"owner_id": "anna", "owner_state": "a"}] == rows


def test_an_answer_is_transferred_once(room: CampaignRoom) -> None:
    """After an administrator has recalled it, the next message does not transfer it again."""
    _sent(room, answers_to=_answers_to("skillset", "sales"))
    first, second = _turn(room, "yes"), _turn(room, "please")
    room.office.process(first, second)
    ((conversation,),) = room.connection.execute("select id from conversations").fetchall()
    recall = room.office.command("recall", {"conversation_id": str(conversation)})
    assert [("applied", None)] == room.office.results_of(recall)
    room.office.customer_writes("hello?", PHONE, 0)
    assert (None, None, None) == _owner(room)
    assert 1 == [event for event, _, _ in room.office.history(conversation)].count("reserved")


def test_after_its_end_or_with_a_stop_word_an_answer_is_transferred_to_nobody(room: CampaignRoom) -> None:
    autumn = _sent(room, 2, answers_to=_answers_to("skillset", "sales", hours=1))
    room.office.customer_writes("STOP", "16505550003", 0)
    _hours_pass(room, 1.1)
    room.office.customer_writes("hello", PHONE, 0)
    rows = room.office.rows("select distinct owner_id from conversations")
    assert [{"owner_id": None}] == rows
    assert {2, 3} == room.answers(autumn).keys()


def test_whom_answers_go_to_can_be_changed_until_they_come(room: CampaignRoom) -> None:
    autumn = _sent(room, answers_to=_answers_to("skillset", "sales"))
    assert ("applied", None) == room.command("answers", autumn, answers_to=_answers_to("user", "ben"))
    room.office.customer_writes("hello", PHONE, 0)
    assert ("u", "ben", "r") == _owner(room)


def test_who_is_already_taken_care_of_stays_there(room: CampaignRoom) -> None:
    room.planned(0, "Before")
    conversation = room.office.customer_writes("hello", PHONE, 1)
    transfer = room.office.transfer(conversation, "user", "carla", "exclusive")
    assert [("applied", None)] == room.office.results_of(transfer)
    _sent(room, into_active=True, answers_to=_answers_to("skillset", "sales"))
    room.office.customer_writes("yes", PHONE, 0)
    assert ("u", "carla", "r") == _owner(room)


def test_an_open_wish_of_the_customer_comes_first(room: CampaignRoom) -> None:
    room.planned(0, "Before")
    room.office.customer_writes("hello", PHONE, 30)
    room.office.set_watermark("0 s")
    room.office.timer.close_due()
    ((closed,),) = room.connection.execute("select id from conversations").fetchall()
    _sent(room, answers_to=_answers_to("skillset", "sales"))
    wish = {
        **{"conversation_id": str(closed), "target": {"kind": "user", "id": "carla"}, "mode": "exclusive"},
        "template": {"name": "autumn_service", "language": "en", "parameters": ["Oliver"]},
    }
    assert [("applied", None)] == room.office.results_of(room.office.command("transfer_on_reply", wish))
    room.office.customer_writes("hello", PHONE, 0)
    (row,) = room.office.rows("select owner_id from conversations where status = 'a'")
    assert {"owner_id": "carla"} == row
