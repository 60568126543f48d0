"""What ends a transfer without anybody accepting, on a real database: its time, a decline, the directory, the phone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.facts import AgentAccepted, AgentDeclined
from domain.routing.transfers import RoutingPolicy
from infra.postgres.lists.conversation_page import conversation_page
from tests.support.office import COMPANY, Office, open_office

NOBODY = (None, None, None, True)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


@pytest.fixture
def hasty(database: str) -> Iterator[Office]:
    """Where reservations end at once."""
    with open_office(database, RoutingPolicy(reservation=timedelta(microseconds=1))) as office:
        yield office


def reserve(office: Office, conversation: UUID, kind: str, target: str) -> None:
    assert [("applied", None)] == office.results_of(office.transfer(conversation, kind, target, "exclusive"))


def without(user: str | None = None, skillset: str | None = None) -> Directory:
    """The company after somebody left, or one of its skillsets."""
    skillsets = {id_: each for id_, each in COMPANY.skillsets.items() if id_ != skillset}
    users = {
        id_: replace(each, skillsets=tuple(of for of in each.skillsets if of != skillset))
        for id_, each in COMPANY.users.items()
        if id_ != user
    }
    return Directory({}, skillsets, users)


def test_a_reservation_ends_by_the_timer_and_the_conversation_is_listed_again(hasty: Office) -> None:
    conversation = hasty.customer_writes()
    reserve(hasty, conversation, "skillset", "sales")
    assert 1 == hasty.timer.end_reservations()
    assert (*NOBODY, Reason.RESERVATION_EXPIRED.code) == hasty.owner()
    assert [("released", "clock", None), ("became_unmanaged", "clock", None)] == hasty.history(conversation)[-2:]
    assert 0 == hasty.timer.end_reservations()


def test_a_reservation_that_is_over_is_not_offered_any_more(hasty: Office) -> None:
    reserve(hasty, hasty.customer_writes(), "user", "anna")
    hasty.presence("anna", "ready")
    assert 0 == hasty.routing.round()


def test_a_reservation_that_is_over_refuses_no_command_although_the_timer_has_not_said_so_yet(hasty: Office) -> None:
    """It ended by itself, and then the command is judged."""
    conversation = hasty.customer_writes()
    reserve(hasty, conversation, "skillset", "sales")
    recall = hasty.command("recall", {"conversation_id": str(conversation)})
    assert [("rejected", "nothing_to_recall")] == hasty.results_of(recall)
    assert [("released", "clock", None), ("became_unmanaged", "clock", None)] == hasty.history(conversation)[-2:]
    reserve(hasty, conversation, "user", "anna")
    reserve(hasty, conversation, "user", "ben")
    assert ("u", "ben", "r", False, None) == hasty.owner()


def test_a_reservation_whose_time_has_not_come_stays(office: Office) -> None:
    reserve(office, office.customer_writes(), "user", "anna")
    assert 0 == office.timer.end_reservations()


def test_a_reservation_lasts_longer_when_the_window_moves_and_no_admin_has_to_look_again(office: Office) -> None:
    conversation = office.customer_writes(hours_ago=23.75)  # 15 min are left, 10 of them for a reservation
    reserve(office, conversation, "skillset", "sales")
    (before,) = office.rows("select owner_until, queued_at, version from conversations")
    assert timedelta(minutes=9) < before["owner_until"] - before["queued_at"] <= timedelta(minutes=10)
    office.customer_writes("are you there?", hours_ago=0)
    (after,) = office.rows("select owner_until, queued_at, version from conversations")
    assert timedelta(minutes=30) == after["owner_until"] - after["queued_at"]
    assert before["version"] == after["version"]


def test_an_exclusive_transfer_shortly_before_the_window_closes_is_refused(office: Office) -> None:
    conversation = office.customer_writes(hours_ago=23.95)
    told = office.results_of(office.transfer(conversation, "skillset", "sales", "exclusive"))
    assert [("rejected", "window_closing")] == told


def test_a_declined_reservation_waits_for_the_next_member_and_ends_when_it_would_have(office: Office) -> None:
    conversation = office.customer_writes()
    reserve(office, conversation, "skillset", "sales")
    until = office.owner_until()
    office.presence("anna", "ready")
    assert 1 == office.routing.round()
    office.agent_desktop_reports(AgentDeclined, "anna", conversation)
    assert 1 == office.routing.round()
    assert ("s", "sales", "r", False, None) == office.owner()
    assert until == office.owner_until()
    office.presence("ben", "ready")
    assert 1 == office.routing.round()
    assert ("u", "ben", "a", False, None) == office.owner()


@pytest.mark.parametrize(
    ("kind", "target", "mode"),
    [("user", "anna", "exclusive"), ("user", "anna", "immediate"), ("skillset", "sales", "exclusive")],
)
def test_what_a_removed_user_or_skillset_had_is_unmanaged_again(
    office: Office, kind: str, target: str, mode: str
) -> None:
    office.presence("anna", "ready")
    conversation = office.customer_writes()
    assert [("applied", None)] == office.results_of(office.transfer(conversation, kind, target, mode))
    office.apply_directory(without(user=target) if kind == "user" else without(skillset=target))
    assert (*NOBODY, Reason.NOBODY_TOOK_IT.code) == office.owner()
    assert [("released", "directory", None), ("became_unmanaged", "directory", None)] == office.history(conversation)[
        -2:
    ]


def test_the_queue_of_a_removed_skillset_is_unmanaged_again(office: Office) -> None:
    conversation = office.customer_writes("1")
    assert ("s", "sales", "q", False, None) == office.owner()
    office.apply_directory(without(skillset="sales"))
    assert (*NOBODY, Reason.NOBODY_TOOK_IT.code) == office.owner()
    assert [("rejected", "skillset_unknown")] == office.results_of(
        office.transfer(conversation, "skillset", "sales", "exclusive")
    )


def test_what_was_offered_from_the_queue_of_a_removed_skillset_does_not_go_back_there(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.round()
    office.apply_directory(without(skillset="sales"))
    office.agent_desktop_reports(AgentDeclined, "anna", conversation)
    office.routing.round()
    assert (*NOBODY, Reason.NOBODY_TOOK_IT.code) == office.owner()


def test_what_a_removed_user_had_accepted_stays_managed(office: Office) -> None:
    conversation = office.customer_writes()
    office.agent_desktop_reports(AgentAccepted, "anna", conversation)
    office.apply_directory(without(user="anna"))
    assert ("u", "anna", "x", False, None) == office.owner()


def test_a_customer_who_was_answered_from_the_phone_leaves_the_queue(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.receives(office.maker.echo(office.hours_ago(0.5)))
    assert (None, None, None, False, None) == office.owner()
    assert ["released", "managed"] == [event for event, *_ in office.history(conversation)[-2:]]
    office.presence("anna", "ready")
    assert 0 == office.routing.round()


def test_the_history_tells_who_and_why(office: Office, database: str) -> None:
    conversation = office.customer_writes()
    reserve(office, conversation, "skillset", "support")
    office.presence("carla", "ready")
    office.routing.round()
    office.agent_desktop_reports(AgentDeclined, "carla", conversation)
    office.routing.round()
    office.results_of(office.command("recall", {"conversation_id": str(conversation)}, named="take it back"))

    with psycopg.connect(database, autocommit=True) as connection:
        page = conversation_page(connection, conversation)
    assert page is not None
    said: dict[UUID, str] = {each.id: each.kind for each in page.transcript}
    asked = page.history[2].command_id
    assert [
        ("opened", "customer", None, "text"),
        ("became_unmanaged", "customer", None, "text"),
        ("reserved", "boss", asked, None),
        ("assigned", "routing", asked, None),
        ("reserved", "routing", None, "conversation.declined"),
        ("released", "boss", "take it back", None),
        ("became_unmanaged", "boss", None, "text"),
    ] == [(each.event, each.actor, each.command_id, said.get(each.because[0])) for each in page.history]
