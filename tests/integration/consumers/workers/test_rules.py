"""Rescue rules act by themselves: in time, once, and never against a person."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from domain.facts import AgentMessage
from domain.rules.rule import Rule, RuleCondition, RuleMail, RuleTemplate, RuleTransfer
from infra.postgres.messaging.parked import parked_now
from infra.postgres.rules import switch
from tests.support.rule_room import RuleRoom, body, open_rule_room, reserve
from tests.support.stories import NUMBER, FactMaker

HOUR = timedelta(hours=1)


@pytest.fixture
def room(database: str) -> Iterator[RuleRoom]:
    with open_rule_room(database) as room:
        yield room


def said(text: str = "We will answer you soon.", named: str = "words", stop: bool = True) -> Rule:
    return Rule(named, named.title(), on=True, stop=stop, text=text)


def test_a_customer_who_was_left_alone_is_reserved_for_a_skillset(room: RuleRoom) -> None:
    room.write_rules(reserve())
    conversation = room.office.customer_writes("hello there")
    (command,) = room.poll()
    assert room.carry_out(command) == [("applied", None)]
    assert room.owner(conversation) == ("sales", "r")
    assert room.acts() == [("rescue", "transfer", "done")]
    assert room.office.history(conversation)[-1] == ("reserved", "rule:rescue", "sales")


def test_a_rule_that_is_off_does_nothing(room: RuleRoom) -> None:
    room.write_rules(Rule("r", "R", transfer=RuleTransfer(skillset="sales")))
    room.office.customer_writes()
    assert room.run() == []


def test_a_rule_acts_when_so_little_of_the_window_is_left(room: RuleRoom) -> None:
    room.write_rules(reserve(left=2 * HOUR))
    early = room.office.customer_writes(phone="16505550001", hours_ago=1)
    late = room.office.customer_writes(phone="16505550002", hours_ago=23)
    assert room.run() == ["transfer"]
    assert (room.owner(early), room.owner(late)) == ((None, None), ("sales", "r"))


def test_a_rule_acts_when_its_moment_has_come(room: RuleRoom) -> None:
    room.write_rules(reserve(alone=2 * HOUR))
    conversation = room.office.customer_writes(hours_ago=1)
    assert room.run() == []
    room.make_older(conversation, 2 * HOUR)
    assert room.run() == ["transfer"]
    assert room.owner(conversation) == ("sales", "r")


def test_a_rule_sees_what_the_customer_wrote_meanwhile(room: RuleRoom) -> None:
    room.write_rules(reserve(words=("refund",)))
    room.office.customer_writes("hello", hours_ago=2)
    assert room.run() == []
    conversation = room.office.customer_writes("I want a refund", hours_ago=1)
    assert room.run() == ["transfer"]
    assert room.owner(conversation) == ("sales", "r")


def test_a_rule_acts_once_however_often_it_looks(room: RuleRoom) -> None:
    """R1: also after a restart, and when the conversation comes back."""
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    assert room.run() == ["transfer"]
    room.rules = room.another_process()
    assert room.run() == []
    room.office.results_of(room.office.command("recall", {"conversation_id": str(conversation)}))
    assert room.owner(conversation) == (None, None)
    assert room.run() == []


def test_a_command_that_is_received_twice_acts_once(room: RuleRoom) -> None:
    """R1: the id of a command follows from the rule and the conversation."""
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    (command,) = room.poll()
    assert room.office.results_of(command, command) == [("applied", None)]
    room.office.connection.execute("delete from rule_acts")  # a backup from before is restored
    room.office.connection.execute("delete from rule_watch")
    room.office.results_of(room.office.command("recall", {"conversation_id": str(conversation)}))
    (again,) = room.poll()
    assert room.office.results_of(again) == []


def test_a_conversation_that_comes_back_is_for_rules_that_have_not_acted_on_it(room: RuleRoom) -> None:
    room.write_rules(reserve("first"), reserve("second", "support", reasons=("reservation_expired",)))
    conversation = room.office.customer_writes()
    assert room.run() == ["transfer"]
    room.office.connection.execute("update conversations set owner_until = now() - interval '1 min'")
    expire_in_memory(room)
    room.office.timer.end_owners()
    assert room.run() == ["transfer"]
    assert room.owner(conversation) == ("support", "r")


def expire_in_memory(room: RuleRoom) -> None:
    """Moves the end of the reservation in the row's evidence and decisions too."""
    (row,) = room.office.rows("select memory, owner_until from conversations")
    text = json.dumps(row["memory"])
    decisions = row["memory"][1]
    until = decisions[0][3]
    text = text.replace(until, row["owner_until"].astimezone(UTC).isoformat())
    room.office.connection.execute("update conversations set memory = %s", [text])


