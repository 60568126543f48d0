"""The dry run of a rule against the list and against the last days."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.facts import AgentMessage, Party
from domain.rules.rule import Rule, RuleCondition, RuleTransfer
from infra.languages.detection import language_of
from infra.postgres.directory import read
from infra.postgres.rules.dry_run import RuleTrial, dry_run
from tests.support.rule_room import RuleRoom, open_rule_room, reserve
from tests.support.stories import FactMaker

HOUR = timedelta(hours=1)


@pytest.fixture
def room(database: str) -> Iterator[RuleRoom]:
    with open_rule_room(database) as room:
        yield room


def tried(room: RuleRoom, rule: Rule, days: int | None = 30, **limits: int) -> RuleTrial:
    _, directory = read(room.office.connection)
    return dry_run(room.office.connection, directory, rule, days, language_of, **limits)


def came(room: RuleRoom, phone: str, hours_ago: float, text: str = "hello") -> None:
    """A customer's message that was processed when it came."""
    maker = FactMaker(customer=Party(wa_id=phone))
    room.office.process(maker.turn(room.office.hours_ago(hours_ago), text), arrived_hours_ago=hours_ago)
    by = timedelta(hours=hours_ago)
    room.office.connection.execute(
        "update history h set at = c.opened_at from conversations c where c.id = h.conversation_id and c.wa_id = %s "
        "and h.event in ('opened', 'became_unmanaged') and h.at > now() - %s::interval",
        [phone, by],
    )


def test_who_was_lost_would_have_been_rescued(room: RuleRoom) -> None:
    came(room, "16505550001", 50)
    room.office.timer.close_due()
    came(room, "16505550002", 10)
    run = tried(room, reserve(left=2 * HOUR))
    assert [(act.wa_id, act.outcome) for act in run.acts] == [("16505550001", "lost")]
    assert (run.looked_at, run.since) == (2, None)


def test_who_was_answered_later_is_told_apart(room: RuleRoom) -> None:
    came(room, "16505550001", 10)
    (row,) = room.office.rows("select id from conversations")
    room.office.desktop_reports(AgentMessage, "anna", row["id"])
    run = tried(room, reserve(alone=HOUR))
    assert [act.outcome for act in run.acts] == ["answered"]
    assert (run.count("answered"), run.count("lost")) == (1, 0)


def test_nothing_older_is_looked_at_and_what_is_too_much_is_said(room: RuleRoom) -> None:
    for n in range(3):
        came(room, f"1650555000{n}", 10 + n)
    came(room, "16505550009", 24 * 9)
    assert tried(room, reserve(), days=7).looked_at == 3
    run = tried(room, reserve(), days=7, most=2)
    assert run.looked_at == 2
    assert run.since is not None


def test_on_the_list_as_it_is_the_dry_run_says_what_comes(room: RuleRoom) -> None:
    came(room, "16505550001", 1, "a refund please")
    came(room, "16505550002", 23)
    assert [act.wa_id for act in tried(room, reserve(left=2 * HOUR), days=None).acts] == [
        "16505550002",
        "16505550001",
    ]
    words = Rule("w", "W", when=RuleCondition(words=("refund",)), transfer=RuleTransfer(skillset="sales"))
    assert [act.wa_id for act in tried(room, words, days=None).acts] == ["16505550001"]
    assert room.run() == []


def test_on_the_list_rules_before_it_and_what_they_did_count(room: RuleRoom) -> None:
    room.write_rules(reserve("first", alone=HOUR), reserve("second", "support"))
    came(room, "16505550001", 2)
    came(room, "16505550002", 0.5)
    _, directory = read(room.office.connection)
    first, second = directory.rules
    assert [act.wa_id for act in tried(room, second, days=None).acts] == ["16505550002"]
    assert len(tried(room, first, days=None).acts) == 1
    room.run()
    for (conversation,) in room.office.connection.execute("select id from conversations").fetchall():
        room.office.results_of(room.office.command("recall", {"conversation_id": str(conversation)}))
    assert [act.wa_id for act in tried(room, second, days=None).acts] == ["16505550001"]
    assert [act.wa_id for act in tried(room, first, days=None).acts] == ["16505550002"]


def test_on_the_list_as_well_what_is_too_much_is_said(room: RuleRoom) -> None:
    for n in range(3):
        came(room, f"1650555000{n}", 10 + n)
    run = tried(room, reserve(), days=None, most=2)
    assert (len(run.acts), run.looked_at) == (2, 2)
    assert run.since is not None


def test_a_dry_run_writes_nothing(room: RuleRoom) -> None:
    came(room, "16505550001", 10)
    tried(room, reserve())
    tried(room, reserve(), days=None)
    assert (room.acts(), room.office.rows("select * from rule_watch")) == ([], [])
