"""What consumers note of the things outside, and what the steps of setting an installation up make of it."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumers.handlers.sightings import SightingNotes
from domain.facts import FACT, AgentPresenceChanged, Fact
from domain.ids import fact_id
from domain.inbound.whatsapp.reader import read
from domain.sending.numbers import GraphNumber
from domain.setup.seen import SetupRecord
from domain.setup.sightings import Sighting, webhook_notice
from domain.topics import FROM_CONSOLE
from infra.kafka.consumer import IncomingRecord
from infra.postgres.connections.pool import connect
from infra.postgres.roles import provide, role_of
from infra.postgres.sending import accounts
from infra.postgres.setup.record import setup_record
from infra.postgres.setup.sightings import note_sightings
from tests.support.office import Office, open_office
from tests.support.payloads import raw
from tests.support.stories import NUMBER


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def process(office: Office, *facts: Fact) -> None:
    office.process(*facts)


def record(office: Office) -> SetupRecord:
    return setup_record(office.connection)


def test_messages_and_answers_from_the_app_are_seen_by_number(office: Office) -> None:
    process(office, *read(raw("text"), datetime.now(UTC)).facts, *read(raw("echo_text"), datetime.now(UTC)).facts)
    seen = record(office).sightings
    assert {"messages", "smb_message_echoes"} == {each.name for each in seen if each.kind == "field"}
    assert {"message", "echo", "whatsapp", "field"} == {each.kind for each in seen}
    assert all(record(office).now - at < timedelta(minutes=1) for at in seen.values())


def test_what_the_webhook_tells_is_noted_and_not_kept_as_a_notice(office: Office) -> None:
    process(office, webhook_notice("handshake", datetime.now(UTC)))
    assert {Sighting("handshake")} == record(office).sightings.keys()
    assert [] == office.rows("select * from notices")


def test_the_desktop_and_our_own_page_are_told_apart(office: Office) -> None:
    office.presence("anna", "ready")
    assert {Sighting("desktop")} == record(office).sightings.keys()
    now = datetime.now(UTC)
    fact = AgentPresenceChanged(id=fact_id("page"), at=now, sent_at=now, agent_id="ben", state="ready")
    published = IncomingRecord("t", 0, office.next_offset(), now, FACT.dump_json(fact), (FROM_CONSOLE,))
    with office.connection.transaction():
        office.conversations.apply(office.connection, [published])
    assert Sighting("desk") in record(office).sightings


def test_the_same_is_noted_again_only_after_some_seconds(office: Office) -> None:
    """A busy number must not be a lock that all consumers wait for."""
    now, seconds = datetime.now(UTC), [0.0]
    notes, busy = SightingNotes(lambda: seconds[0]), Sighting("message", "1")
    for passed, expected in ((0, 0), (9, 0), (10, 10), (19, 10), (20, 20)):
        seconds[0] = passed
        notes.note(office.connection, {busy: now + timedelta(seconds=passed)})
        assert now + timedelta(seconds=expected) == record(office).sightings[busy]
    notes.note(office.connection, {Sighting("message", "2"): now})
    assert Sighting("message", "2") in record(office).sightings


def test_what_a_batch_that_was_rolled_back_showed_is_noted_when_it_comes_again(office: Office) -> None:
    notes, seen = SightingNotes(lambda: 0.0), {Sighting("handshake"): datetime.now(UTC)}
    with contextlib.suppress(ZeroDivisionError), office.connection.transaction():
        notes.note(office.connection, seen)
        raise ZeroDivisionError
    assert {} == record(office).sightings
    notes.note(office.connection, seen)
    assert seen == record(office).sightings


def test_an_earlier_sighting_changes_nothing(office: Office) -> None:
    now = datetime.now(UTC)
    for minutes in (5, 9, 3):
        note_sightings(office.connection, {Sighting("softbot"): now - timedelta(minutes=minutes)})
    assert {Sighting("softbot"): now - timedelta(minutes=3)} == record(office).sightings


def test_the_record_has_numbers_of_the_directory_of_meta_and_of_customers(office: Office) -> None:
    note_sightings(office.connection, {Sighting("message", "77"): datetime.now(UTC)})
    found = [GraphNumber("88", "+44 20 7946 0001", "Shop", "GREEN", 80, 250)]
    accounts.store_numbers(office.connection, "a", found, datetime.now(UTC))
    office.customer_writes(hours_ago=30)
    numbers = {each.id: each for each in record(office).numbers}
    assert (True, False) == (numbers[NUMBER].listed, numbers["77"].listed)
    assert ("+44 20 7946 0001", False, True) == (numbers["88"].name, numbers["88"].listed, numbers["88"].at_meta)


def test_the_record_has_what_meta_said_of_accounts(office: Office) -> None:
    now = datetime.now(UTC)
    accounts.note_synchronised(office.connection, "a", now, ["WitiOp"], -3.5)
    accounts.note_failed(office.connection, "b", now, "HTTP 500")
    first, second = record(office).accounts
    assert ("a", now, None, ["WitiOp"], -3.5) == (
        first.id,
        first.asked_at,
        first.failure,
        first.apps,
        first.clock_ahead,
    )
    assert ("b", None, "HTTP 500", None) == (second.id, second.asked_at, second.failure, second.apps)


def test_the_console_may_read_the_record(office: Office, database: str) -> None:
    provide(office.connection, {"console": "password"})
    role = role_of("console", str(conninfo_to_dict(database)["dbname"]))
    with connect(make_conninfo(database, user=role, password="password"), "test", autocommit=True) as connection:
        assert 0 == setup_record(connection).administrators