def test_a_rule_never_takes_from_a_person(room: RuleRoom) -> None:
    """R3: what a person did after the rule had looked counts."""
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    (command,) = room.poll()
    taken = room.office.transfer(conversation, "user", "anna", "immediate", issuer="anna")
    assert room.office.results_of(taken) == [("applied", None)]
    assert room.carry_out(command) == [("rejected", "version_conflict")]
    assert room.owner(conversation) == ("anna", "x")
    assert room.run() == []


def test_a_rule_does_not_act_while_the_answer_of_a_person_is_on_its_way(room: RuleRoom) -> None:
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    answer = {"conversation_id": str(conversation), "message": {"text": "hi"}}
    assert room.office.results_of(room.office.command("send", answer)) == [("applied", None)]
    assert room.run() == []


def test_what_the_rule_saw_is_no_longer_so_then_it_looks_again(room: RuleRoom) -> None:
    room.write_rules(said())
    room.office.customer_writes("hello", hours_ago=3)
    (command,) = room.poll()
    room.office.customer_writes("are you there?", hours_ago=2)
    assert room.carry_out(command) == [("rejected", "customer_wrote_meanwhile")]
    assert room.acts() == [("words", "text", "again")]
    (again,) = room.poll()
    assert dict(again.raw_headers)["ce_id"] != dict(command.raw_headers)["ce_id"]
    assert room.carry_out(again) == [("applied", None)]
    assert room.acts() == [("words", "text", "done")]
    (send,) = room.office.rows("select actor, is_word, lane from sends")
    assert (send["actor"], send["is_word"], send["lane"]) == ("rule:words", False, 1)


def test_of_rules_that_fit_together_the_first_acts_while_the_customer_waits(room: RuleRoom) -> None:
    room.write_rules(said(named="a"), reserve("b"), reserve("c", "support", left=20 * HOUR))
    conversation = room.office.customer_writes(hours_ago=1)
    assert room.run() == ["send"]
    room.make_older(conversation, HOUR)
    assert room.run() == []


def test_or_all_of_them_act_what_takes_it_from_the_list_last(room: RuleRoom) -> None:
    both = Rule("b", "B", on=True, mail=RuleMail(("night@example.com",)), transfer=RuleTransfer(skillset="sales"))
    room.write_rules(said(named="a", stop=False), both)
    conversation = room.office.customer_writes()
    commands = room.poll()
    assert room.carry_out(*commands) == [("applied", None)] * 3
    assert room.owner(conversation) == ("sales", "r")
    (mail,) = room.office.rows("select recipients, subject from mails")
    assert mail == {"recipients": ["night@example.com"], "subject": "A customer on WhatsApp is waiting for an answer"}


def test_an_offer_that_nobody_can_take_becomes_a_reservation(room: RuleRoom) -> None:
    now = Rule("now", "Now", on=True, transfer=RuleTransfer(skillset="sales", mode="immediate"))
    room.write_rules(now)
    conversation = room.office.customer_writes()
    assert room.run() == ["transfer", "transfer"]
    assert room.owner(conversation) == ("sales", "r")


