"""Servers and processes die, hang or refuse under load: nothing is lost or doubled, and nobody has to intervene."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from domain.facts import Fact, Party
from domain.ids import fact_id
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer, WebhookPost
from infra.local.simulator.chat import Story
from infra.postgres import directory
from tests.support.databases import Databases
from tests.support.inbound import publish_facts
from tests.support.kafka_topics import new_topics
from tests.support.outcome import (
    assert_accounted_for,
    assert_list_is_right,
    assert_published_without_gaps,
    assert_stored_once,
    expected_facts,
    facts_of,
    has_arrived,
    stored_facts,
)
from tests.support.process_tree import tree
from tests.support.stories import DIRECTORY, NUMBER, FactMaker
from tests.support.system import System, Worker
from tests.support.waiting import wait_until

SHOP = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
UPDATES = 200
RECOVERY_SECONDS = 60.0
"""The limit until everything is stored. An idle machine needs at most ten seconds."""
HANG_SECONDS = 3.0
"""Longer than the webhook waits for the broker."""


class Site:
    """An installation with servers of its own, which the tests may harm."""

    def __init__(self, kafka: LocalKafka, kafka_log: Path, postgres: LocalPostgres, system: System) -> None:
        self.kafka = kafka
        self.kafka_log = kafka_log
        self.postgres = postgres
        self.system = system
        self.workers: dict[str, Worker] = {}
        self.facts: list[Fact] = []
        self._loads = 0

    def run(self, *names: str) -> None:
        self.workers |= {worker.name: worker for worker in self.system.run(*names, consumer_instance="one")}

    def load(self) -> list[WebhookPost]:
        """Returns posts of new customers, who write and choose from the menu; some are answered."""
        self._loads += 1
        story = Story(f"chapter {self._loads}", datetime.now(UTC))
        for place in range(UPDATES // 5):
            chat = story.chat(SHOP, SimulatedCustomer("Anna", f"39{self._loads:02}{place:03}"))
            first = chat.writes("2:00", "Hello")
            chat.writes("1:50", str(place % 4))
            chat.writes("1:40", "Please")
            chat.edits("1:30", first, "Hallo")
            if place % 3 == 0:
                chat.echoes("1:00", "We are here")
            else:
                chat.writes("1:00", "Anybody?")
        posts = [each.post for each in story.posts]
        self.facts += facts_of(posts)
        return posts

    def assert_everything_is_stored_once(self) -> None:
        with psycopg.connect(self.system.dsn, autocommit=True) as connection:
            wait_until(lambda: has_arrived(connection, self.facts), RECOVERY_SECONDS, step=0.1)
            wait_until(
                lambda: all(worker.not_ready_reason() == [] for worker in self.workers.values()),
                RECOVERY_SECONDS,
                step=0.1,
            )
            assert_stored_once(connection, self.facts)
            assert_list_is_right(connection)
            assert_accounted_for(connection, self.system)
            assert_published_without_gaps(connection, self.system)

    def administer(self, statement: LiteralString) -> None:
        """Executes a statement about the installation's database on its server."""
        name = str(conninfo_to_dict(self.system.dsn)["dbname"])
        with psycopg.connect(self.postgres.dsn, autocommit=True) as connection:
            connection.execute(SQL(statement).format(database=Identifier(name), name=name))

    def stop_kafka(self) -> None:
        os.kill(pid_of(self.kafka), signal.SIGTERM)
        wait_until(lambda: self.kafka.pid is None)

    # the faults

    def kill_postgres(self) -> None:
        processes = tree(pid_of(self.postgres))
        os.kill(pid_of(self.postgres), signal.SIGKILL)
        psutil.wait_procs(processes)

    def postgres_dies(self) -> None:
        self.kill_postgres()
        self.postgres.start()

    def postgres_hangs(self) -> None:
        frozen = tree(pid_of(self.postgres))
        for process in frozen:
            process.suspend()
        time.sleep(HANG_SECONDS)
        for process in frozen:
            process.resume()

    def sessions_end(self) -> None:
        self.administer("select pg_terminate_backend(pid) from pg_stat_activity where datname = {name}")

    def postgres_is_read_only_for_a_while(self) -> None:
        self.administer("alter database {database} set default_transaction_read_only = on")
        self.sessions_end()
        consumer = self.workers["conversations"]
        wait_until(lambda: "database unreachable (ReadOnlySqlTransaction)" in str(consumer.not_ready_reason()))
        self.administer("alter database {database} reset default_transaction_read_only")
        self.sessions_end()

    def broker_dies(self) -> None:
        os.kill(pid_of(self.kafka), signal.SIGKILL)
        wait_until(lambda: self.kafka.pid is None)
        self.kafka.start()

    def broker_hangs(self) -> None:
        os.kill(pid_of(self.kafka), signal.SIGSTOP)
        time.sleep(HANG_SECONDS)
        os.kill(pid_of(self.kafka), signal.SIGCONT)

    def everything_restarts(self) -> None:
        for name, worker in list(self.workers.items()):
            assert 0 == worker.stop()
            self.run(name)

    def everything_is_killed(self) -> None:
        for name, worker in list(self.workers.items()):
            worker.kill()
            self.run(name)


