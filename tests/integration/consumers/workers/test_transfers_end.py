"""Transfers that end without an acceptance, on a real database: by time, by a decline, by a change of the directory, or
by an answer from the phone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.facts import AgentAccepted, AgentDeclined, AgentMessage
from domain.routing.transfers import RoutingPolicy
from infra.postgres.lists.conversation_page import conversation_page
from tests.support.office import COMPANY, Office, open_office

UNMANAGED = (None, None, None, True)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


@pytest.fixture
def hasty(database: str) -> Iterator[Office]:
    """An office whose reservations end immediately."""
    with open_office(database, RoutingPolicy(reservation=timedelta(microseconds=1))) as office:
        yield office


def reserve(office: Office, conversation: UUID, kind: str, target: str) -> None:
    assert [("applied", None)] == office.results_of(office.transfer(conversation, kind, target, "exclusive"))


def without(user: str | None = None, skillset: str | None = None) -> Directory:
    """Returns the company without a user, or without a skillset."""
    skillsets = {id_: each for id_, each in COMPANY.skillsets.items() if id_ != skillset}
    users = {
        id_: replace(each, skillsets=tuple(of for of in each.skillsets if of != skillset))
        for id_, each in COMPANY.users.items()
        if id_ != user
    }
    return Directory({}, skillsets, users)


def test_the_timer_ends_a_reservation_and_the_conversation_is_unmanaged_again(hasty: Office) -> None:
    conversation = hasty.customer_writes()
    reserve(hasty, conversation, "skillset", "sales")
    assert 1 == hasty.timer.end_owners()
    assert (*UNMANAGED, Reason.RESERVATION_EXPIRED.code) == hasty.owner()
    assert [("released", "clock", None), ("became_unmanaged", "clock", None)] == hasty.history(conversation)[-2:]
    assert 0 == hasty.timer.end_owners()


def test_an_ended_reservation_is_no_longer_offered(hasty: Office) -> None:
    reserve(hasty, hasty.customer_writes(), "user", "anna")
    hasty.presence("anna", "ready")
    assert 0 == hasty.routing.poll()


def test_a_command_treats_an_ended_reservation_as_ended_before_the_timer_does(hasty: Office) -> None:
    """The command ends the reservation, and is then judged as if the timer had done it."""
    conversation = hasty.customer_writes()
    reserve(hasty, conversation, "skillset", "sales")
    recall = hasty.command("recall", {"conversation_id": str(conversation)})
    assert [("rejected", "nothing_to_recall")] == hasty.results_of(recall)
    assert [("released", "clock", None), ("became_unmanaged", "clock", None)] == hasty.history(conversation)[-2:]
    reserve(hasty, conversation, "user", "anna")
    reserve(hasty, conversation, "user", "ben")
    assert ("u", "ben", "r", False, None) == hasty.owner()


def test_a_reservation_and_its_window_are_not_over_for_a_command_while_a_message_may_move_them(office: Office) -> None:
    """What the customer wrote after the transfer is not processed yet: the consumers are an hour behind. In place of
    waiting, everything that is known is moved to half an hour ago."""
    conversation = office.customer_writes(hours_ago=23.75)
    reserve(office, conversation, "skillset", "sales")
    office.connection.execute(
        "update conversations set window_ends_at = window_ends_at - interval '30 min', "
        "owner_until = owner_until - interval '30 min'"
    )
    office.set_watermark(until="1 h")
    recall = office.command("recall", {"conversation_id": str(conversation), "expected_version": 1})
    take = office.transfer(conversation, "user", "ben", "immediate", issuer="ben")
    assert [("rejected", "version_conflict"), ("rejected", "already_assigned")] == office.results_of(recall, take)
    assert ("s", "sales", "r", False, None) == office.owner()
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    assert ("u", "anna", "a", False, None) == office.owner()


@pytest.mark.parametrize(("issuer", "state"), [("anna", "x"), ("boss", "a")])
def test_the_owner_keeps_a_conversation_while_a_message_may_move_its_window(
    office: Office, issuer: str, state: str
) -> None:
    """Anna takes it, or gets it from somebody else, after the end of the window that is known."""
    conversation = office.customer_writes(hours_ago=23.75)
    office.connection.execute("update conversations set window_ends_at = window_ends_at - interval '30 min'")
    office.set_watermark(until="1 h")
    office.presence("anna", "ready")
    transfer = office.transfer(conversation, "user", "anna", "immediate", issuer=issuer)
    assert [("applied", None)] == office.results_of(transfer)
    office.customer_writes("one more thing", hours_ago=0.5)
    assert ("u", "anna", state, False, None) == office.owner()


def test_a_change_of_the_directory_closes_no_window_that_a_message_may_move(office: Office) -> None:
    conversation = office.customer_writes(hours_ago=23.75)
    reserve(office, conversation, "user", "anna")
    office.connection.execute("update conversations set window_ends_at = window_ends_at - interval '30 min'")
    office.set_watermark(until="1 h")
    office.apply_directory(without(user="anna"))
    assert ["released", "became_unmanaged"] == [event for event, _, _ in office.history(conversation)][-2:]


def test_the_timer_does_not_end_a_reservation_early(office: Office) -> None:
    reserve(office, office.customer_writes(), "user", "anna")
    assert 0 == office.timer.end_owners()


def test_a_reservation_lasts_longer_when_the_window_moves_without_a_new_version(office: Office) -> None:
    conversation = office.customer_writes(hours_ago=23.75)  # 15 min are left, 10 of them for a reservation
    reserve(office, conversation, "skillset", "sales")
    (before,) = office.rows("select owner_until, queued_at, version from conversations")
    assert timedelta(minutes=9) < before["owner_until"] - before["queued_at"] <= timedelta(minutes=10)
    office.customer_writes("are you there?", hours_ago=0)
    (after,) = office.rows("select owner_until, queued_at, version from conversations")
    assert timedelta(minutes=30) == after["owner_until"] - after["queued_at"]
    assert before["version"] == after["version"]


def test_an_exclusive_transfer_shortly_before_the_window_closes_is_rejected(office: Office) -> None:
    conversation = office.customer_writes(hours_ago=23.95)
    results = office.results_of(office.transfer(conversation, "skillset", "sales", "exclusive"))
    assert [("rejected", "window_closing")] == results


def test_a_declined_reservation_waits_for_the_next_member_and_ends_at_the_same_time(office: Office) -> None:
    conversation = office.customer_writes()
    reserve(office, conversation, "skillset", "sales")
    until = office.owner_until()
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    office.desktop_reports(AgentDeclined, "anna", conversation)
    assert 1 == office.routing.poll()
    assert ("s", "sales", "r", False, None) == office.owner()
    assert until == office.owner_until()
    office.presence("ben", "ready")
    assert 1 == office.routing.poll()
    assert ("u", "ben", "a", False, None) == office.owner()


@pytest.mark.parametrize(
    ("kind", "target", "mode"),
    [("user", "anna", "exclusive"), ("user", "anna", "immediate"), ("skillset", "sales", "exclusive")],
)
def test_the_transfers_to_a_removed_user_or_skillset_are_unmanaged_again(
    office: Office, kind: str, target: str, mode: str
) -> None:
    office.presence("anna", "ready")
    conversation = office.customer_writes()
    assert [("applied", None)] == office.results_of(office.transfer(conversation, kind, target, mode))
    office.apply_directory(without(user=target) if kind == "user" else without(skillset=target))
    assert (*UNMANAGED, Reason.NOBODY_TOOK_IT.code) == office.owner()
    assert [("released", "directory", None), ("became_unmanaged", "directory", None)] == office.history(conversation)[
        -2:
    ]


def test_the_queue_of_a_removed_skillset_is_unmanaged_again(office: Office) -> None:
    conversation = office.customer_writes("1")
    assert ("s", "sales", "q", False, None) == office.owner()
    office.apply_directory(without(skillset="sales"))
    assert (*UNMANAGED, Reason.NOBODY_TOOK_IT.code) == office.owner()
    assert [("rejected", "skillset_unknown")] == office.results_of(
        office.transfer(conversation, "skillset", "sales", "exclusive")
    )


def test_an_offer_from_the_queue_of_a_removed_skillset_does_not_return_to_it(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    office.apply_directory(without(skillset="sales"))
    office.desktop_reports(AgentDeclined, "anna", conversation)
    office.routing.poll()
    assert (*UNMANAGED, Reason.NOBODY_TOOK_IT.code) == office.owner()


def test_a_conversation_that_a_removed_user_had_accepted_and_not_answered_is_unmanaged_again(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation)
    office.apply_directory(without(user="anna"))
    assert (*UNMANAGED, Reason.NOBODY_TOOK_IT.code) == office.owner()
    office.customer_writes("hello?", hours_ago=0)
    assert (*UNMANAGED, Reason.NOBODY_TOOK_IT.code) == office.owner()


def test_a_conversation_that_a_removed_user_had_answered_stays_managed(office: Office) -> None:
    conversation = office.customer_writes()
    office.desktop_reports(AgentMessage, "anna", conversation)
    office.apply_directory(without(user="anna"))
    assert ("u", "anna", "x", False, None) == office.owner()


def test_a_customer_who_was_answered_from_the_phone_leaves_the_queue(office: Office) -> None:
    conversation = office.customer_writes("1")
    office.process(office.maker.echo(office.hours_ago(0.5)))
    assert (None, None, None, False, None) == office.owner()
    assert ["released", "managed"] == [event for event, *_ in office.history(conversation)[-2:]]
    office.presence("anna", "ready")
    assert 0 == office.routing.poll()


def test_the_history_shows_the_actor_the_command_and_the_cause(office: Office, database: str) -> None:
    conversation = office.customer_writes()
    reserve(office, conversation, "skillset", "support")
    office.presence("carla", "ready")
    office.routing.poll()
    office.desktop_reports(AgentDeclined, "carla", conversation)
    office.routing.poll()
    office.results_of(office.command("recall", {"conversation_id": str(conversation)}, named="take it back"))

    with psycopg.connect(database, autocommit=True) as connection:
        page = conversation_page(connection, conversation)
    assert page is not None
    kinds: dict[UUID, str] = {each.id: each.kind for each in page.transcript}
    transfer = page.history[2].command_id
    assert [
        ("opened", "customer", None, "text"),
        ("became_unmanaged", "customer", None, "text"),
        ("reserved", "boss", transfer, None),
        ("assigned", "routing", transfer, None),
        ("reserved", "routing", None, "conversation.declined"),
        ("released", "boss", "take it back", None),
        ("became_unmanaged", "boss", None, "text"),
    ] == [(each.event, each.actor, each.command_id, kinds.get(each.because[0])) for each in page.history]
