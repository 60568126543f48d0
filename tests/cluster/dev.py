"""`witiop dev --brokers 3 --standby`: what it needs, and that it mends itself."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.figures import Figure
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.load import Ledger, Load
from infra.local.simulator.load import run as run_load
from infra.local.simulator.traffic import Mix, Traffic
from infra.local.simulator.webhooks import Webhooks
from infra.process.clock import utc_now
from tests.support.dev_stack import Dev, free_port_base
from tests.support.ledger import violations
from tests.support.process_tree import pss_bytes
from tests.support.stories import NUMBER
from tests.support.waiting import wait_until
from witiop.dev.stack_file import Stack

_LOAD = Load(rate=50, seconds=40, retry_seconds=60)
_BROKER_MIB = 400
_VICTIMS = ("kafka-2", "postgres")
_PAUSE_SECONDS = 10.0
_MENDED_SECONDS = 60.0


def mends_itself(directory: Path) -> Iterator[Figure]:
    """Yields the memory of its brokers, and what was lost while one of them and the primary were killed."""
    dev = Dev(directory / "dev", free_port_base(), "--no-demo", "--brokers", "3", "--standby")
    try:
        dev.ready()
        yield _memory(dev)
        ledger = directory / "dev-ledger.jsonl"
        with ThreadPoolExecutor(1) as sender:
            sending = sender.submit(_send, dev.stack(), ledger)
            for victim in _VICTIMS:
                time.sleep(_PAUSE_SECONDS)
                killed = dev.kill(victim)
                wait_until(partial(dev.runs_again, victim, killed))
            sending.result()
        acknowledged = utc_now()
        wait_until(lambda: _is_read(dev.stack(), acknowledged), _MENDED_SECONDS, step=0.5)
        found = violations(ledger, dev.stack().postgres_dsn)
        yield Figure(
            what="witiop dev --brokers 3 --standby: lost or doubled while a broker and the primary were killed",
            value=str(len(found)),
            target="0",
            holds=not found,
            meaning=f"{_LOAD.rate * _LOAD.seconds:,.0f} updates; both were started again, the standby promoted"
            + "".join(f"; {each}" for each in found[:5]),
        )
    finally:
        dev.stop()


def _memory(dev: Dev) -> Figure:
    sizes = [pss_bytes(pid) >> 20 for number in (1, 2, 3) if (pid := dev.pid(f"kafka-{number}")) is not None]
    return Figure(
        what="memory of three brokers",
        value=", ".join(f"{size} MiB" for size in sizes),
        target=f"at most {_BROKER_MIB} MiB each",
        holds=len(sizes) == 3 and max(sizes) <= _BROKER_MIB,
        meaning="proportional set size after the start",
    )


def _send(stack: Stack, ledger: Path) -> None:
    webhooks = Webhooks(stack.webhook_url, {"whatsapp": str(stack.whatsapp_app_secret)})
    line = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
    with ledger.open("w", encoding="utf-8") as file:
        run_load(_LOAD, Traffic(Mix(line), utc_now(), _LOAD.rate), webhooks, Ledger(file))


def _is_read(stack: Stack, until: datetime) -> bool:
    """Whether everything that was acknowledged by then has been processed."""
    query = "select min(caught_up_to) > %s from consumer_offsets where topic = %s"
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as connection:
        return connection.execute(query, [until, "witiop.inbound.v1"]).fetchone() == (True,)
