"""The `commands` consumer and `routing` on a real database: what is asked for happens once, or says why not."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import dict_row

from consumers.commands import Commands
from consumers.conversations import Conversations
from consumers.routing import Routing
from domain.commands import signature
from domain.directory import Directory, User
from domain.facts import FACT, AgentPresenceChanged, ConversationFact
from domain.ids import fact_id
from domain.mail import Policy
from domain.topics import Topics
from domain.transfers import Terms
from infra.kafka.consumer import Record
from infra.postgres import directory
from infra.ses.addresses import address
from tests.support.stories import DIRECTORY, START, Teller

SECRET = b"secret"
PEOPLE = {
    name: User(name, name, f"{name}@example.com", "agent", most, skillsets)
    for name, most, skillsets in (("anna", 2, ("sales",)), ("ben", 1, ("sales", "support")), ("carla", 1, ("support",)))
}


class Office:
    """A company with three agents: facts, commands and presence go in, results and conversations come out."""

    def __init__(self, connection: "_Own") -> None:
        self.connection = connection
        self.topics = Topics()
        self.conversations = Conversations(self.topics)
        self.commands = Commands(self.topics, [SECRET], Terms(), Policy(address))
        self.routing = Routing(connection.transaction_of, self.topics, Terms())
        self.teller = Teller()
        self._offset = 0

    def hours_ago(self, hours: float) -> float:
        """An hour of the story that is that long ago."""
        return (datetime.now(UTC) - START) / timedelta(hours=1) - hours

    def hears(self, *facts: ConversationFact | AgentPresenceChanged) -> None:
        with self.connection.transaction():
            records = [self._record(FACT.dump_json(fact), ()) for fact in facts]
            self.conversations.apply(self.connection, records)

    def customer_writes(self, text: str = "hello") -> UUID:
        self.hears(self.teller.turn(self.hours_ago(1), text))
        (found,) = self.rows("select id from conversations order by opened_at desc limit 1")
        conversation: UUID = found["id"]
        return conversation

    def presence(self, agent: str, state: str) -> None:
        now = datetime.now(UTC)
        fact = AgentPresenceChanged.model_validate(
            {"id": fact_id(agent, str(now)), "at": now, "sent_at": now, "agent_id": agent, "state": state}
        )
        self.hears(fact)

    def command(self, kind: str, data: dict[str, Any], *, issuer: str = "boss", named: str | None = None) -> Record:
        now = datetime.now(UTC)
        value = json.dumps(data).encode()
        headers = {
            "ce_id": named or f"c{self._offset}",
            "ce_type": f"witiop.command.{kind}.v1",
            "ce_source": "test",
            "ce_time": now.isoformat(),
            "witiop_issuer": issuer,
            "witiop_expires": (now + timedelta(minutes=5)).isoformat(),
        }
        headers["witiop_signature"] = signature(SECRET, headers, value)
        return self._record(value, tuple((k, v.encode()) for k, v in headers.items()))

    def told(self, *commands: Record) -> list[tuple[str, str | None]]:
        """Carries the commands out in one batch; the results in order."""
        self.connection.execute("delete from outbox")
        with self.connection.transaction():
            self.commands.apply(self.connection, commands)
        results = self.rows(f"select value from outbox where topic = '{self.topics.results}' order by id")
        parsed = [json.loads(bytes(r["value"])) for r in results]
        return [(r["outcome"], r["reason"]) for r in parsed]

    def transfer(self, conversation: UUID, kind: str, target: str, mode: str, **more: Any) -> Record:
        issuer = more.pop("issuer", "boss")
        data = {"conversation_id": str(conversation), "target": {"kind": kind, "id": target}, "mode": mode, **more}
        return self.command("transfer", data, issuer=issuer)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()

    def owner(self) -> tuple[Any, ...]:
        (row,) = self.rows("select owner_kind, owner_id, owner_state, unmanaged, reason from conversations")
        return tuple(row.values())

    def _record(self, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Record:
        self._offset += 1
        return Record("t", 0, self._offset, datetime.now(UTC), value, headers)


class _Own(psycopg.Connection[Any]):
    """A connection that hands itself out in transactions, as a session does."""

    def transaction_of(self) -> Any:
        return _InTransaction(self)


class _InTransaction:
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._transaction = connection.transaction()

    def __enter__(self) -> Connection[Any]:
        self._transaction.__enter__()
        return self._connection

    def __exit__(self, *error: Any) -> Any:
        return self._transaction.__exit__(*error)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with _Own.connect(database, autocommit=True) as connection:
        with connection.transaction():
            directory.apply(connection, Directory(DIRECTORY.numbers, DIRECTORY.skillsets, PEOPLE))
        yield Office(connection)


def test_an_immediate_transfer_to_a_ready_user_is_assigned_and_a_repeat_does_nothing(office: Office) -> None:
    conversation = office.customer_writes()
    office.presence("anna", "ready")
    command = office.transfer(conversation, "user", "anna", "immediate")
    assert [("applied", None)] == office.told(command)
    assert ("u", "anna", "a", False, None) == office.owner()
    assert [] == office.told(replace(command, offset=command.offset + 1))
    assert [{"repeats": 1}] == office.rows("select repeats from commands")
    outcomes = [r["outcome"] for r in office.rows("select outcome from command_audit order by received_at")]
    assert ["applied", "repeated"] == outcomes


def test_refusals_say_why_in_the_promised_order(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("rejected", "user_unknown")] == office.told(office.transfer(conversation, "user", "zoe", "immediate"))
    assert [("rejected", "skillset_unknown")] == office.told(
        office.transfer(conversation, "skillset", "x", "exclusive")
    )
    assert [("rejected", "user_not_ready")] == office.told(office.transfer(conversation, "user", "anna", "immediate"))
    assert [("rejected", "no_agent_ready")] == office.told(
        office.transfer(conversation, "skillset", "sales", "immediate")
    )
    assert [("rejected", "version_conflict")] == office.told(
        office.transfer(conversation, "user", "anna", "exclusive", expected_version=7)
    )
    nowhere = UUID(int=1)
    assert [("rejected", "conversation_unknown")] == office.told(office.transfer(nowhere, "user", "anna", "immediate"))
    recall = {"conversation_id": str(conversation)}
    assert [("rejected", "nothing_to_recall")] == office.told(office.command("recall", recall))
    assert [("rejected", "malformed")] == office.told(office.command("transfer", {"conversation_id": "x"}))
    forged = office.transfer(conversation, "user", "anna", "exclusive")
    forged = Record("t", 0, 99, forged.at, forged.value + b" ", forged.raw_headers)
    assert [("rejected", "not_authentic")] == office.told(forged)
    assert (None, None, None, True, 7) == office.owner()


def test_nobody_gets_more_than_their_maximum_even_in_one_batch(office: Office) -> None:
    office.presence("ben", "ready")
    first = office.customer_writes()
    other = Teller(customer=office.teller.turn(0).customer.model_copy(update={"wa_id": "390"}))
    office.hears(other.turn(office.hours_ago(0.5)))
    second = office.rows(f"select id from conversations where id <> '{first}'")[0]["id"]
    outcomes = office.told(
        office.transfer(first, "user", "ben", "immediate"), office.transfer(second, "user", "ben", "immediate")
    )
    assert [("applied", None), ("rejected", "user_at_capacity")] == outcomes


def test_an_exclusive_transfer_waits_for_a_member_and_can_be_recalled(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("applied", None)] == office.told(office.transfer(conversation, "skillset", "support", "exclusive"))
    assert ("s", "support", "r", False, None) == office.owner()
    assert [("rejected", "already_assigned")] == office.told(office.transfer(conversation, "user", "anna", "immediate"))
    assert 0 == office.routing.round()
    office.presence("carla", "ready")
    assert 1 == office.routing.round()
    assert ("u", "carla", "a", False, None) == office.owner()
    assert [("applied", None)] == office.told(office.command("recall", {"conversation_id": str(conversation)}))
    assert (None, None, None, True, 7) == office.owner()


def test_an_offer_nobody_accepts_goes_back_to_its_queue_and_on_to_the_next(office: Office) -> None:
    office.routing = Routing(office.connection.transaction_of, office.topics, Terms(offer=timedelta(0)))
    office.customer_writes("1")
    office.presence("anna", "ready")
    assert 1 == office.routing.round()
    assert ("u", "anna", "a", False, None) == office.owner()
    office.presence("ben", "ready")
    office.routing.round()
    assert ("u", "ben", "a", False, None) == office.owner()


def test_who_goes_offline_loses_what_was_not_accepted(office: Office) -> None:
    conversation = office.customer_writes()
    office.presence("anna", "ready")
    office.told(office.transfer(conversation, "user", "anna", "immediate"))
    office.presence("anna", "offline")
    office.routing.round()
    assert (None, None, None, True, 2) == office.owner()


def test_taking_it_needs_no_presence_and_counts_as_accepted(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("applied", None)] == office.told(office.transfer(conversation, "user", "anna", "immediate", issuer="anna"))
    assert ("u", "anna", "x", False, None) == office.owner()
    assert [{"managed": True}] == office.rows("select managed from conversations")
