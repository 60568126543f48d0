"""Servers are restored from backups, as docs/runbook.md says: what was answered is not lost, and nothing is posted or
carried out a second time without a person (I5)."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from domain.facts import Fact, Party
from infra.local.ses import LocalSes
from infra.postgres import directory
from tests.support.commander import Commander
from tests.support.graph import ACCOUNT, TOKEN, Graph, graph_running
from tests.support.inbound import publish_facts
from tests.support.office import COMPANY
from tests.support.outcome import ends_of
from tests.support.ses import ses_settings
from tests.support.stories import FactMaker
from tests.support.system import System, Worker
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def ses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("ses")) as server:
        yield server


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with graph_running() as running:
        yield running


class Backups:
    """Backups of one installation's database: copies on the same server."""

    def __init__(self, system: System, server: str) -> None:
        self._name = str(conninfo_to_dict(system.dsn)["dbname"])
        self._server = server

    def make(self) -> None:
        self._copy(self._name, f"{self._name}_backup")

    def restore(self) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(SQL("drop database {} with (force)").format(Identifier(self._name)))
        self._copy(f"{self._name}_backup", self._name)

    def _copy(self, source: str, target: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            statement = SQL("create database {} template {}")
            connection.execute(statement.format(Identifier(target), Identifier(source)))


class Shop:
    """An installation with its processes, and an administrator at its command line."""

    def __init__(self, system: System, ses: LocalSes, graph: Graph) -> None:
        self.system = system
        self.ses = ses
        self.workers: dict[str, Worker] = {}
        self._settings: dict[str, Any] = {
            **ses_settings(ses.endpoint),
            "sending_enabled": True,
            "graph_url": graph.url,
            "whatsapp_access_token": TOKEN,
            "whatsapp_accounts": ACCOUNT,
        }
        self.graph = graph

    def run(self, *names: str) -> None:
        """Starts processes and returns when they are ready."""
        self.workers |= {worker.name: worker for worker in self.system.run(*names, **self._settings)}

    def start(self, *names: str) -> None:
        self.workers |= {worker.name: worker for worker in self.system.start(*names, **self._settings)}

    def stop(self) -> None:
        for worker in self.workers.values():
            assert 0 == worker.stop()
        self.workers = {}

    def witiop(self, *arguments: str) -> Any:
        done = self.system.witiop(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def commands(self, *commands: tuple[str, ...]) -> None:
        for command in commands:
            assert "applied" == self.witiop(*command, "--wait", "60")["outcome"]

    def trouble(self, name: str) -> str:
        return "; ".join(self.workers[name].not_ready_reason() or [])

    def posted(self) -> Counter[str]:
        """Counts the mails that SES accepted, by subject."""
        number = httpx.get(self.ses.mails_url).text.count("<li>")
        mails = [httpx.get(f"{self.ses.mails_url}/{n + 1}.eml").text for n in range(number)]
        subjects = (line for mail in mails for line in mail.splitlines() if line.startswith("Subject: "))
        return Counter(line.removeprefix("Subject: ") for line in subjects)

    def texts(self) -> Counter[str]:
        """Counts the messages that Meta accepted, by text."""
        return Counter(post["body"]["text"]["body"] for post in self.graph.control.posts())

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.system.dsn, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def has_read(self, topic: str) -> bool:
        positions = self.query(f"select partition, next_offset from consumer_offsets where topic = '{topic}'")
        return dict(positions) == ends_of(self.system.kafka, topic)


def writes(name: str) -> Fact:
    """Returns the message of a customer, written now."""
    now = datetime.now(UTC)
    turn = FactMaker(customer=Party(wa_id=f"39333{name:0>7}")).turn(1, f"hello {name}")
    return turn.model_copy(update={"at": now, "sent_at": now})


def results(system: System) -> dict[str, Any]:
    """Returns the last result of each command."""
    return {result["command_id"]: result for result in Commander(system.kafka, system.topics).results()}


def test_after_a_restore_of_the_database_nothing_is_posted_or_carried_out_again_without_a_person(
    system: System, postgres: str, ses: LocalSes, graph: Graph
) -> None:
    shop, backups = Shop(system, ses, graph), Backups(system, postgres)
    with psycopg.connect(system.dsn) as connection:
        directory.apply(connection, COMPANY)
    publish_facts(system, [writes(str(n)) for n in range(4)])
    shop.run("conversations", "commands", "relay")
    wait_until(lambda: len(shop.query("select from conversations")) == 4)
    ids = [str(row[0]) for row in shop.query("select id from conversations order by wa_id")]

    def mail(conversation: str, subject: str) -> tuple[str, ...]:
        return ("email", conversation, "--to", "a@example.com", "--subject", subject, "--body", "b", "--as", "boss")

    def text(conversation: str, body: str) -> tuple[str, ...]:
        return ("send", "text", body, "--conversation", conversation, "--as", "boss")

    shop.commands(mail(ids[0], "open at the backup"), text(ids[3], "open at the backup"))
    shop.stop()
    backups.make()
    shop.run("conversations", "commands", "relay", "mails", "sender")
    shop.commands(*(mail(ids[n], f"later {n}") for n in range(3)), text(ids[3], "later"))
    shop.commands(*(("transfer", id_, "--to-user", "anna", "--mode", "exclusive") for id_ in ids[:3]))
    once = {"open at the backup": 1, "later 0": 1, "later 1": 1, "later 2": 1}
    wait_until(lambda: shop.posted() == once)
    said = {"open at the backup": 1, "later": 1}
    wait_until(lambda: shop.texts() == said)
    before = results(system)
    shop.stop()

    backups.restore()
    publish_facts(system, [writes("9")])
    shop.start("sender", "mails")  # before anybody else can have noticed
    wait_until(lambda: "the database was restored, 2 mails, messages and commands" in shop.trouble("sender"))
    wait_until(lambda: "the database was restored, 2 mails, messages and commands" in shop.trouble("mails"))
    shop.start("conversations", "commands", "relay")
    wait_until(lambda: shop.has_read(system.topics.commands) and shop.has_read(system.topics.inbound))
    wait_until(lambda: "the database was restored, 9 mails" in shop.trouble("commands"))
    wait_until(lambda: "the database was restored" in shop.trouble("conversations"))

    assert 5 == len(shop.query("select from conversations"))
    held = shop.witiop("restore", "list")["held"]
    assert Counter(mail=1, message=1, email=3, transfer=3, send=1) == Counter(item["kind"] for item in held)
    doctor = shop.system.witiop("doctor")
    assert "restore: the database was restored; 9 mails, messages and commands are held" in doctor.out
    shop.commands(mail(ids[3], "new after the restore"), text(ids[3], "new after the restore"))
    once["new after the restore"] = said["new after the restore"] = 1
    wait_until(lambda: shop.posted() == once and shop.texts() == said)

    transfer = next(item for item in held if item["kind"] == "transfer" and ids[0] in item["what"])
    again = shop.witiop("restore", "confirm", transfer["id"], "--again", "--as", "boss")
    assert (False, 8) == (again["confirmed"], again["left"])
    wait_until(lambda: shop.query(f"select owner_id from conversations where id = '{ids[0]}'") == [("anna",)])
    assert shop.witiop("restore", "confirm", "--all", "--as", "boss")["confirmed"]
    for name in ("mails", "sender", "commands", "conversations"):
        wait_until(lambda name=name: shop.trouble(name) == "", 20)  # type: ignore[misc]

    assert once == shop.posted()
    assert said == shop.texts()
    assert {("open at the backup", "unknown"), ("new after the restore", "accepted")} == set(
        shop.query("select text, state from sends")
    )
    assert {("open at the backup", "unknown"), ("new after the restore", "sent")} == set(
        shop.query("select subject, state from mails")
    )
    after = results(system)
    assert before == {command: after[command] for command in before}
    assert [("anna",)] == shop.query("select distinct owner_id from conversations where owner_id is not null")
    assert 1 == len(shop.query("select from conversations where owner_id is not null"))
