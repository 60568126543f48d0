"""Programs that know only the contract (examples/ and an independent CloudEvents reader) run against a real broker."""

import ast
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from consumers.handlers.commands import Commands
from consumers.handlers.conversations import Conversations
from consumers.workers.mails import Mails
from consumers.workers.relay import Relay
from domain.campaigns.campaign import Campaign, campaign_id
from domain.contract.channels import CommandResult
from domain.conversations.reasons import Reason
from domain.directory import Directory, User
from domain.facts import FACT, AgentPresenceChanged, ConversationFact, MailEvent, Party
from domain.ids import fact_id
from domain.mail import MailPolicy, MailRequest, mail_id
from domain.mail_body.compose import MailSender
from domain.ports import OutgoingRecord as Published
from domain.routing.transfers import RoutingPolicy
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import IncomingRecord
from infra.kafka.ordered_publisher import OrderedPublisher
from infra.postgres import directory, mails
from infra.postgres.campaigns import campaigns
from infra.postgres.connections.clock import database_now
from infra.postgres.messaging.outbox import Outbox
from tests.support.fake_mailer import FakeMailer
from tests.support.kafka_topics import new_topics, read_all
from tests.support.paths import ROOT
from tests.support.stories import DIRECTORY, START, FactMaker
from witiop.contract.generate import schemas

EXAMPLES = ROOT / "examples"
SECRET = "secret"
ANNA = User("anna", "Anna", "anna@example.com", "agent", 1, ("sales",))
PACKAGES = {"webhook", "consumers", "domain", "infra", "witiop", "tests"}


class Installation:
    """The handlers on a real database and the outbox on a real broker; tests call each step themselves."""

    def __init__(self, kafka: str, connection: psycopg.Connection[Any], publisher: OrderedPublisher) -> None:
        self.kafka = kafka
        self.topics = new_topics(kafka)
        self.connection = connection
        self.publisher = publisher
        self._conversations = Conversations(self.topics)
        self._commands = Commands(self.topics, [SECRET.encode()], RoutingPolicy(), MailPolicy(lambda address: address))
        self._relay = Relay(lambda: connection, publisher)
        self._customers = 0
        with connection.transaction():
            directory.apply(connection, Directory(DIRECTORY.numbers, DIRECTORY.skillsets, {"anna": ANNA}))

    def customer(self, number: str = "106540352242922") -> FactMaker:
        """Returns a new customer."""
        self._customers += 1
        return FactMaker(number, Party(wa_id=f"1650555{self._customers:04}", name="Sheena"))

    def process(self, *facts: ConversationFact | AgentPresenceChanged, hours_late: float = 0) -> None:
        """Processes facts when they happened, or `hours_late` hours later."""
        late = timedelta(hours=hours_late)
        self._apply(self._conversations, [(FACT.dump_json(fact), (), fact.at + late) for fact in facts])

    def process_commands(self) -> None:
        """Processes all records of the commands topic."""
        records = read_all(self.kafka, self.topics.commands)
        now = datetime.now(UTC)
        self._apply(self._commands, [(record.value, tuple(record.headers), now) for record in records])

    def forward_a_conversation(self) -> None:
        """Forwards an unmanaged conversation with a mail that SES delivers."""
        (conversation,) = _one(self, "select id from conversations where unmanaged order by opened_at limit 1")
        mail = MailRequest(conversation, ("a@example.com",), "s", "b", masked=True, hold=timedelta())
        mails.request(self.connection, "mail", "boss", mail, database_now(self.connection))
        Mails(self._transaction, FakeMailer(), MailSender("witiop@example.com"), self.topics, 1000).poll()
        now = datetime.now(UTC)
        delivered = MailEvent(
            id=fact_id("ses"), at=now, sent_at=now, mail_id=mail_id("mail"), type="delivered", recipients=mail.to
        )
        self._apply(self._conversations, [(FACT.dump_json(delivered), (), now)])

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        with self.connection.transaction():
            yield self.connection

    def publish(self) -> None:
        with self.connection.transaction():
            queued, published = self._relay.poll(Outbox(self.connection))
        assert queued == published

    def run(self, example: str, topic: str, *arguments: str) -> str:
        """Runs an example as a separate program and returns its output."""
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        argv = [sys.executable, str(EXAMPLES / example), "--bootstrap", self.kafka, "--topic", topic, *arguments]
        env = own | {"WITIOP_COMMAND_SECRET": SECRET}
        return subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout

    def events(self, topic: str) -> list[BaseCloudEvent]:
        """Reads a topic with an independent CloudEvents library."""
        return [
            from_kafka(KafkaMessage(dict(record.headers), record.key, record.value), JSONFormat())
            for record in read_all(self.kafka, topic)
        ]

    def _apply(self, handler: Conversations | Commands, values: list[tuple[bytes, Any, datetime]]) -> None:
        records = [
            IncomingRecord("t", 0, offset, at, value, headers) for offset, (value, headers, at) in enumerate(values)
        ]
        with self.connection.transaction():
            handler.apply(self.connection, records)