def test_an_offer_that_somebody_can_take_is_made_at_once(room: RuleRoom) -> None:
    now = Rule("now", "Now", on=True, transfer=RuleTransfer(skillset="sales", mode="immediate"))
    room.write_rules(now)
    room.office.presence("anna", "ready")
    conversation = room.office.customer_writes()
    assert room.run() == ["transfer"]
    assert room.owner(conversation) == ("anna", "a")


def test_a_reservation_lasts_as_long_as_the_rule_says(room: RuleRoom) -> None:
    long = RuleTransfer(skillset="sales", reserve=3 * HOUR)
    room.write_rules(Rule("r", "R", on=True, transfer=long))
    room.office.customer_writes()
    room.run()
    assert room.office.owner_until() > datetime.now(UTC) + timedelta(hours=2, minutes=59)


def test_a_customer_goes_back_to_the_skillset_that_had_them(room: RuleRoom) -> None:
    room.write_rules(Rule("back", "Back", on=True, transfer=RuleTransfer(previous=True)))
    room.office.process(FactMaker().turn(room.office.hours_ago(100), "2"), arrived_hours_ago=100)
    conversation = room.office.customer_writes("hello", hours_ago=1)
    stranger = room.office.customer_writes("hello", phone="16505550009")
    assert room.run() == ["transfer"]
    assert (room.owner(conversation), room.owner(stranger)) == (("support", "r"), (None, None))


def test_a_customer_who_has_another_id_by_now_goes_back_too(room: RuleRoom) -> None:
    room.write_rules(Rule("back", "Back", on=True, transfer=RuleTransfer(previous=True)))
    room.office.process(FactMaker().turn(room.office.hours_ago(100), "2"), arrived_hours_ago=100)
    conversation = room.office.customer_writes("hello", phone="16505550009", hours_ago=1)
    assert room.run() == []
    room.office.connection.execute(
        "update customers set merged_into = (select customer_id from conversations where id = %(of)s) "
        "where id = (select customer_id from conversations where id <> %(of)s)",
        {"of": conversation},
    )
    room.office.connection.execute("delete from rule_watch")
    assert room.run() == ["transfer"]
    assert room.owner(conversation) == ("support", "r")


def test_a_rule_dismisses_what_needs_no_answer_until_the_customer_writes_again(room: RuleRoom) -> None:
    room.write_rules(Rule("spam", "Spam", on=True, when=RuleCondition(words=("prize",)), dismiss="spam"))
    room.office.customer_writes("You won a PRIZE!", hours_ago=2)
    assert room.run() == ["dismiss"]
    assert room.office.owner()[3] is False
    room.office.customer_writes("hello?", hours_ago=-1 / 3600)
    assert room.office.owner()[3] is True
    assert room.run() == []


def test_rules_that_are_stopped_do_nothing_until_they_are_started(room: RuleRoom) -> None:
    room.write_rules(reserve())
    room.office.customer_writes()
    assert switch.stop(room.office.connection, "boss")
    assert not switch.stop(room.office.connection, "carla")
    assert room.run() == []
    assert switch.start(room.office.connection, "boss")
    assert room.run() == ["transfer"]


def test_above_the_limit_the_most_urgent_customers_are_rescued_and_somebody_is_called(room: RuleRoom) -> None:
    room.write_rules(reserve())
    room.rules = room.another_process(per_minute=2)
    waiting = [
        room.office.customer_writes(phone=f"1650555000{n}", hours_ago=hours) for n, hours in enumerate((1, 5, 3))
    ]
    assert room.run() == ["transfer", "transfer"]
    assert [room.owner(each)[0] for each in waiting] == [None, "sales", "sales"]
    assert open_alarms(room) == ["rule_limit"]
    room.make_older(waiting[1], timedelta(minutes=2))
    room.make_older(waiting[2], timedelta(minutes=2))
    assert room.run() == ["transfer"]
    room.poll()
    assert open_alarms(room) == []


