"""Migration 0014 on filled tables: what was managed by acceptances alone is derived again, as the rules would do it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import infra.postgres.migrations
from domain.conversations.reasons import Reason
from domain.facts import AgentAccepted, AgentClosed, AgentMessage
from infra.postgres.lists.health import miscounts
from tests.support.office import Office, open_office

SCRIPT = Path(infra.postgres.migrations.__file__).parent / "0014_words_to_the_customer.sql"
FIELDS_THEN, DECISIONS_THEN = (11, 14), 9
"""Numbers of the fields of evidence and of decisions when acceptances were human interaction; of the evidence in the
first schema, and in the last one before."""
TOUCH, TOOK, OWNER = 6, 7, 0
"""Places in evidence and decisions."""


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def rows(office: Office) -> dict[str, dict[str, Any]]:
    """Returns the conversations by phone, without what a migration changes in any case."""
    found = office.rows("select * from conversations")
    return {
        row["wa_id"]: {k: v for k, v in row.items() if k not in ("version", "owner_until", "memory")} for row in found
    }


def evidence(office: Office) -> dict[str, Any]:
    return {row["wa_id"]: row["memory"][0] for row in office.rows("select wa_id, memory from conversations")}


def make_old(office: Office, fields: int = FIELDS_THEN[-1]) -> None:
    """Turns the conversations into what a version before would have stored, with so many fields of evidence."""
    for row in office.rows("select id, status, owner_kind, memory from conversations"):
        facts, decisions = row["memory"][0][:fields], row["memory"][1] and row["memory"][1][:DECISIONS_THEN]
        facts[TOUCH] = min((each for each in (facts[TOUCH], facts[TOOK]) if each), default=None)
        if decisions and decisions[OWNER]:
            decisions[OWNER][3] = None
        managed = facts[TOUCH] is not None
        office.connection.execute(
            "update conversations set memory = %s, managed = %s, unmanaged = not %s and unmanaged, "
            "reason = case when not %s then reason end, because = case when %s then '{}' else because end, "
            "owner_until = case when owner_state = 'x' then null else owner_until end where id = %s",
            [json.dumps([facts, decisions]), managed, managed, managed, managed, row["id"]],
        )
    office.connection.execute(
        "delete from unmanaged_counts; insert into unmanaged_counts select phone_number_id, status, reason, count(*) "
        "from conversations where unmanaged group by 1, 2, 3"
    )


def closes(office: Office, *conversations: UUID) -> None:
    office.connection.execute(
        "update conversations set window_ends_at = now() - interval '1 s' where id = any(%s)", [list(conversations)]
    )
    assert len(conversations) == office.timer.close_due()


@pytest.mark.parametrize("fields", FIELDS_THEN)
def test_conversations_that_agents_only_accepted_are_derived_again(office: Office, fields: int) -> None:
    accepted, answered = office.customer_writes(phone="1"), office.customer_writes(phone="2")
    lost, helped = office.customer_writes(phone="3"), office.customer_writes(phone="4")
    noted, refused = office.customer_writes(phone="5"), office.customer_writes(phone="6")
    office.customer_writes("1", phone="7")
    fought_over = office.customer_writes(phone="8")
    for place, conversation in enumerate((accepted, answered, lost, helped, noted, refused, fought_over)):
        office.desktop_reports(AgentAccepted, "anna", conversation, minutes_ago=40 - place)
    office.desktop_reports(AgentAccepted, "ben", fought_over, minutes_ago=20)
    for conversation in (answered, helped):
        office.desktop_reports(AgentMessage, "anna", conversation, minutes_ago=10)
    office.desktop_reports(AgentClosed, "anna", noted, note="wrong number")
    office.desktop_reports(AgentClosed, "ben", refused, note="wrong number")
    closes(office, lost, helped, fought_over)
    expected, facts = rows(office), evidence(office)
    assert [False, True, False, True, True, False, False, False] == [expected[str(n)]["managed"] for n in range(1, 9)]

    make_old(office, fields)
    assert [True] * 6 + [False, True] == [rows(office)[str(n)]["managed"] for n in range(1, 9)]
    with office.connection.transaction():
        office.connection.execute(SCRIPT.read_bytes())

    assert expected == rows(office)
    assert [] == miscounts(office.connection)
    derived = evidence(office)
    for phone in ("1", "2", "3", "5", "6", "8"):
        unknown = range(fields, FIELDS_THEN[-1])
        then, now = (
            [_parsed(part) for place, part in enumerate(of) if place not in unknown]
            for of in (facts[phone][: len(derived[phone])], derived[phone])
        )
        assert then == now
    (row,) = office.rows(f"select owner_until, version from conversations where id = '{accepted}'")
    assert timedelta(minutes=2) < row["owner_until"] - datetime.now(UTC) <= timedelta(minutes=3)


def test_after_the_migration_the_timer_puts_an_unanswered_customer_on_the_list(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation, minutes_ago=40)
    make_old(office)
    with office.connection.transaction():
        office.connection.execute(SCRIPT.read_bytes())
    assert 0 == office.timer.end_owners()
    assert ("u", "anna", "x", False, None) == office.owner()
    office.customer_writes("hello?", hours_ago=0)  # the acceptance is 40 minutes ago, by the rules its time is over
    assert 1 == office.timer.end_owners()
    assert (None, None, None, True, Reason.TAKEN_NOT_ANSWERED.code) == office.owner()


def test_a_conversation_that_the_bot_closed_before_an_agent_accepted_it_has_that_reason(office: Office) -> None:
    maker = office.maker
    start = office.hours_ago(1)
    office.process(maker.turn(start), maker.bot(start + 0.01), maker.bot_ends(start + 0.1), maker.accepted(start + 0.2))
    expected = rows(office)
    make_old(office)
    with office.connection.transaction():
        office.connection.execute(SCRIPT.read_bytes())
    assert expected == rows(office)
    assert (None, None, None, True, Reason.BOT_CLOSED.code) == office.owner()


def _parsed(part: Any) -> Any:
    """Returns a part of the evidence with its times parsed: two programs write them differently."""
    if isinstance(part, list):
        return [_parsed(each) for each in part]
    if isinstance(part, str) and part.endswith("Z"):
        return datetime.fromisoformat(part)
    return part
