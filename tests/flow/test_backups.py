"""A backup is made while messages arrive, the database is lost and restored from it, and nothing is lost or posted
twice: what came after the backup is read from Kafka again (docs/runbook.md)."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import pytest

from infra.local.ses import LocalSes
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.load import Ledger, Load, run
from infra.local.simulator.traffic import Mix, Traffic
from tests.support.databases import Databases
from tests.support.ledger import violations
from tests.support.outcome import ends_of
from tests.support.ses import ses_settings
from tests.support.stories import NUMBER
from tests.support.system import System, Worker
from tests.support.waiting import wait_until

LINE = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
RATE, _SLICE_SECONDS = 60.0, 1.0
NAMES = ("conversations", "commands", "relay", "mails")


@pytest.fixture(scope="module")
def ses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("ses")) as server:
        yield server


class Drill:
    """An installation under load, and an administrator at its command line."""

    def __init__(self, system: System, ses: LocalSes, ledger: Path) -> None:
        self.system = system
        self.ledger = ledger
        self._mails_url = ses.mails_url
        self._settings = ses_settings(ses.endpoint)

    @contextmanager
    def load(self) -> Iterator[None]:
        """Posts updates until the end of the block; each was answered 200 then."""
        ended = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            posting = thread.submit(self._post_until, ended)
            try:
                yield
            finally:
                ended.set()
        assert posting.result() == 0

    def _post_until(self, ended: threading.Event) -> int:
        """Posts until then, and returns how many posts were never answered 200."""
        undelivered = 0
        with self.ledger.open("a", encoding="utf-8") as file:
            while not ended.is_set():
                traffic = Traffic(Mix(LINE, customers=40, repeats=0.1), datetime.now(UTC), RATE)
                load = Load(RATE, _SLICE_SECONDS, batch=2, retry_seconds=30)
                undelivered += run(load, traffic, self.system.webhooks, Ledger(file)).undelivered
        return undelivered

    def run(self) -> list[Worker]:
        return self.system.start(*NAMES, **self._settings)

    def witiop(self, *arguments: str) -> Any:
        done = self.system.witiop(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def mail(self, subject: str, *options: str) -> None:
        (conversation, *_) = self.query("select id from conversations order by id limit 1")[0]
        fields = ("--to", "a@example.com", "--subject", subject, "--body", "b", "--as", "boss", *options)
        assert "applied" == self.witiop("email", str(conversation), *fields, "--wait", "60")["outcome"]

    def posted(self) -> Counter[str]:
        """Counts the mails that SES accepted, by subject."""
        number = httpx.get(self._mails_url).text.count("<li>")
        mails = [httpx.get(f"{self._mails_url}/{n + 1}.eml").text for n in range(number)]
        subjects = (line for mail in mails for line in mail.splitlines() if line.startswith("Subject: "))
        return Counter(line.removeprefix("Subject: ") for line in subjects)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.system.dsn, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def change(self, statement: LiteralString) -> None:
        with psycopg.connect(self.system.dsn, autocommit=True) as connection:
            assert 1 == connection.execute(statement).rowcount

    def has_read_everything(self) -> bool:
        return all(
            dict(self.query(f"select partition, next_offset from consumer_offsets where topic = '{topic}'"))
            == ends_of(self.system.kafka, topic)
            for topic in (self.system.topics.inbound, self.system.topics.commands)
        )


def test_a_database_that_is_lost_under_load_comes_back_from_its_backup_with_everything_and_posts_nothing_twice(
    system: System, databases: Databases, ses: LocalSes, tmp_path: Path
) -> None:
    drill, file = Drill(system, ses, tmp_path / "ledger"), tmp_path / "backup.witiop"
    (webhook,) = system.run("webhook")
    workers = drill.run()
    with drill.load():
        wait_until(lambda: drill.query("select count(*) from conversations")[0][0] > 20)
        drill.mail("before")
        drill.mail("open", "--hold", "60")
        drill.change("update mails set due_at = now() + interval '1 day' where subject = 'open'")
        wait_until(lambda: drill.query("select state from mails where subject = 'before'") == [("sent",)])
        backup = drill.witiop("backup", str(file))
        drill.mail("after")
    wait_until(lambda: drill.posted() == Counter(["before", "after"]))
    wait_until(drill.has_read_everything)
    (stored,) = drill.query("select (select count(*) from entries), (select count(*) from conversations)")
    for worker in workers:
        assert 0 == worker.stop()

    system.use(databases.create_blank())
    with drill.load():  # the webhook needs no database
        restored = drill.witiop("restore", "from", str(file))
        assert (backup["rows"], 1) == (restored["rows"], restored["held"])
        (before,) = drill.query("select count(*) from entries")
        assert 0 < before[0] < stored[0], "messages came after the backup"
        workers = drill.run()
    assert webhook.runs
    wait_until(drill.has_read_everything, 60)

    assert [] == violations(drill.ledger, system.dsn)
    held = drill.witiop("restore", "list")["held"]
    assert Counter(["mail", "email"]) == Counter(item["kind"] for item in held)
    assert Counter(["before", "after"]) == drill.posted()
    assert drill.witiop("restore", "confirm", "--all", "--as", "boss")["confirmed"]
    drill.mail("new")
    wait_until(lambda: drill.posted() == Counter(["before", "after", "new"]))
    assert [("open", "unknown")] == drill.query("select subject, state from mails where subject = 'open'")
    for worker in workers:
        wait_until(lambda worker=worker: worker.not_ready_reason() == [], 30)  # type: ignore[misc]
    databases.drop(system.dsn)
