"""A company with three agents on a real database. Facts, commands and presence are its input, results and conversations
its output; each of our processes runs one step at a time."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from consumers.changes.directory import apply_directory
from consumers.handlers.commands import Commands
from consumers.handlers.conversations import Conversations
from consumers.workers.routing import Routing
from consumers.workers.timer import Timer
from domain.commands import signature
from domain.directory import Directory, User
from domain.facts import (
    FACT,
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentPresenceChanged,
    ConversationFact,
    MailEvent,
    Party,
)
from domain.ids import fact_id
from domain.mail import MailPolicy
from domain.routing.transfers import RoutingPolicy
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.ses.addresses import address
from tests.support.stories import DIRECTORY, START, FactMaker

SECRET = b"secret"
PEOPLE = {
    name: User(name, name, f"{name}@example.com", "agent", most, skillsets)
    for name, most, skillsets in (("anna", 2, ("sales",)), ("ben", 1, ("sales", "support")), ("carla", 1, ("support",)))
}


COMPANY = Directory(DIRECTORY.numbers, DIRECTORY.skillsets, PEOPLE)
"""Anna sells and may have two conversations; Ben sells and supports, Carla supports, one each."""


class Office:
    """The company and our processes. `connection` is in autocommit mode. Not thread-safe."""

    def __init__(self, connection: "OwnConnection", terms: RoutingPolicy) -> None:
        self.connection = connection
        self.topics = Topics()
        self.conversations = Conversations(self.topics)
        self.commands = Commands(self.topics, [SECRET], terms, MailPolicy(address))
        self.routing = Routing(connection.transaction_of, self.topics, terms)
        self.timer = Timer(connection.transaction_of, self.topics)
        self.maker = FactMaker()
        self._offset = 0

    def apply_directory(self, company: Directory) -> None:
        """Applies a directory, as `witiop directory apply` does."""
        apply_directory(self.connection, company, self.topics)

    def hours_ago(self, hours: float) -> float:
        """The hour of the story that was `hours` ago."""
        return (datetime.now(UTC) - START) / timedelta(hours=1) - hours

    def agent_desktop_reports(
        self, what: type[AgentAccepted | AgentDeclined | AgentClosed], agent: str, conversation: UUID
    ) -> None:
        """The agent desktop reports an acceptance, a decline or an end of a conversation, now."""
        now = datetime.now(UTC)
        natural = {"id": fact_id(what.__name__, agent, str(now)), "at": now, "sent_at": now}
        self.receives(what.model_validate({**natural, "agent_id": agent, "conversation_id": conversation}))

    def receives(self, *facts: ConversationFact | AgentPresenceChanged | MailEvent) -> None:
        with self.connection.transaction():
            records = [self._record(FACT.dump_json(fact), ()) for fact in facts]
            self.conversations.apply(self.connection, records)

    def customer_writes(self, text: str = "hello", phone: str = "16505551234", hours_ago: float = 1) -> UUID:
        """A customer writes. Returns the id of their latest conversation."""
        maker = FactMaker(customer=Party(wa_id=phone))
        self.receives(maker.turn(self.hours_ago(hours_ago), text))
        (found,) = self.rows(f"select id from conversations where wa_id = '{phone}' order by opened_at desc limit 1")
        conversation: UUID = found["id"]
        return conversation

    def owner_until(self) -> datetime:
        """The end of the offer or of the reservation of the only conversation."""
        ((until,),) = self.connection.execute("select owner_until from conversations").fetchall()
        assert isinstance(until, datetime)
        return until

    def history(self, conversation: UUID) -> list[tuple[str, str, str | None]]:
        """The events of a conversation, each with its actor and the owner after it."""
        found = self.rows(f"select * from history where conversation_id = '{conversation}' order by sequence")
        return [(row["event"], row["actor"], row["owner_id"]) for row in found]

    def presence(self, agent: str, state: str) -> None:
        now = datetime.now(UTC)
        fact = AgentPresenceChanged.model_validate(
            {"id": fact_id(agent, str(now)), "at": now, "sent_at": now, "agent_id": agent, "state": state}
        )
        self.receives(fact)

    def command(
        self, kind: str, data: dict[str, Any], *, issuer: str = "boss", named: str | None = None
    ) -> IncomingRecord:
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

    def results_of(self, *commands: IncomingRecord) -> list[tuple[str, str | None]]:
        """Processes commands in one batch. Returns outcome and reason of each, in their order."""
        self.connection.execute("delete from outbox")
        with self.connection.transaction():
            self.commands.apply(self.connection, commands)
        results = self.rows(f"select value from outbox where topic = '{self.topics.results}' order by id")
        parsed = [json.loads(bytes(r["value"])) for r in results]
        return [(r["outcome"], r["reason"]) for r in parsed]

    def transfer(self, conversation: UUID, kind: str, target: str, mode: str, **more: Any) -> IncomingRecord:
        issuer = more.pop("issuer", "boss")
        data = {"conversation_id": str(conversation), "target": {"kind": kind, "id": target}, "mode": mode, **more}
        return self.command("transfer", data, issuer=issuer)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()

    def owner(self) -> tuple[Any, ...]:
        (row,) = self.rows("select owner_kind, owner_id, owner_state, unmanaged, reason from conversations")
        return tuple(row.values())

    def next_offset(self) -> int:
        """For a record that somebody else wrote."""
        self._offset += 1
        return self._offset

    def _record(self, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> IncomingRecord:
        return IncomingRecord("t", 0, self.next_offset(), datetime.now(UTC), value, headers)


class OwnConnection(psycopg.Connection[Any]):
    """A connection that hands itself out in transactions, as a session does."""

    def transaction_of(self) -> AbstractContextManager[Connection[Any]]:
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


@contextmanager
def open_office(dsn: str, terms: RoutingPolicy | None = None) -> Iterator[Office]:
    """On a database with our schema and no directory."""
    with OwnConnection.connect(dsn, autocommit=True) as connection:
        office = Office(connection, terms or RoutingPolicy())
        office.apply_directory(COMPANY)
        yield office