def test_the_alarm_of_the_limit_ends_when_no_customer_waits_for_rules_any_more(room: RuleRoom) -> None:
    room.write_rules(reserve())
    room.rules = room.another_process(per_minute=1)
    for n in range(2):
        room.office.customer_writes(phone=f"1650555000{n}", hours_ago=5)
    room.run()
    assert open_alarms(room) == ["rule_limit"]
    room.office.connection.execute("update rule_watch set due_at = null")
    room.poll()
    assert open_alarms(room) == []


def test_the_alarm_of_the_limit_ends_when_rules_are_stopped_or_switched_off(room: RuleRoom) -> None:
    room.write_rules(reserve())
    room.rules = room.another_process(per_minute=1)
    for n in range(3):
        room.office.customer_writes(phone=f"1650555000{n}", hours_ago=5)
    room.run()
    assert open_alarms(room) == ["rule_limit"]
    switch.stop(room.office.connection, "boss")
    room.poll()
    assert open_alarms(room) == ["rules_stopped"]
    switch.start(room.office.connection, "boss")
    room.poll()
    assert open_alarms(room) == ["rule_limit"]
    room.write_rules()
    room.poll()
    assert open_alarms(room) == []


def test_what_asks_for_more_than_a_minute_allows_gets_a_minute_of_its_own(room: RuleRoom) -> None:
    both = Rule("b", "B", on=True, mail=RuleMail(("night@example.com",)), transfer=RuleTransfer(skillset="sales"))
    room.write_rules(both)
    room.rules = room.another_process(per_minute=1)
    for n in range(2):
        room.office.customer_writes(phone=f"1650555000{n}", hours_ago=5)
    assert room.run() == ["email", "transfer"]
    assert open_alarms(room) == ["rule_limit"]


def test_two_processes_together_keep_within_the_limit(room: RuleRoom, database: str) -> None:
    """Each counts what the other did in this minute, so it waits until that is stored."""
    room.write_rules(reserve())
    room.office.customer_writes()
    with psycopg.connect(database) as other:
        assert switch.acting(other)
        room.office.connection.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            room.poll()
        other.rollback()
    assert room.run() == ["transfer"]


def test_rules_that_began_to_fit_one_after_the_other_both_act_after_a_stop(room: RuleRoom) -> None:
    """Nobody looked for three hours: the alarm after one hour must not cost the customer the reservation after two."""
    call = Rule("call", "Call", on=True, when=RuleCondition(alone=HOUR), alarm="night")
    room.write_rules(call, reserve("later", alone=2 * HOUR), reserve("with it", "support", alone=HOUR))
    conversation = room.office.customer_writes(hours_ago=3)
    for earlier in (
        "update history set at = at - interval '3 hours'",
        "update entries set arrival = greatest(0, arrival - (10800000::bigint << 14))",
        "update directory_versions set at = at - interval '1 day'",
    ):
        room.office.connection.execute(earlier)
    assert room.run() == ["transfer"]
    assert room.acts() == [("call", "alarm", "done"), ("later", "transfer", "done")]
    assert room.owner(conversation) == ("sales", "r")


def test_a_rule_calls_somebody_once(room: RuleRoom) -> None:
    room.write_rules(Rule("call", "Call", on=True, alarm="night"))
    room.office.customer_writes()
    assert room.run() == []
    assert room.run() == []
    assert room.acts() == [("call", "alarm", "done")]
    (alarm,) = room.office.rows("select kind, details, conversation_id is null as about_none from alarms")
    assert alarm == {"kind": "rule", "details": {"rule": "Call", "channel": "night"}, "about_none": False}


def open_alarms(room: RuleRoom) -> list[str]:
    return [row["kind"] for row in room.office.rows("select kind from alarms where ended_at is null order by kind")]


