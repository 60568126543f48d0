"""Every process works on a broker and a database that allow it no more than its work needs, over TLS; and secrets are
replaced there while customers write."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.topics import Topics
from infra.kafka.access.principals import differences
from infra.kafka.access.privileges import KAFKA_PROCESSES, principal_of
from infra.kafka.config import KafkaConfig
from infra.kafka.tail import TopicTail
from infra.local.secured.broker import SecuredKafka
from infra.local.secured.database import SecuredPostgres
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.postgres import directory as company_directory
from infra.postgres.migrations import migrate
from tests.support.command_line import Finished
from tests.support.office import COMPANY
from tests.support.outcome import facts_of, has_arrived
from tests.support.stories import NUMBER
from tests.support.system import System, Worker
from tests.support.waiting import wait_until
from witiop.wiring.processes import PROCESSES

SHOP = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
TOPICS = Topics("shop.")
PASSWORDS = {process: f"password-of-{process}" for process in KAFKA_PROCESSES}
SETTINGS: dict[str, object] = {
    "ses_region": "eu-west-1",
    "ses_endpoint": "http://127.0.0.1:1",
    "ses_sender": "inbox@example.com",
    "ses_configuration_set": "events",
    "ses_access_key_id": "id",
    "ses_secret_access_key": "secret",
}

pytestmark = pytest.mark.timeout(900)
"""The first test waits for two servers and fifteen processes."""


class SecuredSystem(System):
    """An installation on secured servers: each process has a user of its own at the broker, and the command line is the
    administrator."""

    def __init__(self, broker: SecuredKafka, dsn: str, directory: Path) -> None:
        super().__init__(broker.bootstrap, dsn, TOPICS, directory)
        self.broker = broker

    def start(self, *names: str, crash_at: str | None = None, **settings: object) -> list[Worker]:
        return [
            worker
            for name in names
            for worker in super(SecuredSystem, self).start(
                name, crash_at=crash_at, **{**SETTINGS, **self.user(name), **settings}
            )
        ]

    def user(self, process: str) -> dict[str, object]:
        """The settings of a process's own user; a process without one gets a user that does not exist."""
        return self.broker.settings(principal_of(process, TOPICS), PASSWORDS.get(process, "none"))

    def witiop(self, *arguments: str, **settings: object) -> Finished:
        return super().witiop(*arguments, **{**self.broker.administrator_settings(), **settings})

    def witiop_json(self, *arguments: str) -> Any:
        done = self.witiop(*arguments, "--json")
        assert 0 == done.code, done.err
        return json.loads(done.out)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredSystem]:
    """An installation that was prepared from the command line and whose every process runs."""
    place = tmp_path_factory.mktemp("secured")
    with SecuredKafka(place / "kafka") as broker, SecuredPostgres(place / "postgres") as server:
        server.ensure_database("shop")
        dsn = server.owner_dsn_of("shop")
        migrate(dsn)
        with psycopg.connect(dsn) as connection:
            company_directory.apply(connection, COMPANY)
        with SecuredSystem(broker, dsn, place) as made:
            passwords = ",".join(f"{process}:{password}" for process, password in PASSWORDS.items())
            done = made.witiop("topics", kafka_principal_passwords=passwords, kafka_partitions=2)
            assert 0 == done.code, done.err
            made.run(*(name for name in PROCESSES if name != "mails"))
            made.start("mails")  # not ready: there is no SES
            yield made


def delivered(system: SecuredSystem, story: Story) -> None:
    """Posts a story. Returns when it is processed."""
    posts = [each.post for each in story.posts]
    for post in posts:
        system.webhooks.deliver(post)
    with psycopg.connect(system.dsn, autocommit=True) as connection:
        facts = [fact for fact in facts_of(posts) if fact.kind != "agent_presence_changed"]
        wait_until(lambda: has_arrived(connection, facts))


def conversation_of(system: SecuredSystem, customer: SimulatedCustomer) -> str:
    with psycopg.connect(system.dsn) as connection:
        ((found,),) = connection.execute(
            "select id::text from conversations where wa_id = %s", [customer.wa_id]
        ).fetchall()
    return str(found)


def test_the_permissions_of_the_processes_are_those_of_the_table(system: SecuredSystem) -> None:
    found = differences(KafkaConfig(**system.broker.administrator()), TOPICS)
    assert found is not None
    assert not any(found.missing.values())
    assert not any(found.extra.values())


