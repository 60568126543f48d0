"""`witiop dev` starts everything, keeps it running and leaves nothing behind.

The servers are real. Our own processes are stand-ins (`tests.support.stand_in`), because the tests are about the stack.
"""

import signal
import socket
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest

from infra.local.ports import LOOPBACK
from tests.support.dev_stack import Dev, free_port_base
from tests.support.graph import Graph
from tests.support.process_tree import still_running, tree
from tests.support.waiting import wait_until
from witiop.dev.supervision import STOP_SECONDS

STAND_INS = ("tests.support.stand_in", "dev")


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers_queries(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "dev"


@pytest.fixture
def dev(data: Path) -> Iterator[Dev]:
    dev = Dev(data, free_port_base(), "--demo", command=STAND_INS)
    yield dev
    if dev.process.poll() is None:
        dev.stop()


def test_a_stack_starts_keeps_running_and_stops_without_leaving_processes(dev: Dev, data: Path) -> None:
    ready = dev.ready()
    stack = dev.stack()
    assert ready.split() == [
        "ready",
        f"webhook=http://{LOOPBACK}:{dev.port_base}",
        f"kafka={LOOPBACK}:{dev.port_base + 2}",
        f"postgres={stack.postgres_dsn}",
        f"mails={stack.ses_endpoint}/mails",
        f"stack={data}/stack.json",
    ]
    assert stat.S_IMODE((data / "stack.json").stat().st_mode) == 0o600
    assert {"kafka", "postgres", "graph", "webhook", "relay"} <= stack.pids.keys()
    assert 200 == Graph(str(stack.graph_url), str(stack.graph_token)).send().status
    assert [0o700, 0o700] == [stat.S_IMODE(each.stat().st_mode) for each in (data, data / "kafka")]
    segments = [each for each in (data / "kafka" / "log").rglob("*") if each.is_file()]
    assert segments
    assert [] == [each for each in segments if each.stat().st_mode & 0o077]

    # The demo is played once, by a program that finds the stack on its own.
    wait_until(lambda: f"simulator     | played with --stack {data}" in dev.log())
    wait_until((data / "demo-played").exists)
    wait_until(lambda: "shop          | open" in dev.log())

    # A process that dies is replaced, and stack.json has its successor.
    for name in ("webhook", "kafka", "postgres", "graph"):
        killed = dev.kill(name)
        wait_until(partial(dev.runs_again, name, killed))
        assert f"{name} ended: killed by SIGKILL; restarting it in" in dev.log()
    wait_until(partial(accepts_connections, dev.port_base + 2))
    wait_until(partial(answers_queries, stack.postgres_dsn))

    # A second stack on the same directory is refused, names the first and does not disturb it.
    second = Dev(data, free_port_base(), command=STAND_INS)
    second.process.communicate(timeout=30)
    assert second.process.returncode == 1
    assert f"in use by another witiop dev, process {dev.process.pid}:" in dev.log()
    assert dev.pid("webhook") is not None

    everything = tree(dev.process.pid)
    assert dev.stop(signal.SIGINT) == 0
    assert still_running(everything) == []
    assert not (data / "stack.json").exists()


def test_a_killed_stack_leaves_no_process_and_the_next_one_keeps_its_data_and_secrets(dev: Dev, data: Path) -> None:
    dev.ready()
    secret = dev.stack().whatsapp_app_secret
    with psycopg.connect(dev.stack().postgres_dsn) as connection:
        connection.execute("create table existing as select 1 as one")
    everything = tree(dev.process.pid)
    dev.stop(signal.SIGKILL)

    again = Dev(data, dev.port_base, command=STAND_INS)  # at once: it waits for the processes that are still ending
    again.ready()
    assert still_running(everything) == []
    assert again.stack().whatsapp_app_secret == secret
    with psycopg.connect(again.stack().postgres_dsn) as connection:
        assert connection.execute("select one from existing").fetchone() == (1,)
    assert again.stop() == 0


def test_a_stack_that_is_stopped_during_its_start_leaves_nothing(dev: Dev, data: Path) -> None:
    wait_until((data / "kafka" / "kafka.log").exists)
    everything = tree(dev.process.pid)
    assert dev.stop() == 0
    assert still_running(everything) == []
    assert not (data / "stack.json").exists()


def test_a_second_signal_kills_a_process_that_does_not_stop(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAF", "webhook")
    dev = Dev(data, free_port_base(), command=STAND_INS)
    dev.ready()
    deaf, hearing = dev.pid("webhook"), dev.pid("relay")
    assert deaf is not None
    assert hearing is not None
    everything = tree(dev.process.pid)

    dev.process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    wait_until(lambda: not psutil.pid_exists(hearing))
    wait_until(lambda: time.monotonic() > sent + 2)  # within a second it would count as the same signal
    assert psutil.pid_exists(deaf)
    dev.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not psutil.pid_exists(deaf), seconds=STOP_SECONDS - 5)
    dev.process.communicate(timeout=30)
    assert dev.process.returncode == 0
    assert still_running(everything) == []


def test_two_stacks_run_side_by_side(dev: Dev, tmp_path: Path) -> None:
    other = Dev(tmp_path / "other", free_port_base(), command=STAND_INS)
    dev.ready()
    other.ready()
    assert dev.stack().whatsapp_app_secret != other.stack().whatsapp_app_secret
    assert other.stop() == 0
    assert dev.process.poll() is None
