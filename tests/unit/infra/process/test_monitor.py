"""The monitor: metrics, liveness and readiness on a port of its own, whatever its clients do."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from time import monotonic

import pytest
from prometheus_client import CollectorRegistry, Counter

from infra.process.monitor import monitor
from tests.support.waiting import wait_until


@contextmanager
def _running(reason: str | None = None) -> Iterator[int]:
    registry = CollectorRegistry()
    Counter("bodies", "Bodies that were stored.", registry=registry).inc(3)
    with monitor("127.0.0.1", 0, {"worker": lambda: reason}, registry) as (_, port):
        yield port


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_metrics_are_in_prometheus_format_with_their_help() -> None:
    """Prometheus can read them."""
    with _running() as port:
        status, body = _get(port, "/metrics")
    assert status == 200
    assert b"# HELP bodies_total Bodies that were stored.\n" in body
    assert b"bodies_total 3.0\n" in body


def test_a_process_whose_checks_pass_is_ready() -> None:
    """The list of reasons is empty."""
    with _running() as port:
        status, body = _get(port, "/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "missing": []})


def test_a_process_whose_check_fails_is_alive_and_not_ready() -> None:
    """The body lists the reason."""
    with _running("database unreachable") as port:
        ready, alive = _get(port, "/readyz"), _get(port, "/healthz")
    assert (ready[0], json.loads(ready[1])) == (503, {"ready": False, "missing": ["worker: database unreachable"]})
    assert (alive[0], json.loads(alive[1])) == (200, {"alive": True})


@pytest.mark.parametrize(("reason", "value"), [(None, b"1.0"), ("database unreachable", b"0.0")])
def test_prometheus_sees_whether_a_process_is_ready(reason: str | None, value: bytes) -> None:
    """Without it, an alert could only look at what the process counts, and not at what it says of itself."""
    with _running(reason) as port:
        _, body = _get(port, "/metrics")
    assert b"witiop_ready " + value + b"\n" in body


def test_other_paths_are_answered_with_404() -> None:
    """The body lists the existing paths."""
    with _running() as port:
        assert _get(port, "/") == (404, b'{"paths": ["/metrics", "/healthz", "/readyz"]}')


def test_clients_that_send_nothing_delay_neither_others_nor_the_shutdown() -> None:
    """A ninth connection is closed at once; when one of the eight ends, there is room again."""
    with _running() as port:
        stuck = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(8)]
        late = socket.create_connection(("127.0.0.1", port), timeout=5)
        assert late.recv(1) == b""
        stuck.pop().close()
        wait_until(lambda: _answers(port))
    for connection in (*stuck, late):
        connection.close()


def _answers(port: int) -> bool:
    try:
        return _get(port, "/healthz")[0] == 200
    except OSError:
        return False


def test_a_port_in_use_is_named_in_the_error() -> None:
    """The message has the address, so that the user can choose another one."""
    with _running() as port, pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"), _on(port):
        pass


@contextmanager
def _on(port: int) -> Iterator[None]:
    with monitor("127.0.0.1", port, {}, CollectorRegistry()):
        yield


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_monitor_that_nobody_asks_ends_at_once(host: str) -> None:
    """It sleeps until a request comes, and is woken up to end."""
    began = monotonic()
    with monitor(host, 0, {}) as (_, port):
        pass
    assert monotonic() - began < 4
    with monitor(host, port, {}):  # the address is free
        pass