def test_a_customer_who_is_left_alone_is_handed_to_an_agent_and_programs_read_of_it(system: SecuredSystem) -> None:
    """The main job, with every process under its own users."""
    rosa, story = SimulatedCustomer("Rosa", "390601234567"), Story("main job", datetime.now(UTC))
    with closing(
        TopicTail(KafkaConfig(**system.broker.administrator()).client_options(), TOPICS.conversations)
    ) as events:
        chat = story.chat(SHOP, rosa)
        chat.writes("0:05", "Hello")
        story.agent_is("0:01", "anna", "ready")
        delivered(system, story)
        conversation = conversation_of(system, rosa)
        assert conversation in [row["id"] for row in system.witiop_json("unmanaged", "list")["rows"]]

        result = system.witiop_json("transfer", conversation, "--to-user", "anna", "--mode", "immediate")

        assert "applied" == result["outcome"]
        assert conversation not in [row["id"] for row in system.witiop_json("unmanaged", "list")["rows"]]
        kinds: list[str] = []

        def published() -> bool:
            kinds.extend(record.headers["ce_type"] for record in events.poll(0.5))
            return {"witiop.conversation.became_unmanaged.v1", "witiop.conversation.assigned.v1"} <= set(kinds)

        wait_until(published)


def test_no_process_met_a_permission_that_it_lacks(system: SecuredSystem) -> None:
    """Readiness does not show everything: a log would."""
    for worker in system.workers:
        for word in ("Authorization", "permission denied", "InsufficientPrivilege"):
            assert (worker.name, word, False) == (worker.name, word, word in worker.log_text())


def test_doctor_finds_nothing_wrong_with_users_and_permissions(system: SecuredSystem) -> None:
    found = json.loads(system.witiop("doctor", "--json").out)["findings"]
    assert [] == [each for each in found if "kafka user" in each["where"] or each["unreachable"]]


@contextmanager
def customers_writing(system: SecuredSystem) -> Iterator[Counter[int | None]]:
    """Customers who write without a pause. Yields the statuses of the answers."""
    answers: Counter[int | None] = Counter()
    stop = threading.Event()

    def write() -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            story = Story(f"rotation {number}", datetime.now(UTC))
            story.chat(SHOP, SimulatedCustomer("Leo", f"3906{number:08}")).writes("0:01", "Hello")
            for each in story.posts:
                answers[system.webhooks.post(each.post)] += 1

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        wait_until(lambda: answers.total() > 10)
        yield answers
        before = answers.total()
        wait_until(lambda: answers.total() > before + 10)
    finally:
        stop.set()
        thread.join(20)


def test_the_webhook_gets_a_new_password_of_the_broker_under_load_without_a_refused_body(
    system: SecuredSystem, tmp_path: Path
) -> None:
    """First at the broker, then in its file; its open connections go on meanwhile."""
    (before,) = [each for each in system.workers if each.name == "webhook" and each.runs]
    before.stop()
    file = tmp_path / "password"
    file.write_text(PASSWORDS["webhook"])
    (webhook,) = system.run("webhook", kafka_sasl_password="", kafka_sasl_password_file=file)
    with customers_writing(system) as answers:
        done = system.witiop("topics", kafka_principal_passwords="webhook:a-new-one", kafka_partitions=2)
        assert (0, True) == (done.code, "shop.witiop-webhook: password set" in done.out)
        file.write_text("a-new-one\n")
        os.kill(webhook.pid, signal.SIGHUP)
        wait_until(lambda: "server.workers_replaced" in webhook.log_text())
    assert {200} == set(answers)


def test_processes_get_new_passwords_of_the_database_one_by_one_while_customers_write(system: SecuredSystem) -> None:
    """First in the database, then the process is restarted; what came meanwhile waits in Kafka."""
    with customers_writing(system) as answers, psycopg.connect(system.dsn, autocommit=True) as owner:
        for name in ("conversations", "relay", "timer"):
            role = f"shop_{name}"
            done = system.witiop("migrate", role_passwords=f"{name}:a-new-one")
            assert 0 == done.code, done.err
            (before,) = [each for each in system.workers if each.name == name and each.runs]
            assert 0 == before.stop()
            own = psycopg.conninfo.make_conninfo(system.dsn, user=role, password="a-new-one")
            system.run(name, postgres_dsn=own)
        written = answers.total()
        wait_until(
            lambda: (owner.execute("select count(*) from conversations").fetchone() or (0,))[0] >= written, seconds=60
        )
    assert {200} == set(answers)
