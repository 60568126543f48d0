"""The story and the load, over HTTP through the real webhook and the real rules into a real database.

Only Kafka is replaced, by a list in memory. The tests in tests/flow use Kafka too.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from werkzeug.serving import make_server

from consumers.handlers.conversations import Conversations
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number
from infra.kafka.consumer import IncomingRecord as Consumed
from infra.local.simulator import load
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.traffic import Mix, Traffic
from infra.local.simulator.webhooks import Webhooks
from infra.postgres import directory
from infra.postgres.lists.unmanaged import UnmanagedFilter, page
from infra.postgres.messaging.dead_letters import store_dead_letters
from infra.process.clock import utc_now
from tests.support.fake_publisher import FakePublisher
from tests.support.ledger import violations
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET, TOPICS, webhook_app
from witiop.cli.main import witiop


class Inbound:
    """The records that the webhook published, to be processed without a broker."""

    def __init__(self) -> None:
        self.publisher = FakePublisher()
        self._processed = 0

    def drain(self, dsn: str) -> int:
        """Processes the new records. Returns their number."""
        new = [
            Consumed(record.topic, 0, offset, utc_now(), record.value, tuple(record.headers))
            for offset, record in enumerate(self.publisher.records)
        ][self._processed :]
        self._processed += len(new)
        with psycopg.connect(dsn) as connection:
            leftover = Conversations(TOPICS).apply(connection, new)
            store_dead_letters(connection, leftover.dead_letters)
        return len(new)


@pytest.fixture
def inbound() -> Inbound:
    return Inbound()


@pytest.fixture
def url(inbound: Inbound) -> Iterator[str]:
    """The webhooks, on a server in this process."""
    app = webhook_app(inbound.publisher, CollectorRegistry(), clock=utc_now)
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
    return {
        "WITIOP_WEBHOOK_URL": url,
        "WITIOP_POSTGRES_DSN": database,
        "WITIOP_WHATSAPP_APP_SECRETS": APP_SECRETS[0],
        "WITIOP_SOFTBOT_SECRETS": SOFTBOT_SECRET,
        "WITIOP_AGENTS_SECRETS": AGENTS_SECRET,
    }


def simulate(environment: dict[str, str], *arguments: str) -> str:
    result = CliRunner(env=environment).invoke(
        witiop, ["simulate", *arguments, "--stack", "-"], catch_exceptions=False, standalone_mode=False
    )
    assert result.exit_code == 0
    return result.stdout


def test_the_list_has_every_reason_after_the_story_and_playing_it_again_adds_nothing(
    environment: dict[str, str], inbound: Inbound, database: str
) -> None:
    output = simulate(environment, "story")
    updates = inbound.drain(database)
    assert output == f"played the bike shop's story, {updates} updates; see the result with witiop unmanaged list\n"
    with psycopg.connect(database, autocommit=True) as connection:
        listed = page(connection, UnmanagedFilter(), rows=100)
        version, _ = directory.read(connection)
        assert {row.reason for row in listed.rows} == set(Reason) - {
            Reason.NO_REPLY,
            Reason.RESERVATION_EXPIRED,
            Reason.TAKEN_NOT_ANSWERED,
            Reason.UNREADABLE,
        }
        assert {row.status for row in listed.rows} == {"active", "closed"}

        simulate(environment, "story")
        assert inbound.drain(database) == updates
        assert page(connection, UnmanagedFilter(), rows=100) == listed
        assert directory.version(connection) == version


def test_the_story_does_not_change_the_rest_of_the_directory(environment: dict[str, str], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        mine = Directory({"1": Number("1", "Mine")})
        directory.apply(connection, mine)
        simulate(environment, "story")
        _, current = directory.read(connection)
    assert current.number("1") == mine.number("1")
    assert len(current.numbers) == 4


def test_a_processed_load_agrees_with_its_ledger(
    environment: dict[str, str], inbound: Inbound, database: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    options = "--rate 400 --seconds 1 --batch 20 --customers 7 --repeats 0.2 --unreadable 0.05 --json --ledger"
    simulate(environment, "load", *options.split(), str(ledger))
    assert violations(ledger, database) != []
    inbound.drain(database)
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
def test_a_database_with_lost_or_invented_data_does_not_agree_with_the_ledger(
    damage: str, invariant: str, url: str, inbound: Inbound, database: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    began = datetime.now(UTC) - timedelta(minutes=1)
    line = BusinessNumber("1", "1", "1")
    with ledger.open("w") as file:
        load.run(
            load.Load(rate=1000, seconds=0.08, batch=8),
            Traffic(Mix(line, statuses_per_message=3, unreadable=0.2), began, 1000),
            Webhooks(url, {"whatsapp": APP_SECRETS[0]}),
            load.Ledger(file),
        )
    inbound.drain(database)
    assert violations(ledger, database) == []
    with psycopg.connect(database) as connection:
        connection.execute(damage.encode())
    assert invariant in {violation.split()[0] for violation in violations(ledger, database)}
