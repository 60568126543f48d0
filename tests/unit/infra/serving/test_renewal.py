"""SIGHUP replaces the workers, also if it comes before the process serves: the files that it is about may have been
read already."""

import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse

import pytest
from flask import Flask

from infra.local.ports import LOOPBACK, free_port
from infra.serving.limits import RequestLimits
from infra.serving.server import serve
from infra.serving.worker import ServedApp
from tests.support.paths import ROOT
from tests.support.waiting import wait_until


def _saying(secret: str) -> ServedApp:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [secret.encode()]

    flask = Flask(__name__)
    flask.wsgi_app = app  # type: ignore[method-assign]  # the application itself is not the subject
    return ServedApp(flask, lambda _: None, lambda: None)


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
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == ended.returncode
    (event,) = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ("server.worker_failed", "critical") == (event["event"], event["level"])
    assert "canary" not in ended.stderr


@pytest.mark.parametrize(("process", "code"), [("webhook", 0), ("console", 0), ("relay", -signal.SIGHUP)])
def test_the_two_that_read_their_files_again_outlive_a_signal_while_they_start(process: str, code: int) -> None:
    """The command is carried out by something that sends the signal."""
    program = (
        "import os, signal, sys, witiop.__main__ as program, witiop.cli.main as line\n"
        f"sys.argv = ['witiop', 'run', '{process}']\n"
        "line.witiop.main = lambda *_, **__: os.kill(os.getpid(), signal.SIGHUP)\n"
        "program.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False
    )
    assert code == ended.returncode
