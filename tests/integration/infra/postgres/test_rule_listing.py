"""What rules did is listed with what became of it, page by page; stopping them calls somebody."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.facts import AgentMessage
from domain.rules.rule import Rule, RuleMail
from infra.postgres.lists.cursor import START
from infra.postgres.rules import diagnostics, listing, switch
from tests.support.rule_room import RuleRoom, open_rule_room, reserve

MONTH = timedelta(days=30)


@pytest.fixture
def room(database: str) -> Iterator[RuleRoom]:
    with open_rule_room(database) as room:
        yield room


def test_every_act_is_on_one_page_also_if_many_happened_at_one_moment(room: RuleRoom) -> None:
    called = Rule("call", "Call", on=True, stop=False, alarm="night", mail=RuleMail(("night@example.com",)))
    room.write_rules(called, reserve())
    for n in range(5):
        room.office.customer_writes(phone=f"1650555000{n}")
    room.run()
    connection = room.office.connection
    seen, after, pages = [], START, 0
    while True:
        page = listing.act_page(connection, 2, after)
        seen += [each.act.key for each in page.acts]
        pages += 1
        if page.next is None:
            break
        after = page.next
    assert (len(seen), len(set(seen)), pages > 2) == (15, 15, True)
    assert sorted(seen) == sorted(
        (row["conversation_id"], row["rule_id"], row["action"]) for row in room.office.rows("select * from rule_acts")
    )


def test_the_acts_of_one_rule_are_listed_and_conversations_are_counted_once(room: RuleRoom) -> None:
    called = Rule("call", "Call", on=True, stop=False, alarm="night", mail=RuleMail(("night@example.com",)))
    room.write_rules(called, reserve())
    room.office.customer_writes()
    room.run()
    page = listing.act_page(room.office.connection, 10, rule="call")
    assert [each.act.action for each in page.acts] == ["alarm", "mail"]
    counts = listing.act_counts(room.office.connection, ["call", "rescue", "none"], MONTH)
    assert [(counts[id_].conversations, counts[id_].is_more) for id_ in ("call", "rescue", "none")] == [
        (1, False),
        (1, False),
        (0, False),
    ]
    together = listing.all_counted(room.office.connection, MONTH)
    assert (together.conversations, together.is_more) == (1, False)
    assert listing.rule_names(room.office.connection, ["call", "none"]) == {"call": "Call"}


def test_who_took_a_customer_after_a_rule_had_acted_is_told(room: RuleRoom) -> None:
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    room.run()
    (waiting,) = listing.act_page(room.office.connection, 10).acts
    assert (waiting.taken, waiting.is_last) == (None, True)
    room.office.desktop_reports(AgentMessage, "anna", conversation)
    (taken,) = listing.act_page(room.office.connection, 10).acts
    assert taken.taken is not None
    assert (taken.taken.by, taken.is_last) == ("anna", False)


def test_a_mail_that_a_rule_asked_for_is_listed_with_its_state(room: RuleRoom) -> None:
    room.write_rules(Rule("mail", "Mail", on=True, mail=RuleMail(("night@example.com",))))
    room.office.customer_writes()
    room.run()
    for held_until, is_held in (("infinity", True), ("epoch", False)):
        room.office.connection.execute("update mails set held_until = %s", [held_until])
        (listed,) = listing.act_page(room.office.connection, 10).acts
        assert (listed.sent, listed.is_held) == ("requested", is_held)


def test_stopping_all_rules_calls_somebody_until_they_act_again_and_is_audited(room: RuleRoom) -> None:
    connection = room.office.connection
    assert switch.stop(connection, "paolo", "10.0.0.1")
    assert not switch.stop(connection, "anna")
    alarms = "select kind, details ->> 'by' as by, ended_at is null as open from alarms"
    assert room.office.rows(alarms) == [{"kind": "rules_stopped", "by": "paolo", "open": True}]
    assert switch.start(connection, "anna")
    assert not switch.start(connection, "anna")
    assert room.office.rows(alarms) == [{"kind": "rules_stopped", "by": "paolo", "open": False}]
    audited = room.office.rows("select event, name, address from console_audit order by id")
    assert [tuple(row.values()) for row in audited] == [
        ("rules_stopped", "paolo", "10.0.0.1"),
        ("rules_started", "anna", None),
    ]


def test_conversations_that_no_rule_has_looked_at_are_found(room: RuleRoom) -> None:
    room.write_rules(reserve(left=timedelta(hours=1)))
    room.office.customer_writes(hours_ago=2)
    minutes = timedelta(minutes=5)
    assert diagnostics.unseen(room.office.connection, minutes) == 1
    room.run()
    assert diagnostics.unseen(room.office.connection, minutes) == 0
