"""SIGHUP replaces the workers, also if it comes before the process serves: the files that it is about may have been
read already."""

import http.client
import json
import multiprocessing
import os
import signal
from collections.abc import Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse

import psutil
import pytest
from flask import Flask

from infra.local.ports import LOOPBACK, free_port
from infra.serving.limits import RequestLimits
from infra.serving.server import serve
from infra.serving.worker import ServedApp
from tests.support.own_process import run_python
from tests.support.waiting import wait_until


def _saying(secret: str, is_ready: bool = True) -> ServedApp:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [secret.encode()]

    flask = Flask(__name__)
    flask.wsgi_app = app  # type: ignore[method-assign]  # the application itself is not the subject
    return ServedApp(flask, lambda _: None, lambda: None, is_ready=lambda: is_ready)


def _serve_with_an_early_signal(port: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    os.kill(os.getpid(), signal.SIGHUP)
    serve(partial(_saying, "old"), RequestLimits(100), host=LOOPBACK, port=port, renew=lambda: partial(_saying, "new"))


def _said(port: int) -> bytes:
    http_ = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        http_.request("GET", "/")
        return http_.getresponse().read()
    except OSError:
        return b""
    finally:
        http_.close()


def test_a_signal_that_comes_before_the_server_serves_is_carried_out_then() -> None:
    port = free_port()
    server = multiprocessing.Process(target=_serve_with_an_early_signal, args=(port,))
    server.start()
    try:
        wait_until(lambda: _said(port) == b"new")
    finally:
        server.terminate()
        server.join(20)
    assert 0 == server.exitcode


def _serve_until_nothing_is_ready(port: int) -> None:
    never = partial(_saying, "new", is_ready=False)
    serve(partial(_saying, "old"), RequestLimits(100), host=LOOPBACK, port=port, renew=lambda: never)


def test_a_stop_while_workers_are_replaced_does_not_wait_until_they_are() -> None:
    """The platform kills a container ten seconds after it asked it to stop."""
    port = free_port()
    server = multiprocessing.Process(target=_serve_until_nothing_is_ready, args=(port,))
    server.start()
    wait_until(lambda: _said(port) == b"old")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGHUP)
    wait_until(lambda: len(psutil.Process(server.pid).children(recursive=True)) > 1)
    server.terminate()
    server.join(8)
    assert 0 == server.exitcode
    assert not _said(port)


def test_a_worker_that_fails_says_so_in_the_log_without_the_message_of_the_error() -> None:
    """Python would print the message, which may quote a customer or a secret."""
    program = (
        "from infra.process import logging\n"
        "from infra.serving.limits import RequestLimits\n"
        "from infra.serving.server import serve\n"
        "def make(): raise ValueError('canary')\n"
        "logging.configure('info')\n"
        "serve(make, RequestLimits(100), host='127.0.0.1', port=0)\n"
    )
    ended = run_python(program)
    assert 1 == ended.returncode
    (event,) = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ("server.worker_failed", "critical") == (event["event"], event["level"])
    assert "canary" not in ended.stderr


@pytest.mark.parametrize(("process", "code"), [("webhook", 0), ("console", 0), ("relay", -signal.SIGHUP)])
def test_the_two_that_read_their_files_again_outlive_a_signal_while_they_start(process: str, code: int) -> None:
    """The command is carried out by something that sends the signal."""
    program = (
        "import os, signal, sys, witiop.__main__ as program, witiop.cli.main as line\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # who started the tests may ignore it
        f"sys.argv = ['witiop', 'run', '{process}']\n"
        "line.witiop.main = lambda *_, **__: os.kill(os.getpid(), signal.SIGHUP)\n"
        "program.main()\n"
    )
    ended = run_python(program)
    assert code == ended.returncode