@pytest.fixture
def installation(kafka: str, database: str) -> Iterator[Installation]:
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(database, autocommit=True))
        publisher = stack.enter_context(closing(OrderedPublisher(KafkaConfig((kafka,)))))
        yield Installation(kafka, connection, publisher)


def hours_ago(hours: float) -> float:
    """Returns the hour of a story that lies this long ago."""
    return (datetime.now(UTC) - START) / timedelta(hours=1) - hours


def some_of_everything(installation: Installation) -> None:
    """Creates conversations that are unmanaged, were unmanaged earlier, or never were."""
    process, new = installation.process, installation.customer
    for hours in (1, 1, 3, 30):
        process(new().turn(hours_ago(hours)))
    invalid = new()
    process(invalid.turn(hours_ago(6)))
    process(invalid.turn(hours_ago(2), "7"))
    process(new("plain").turn(hours_ago(2)))
    queued, managed, corrected, reopened, moved = (new() for _ in range(5))
    process(queued.turn(hours_ago(2)))
    process(queued.turn(hours_ago(1), "1"))
    process(managed.turn(hours_ago(2)), managed.answered(hours_ago(1)))
    process(corrected.turn(hours_ago(40)), hours_late=30)
    process(corrected.echo(hours_ago(39)), hours_late=35)
    process(reopened.turn(hours_ago(30), "2"), hours_late=25)
    process(reopened.turn(hours_ago(20)), hours_late=18)
    process(moved.turn(hours_ago(1)))
    process(moved.turn(hours_ago(5), "an earlier one that arrives late"), hours_late=4.5)
    installation.forward_a_conversation()


def listed(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], int]:
    """Counts unmanaged conversations in the database, by the hour in which they became unmanaged and by reason."""
    found = connection.execute(
        "select to_char(h.at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:00\"Z\"'), c.reason, count(*) "
        "from conversations c cross join lateral (select at from history where conversation_id = c.id "
        "and event = 'became_unmanaged' order by sequence desc limit 1) h where c.unmanaged group by 1, 2"
    )
    return {(hour, Reason.of_code(code).value): number for hour, code, number in found}


def test_the_count_from_the_topic_equals_that_of_the_database(installation: Installation) -> None:
    """Also when events are repeated, the oldest last."""
    some_of_everything(installation)
    installation.publish()
    again = read_all(installation.kafka, installation.topics.conversations)
    assert all(installation.publisher.publish(again[::-1]))

    table = csv.DictReader(io.StringIO(installation.run("count_unmanaged.py", installation.topics.conversations)))

    expected = listed(installation.connection)
    assert {"no_choice": 5, "invalid_choice": 1, "number_has_no_menu": 1} == {
        reason: sum(n for (_, each), n in expected.items() if each == reason) for _, reason in expected
    }
    assert len({hour for hour, _ in expected}) > 3
    assert expected == {(line["hour"], line["reason"]): int(line["conversations"]) for line in table}


def test_a_published_command_is_applied_and_its_result_names_it(installation: Installation) -> None:
    now = datetime.now(UTC)
    ready = AgentPresenceChanged.model_validate(
        {"id": fact_id("ready"), "at": now, "sent_at": now, "agent_id": "anna", "state": "ready"}
    )
    installation.process(installation.customer().turn(hours_ago(1)), ready)
    (conversation,) = _one(installation, "select id from conversations")
    data = {"conversation_id": str(conversation), "target": {"kind": "user", "id": "anna"}, "mode": "immediate"}

    printed = installation.run(
        "publish_command.py", installation.topics.commands, "--issuer", "boss", "transfer", json.dumps(data)
    )

    installation.process_commands()
    installation.publish()
    (result,) = installation.events(installation.topics.results)
    data_of_result: Any = result.get_data()
    assert (printed.strip(), "applied", None, str(conversation)) == (
        data_of_result["command_id"],
        data_of_result["outcome"],
        data_of_result["reason"],
        data_of_result["conversation_id"],
    )
    assert ("anna",) == _one(installation, "select owner_id from conversations")


