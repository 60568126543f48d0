"""A company with three agents on a real database. Tests give facts and commands to the handlers and workers, one batch
or poll at a time, and read the results and the conversations."""

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
    AgentMessage,
    AgentPresenceChanged,
    Fact,
    Party,
)
from domain.ids import fact_id
from domain.mail import MailPolicy
from domain.routing.transfers import RoutingPolicy
from domain.sending.acceptance import SendingPolicy
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.local.simulator.chat import Story as ChatStory
from infra.ses.addresses import address
from tests.support.outcome import facts_of
from tests.support.stories import DIRECTORY, NUMBER, START, FactMaker

SECRET = b"secret"
USERS = {
    name: User(name, name, f"{name}@example.com", "agent", capacity, skillsets)
    for name, capacity, skillsets in (
        ("anna", 2, ("sales",)),
        ("ben", 1, ("sales", "support")),
        ("carla", 1, ("support",)),
    )
}


COMPANY = Directory(DIRECTORY.numbers, DIRECTORY.skillsets, USERS)
"""Anna is a member of sales and has a capacity of two conversations; Ben is a member of sales and support, Carla of
support, with a capacity of one each."""


class Office:
    """The company, its handlers and its workers. `connection` is in autocommit mode. Not thread-safe."""

    def __init__(self, connection: "OwnConnection", terms: RoutingPolicy) -> None:
        self.connection = connection
        self.topics = Topics()
        self.conversations = Conversations(self.topics, terms, SendingPolicy(enabled=True))
        self.commands = Commands(self.topics, [SECRET], terms, MailPolicy(address), SendingPolicy(enabled=True))
        self.routing = Routing(connection.transaction_of, self.topics, terms)
        self.timer = Timer(connection.transaction_of, self.topics)
        self.maker = FactMaker()
        self._offset = 0

    def apply_directory(self, company: Directory) -> None:
        """Replaces the directory, as `witiop directory apply` does."""
        apply_directory(self.connection, company, self.topics)

    def hours_ago(self, hours: float) -> float:
        """Returns the hour of the story (see `FactMaker`) that is that long ago."""
        return (datetime.now(UTC) - START) / timedelta(hours=1) - hours

    def desktop_reports(
        self,
        kind: type[AgentAccepted | AgentMessage | AgentDeclined | AgentClosed],
        agent: str,
        conversation: UUID,
        minutes_ago: float = 0,
        **texts: Any,
    ) -> None:
        """Processes a fact about a conversation that the agent's desktop reports now. `texts`: of a message or a
        closing."""
        now = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        common = {"id": fact_id(kind.__name__, agent, str(now)), "at": now, "sent_at": now, "text": "hello", **texts}
        self.process(kind.model_validate({**common, "agent_id": agent, "conversation_id": conversation}))

    def process(self, *facts: Fact, arrived_hours_ago: float = 0) -> None:
        """Processes the facts as one batch."""
        arrived = datetime.now(UTC) - timedelta(hours=arrived_hours_ago)
        with self.connection.transaction():
            records = [self._record(FACT.dump_json(fact), ())._replace(at=arrived) for fact in facts]
            self.conversations.apply(self.connection, records)

    def customer_writes(self, text: str = "hello", phone: str = "16505551234", hours_ago: float = 1) -> UUID:
        """Processes a message of a customer and returns the id of the customer's latest conversation."""
        maker = FactMaker(customer=Party(wa_id=phone))
        self.process(maker.turn(self.hours_ago(hours_ago), text))
        (found,) = self.rows(f"select id from conversations where wa_id = '{phone}' order by opened_at desc limit 1")
        conversation: UUID = found["id"]
        return conversation

    def may_send(self, tokens: float) -> None:
        """Lets the number send as many messages at once."""
        self.connection.execute(
            "insert into lanes (phone_number_id, tokens, refilled_at) values (%s, %s, now()) "
            "on conflict (phone_number_id) do update set tokens = excluded.tokens",
            [NUMBER, tokens],
        )

    def process_own_facts(self) -> None:
        """Processes the facts that our own processes published to the inbound topic."""
        published = self.rows(f"delete from outbox where topic = '{self.topics.inbound}' returning id, value")
        for row in sorted(published, key=lambda row: row["id"]):
            self.process(FACT.validate_json(bytes(row["value"])))

    def set_watermark(self, until: str, progress: str = "0 s") -> None:
        """Sets the inbound watermark and the time of the consumer's last progress, both as ages."""
        self.connection.execute(
            "insert into consumer_offsets "
            "(group_name, topic, topic_id, partition, next_offset, caught_up_to, progressed_at) "
            "values ('g', %s, 'id', 0, 0, now() - %s::interval, now() - %s::interval) "
            "on conflict (group_name, topic, partition) do update "
            "set caught_up_to = excluded.caught_up_to, progressed_at = excluded.progressed_at",
            [self.topics.inbound, until, progress],
        )

    def play(self, story: ChatStory) -> None:
        """Processes the updates of a story, in order of time."""
        for told in story.posts:
            self.process(*facts_of([told.post]))

    def owner_until(self) -> datetime:
        """Returns the end of the reservation or offer of the only conversation."""
        ((until,),) = self.connection.execute("select owner_until from conversations").fetchall()
        assert isinstance(until, datetime)
        return until

    def history(self, conversation: UUID) -> list[tuple[str, str, str | None]]:
        """Returns the event, the actor and the owner's id of each entry."""
        found = self.rows(f"select * from history where conversation_id = '{conversation}' order by sequence")
        return [(row["event"], row["actor"], row["owner_id"]) for row in found]

    def presence(self, agent: str, state: str) -> None:
        """Processes a presence change that the agent's desktop reports now."""
        now = datetime.now(UTC)
        fact = AgentPresenceChanged.model_validate(
            {"id": fact_id(agent, str(now)), "at": now, "sent_at": now, "agent_id": agent, "state": state}
        )
        self.process(fact)

    def command(
        self, kind: str, data: dict[str, Any], *, issuer: str = "boss", named: str | None = None
    ) -> IncomingRecord:
        """Returns the record of a signed command. `named`: its id."""
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
        """Carries the commands out in one batch, and returns the outcome and the reason of each result, in order."""
        self.connection.execute("delete from outbox")
        with self.connection.transaction():
            self.commands.apply(self.connection, commands)
        results = self.rows(f"select value from outbox where topic = '{self.topics.results}' order by id")
        parsed = [json.loads(bytes(r["value"])) for r in results]
        return [(r["outcome"], r["reason"]) for r in parsed]

    def transfer(self, conversation: UUID, kind: str, target: str, mode: str, **more: Any) -> IncomingRecord:
        """Returns the record of a signed transfer. `more`: `issuer`, or further fields of the command."""
        issuer = more.pop("issuer", "boss")
        data = {"conversation_id": str(conversation), "target": {"kind": kind, "id": target}, "mode": mode, **more}
        return self.command("transfer", data, issuer=issuer)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Returns the rows of a query."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()

    def owner(self) -> tuple[Any, ...]:
        """Returns kind, id and state of the owner, `unmanaged`, and the reason of the only conversation."""
        (row,) = self.rows("select owner_kind, owner_id, owner_state, unmanaged, reason from conversations")
        return tuple(row.values())

    def next_offset(self) -> int:
        """Returns the offset of a new record."""
        self._offset += 1
        return self._offset

    def _record(self, value: bytes, headers: tuple[tuple[str, bytes], ...]) -> IncomingRecord:
        return IncomingRecord("t", 0, self.next_offset(), datetime.now(UTC), value, headers)


class OwnConnection(psycopg.Connection[Any]):
    """A connection with the transactions of a `DatabaseSession`."""

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
    """Opens an office on a database that has the schema and an empty directory."""
    with OwnConnection.connect(dsn, autocommit=True) as connection:
        office = Office(connection, terms or RoutingPolicy())
        office.apply_directory(COMPANY)
        yield office
