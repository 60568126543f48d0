"""PostgreSQL with a standby: what was committed survives the primary, and processes find the one that takes over."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest
from psycopg_pool import PoolTimeout

from infra.local.cluster.postgres_pair import PostgresPair
from infra.postgres.connections.pool import connect, pool
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.lists.health import missing_standbys
from tests.support.process_tree import tree
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresPair]:
    with PostgresPair(tmp_path_factory.mktemp("pair"), fsync=False, settings={"synchronous_commit": "on"}) as pair:
        with psycopg.connect(pair.dsn_of("postgres")) as connection:
            connection.execute("create table stored (what text)")
        yield pair


@pytest.fixture
def dsn(pair: PostgresPair) -> str:
    return pair.dsn_of("postgres")


def kill(pair: PostgresPair, index: int) -> None:
    pid = pair.members[index].pid
    assert pid is not None
    processes = tree(pid)
    for process in processes:
        process.kill()
    psutil.wait_procs(processes)
    wait_until(lambda: pair.members[index].pid is None)


def stored(dsn: str) -> set[str]:
    with connect(dsn, "test") as connection:
        return {what for (what,) in connection.execute("select what from stored").fetchall()}


def test_what_was_committed_survives_the_primary_and_the_other_one_takes_its_place(
    pair: PostgresPair, dsn: str
) -> None:
    """Twice, so that each of them has been both."""
    session = DatabaseSession(dsn, "worker")
    for round_ in ("first", "second"):
        primary = pair.primary
        with session.transaction() as connection:
            connection.execute("insert into stored values (%s)", [round_])
        kill(pair, primary)

        pair.launch(primary)

        assert primary == pair.standby
        with pytest.raises(psycopg.OperationalError), session.transaction() as connection:
            connection.execute("select 1")
        with session.transaction() as connection:
            connection.execute("insert into stored values (%s)", [f"after the {round_}"])
    session.close()
    assert stored(dsn) >= {"first", "after the first", "second", "after the second"}


def test_while_the_standby_is_away_commits_wait_except_those_that_say_so(pair: PostgresPair, dsn: str) -> None:
    with connect(dsn, "doctor", autocommit=True) as connection:
        wait_until(lambda: missing_standbys(connection) == 0)
        kill(pair, pair.standby)
        wait_until(lambda: missing_standbys(connection) == 1)

    def insert(what: str, *, waits: bool) -> float:
        with connect(dsn, what, autocommit=True, waits_for_standby=waits) as connection:
            connection.execute("insert into stored values (%s)", [what])
        return time.monotonic()

    with ThreadPoolExecutor() as pool_of_threads:
        waiting = pool_of_threads.submit(insert, "waits", waits=True)
        insert("an alarm", waits=False)
        with connect(dsn, "test", autocommit=True) as connection:
            waits = "select from pg_stat_activity where wait_event = 'SyncRep'"
            wait_until(lambda: connection.execute(waits).fetchone() is not None)
        assert not waiting.done()
        pair.launch(pair.standby)
        waiting.result(60)
    assert stored(dsn) >= {"waits", "an alarm"}


def test_a_pool_hands_out_no_connection_to_a_standby(pair: PostgresPair) -> None:
    """An address may lead there for a while, behind a balancer."""
    standby = pair.members[pair.standby].dsn_of("postgres")
    with pool(standby, "console", size=1) as connections, pytest.raises(PoolTimeout):
        connections.getconn(timeout=0.5)
