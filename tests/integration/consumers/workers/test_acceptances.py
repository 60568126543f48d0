"""Acceptances without a word to the customer, on a real database: the customer is never lost (domain.md, *Human
interaction*)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.conversations.ownership.deadlines import AnswerPolicy
from domain.conversations.reasons import Reason
from domain.facts import AgentAccepted, AgentClosed, AgentMessage
from domain.routing.transfers import RoutingPolicy
from infra.postgres.lists.health import miscounts
from infra.postgres.lists.unmanaged import UnmanagedFilter, page
from tests.support.office import Office, open_office

UNMANAGED = (None, None, None, True)
BACK = [("released", "clock", None), ("became_unmanaged", "clock", None)]


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


@pytest.fixture
def strict(database: str) -> Iterator[Office]:
    """An office in which agents must write as soon as they accept."""
    answer = AnswerPolicy(within=timedelta(0), at_least=timedelta(0))
    with open_office(database, RoutingPolicy(answer=answer)) as office:
        yield office


def take(office: Office, conversation: UUID, agent: str = "anna") -> None:
    assert [("applied", None)] == office.results_of(
        office.transfer(conversation, "user", agent, "immediate", issuer=agent)
    )


def give_back(office: Office, conversation: UUID, issuer: str, **more: Any) -> list[tuple[str, str | None]]:
    return office.results_of(office.command("recall", {"conversation_id": str(conversation), **more}, issuer=issuer))


def listed(database: str) -> list[tuple[str, str | None]]:
    """Returns status and reason of the rows of the unmanaged list, whose counters are right."""
    with psycopg.connect(database, autocommit=True) as connection:
        found = page(connection, UnmanagedFilter())
        assert [] == miscounts(connection)
    assert len(found.rows) == sum(found.counts.values())
    return [(row.status, row.reason and row.reason.value) for row in found.rows]


def set_watermark(office: Office, until: str) -> None:
    """Sets the inbound watermark, as an age."""
    office.connection.execute(
        "insert into consumer_offsets "
        "(group_name, topic, topic_id, partition, next_offset, caught_up_to, progressed_at) "
        "values ('g', %s, 'id', 0, 0, now() - %s::interval, now()) "
        "on conflict (group_name, topic, partition) do update set caught_up_to = excluded.caught_up_to",
        [office.topics.inbound, until],
    )


def test_an_agent_who_takes_a_customer_and_does_not_write_loses_them_to_the_list(strict: Office, database: str) -> None:
    """The agent keeps the customer for a time, then the customer is listed, also after the end of the window."""
    conversation = strict.customer_writes(hours_ago=23.99)
    take(strict, conversation)
    assert [] == listed(database)
    assert 1 == strict.timer.end_owners()
    assert [("active", "taken_not_answered")] == listed(database)
    assert BACK == strict.history(conversation)[-2:]
    assert 0 == strict.timer.end_owners()
    strict.connection.execute("update conversations set window_ends_at = now()")
    assert 1 == strict.timer.close_due()
    assert [("closed", "taken_not_answered")] == listed(database)


def test_a_customer_whose_window_ends_before_a_word_is_listed_as_closed(office: Office, database: str) -> None:
    conversation = office.customer_writes(hours_ago=23.99)
    take(office, conversation)
    assert [] == listed(database)
    office.connection.execute("update conversations set window_ends_at = now()")
    assert (0, 1) == (office.timer.end_owners(), office.timer.close_due())
    assert [("closed", "taken_not_answered")] == listed(database)


def test_an_agent_has_ten_minutes_from_the_acceptance_on_their_desktop(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation, minutes_ago=9.9)
    assert 0 == office.timer.end_owners()
    assert ("u", "anna", "x", False, None) == office.owner()
    other = office.customer_writes(phone="390")
    office.desktop_reports(AgentAccepted, "anna", other, minutes_ago=10)
    assert 1 == office.timer.end_owners()
    assert [("anna", None), (None, Reason.TAKEN_NOT_ANSWERED.code)] == [
        (row["owner_id"], row["reason"]) for row in office.rows("select * from conversations order by wa_id")
    ]


def test_an_acceptance_does_not_end_while_the_word_may_be_unprocessed(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation, minutes_ago=11)
    set_watermark(office, until="2 min")
    assert 0 == office.timer.end_owners()
    office.desktop_reports(AgentMessage, "anna", conversation, minutes_ago=5)
    set_watermark(office, until="0 s")
    assert 0 == office.timer.end_owners()
    assert ("u", "anna", "x", False, None) == office.owner()


def test_a_word_that_comes_late_takes_the_customer_off_the_list(office: Office, database: str) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation, minutes_ago=11)
    assert 1 == office.timer.end_owners()
    office.desktop_reports(AgentMessage, "anna", conversation, minutes_ago=8)
    assert [] == listed(database)
    assert ("managed", "agent:anna", "anna") == office.history(conversation)[-1]


def test_the_place_of_an_unanswered_customer_is_free_again_when_they_go_back(strict: Office) -> None:
    """Ben has a capacity of one."""
    first, second = strict.customer_writes(phone="390"), strict.customer_writes(phone="391")
    take(strict, first, "ben")
    for outcome in (("rejected", "user_at_capacity"), ("applied", None)):
        command = strict.transfer(second, "user", "ben", "immediate", issuer="ben")
        assert [outcome] == strict.results_of(command)
        strict.timer.end_owners()


def test_taking_a_customer_can_be_undone_until_the_first_word(office: Office, database: str) -> None:
    conversation = office.customer_writes()
    take(office, conversation)
    (row,) = office.rows("select version from conversations")
    assert [("rejected", "nothing_to_recall")] == give_back(office, conversation, "boss")
    assert [("rejected", "nothing_to_recall")] == give_back(office, conversation, "ben")
    assert [("applied", None)] == give_back(office, conversation, "anna", expected_version=row["version"])
    assert [("active", "no_choice")] == listed(database)
    assert [("released", "anna", None), ("became_unmanaged", "anna", None)] == office.history(conversation)[-2:]

    take(office, conversation)
    office.desktop_reports(AgentMessage, "anna", conversation)
    assert [("rejected", "nothing_to_recall")] == give_back(office, conversation, "anna")
    assert ("u", "anna", "x", False, None) == office.owner()


def test_taking_giving_back_and_taking_by_another_agent_in_one_batch(office: Office) -> None:
    """All three have the same time."""
    conversation = office.customer_writes()
    commands = [
        office.transfer(conversation, "user", "ben", "immediate", issuer="ben"),
        office.command("recall", {"conversation_id": str(conversation)}, issuer="ben"),
        office.transfer(conversation, "user", "anna", "immediate", issuer="anna"),
    ]
    assert [("applied", None)] * 3 == office.results_of(*commands)
    office.customer_writes("hello?", hours_ago=0)
    assert ("u", "anna", "x", False, None) == office.owner()


def test_an_accepted_customer_cannot_be_transferred_and_the_rejection_names_the_agent(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation)
    assert [("rejected", "already_assigned")] == office.results_of(
        office.transfer(conversation, "user", "ben", "exclusive")
    )


def test_a_second_agent_who_accepts_is_told_who_has_the_customer(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation)
    office.desktop_reports(AgentAccepted, "ben", conversation)
    assert [("accepted", "agent:anna", "anna"), ("accepted", "agent:ben", "anna")] == office.history(conversation)[-2:]


def test_an_agent_who_logs_out_keeps_what_they_accepted_until_its_time_is_over(office: Office) -> None:
    """An agent who takes a customer in the console may have no desktop at all."""
    conversation = office.customer_writes()
    office.presence("anna", "ready")
    office.desktop_reports(AgentAccepted, "anna", conversation)
    office.presence("anna", "offline")
    assert 0 == office.routing.poll()
    assert ("u", "anna", "x", False, None) == office.owner()


@pytest.mark.parametrize(
    ("agent", "texts", "on_the_list"),
    [
        ("anna", {"note": "wrong number"}, []),
        ("anna", {"outcome": "spam"}, []),
        ("anna", {}, [("closed", "taken_not_answered")]),
        ("ben", {"note": "wrong number"}, [("closed", "taken_not_answered")]),
    ],
)
def test_only_the_agent_who_has_a_customer_can_close_without_a_word_and_must_say_why(
    office: Office, database: str, agent: str, texts: dict[str, Any], on_the_list: list[tuple[str, str]]
) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation)
    office.desktop_reports(AgentClosed, agent, conversation, **texts)
    assert on_the_list == listed(database)
    assert "closed" == office.history(conversation)[-1][0]
