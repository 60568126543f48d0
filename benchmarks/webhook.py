"""Measures the webhook against the possible speed of its server, Flask and its producer.

The ceiling is a Flask view behind the same server, with the same number of threads and the same producer settings. It
checks the HMAC and waits until the broker has acknowledged one record, the unchanged body, on a topic with the same
number of partitions. Both run all the time, each as a process with one worker. A client posts signed bodies with one
update each to them alternately (A B A B ...), over 16 persistent connections, each of which sends its next body as soon
as the last one is answered.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import monotonic

from benchmarks.figures import Figure
from infra.local.ports import LOOPBACK, free_port
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.traffic import Mix, Traffic
from infra.process.clock import utc_now
from tests.support.kafka_topics import new_topics
from tests.support.waiting import wait_until
from tests.support.webhook_app import from_meta
from tests.support.webhook_process import PATH, webhook_process

PAIRS = 7
CONNECTIONS = 16
PARTITIONS = 6
_BODIES = 2000
_LEAST = 0.75


def measure(bootstrap: str, directory: Path, seconds: float = 5) -> Iterator[Figure]:
    """Yields the ratio. Each slice takes `seconds`. Both processes log to `directory`."""
    posts = _posts()
    ours, bare = list[float](), list[float]()
    topics, others = new_topics(bootstrap, PARTITIONS), new_topics(bootstrap, PARTITIONS)
    with (
        webhook_process(bootstrap, topics, directory) as webhook,
        _bare(bootstrap, others.inbound, directory / "bare.log") as bare_port,
    ):
        for port in (webhook.port, bare_port):
            _rate(port, posts, 1)
        for _ in range(PAIRS):
            ours.append(_rate(webhook.port, posts, seconds))
            bare.append(_rate(bare_port, posts, seconds))
    ratios = sorted(one / other for one, other in zip(ours, bare, strict=True))
    yield Figure(
        what="webhook / bare view, one update a body",
        value=f"{median(ratios):.2f}",
        target=f"at least {_LEAST:.2f}",
        holds=median(ratios) >= _LEAST,
        meaning=f"webhook {median(ours):,.0f} answers/s, bare view {median(bare):,.0f}, one worker "
        f"each, {CONNECTIONS} connections; median of {PAIRS} pairs, from {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )


def _posts() -> list[tuple[bytes, dict[str, str]]]:
    """Returns bodies with their headers: statuses and messages of 500 customers, mixed as Meta sends them."""
    traffic = Traffic(Mix(BusinessNumber("550200000000001", "+999 0000000000", "550200000000000")), utc_now(), 264)
    bodies = [traffic.post([traffic.update(number)]).body for number in traffic.numbers(_BODIES)]
    return [(body, from_meta(body)) for body in bodies]


def _rate(port: int, posts: Sequence[tuple[bytes, dict[str, str]]], seconds: float) -> float:
    """Returns answers per second."""
    deadline = monotonic() + seconds
    with ThreadPoolExecutor(CONNECTIONS) as senders:
        counts = senders.map(partial(_send, port, posts, deadline), range(CONNECTIONS))
        return sum(counts) / seconds


def _send(port: int, posts: Sequence[tuple[bytes, dict[str, str]]], deadline: float, first: int) -> int:
    """Posts over one connection and returns the number of answers."""
    answered = 0
    with closing(HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        while monotonic() < deadline:
            body, headers = posts[(first + answered * CONNECTIONS) % len(posts)]
            connection.request("POST", PATH, body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            answered += 1
    return answered


@contextmanager
def _bare(bootstrap: str, topic: str, log: Path) -> Iterator[int]:
    """Runs the bare view and yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.ceilings.bare_webhook", bootstrap, topic, str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: _listens(port))
            yield port
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with closing(HTTPConnection(LOOPBACK, port, timeout=2)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 404
        except OSError:
            return False
