"""Dismissing conversations on a real database: lists, counts, history, events, and how they come back (domain.md,
*Dismissing*)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.contract.page import history_document
from domain.conversations.reasons import Reason
from domain.facts import AgentMessage
from infra.postgres.connections.pool import connect
from infra.postgres.lists import console
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.lists.health import miscounts
from infra.postgres.lists.unmanaged import UnmanagedFilter, page
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER, FactMaker

LISTED = (None, None, None, True, Reason.NO_CHOICE.code)
OFF = (None, None, None, False, None)
DISMISSED = UnmanagedFilter(status="dismissed")


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office
        assert [] == miscounts(office.connection)


@pytest.fixture
def conversation(office: Office) -> UUID:
    return office.customer_writes("CONGRATULATIONS, you have won")


def dismiss(office: Office, conversation: UUID, issuer: str = "maria", **more: Any) -> tuple[str, str | None]:
    data = {"conversation_id": str(conversation), "why": "spam", **more}
    (result,) = office.results_of(office.command("dismiss", data, issuer=issuer))
    return result


def recall(office: Office, conversation: UUID, **more: Any) -> tuple[str, str | None]:
    (result,) = office.results_of(office.command("recall", {"conversation_id": str(conversation), **more}))
    return result


def counts(office: Office) -> tuple[int, int, int]:
    found = page(office.connection, UnmanagedFilter()).counts
    return found["active"], found["closed"], found["dismissed"]


def close(office: Office) -> None:
    """Its window ends."""
    office.connection.execute("update conversations set window_ends_at = now() - interval '1 minute'")
    office.set_watermark("0 s")
    assert 1 == office.timer.close_due()


def test_a_dismissed_conversation_is_on_the_list_of_these_with_who_and_why(office: Office, conversation: UUID) -> None:
    assert (1, 0, 0) == counts(office)
    assert ("applied", None) == dismiss(office, conversation, note="a prize centre")
    assert OFF == office.owner()
    assert (0, 0, 1) == counts(office)
    assert [] == page(office.connection, UnmanagedFilter()).rows
    (row,) = page(office.connection, DISMISSED).rows
    assert row.dismissed is not None
    assert ("spam", "maria", "a prize centre") == (row.dismissed.why, row.dismissed.by, row.dismissed.note)
    shown = conversation_page(office.connection, conversation)
    assert shown is not None
    entry = history_document(shown.history[-1])
    assert ("dismissed", "maria", "spam", "a prize centre") == tuple(
        entry[key] for key in ("event", "actor", "why", "note")
    )
    assert shown.conversation.dismissed is not None
    assert shown.conversation.dismissed == row.dismissed._replace(ref=shown.conversation.dismissed.ref)
    (event,) = (
        json.loads(bytes(each["value"]))
        for each in office.rows(f"select value from outbox where topic = '{office.topics.conversations}'")
    )
    assert {"by": "maria", "why": "spam", "note": "a prize centre"} == {
        key: event["dismissed"][key] for key in ("by", "why", "note")
    }
    assert (None, "maria", "a prize centre") == (event["reason"], event["actor"], event["note"])


@pytest.mark.parametrize("hours_ago", [-0.001, 0.5, 1.5])
def test_a_message_of_the_customer_that_reaches_us_afterwards_puts_it_on_the_list_whenever_it_was_written(
    office: Office, conversation: UUID, hours_ago: float
) -> None:
    dismiss(office, conversation)
    assert (OFF, (0, 0, 1)) == (office.owner(), counts(office))
    message = FactMaker().turn(office.hours_ago(hours_ago), "I am a real customer")
    office.process(message)
    assert (LISTED, (1, 0, 0)) == (office.owner(), counts(office))
    assert ("became_unmanaged", "customer", None) == office.history(conversation)[-1]
    assert ("applied", None) == dismiss(office, conversation)
    office.process(message)
    assert (OFF, (0, 0, 1)) == (office.owner(), counts(office))


def test_at_the_end_of_its_window_it_is_closed_as_dismissed_and_can_still_be_put_back(
    office: Office, conversation: UUID
) -> None:
    dismiss(office, conversation)
    close(office)
    assert (OFF, (0, 0, 1)) == (office.owner(), counts(office))
    assert ("closed", "clock", None) == office.history(conversation)[-1]
    assert ("applied", None) == recall(office, conversation)
    assert (LISTED, (0, 1, 0)) == (office.owner(), counts(office))
    assert ("rejected", "conversation_closed") == recall(office, conversation)


def test_a_closed_conversation_can_be_dismissed(office: Office, conversation: UUID) -> None:
    close(office)
    assert (0, 1, 0) == counts(office)
    assert ("applied", None) == dismiss(office, conversation)
    assert (0, 0, 1) == counts(office)
    assert ["dismissed", "closed"] == [event for event, *_ in office.history(conversation)[-2:]]


def test_a_word_to_the_customer_makes_it_managed(office: Office, conversation: UUID) -> None:
    dismiss(office, conversation)
    office.desktop_reports(AgentMessage, "anna", conversation)
    assert ("u", "anna", "x", False, None) == office.owner()
    assert (0, 0, 0) == counts(office)
    assert ("rejected", "already_managed") == dismiss(office, conversation)


def test_a_dismissed_conversation_can_be_transferred_and_taken(office: Office, conversation: UUID) -> None:
    dismiss(office, conversation)
    assert [("applied", None)] == office.results_of(office.transfer(conversation, "skillset", "sales", "exclusive"))
    assert ("rejected", "already_assigned") == dismiss(office, conversation)
    assert ("applied", None) == recall(office, conversation)
    assert LISTED == office.owner()
    dismiss(office, conversation)
    assert [("applied", None)] == office.results_of(
        office.transfer(conversation, "user", "ben", "immediate", issuer="ben")
    )
    assert ("u", "ben", "x", False, None) == office.owner()


def test_a_decision_about_another_version_is_rejected_and_a_repeated_command_changes_nothing(
    office: Office, conversation: UUID
) -> None:
    assert ("rejected", "version_conflict") == dismiss(office, conversation, expected_version=7)
    data = {"conversation_id": str(conversation), "why": "duplicate", "expected_version": 1}
    once = office.command("dismiss", data, named="once")
    assert [("applied", None)] == office.results_of(once, office.command("dismiss", data, named="once"))
    assert ("rejected", "already_dismissed") == dismiss(office, conversation)
    stale = office.transfer(conversation, "skillset", "sales", "exclusive", expected_version=1)
    assert [("rejected", "version_conflict")] == office.results_of(stale)
    assert ("rejected", "version_conflict") == recall(office, conversation, expected_version=1)
    assert ("applied", None) == recall(office, conversation, expected_version=2)
    assert ("rejected", "conversation_unknown") == dismiss(office, UUID(int=7))


def test_what_nobody_has_seen_is_not_dismissed(office: Office, conversation: UUID) -> None:
    office.customer_writes("No, seriously: my brakes do not work", hours_ago=0.5)
    assert ("rejected", "customer_wrote_meanwhile") == dismiss(office, conversation, expected_entries=1)
    assert ("applied", None) == dismiss(office, conversation, expected_entries=2)


def test_many_are_dismissed_in_one_batch_and_each_has_its_own_result(office: Office, conversation: UUID) -> None:
    other = office.customer_writes("1", phone="16505550000")
    commands = [
        office.command("dismiss", {"conversation_id": str(each), "why": "no_answer_needed", "batch_id": "b"})
        for each in (conversation, other)
    ]
    assert [("applied", None), ("rejected", "already_assigned")] == office.results_of(*commands)


def test_the_console_lists_and_searches_dismissed_conversations(office: Office, conversation: UUID) -> None:
    kept = office.customer_writes("CONGRATULATIONS on your shop", phone="16505550000")
    dismiss(office, conversation)
    with connect(office.connection.info.dsn, "test", autocommit=True) as connection:
        for words, number, found in (
            ((), None, [conversation]),
            (("congratul",), NUMBER, [conversation]),
            (("prize",), None, []),
            ((), "4", []),
        ):
            which = replace(DISMISSED, words=words, number=number)
            assert found == [row.id for row in console.page(connection, which, 10).rows]
            newest = replace(which, order="newest")
            assert found == [row.id for row in console.page(connection, newest, 10).rows]
        found_active = console.page(connection, UnmanagedFilter(words=("congratulations",)), 10).rows
        assert [kept] == [row.id for row in found_active]
        assert {"active": 1, "closed": 0, "dismissed": 1} == console.list_totals(connection, UnmanagedFilter()).counts
