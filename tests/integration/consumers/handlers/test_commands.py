"""The `commands` handler and routing on a real database: a command is carried out once, or rejected with a reason."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from consumers.workers.routing import Routing
from domain.routing.transfers import RoutingPolicy
from infra.kafka.consumer import IncomingRecord
from tests.support.office import COMPANY, Office, open_office
from tests.support.stories import FactMaker
from tests.support.waiting import wait_until


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def test_an_immediate_transfer_to_a_ready_user_is_assigned_and_its_repeat_changes_nothing(office: Office) -> None:
    conversation = office.customer_writes()
    office.presence("anna", "ready")
    command = office.transfer(conversation, "user", "anna", "immediate")
    assert [("applied", None)] == office.results_of(command)
    assert ("u", "anna", "a", False, None) == office.owner()
    assert [] == office.results_of(command._replace(offset=command.offset + 1))
    assert [{"repeats": 1}] == office.rows("select repeats from commands")
    outcomes = [r["outcome"] for r in office.rows("select outcome from command_audit order by received_at")]
    assert ["applied", "repeated"] == outcomes


def test_rejections_have_the_documented_reasons_in_the_documented_order(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("rejected", "user_unknown")] == office.results_of(
        office.transfer(conversation, "user", "zoe", "immediate")
    )
    assert [("rejected", "skillset_unknown")] == office.results_of(
        office.transfer(conversation, "skillset", "x", "exclusive")
    )
    assert [("rejected", "user_not_ready")] == office.results_of(
        office.transfer(conversation, "user", "anna", "immediate")
    )
    assert [("rejected", "no_agent_ready")] == office.results_of(
        office.transfer(conversation, "skillset", "sales", "immediate")
    )
    assert [("rejected", "version_conflict")] == office.results_of(
        office.transfer(conversation, "user", "anna", "exclusive", expected_version=7)
    )
    nowhere = UUID(int=1)
    assert [("rejected", "conversation_unknown")] == office.results_of(
        office.transfer(nowhere, "user", "anna", "immediate")
    )
    recall = {"conversation_id": str(conversation)}
    assert [("rejected", "nothing_to_recall")] == office.results_of(office.command("recall", recall))
    assert [("rejected", "malformed")] == office.results_of(office.command("transfer", {"conversation_id": "x"}))
    forged = office.transfer(conversation, "user", "anna", "exclusive")
    forged = IncomingRecord("t", 0, 99, forged.at, forged.value + b" ", forged.raw_headers)
    assert [("rejected", "not_authentic")] == office.results_of(forged)
    assert (None, None, None, True, 7) == office.owner()


def test_no_agent_is_assigned_more_than_the_capacity_even_in_one_batch(office: Office) -> None:
    office.presence("ben", "ready")
    first = office.customer_writes()
    other = FactMaker(customer=office.maker.turn(0).customer.model_copy(update={"wa_id": "390"}))
    office.process(other.turn(office.hours_ago(0.5)))
    second = office.rows(f"select id from conversations where id <> '{first}'")[0]["id"]
    outcomes = office.results_of(
        office.transfer(first, "user", "ben", "immediate"), office.transfer(second, "user", "ben", "immediate")
    )
    assert [("applied", None), ("rejected", "user_at_capacity")] == outcomes


def test_an_exclusive_transfer_waits_for_a_member_and_can_be_recalled(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("applied", None)] == office.results_of(office.transfer(conversation, "skillset", "support", "exclusive"))
    assert ("s", "support", "r", False, None) == office.owner()
    assert [("rejected", "already_assigned")] == office.results_of(
        office.transfer(conversation, "user", "anna", "immediate")
    )
    assert 0 == office.routing.poll()
    office.presence("carla", "ready")
    assert 1 == office.routing.poll()
    assert ("u", "carla", "a", False, None) == office.owner()
    assert [("applied", None)] == office.results_of(office.command("recall", {"conversation_id": str(conversation)}))
    assert (None, None, None, True, 7) == office.owner()


def test_a_recall_with_an_old_version_does_not_take_the_conversation_from_a_later_owner(office: Office) -> None:
    """The issuer saw the reservation; meanwhile the conversation was offered to Carla."""
    conversation = office.customer_writes()
    office.results_of(office.transfer(conversation, "skillset", "support", "exclusive"))
    seen = office.rows("select version from conversations")[0]["version"]
    office.presence("carla", "ready")
    office.routing.poll()
    recall = {"conversation_id": str(conversation)}
    stale = office.command("recall", recall | {"expected_version": seen})
    assert [("rejected", "version_conflict")] == office.results_of(stale)
    assert ("u", "carla", "a", False, None) == office.owner()
    now = office.rows("select version from conversations")[0]["version"]
    assert [("applied", None)] == office.results_of(office.command("recall", recall | {"expected_version": now}))
    again = office.command("recall", recall | {"expected_version": now})
    assert [("rejected", "version_conflict")] == office.results_of(again)


def test_a_missed_offer_returns_to_its_queue_and_is_offered_to_the_next_member(office: Office) -> None:
    office.routing = Routing(office.connection.transaction_of, office.topics, RoutingPolicy(offer=timedelta(0)))
    office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.poll()
    assert ("u", "anna", "a", False, None) == office.owner()
    office.presence("ben", "ready")
    office.routing.poll()
    assert ("u", "ben", "a", False, None) == office.owner()


def test_an_agent_who_goes_offline_loses_an_offer_that_was_not_accepted(office: Office) -> None:
    conversation = office.customer_writes()
    office.presence("anna", "ready")
    office.results_of(office.transfer(conversation, "user", "anna", "immediate"))
    office.presence("anna", "offline")
    office.routing.poll()
    assert (None, None, None, True, 2) == office.owner()


def test_taking_a_conversation_needs_no_presence_and_counts_as_accepted(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("applied", None)] == office.results_of(
        office.transfer(conversation, "user", "anna", "immediate", issuer="anna")
    )
    assert ("u", "anna", "x", False, None) == office.owner()
    assert [{"managed": False}] == office.rows("select managed from conversations")


@pytest.mark.parametrize("field", ["conversation_id", "to", "subject", "body", "mail_command_id", "batch_id", "target"])
def test_signed_commands_with_text_that_the_database_cannot_store_are_answered_and_audited(
    office: Office, field: str
) -> None:
    conversation = office.customer_writes()
    hostile = "a\x00b"
    email = {"conversation_id": str(conversation), "to": ["a@example.com"], "subject": "s", "body": "b"}
    match field:
        case "mail_command_id":
            command = office.command("recall", {"mail_command_id": hostile})
        case "target":
            command = office.transfer(conversation, "user", hostile, "exclusive")
        case _:
            command = office.command("email", email | {field: [hostile] if field == "to" else hostile})
    ((outcome, reason),) = office.results_of(command)
    assert [{"outcome": outcome, "reason": reason}] == office.rows("select outcome, reason from command_audit")


def test_a_user_who_was_removed_meanwhile_is_unknown(office: Office) -> None:
    """The handler still has the old directory in memory."""
    conversation = office.customer_writes()
    office.results_of(office.transfer(conversation, "user", "anna", "immediate"))
    office.apply_directory(replace(COMPANY, users={}))
    for mode in ("immediate", "exclusive"):
        assert [("rejected", "user_unknown")] == office.results_of(office.transfer(conversation, "user", "anna", mode))
    taking = office.transfer(conversation, "user", "anna", "immediate", issuer="anna")
    assert [("rejected", "user_unknown")] == office.results_of(taking)


def test_a_command_is_carried_out_although_its_customer_is_joined_into_another_meanwhile(
    office: Office, database: str
) -> None:
    conversation, other = office.customer_writes(phone="390001"), office.customer_writes(phone="390002")
    customer, into = ("(select customer_id from conversations where id = %s)",) * 2
    with (
        psycopg.connect(database) as joining,
        psycopg.connect(database, autocommit=True) as watching,
        ThreadPoolExecutor(1) as consumer,
    ):
        joining.execute(f"update customers set merged_into = {into} where id = {customer}", [other, conversation])
        results = consumer.submit(office.results_of, office.transfer(conversation, "user", "anna", "exclusive"))
        wait_until(lambda: watching.execute("select from pg_locks where not granted").fetchall())
        joining.commit()
        assert [("applied", None)] == results.result()
    assert [{"owner_id": "anna"}] == office.rows(f"select owner_id from conversations where id = '{conversation}'")