def test_an_independent_reader_understands_our_events_and_they_match_their_schemas(installation: Installation) -> None:
    """CloudEvents 1.0 in binary mode, in the order of each conversation's sequence, without gaps."""
    some_of_everything(installation)
    installation.publish()

    events = installation.events(installation.topics.conversations)

    types = {event.get_type() for event in events}
    assert {f"witiop.conversation.{name}.v1" for name in ("queued", "managed", "corrected", "reopened")} <= types
    assert {"witiop.mail.sent.v1", "witiop.mail.delivered.v1"} <= types
    of_conversations, of_mails = (
        Draft202012Validator(schemas()[name]) for name in ("witiop.conversation.v1", "witiop.mail.v1")
    )
    sequences: dict[str, list[int]] = {}
    for event in events:
        data: Any = event.get_data()
        schema = of_mails if event.get_type().startswith("witiop.mail.") else of_conversations
        assert [] == [error.message for error in schema.iter_errors(data)]
        assert ("1.0", "application/json", "/witiop/unmanaged") == (
            event.get_specversion(),
            event.get_datacontenttype(),
            event.get_source(),
        )
        time = event.get_time()
        assert time is not None
        assert timedelta(0) == time.utcoffset()
        assert data["id"] == event.get_extension("partitionkey")
        assert str(data["sequence"]) == event.get_extension("sequence")
        sequences.setdefault(data["id"], []).append(data["sequence"])
    assert [list(range(1, len(each) + 1)) for each in sequences.values()] == list(sequences.values())
    assert len(events) == len({UUID(event.get_id()) for event in events})


def test_the_result_of_any_record_on_the_commands_topic_matches_its_schema(installation: Installation) -> None:
    """Results of an applied, a rejected and a forged command."""
    installation.process(installation.customer().turn(hours_ago(1)))
    (conversation,) = _one(installation, "select id from conversations")
    data = {"conversation_id": str(conversation), "target": {"kind": "skillset", "id": "sales"}, "mode": "exclusive"}
    for _ in range(2):
        installation.run(
            "publish_command.py", installation.topics.commands, "--issuer", "boss", "transfer", json.dumps(data)
        )
    assert all(installation.publisher.publish([Published(installation.topics.commands, "key", b"garbage")]))

    installation.process_commands()
    installation.publish()

    results: list[Any] = [event.get_data() for event in installation.events(installation.topics.results)]
    schema = Draft202012Validator(schemas()["witiop.command.result.v1"])
    assert [] == [error.message for result in results for error in schema.iter_errors(result)]
    for result in results:
        read_back = CommandResult.model_validate_json(json.dumps(result), strict=True)
        assert result == read_back.model_dump(mode="json", exclude_unset=True)
    assert {None, "already_assigned", "not_authentic"} == {result["reason"] for result in results}


def test_a_campaign_is_paused_by_a_command_and_the_result_names_it_and_its_version(installation: Installation) -> None:
    """Once; the second pause is rejected, with the state."""
    campaign = Campaign(
        id=campaign_id("autumn"),
        name="Autumn",
        phone_number_id="106540352242922",
        account_id="550200000000000",
        source={"file": {}},
        into_active=False,
        terms={},
        actor="boss",
        created_at=datetime.now(UTC),
        state="running",
    )
    campaigns.create(installation.connection, campaign, [])
    data = json.dumps({"campaign_id": str(campaign.id), "expected_version": 0})
    stale = json.dumps({"campaign_id": str(campaign.id)})
    for body in (data, stale):
        installation.run("publish_command.py", installation.topics.commands, "--issuer", "boss", "campaign.pause", body)
    installation.process_commands()
    installation.publish()
    results: list[Any] = [event.get_data() for event in installation.events(installation.topics.results)]
    schema = Draft202012Validator(schemas()["witiop.command.result.v1"])
    assert [] == [error.message for result in results for error in schema.iter_errors(result)]
    told = {r["outcome"]: (r["reason"], r["campaign_id"], r["version"], r.get("detail")) for r in results}
    assert {
        "applied": (None, str(campaign.id), 1, None),
        "rejected": ("campaign_state", str(campaign.id), 1, "the campaign is paused"),
    } == told


@pytest.mark.parametrize(("name", "lines"), [("count_unmanaged.py", 60), ("publish_command.py", 40)])
def test_an_example_is_short_and_uses_none_of_our_code(name: str, lines: int) -> None:
    source = (EXAMPLES / name).read_text()
    assert len(source.splitlines()) <= lines
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert set() == {module.partition(".")[0] for module in imported} & PACKAGES


def _one(installation: Installation, statement: Any) -> tuple[Any, ...]:
    (row,) = installation.connection.execute(statement).fetchall()
    return tuple(row)