def pid_of(server: LocalKafka | LocalPostgres) -> int:
    assert server.pid is not None
    return server.pid


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        directory_of_kafka = tmp_path_factory.mktemp("kafka")
        kafka = stack.enter_context(LocalKafka(directory_of_kafka))
        # durable: a database that loses what it had committed when it dies is one that was restored
        postgres = stack.enter_context(LocalPostgres(tmp_path_factory.mktemp("postgres")))
        dsn = Databases(postgres.dsn).create()
        with psycopg.connect(dsn) as connection:
            directory.apply(connection, DIRECTORY)
        topics = new_topics(kafka.bootstrap, partitions=4)
        system = stack.enter_context(System(kafka.bootstrap, dsn, topics, tmp_path_factory.mktemp("logs")))
        system.provide_roles()
        yield Site(kafka, directory_of_kafka / "log", postgres, system)


def test_processes_that_start_before_their_servers_wait_for_them(site: Site) -> None:
    site.stop_kafka()
    site.kill_postgres()
    names = ("webhook", "conversations", "timer", "relay")

    workers = site.system.start(*names, consumer_instance="one")
    wait_until(lambda: all(worker.not_ready_reason() for worker in workers))
    site.postgres.start()
    site.kafka.start()
    site.workers = {worker.name: worker.wait_ready() for worker in workers}

    for post in site.load():
        site.system.webhooks.deliver(post)
    site.assert_everything_is_stored_once()


FAULTS = [
    Site.postgres_dies,
    Site.postgres_hangs,
    Site.sessions_end,
    Site.postgres_is_read_only_for_a_while,
    Site.broker_dies,
    Site.broker_hangs,
    Site.everything_restarts,
    Site.everything_is_killed,
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__ for fault in FAULTS])
def test_under_load_nothing_is_lost_or_doubled_when(site: Site, fault: Callable[[Site], None]) -> None:
    site.run(*{"webhook", "conversations", "timer", "relay"} - site.workers.keys())
    posts = site.load()
    delivered: list[WebhookPost] = []

    def deliver() -> None:
        for post in posts:
            site.system.webhooks.deliver(post)
            delivered.append(post)
            time.sleep(0.01)  # so that there is load before, during and after

    with ThreadPoolExecutor(1) as sender:
        delivery = sender.submit(deliver)
        wait_until(lambda: len(delivered) > UPDATES // 4)
        fault(site)
        delivery.result()

    site.assert_everything_is_stored_once()


def test_a_log_that_was_restored_from_a_backup_and_grew_again_loses_nothing_that_was_answered(
    site: Site, tmp_path: Path
) -> None:
    """Its offsets are those of other records now. Last on this site: the restored broker has lost public events."""
    site.run(*{"webhook", "conversations", "timer", "relay"} - site.workers.keys())
    log = site.kafka_log
    site.stop_kafka()
    shutil.copytree(log, tmp_path / "log")
    site.kafka.start()
    deliver_all(site, site.load())
    with psycopg.connect(site.system.dsn, autocommit=True) as connection:
        wait_until(lambda: expected_facts(site.facts).ids == stored_facts(connection).ids, RECOVERY_SECONDS)
        assert 0 == site.workers.pop("conversations").stop()
        site.stop_kafka()
        shutil.rmtree(log)
        shutil.move(tmp_path / "log", log)
        site.kafka.start()

        deliver_all(site, site.load() + site.load())
        site.run("conversations")

        wait_until(lambda: expected_facts(site.facts).ids == stored_facts(connection).ids, RECOVERY_SECONDS)
        assert_list_is_right(connection)
        (breaks,) = connection.execute("select sum(breaks) from consumer_offsets").fetchall()
        assert breaks > (0,)
    assert "its log was cut back, restored or created again" in site.system.witiop("doctor").out


def deliver_all(site: Site, posts: Sequence[WebhookPost]) -> None:
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(site.system.webhooks.deliver, posts))