def test_a_rule_waits_for_messages_that_are_not_processed_yet(room: RuleRoom) -> None:
    """P6a: a word of the company may still be on its way."""
    room.write_rules(reserve(alone=HOUR))
    room.office.customer_writes(hours_ago=2)
    room.office.set_watermark("90 min")
    assert room.run() == []
    room.office.set_watermark("0 s")
    assert room.run() == ["transfer"]


def test_a_rule_does_not_act_on_a_customer_who_was_answered(room: RuleRoom) -> None:
    room.write_rules(reserve(alone=timedelta(minutes=30)))
    conversation = room.office.customer_writes(hours_ago=1)
    room.office.desktop_reports(AgentMessage, "anna", conversation)
    assert room.run() == []


def test_a_refused_command_is_not_repeated_and_is_seen(room: RuleRoom) -> None:
    room.write_rules(Rule("r", "R", on=True, mail=RuleMail(("night@nowhere",))))
    room.office.customer_writes()
    assert room.run() == ["email"]
    assert room.acts() == [("r", "mail", "refused")]
    assert room.run() == []


def test_a_rule_that_says_what_no_command_may_is_refused_and_the_others_go_on(room: RuleRoom) -> None:
    """Older versions took a template without a name, and any two letters as a language."""
    broken = Rule("broken", "Broken", on=True, stop=False, template=RuleTemplate("", "en"))
    strange = said(named="strange", stop=False)
    room.write_rules(broken, replace(strange, when=RuleCondition(languages=("zz",))), reserve())
    room.office.customer_writes("I need help with my order")
    assert room.run() == ["transfer"]
    assert room.acts() == [("broken", "text", "refused"), ("rescue", "transfer", "done")]
    assert room.office.rows("select rejection from rule_acts where rule_id = 'broken'") == [{"rejection": "malformed"}]


def test_a_conversation_that_cannot_be_read_keeps_no_other_from_being_rescued(room: RuleRoom) -> None:
    room.write_rules(reserve())
    spoilt, other = [room.office.customer_writes(phone=phone, hours_ago=2) for phone in ("390001", "390002")]
    room.office.connection.execute("update conversations set memory = '[[], 7]' where id = %s", [spoilt])
    assert room.run() == ["transfer"]
    assert room.owner(other) == ("sales", "r")
    assert [(each.worker, each.items) for each in parked_now(room.office.connection)] == [("rules", 1)]
    assert "1 parked" in (room.rules.not_ready_reason() or "")


def test_of_a_command_that_is_never_answered_nothing_is_known(room: RuleRoom) -> None:
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    room.poll()
    room.make_older(conversation, HOUR)
    room.poll()
    assert room.acts() == [("rescue", "transfer", "unknown")]


def test_a_result_that_comes_after_all_still_counts(room: RuleRoom) -> None:
    """Commands were not carried out for an hour."""
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    (command,) = room.poll()
    room.make_older(conversation, HOUR)
    room.poll()
    assert room.acts() == [("rescue", "transfer", "unknown")]
    assert room.office.results_of(command) == [("applied", None)]
    room.rules = room.another_process()
    room.rules.settle()
    assert room.acts() == [("rescue", "transfer", "done")]


def test_two_processes_act_once(room: RuleRoom) -> None:
    room.write_rules(reserve())
    room.office.customer_writes()
    other = room.another_process()
    room.poll()
    other.poll()
    assert len(room.issued()) == 1


def test_a_rule_says_what_it_saw(room: RuleRoom) -> None:
    room.write_rules(reserve(numbers=(NUMBER,)))
    conversation = room.office.customer_writes()
    (command,) = room.poll()
    (version,) = room.office.rows("select version from conversations")
    assert body(command) == {
        "conversation_id": str(conversation),
        "target": {"kind": "skillset", "id": "sales"},
        "mode": "exclusive",
        "expected_version": version["version"],
    }
