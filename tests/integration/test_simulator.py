"""The story and the load, over HTTP through the real webhook and the real rules into a real database.

Kafka alone is a list in memory here; with it, the same is told in tests/flow.
"""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from werkzeug.serving import make_server

from consumers.conversations import Conversations
from domain import whatsapp
from domain.agent_desk import read_agent_desk
from domain.directory import Directory, Number
from domain.ports import Record
from domain.reasons import Reason
from domain.softbot import read_softbot
from domain.topics import Topics
from infra.clock import utc_now
from infra.kafka.consumer import Record as Consumed
from infra.local.simulator import load
from infra.local.simulator.bodies import Line
from infra.local.simulator.traffic import Mix, Traffic
from infra.local.simulator.webhooks import Webhooks
from infra.postgres import directory
from infra.postgres.list_queries import Filter, page
from tests.support.ledger import violations
from webhook.app import Readers, Secrets, create_app
from webhook.metrics import WebhookMetrics
from witiop.cli import witiop

SECRET = "secret"
TOPICS = Topics()


class Log:
    """Keeps records in their order, as the brokers would."""

    def __init__(self) -> None:
        self._records: list[Consumed] = []
        self._lock = threading.Lock()
        self._worked_in = 0

    def publish(self, records: Sequence[Record], deadline_seconds: float) -> None:
        with self._lock:
            for record in records:
                headers = {name: value.decode() for name, value in record.headers}
                self._records.append(Consumed(record.topic, 0, len(self._records), utc_now(), record.value, headers))

    def missing(self) -> Sequence[str]:
        return []

    def drain(self, dsn: str) -> int:
        """Work in what is new; gives how many records that were."""
        with self._lock:
            new = self._records[self._worked_in :]
            self._worked_in = len(self._records)
        with psycopg.connect(dsn) as connection:
            Conversations(TOPICS).apply(connection, new)
        return len(new)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def url(log: Log) -> Iterator[str]:
    """The webhooks, with a server that needs no process of its own."""
    secrets = (SECRET.encode(),)
    app = create_app(
        readers=Readers(whatsapp.read, read_softbot, read_agent_desk),
        secrets=Secrets(secrets, "token", secrets, secrets),
        publisher=log,
        topics=TOPICS,
        clock=utc_now,
        metrics=WebhookMetrics(CollectorRegistry()),
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.log = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def environment(url: str, database: str) -> dict[str, str]:
    secrets = {f"WITIOP_{name}_SECRETS": SECRET for name in ("WHATSAPP_APP", "SOFTBOT", "AGENTS")}
    return {**secrets, "WITIOP_WEBHOOK_URL": url, "WITIOP_POSTGRES_DSN": database}


def simulate(environment: dict[str, str], *arguments: str) -> str:
    result = CliRunner(env=environment).invoke(
        witiop, ["simulate", *arguments, "--stack", "-"], catch_exceptions=False, standalone_mode=False
    )
    assert result.exit_code == 0
    return result.stdout


def test_the_story_is_listed_with_every_reason_and_playing_it_again_adds_nothing(
    environment: dict[str, str], log: Log, database: str
) -> None:
    said = simulate(environment, "story")
    updates = log.drain(database)
    assert said == f"played the bike shop's story, {updates} updates; see it with witiop unmanaged list\n"
    with psycopg.connect(database, autocommit=True) as connection:
        listed = page(connection, Filter(), rows=100)
        version, _ = directory.read(connection)
        assert {row.reason for row in listed.rows} == set(Reason) - {Reason.RESERVATION_EXPIRED}
        assert {row.status for row in listed.rows} == {"active", "closed"}

        simulate(environment, "story")
        assert log.drain(database) == updates
        assert page(connection, Filter(), rows=100) == listed
        assert directory.version(connection) == version


def test_the_story_leaves_the_rest_of_the_directory_as_it_is(environment: dict[str, str], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        mine = Directory({"1": Number("1", "Mine")})
        directory.apply(connection, mine)
        simulate(environment, "story")
        _, current = directory.read(connection)
    assert current.number("1") == mine.number("1")
    assert len(current.numbers) == 4


def test_a_load_that_was_worked_in_agrees_with_its_ledger(
    environment: dict[str, str], log: Log, database: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    options = "--rate 400 --seconds 1 --batch 20 --customers 7 --repeats 0.2 --unreadable 0.05 --json --ledger"
    simulate(environment, "load", *options.split(), str(ledger))
    assert violations(ledger, database) != []
    log.drain(database)
    assert violations(ledger, database) == []


_ENTRY = "(select min(wamid) from entries)"
_TWICE = (
    "insert into entries (input_id, sent_at, at, customer_id, kind, wamid, body, detail) "
    "select gen_random_uuid(), sent_at, at, customer_id, kind, wamid, body, detail"
)
_STATUS = "(select min(wamid) from message_status)"


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        (f"delete from entries where wamid = {_ENTRY}", "I1"),
        (f"delete from message_status where wamid = {_STATUS}", "I1"),
        (f"update entries set input_id = gen_random_uuid(), wamid = 'w' where wamid = {_ENTRY}", "I2"),
        (f"update entries set body = 'else' where wamid = {_ENTRY}", "I2"),
        ("update message_status set rank = 1 where rank = 3", "I1"),
        ("update message_status set rank = 4", "I2"),
        (f"{_TWICE} from entries where wamid = {_ENTRY}", "I1"),
        ("update conversations set entries = entries + 1", "I1"),
        ("update unmanaged_counts set n = n + 1", "I1"),
        ("delete from set_aside", "I10"),
    ],
)
def test_a_database_that_lost_or_invented_something_does_not_agree(
    damage: str, invariant: str, url: str, log: Log, database: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    began = datetime.now(UTC) - timedelta(minutes=1)
    line = Line("1", "1", "1")
    with ledger.open("w") as file:
        load.run(
            load.Load(rate=1000, seconds=0.08, batch=8),
            Traffic(Mix(line, statuses_per_message=3, unreadable=0.2), began, 1000),
            Webhooks(url, {"whatsapp": SECRET}),
            load.Ledger(file),
        )
    log.drain(database)
    assert violations(ledger, database) == []
    with psycopg.connect(database) as connection:
        connection.execute(damage.encode())
    assert invariant in {violation.split()[0] for violation in violations(ledger, database)}