def test_a_consumer_that_was_suspended_in_a_batch_until_its_session_ended_does_not_write_that_batch(
    system: System,
) -> None:
    facts: list[Fact] = []

    def publish_turns(chapter: int) -> None:
        new = [FactMaker(number=f"{chapter}-{n}").turn(hour) for n in range(20) for hour in range(5)]
        publish_facts(system, new)
        facts.extend(new)

    with psycopg.connect(system.dsn, autocommit=True) as connection:
        (first,) = system.run("conversations")
        with psycopg.connect(system.dsn) as other:
            other.execute("lock table customers in access exclusive mode")
            publish_turns(1)
            waits = "select pid from pg_locks where relation = 'customers'::regclass and not granted"
            wait_until(lambda: connection.execute(waits).fetchone())
            first.freeze()
        # as the server does automatically after the transaction was idle for half a minute
        ours = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'witiop conversations'"
        assert {(True,)} == set(connection.execute(f"{ours} and datname = current_database()").fetchall())
        (second,) = system.run("conversations")
        publish_turns(2)
        wait_until(lambda: expected_facts(facts).ids == stored_facts(connection).ids, RECOVERY_SECONDS)

        first.thaw()
        publish_turns(3)
        wait_until(lambda: expected_facts(facts).ids == stored_facts(connection).ids, RECOVERY_SECONDS)
        wait_until(lambda: first.not_ready_reason() == second.not_ready_reason() == [])
        assert [(60, 5, 5)] == connection.execute(
            "select count(*), min(entries), max(entries) from conversations"
        ).fetchall()
        assert_list_is_right(connection)


def test_events_that_name_unknown_conversations_slow_no_customer_and_become_dead_letters(system: System) -> None:
    """The desk of another environment, or one that remembers conversations of before a restore."""
    nameless = {"customer": None, "phone_number_id": None}
    lost = [
        FactMaker()
        .accepted(1)
        .model_copy(update={"id": fact_id("event", str(n)), "conversation_id": fact_id("lost", str(n)), **nameless})
        for n in range(300)
    ]
    (consumer,) = system.run("conversations")
    with psycopg.connect(system.dsn, autocommit=True) as connection:
        publish_facts(system, lost)
        turns: list[Fact] = [FactMaker(customer=Party(wa_id=f"39{n}")).turn(1, f"hello {n}") for n in range(60)]
        publish_facts(system, turns)
        wait_until(lambda: expected_facts(turns).ids == stored_facts(connection).stored, 10)

        wait_until(lambda: 300 == len(stored_facts(connection).dead))
        assert [("conversation_id: there is no such conversation",)] == connection.execute(
            "select distinct reason from set_aside"
        ).fetchall()
        assert [] == consumer.not_ready_reason()

        system.witiop("dead-letters", "replay", "--all")
        assert 300 == len(connection.execute("select from set_aside where redriven_at is null").fetchall())


def test_a_consumer_that_a_twin_of_the_same_name_fenced_works_on_beside_it_and_after_it(system: System) -> None:
    """An update that overlaps and is rolled back, for example, or a suspended machine that comes back."""
    facts: list[Fact] = []

    def publish_turns(chapter: int) -> None:
        new: list[Fact] = [FactMaker(number=f"{chapter}-{n}").turn(1) for n in range(40)]
        publish_facts(system, new)
        facts.extend(new)

    with psycopg.connect(system.dsn, autocommit=True) as connection:

        def everything_is_stored() -> bool:
            return expected_facts(facts).ids == stored_facts(connection).ids

        (first,) = system.run("conversations", consumer_instance="one", consumer_threads=1)
        publish_turns(1)
        wait_until(everything_is_stored, RECOVERY_SECONDS)
        (twin,) = system.run("conversations", consumer_instance="one", consumer_threads=1)
        publish_turns(2)
        wait_until(lambda: "kafka.consumer_replaced" in first.log_text(), RECOVERY_SECONDS)
        publish_turns(3)
        wait_until(everything_is_stored, RECOVERY_SECONDS)
        assert "kafka.consumer_replaced" not in twin.log_text()

        assert 0 == twin.stop()
        publish_turns(4)
        wait_until(everything_is_stored, RECOVERY_SECONDS)
        wait_until(lambda: first.not_ready_reason() == [])
