"""A company with a process that removes what is to be removed. A test can plant a row about a person in any table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Identifier, Literal

from consumers.analytics.handler import Analytics
from consumers.workers.retention.worker import RetentionWorker
from domain.facts import CustomerTurn, Party
from domain.ids import customer_id, fact_id
from infra.kafka.consumer import IncomingRecord
from infra.postgres.retention.personal import HOLDINGS
from infra.postgres.retention.unaffected import KEPT_COLUMNS
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER, FactMaker

ZOE, OTHER = "16505557777", "16505558888"
NAME, WORDS = "Zoe Zebulon", "zirconium zeppelin"
"""What no other text has."""
_TYPES: Mapping[str, Any] = {
    "timestamp with time zone": datetime(2026, 1, 1, tzinfo=UTC),
    "date": "2026-01-01",
    "boolean": True,
    '"char"': "a",
    "integer": 1,
    "smallint": 1,
    "bigint": 1,
    "double precision": 1,
    "interval": "1 day",
    "ARRAY": "{}",
    "tsvector": "zirconium",
}
_CHECKED = {
    ("set_aside", "kind"): "unreadable",
    ("command_audit", "outcome"): "applied",
    ("mails", "state"): "sent",
    ("identities", "kind"): "w",
    ("identity_periods", "kind"): "w",
    ("opt_outs", "kind"): "w",
    ("opt_outs", "phone_number_id"): "",
    ("recipients", "state"): "planned",
    ("recipients", "reason"): None,
    ("sends", "state"): "delivered",
    ("saved_lists", "query"): f"q={ZOE}",
    ("early_records", "raw"): json.dumps({"wa_id": ZOE}).encode(),
}


class ErasureRoom:
    """An office and a worker of `retention`."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.worker = RetentionWorker(office.connection.transaction_of)

    def turn(self, text: str = WORDS, phone: str = ZOE, hours_ago: float = 2) -> CustomerTurn:
        """A message of a customer, not processed yet."""
        maker = FactMaker(customer=Party(wa_id=phone, name=NAME if phone == ZOE else "Olga"))
        return maker.turn(self.office.hours_ago(hours_ago), text)

    def writes(self, text: str = WORDS, phone: str = ZOE, hours_ago: float = 2) -> UUID:
        """Processes a message of a customer; returns the id of their latest conversation."""
        self.office.process(self.turn(text, phone, hours_ago), arrived_hours_ago=hours_ago)
        return self.conversations(phone)[-1]

    def conversations(self, phone: str = ZOE) -> list[UUID]:
        """The conversations of a phone, the oldest first."""
        rows = self.office.rows(f"select id from conversations where wa_id = '{phone}' order by id")
        return [row["id"] for row in rows]

    def ask(self, phone: str | None = ZOE, customer: UUID | None = None) -> tuple[str, str | None]:
        """Asks for an erasure by a command; returns its outcome."""
        body = {"phone": phone} if phone else {"customer_id": str(customer)}
        (result,) = self.office.results_of(self.office.command("erase", body))
        return result

    def erase(self, phone: str | None = ZOE, customer: UUID | None = None) -> dict[str, int]:
        """Asks for an erasure and carries all of it out; returns table -> rows removed or changed."""
        assert ("applied", None) == self.ask(phone, customer)
        return self.carry_out()

    def carry_out(self) -> dict[str, int]:
        """Carries out all erasures that were asked for; returns what the last one removed or changed."""
        while self.worker.erase():
            self.settle()
        (row,) = self.office.rows("select removed from erasures order by asked_at desc limit 1")
        removed: dict[str, int] = row["removed"]
        return removed

    def settle(self) -> None:
        """Makes an hour pass for erasures that were swept, so that their last step is due."""
        self.office.connection.execute("update erasures set until = until - interval '1 hour' where state = 'swept'")

    def public_events(self) -> list[IncomingRecord]:
        """The public events that were published so far, as the process `analytics` reads them."""
        topic = self.office.topics.conversations
        rows = self.office.rows(f"select headers, value from outbox where topic = '{topic}' order by id")
        return [
            IncomingRecord(
                topic,
                0,
                n,
                datetime.now(UTC),
                bytes(row["value"]),
                tuple((name, text.encode()) for name, text in row["headers"].items()),
            )
            for n, row in enumerate(rows)
        ]

    def count(self, events: Sequence[IncomingRecord]) -> None:
        """Counts public events, as the process `analytics` does."""
        with self.office.connection.transaction():
            Analytics().apply(self.office.connection, events)

    def plant(self, table: str, of: Mapping[str, Any]) -> None:
        """Inserts a row about a person. `of`: column -> value, for the columns of this name in any table."""
        columns = self.office.connection.execute(
            "select column_name, data_type, udt_name from information_schema.columns where table_schema = 'public' "
            "and table_name = %s and is_identity = 'NO' and is_generated = 'NEVER'",
            [table],
        ).fetchall()
        row = {name: _CHECKED.get((table, name), of.get(name, _plain(kind, udt))) for name, kind, udt in columns}
        row = {**row, **{name: value for (t, name), value in of.get("", {}).items() if t == table}}
        types = {name: kind for name, kind, _ in columns}
        for name in KEPT_COLUMNS.get(table, "").split():  # what stays says nothing of her
            if types.get(name) == "text" and (table, name) not in _CHECKED and row[name] in (WORDS, ZOE):
                row[name] = "plain"
        row = {n: v.decode() if isinstance(v, bytes) and types[n] != "bytea" else v for n, v in row.items()}
        statement = SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
            Identifier(table), SQL(",").join(map(Identifier, row)), SQL(",").join(map(Literal, row.values()))
        )
        self.office.connection.execute(statement)

    def plant_everywhere(self) -> list[str]:
        """Plants a row about Zoe, who has a conversation, into every table that may hold one; returns the tables."""
        of = self._of_zoe()
        tables = [*dict.fromkeys(each.table for each in HOLDINGS)]
        for table in tables:
            self.plant(table, of)
        return tables

    def plant_in_outbox(self) -> None:
        """Plants a record about Zoe that is not published yet."""
        self.plant("outbox", self._of_zoe())

    def _of_zoe(self) -> dict[str, Any]:
        if not self.conversations():
            self.office.process(self.turn())
        ((conversation, message, wamid),) = self.office.connection.execute(
            "select conversation_id, input_id, wamid from entries where kind = 'customer_turn'"
        ).fetchall()
        customer = customer_id(NUMBER, "w", ZOE)
        own = {name: fact_id("planted", name) for name in ("send", "mail", "upload", "note", "alarm", "other")}
        return {
            **dict.fromkeys(("conversation_id", "item", "executed_in"), conversation),
            **dict.fromkeys(("address", "address_key", "recipient", "value", "left_for", "wa_id", "phone"), ZOE),
            **dict.fromkeys(("raw", "body", "content"), json.dumps({"wa_id": ZOE}).encode()),
            "customer_id": customer,
            "phone_number_id": NUMBER,
            "message_id": message,
            "wamid": wamid,
            "send_id": own["send"],
            "mail_id": own["mail"],
            "upload_id": own["upload"],
            "note_id": own["note"],
            "alarm_id": own["alarm"],
            "merged_into": None,
            "person": ZOE,
            "sha256": "f" * 64,
            "": {
                ("mails", "id"): own["mail"],
                ("mails", "body"): WORDS,
                ("sends", "id"): own["send"],
                ("uploads", "id"): own["upload"],
                ("uploads", "sha256"): "e" * 64,
                ("notes", "id"): own["note"],
                ("alarms", "id"): own["alarm"],
                ("notices", "body"): json.dumps({"contacts": [ZOE]}),
                ("outbox", "key"): str(conversation),
                ("outbox", "value"): WORDS.encode(),
                ("identity_periods", "customer_id"): customer,
                ("customers", "id"): customer,
                ("message_changes", "body"): WORDS,
                ("entries", "body"): WORDS,
                ("command_audit", "what"): f"customers: {ZOE}",
                ("console_audit", "detail"): json.dumps({"customer": ZOE}),
                ("import_problems", "value"): f"+{ZOE}",
                ("stat_contributions", "events"): "[]",
                ("recipients", "parameters"): json.dumps({"1": NAME}),
            },
        }

    def where(self, *texts: str) -> dict[str, set[str]]:
        """Table -> which of the texts are anywhere in it, also in binary columns."""
        found: dict[str, set[str]] = {}
        tables = self.office.connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
            "and not relispartition"
        ).fetchall()
        for (table,) in tables:
            for (row,) in self.office.connection.execute(
                SQL("select to_jsonb(t)::text from {} t").format(Identifier(table))
            ):
                for text in texts:
                    if text in row or text.encode().hex() in row:
                        found.setdefault(table, set()).add(text)
        return found


def _plain(kind: str, udt: str) -> Any:
    if kind == "uuid":
        return fact_id("planted", "other")
    if udt in ("json", "jsonb"):
        return "{}"
    if kind == "bytea":
        return ZOE.encode()
    return _TYPES.get(kind, WORDS)


@contextmanager
def open_erasure_room(dsn: str) -> Iterator[ErasureRoom]:
    """Opens a room on a database that has the schema and an empty directory."""
    with open_office(dsn) as office:
        yield ErasureRoom(office)
