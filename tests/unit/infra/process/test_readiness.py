"""Asking a process whether it is ready."""

import socket

import pytest
from prometheus_client import CollectorRegistry

from infra.process.monitor import monitor
from infra.process.readiness import not_ready_reason_at


@pytest.mark.parametrize("reason", [None, "database unreachable"])
def test_the_reasons_of_a_process_are_returned(reason: str | None) -> None:
    checks = {"worker": lambda: reason, "other": lambda: reason}
    with monitor("127.0.0.1", 0, checks, CollectorRegistry()) as (_, port):
        answers = [not_ready_reason_at(host, port) for host in ("127.0.0.1", "0.0.0.0")]

    expected = None if reason is None else f"worker: {reason}; other: {reason}"
    assert [expected] * 2 == answers


def test_a_process_that_does_not_listen_or_answer_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "no answer (TimeoutError)" == not_ready_reason_at("127.0.0.1", port, timeout_seconds=0.1)

    assert "no answer (ConnectionRefusedError)" == not_ready_reason_at("127.0.0.1", port)
