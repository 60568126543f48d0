"""The product's real processes on given servers, with a database and topics of their own: started, watched, killed.

Tests do to them what happens in production: signals, servers that become unreachable, crash points.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.topics import Topics
from infra.local.guard import Child, Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.simulator.bodies import WebhookSource
from infra.local.simulator.webhooks import Webhooks
from infra.postgres.roles import ROLE_PROCESSES, provide, role_of
from tests.support.command_line import Finished, call
from tests.support.waiting import wait_until
from tests.support.warm_start import COLD, WarmProcess
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET, VERIFY_TOKEN

COMMAND_SECRET = "command secret"
_ROLE_PASSWORD = "role password"
READY_SECONDS = 60.0
"""Enough for a busy machine; usually a process is ready within two seconds."""


class Worker:
    """One process, `witiop run NAME`, with a log file of its own."""

    def __init__(self, guard: Guard, name: str, log: Path, env: dict[str, str], cold: Collection[str]) -> None:
        self.name = name
        self._guard = guard
        self._log = log
        self._port = int(env["WITIOP_MONITOR_PORT"])
        if name in cold:
            with log.open("wb") as output:
                argv = [sys.executable, "-m", "witiop", "run", name]
                self._process: Child = guard.spawn(argv, env=env, cwd=log.parent, output=output)
        else:
            self._process = WarmProcess(["run", name], env, cwd=log.parent, output=log)
            guard.adopt(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def not_ready_reason(self) -> list[str] | None:
        """What `/readyz` reports as missing; None if the process does not answer."""
        answer = get(self._port, "/readyz")
        return None if answer is None else json.loads(answer[1])["missing"]

    def wait_ready(self) -> Self:
        """Returns when the process is ready."""

        def ready() -> bool:
            assert self._process.poll() is None, f"{self.name} ended: {self.log_text()}"
            return self.not_ready_reason() == []

        wait_until(ready, READY_SECONDS, step=0.05)
        return self

    def metrics(self) -> str:
        """The page for Prometheus."""
        answer = get(self._port, "/metrics")
        assert answer is not None
        return answer[1]

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = [line for line in self.metrics().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def log_text(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """Kills the process with SIGKILL, as the kernel does when memory is short."""
        self._guard.reap(self._process)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self, grace_seconds: float = 20) -> int:
        """Stops the process. Returns its exit code, -9 if the grace time was not enough."""
        self._guard.end(self._process, grace_seconds)
        return self._process.wait()

    def wait_end(self, seconds: float = 60) -> int:
        """Waits until the process ends without being stopped. Returns its exit code."""
        code = self._process.wait(seconds)
        self._guard.reap(self._process)
        return code

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)


class System:
    """The processes of one installation, each with its own role in the database. The context manager ends all of
    them."""

    def __init__(self, kafka: str, dsn: str, topics: Topics, directory: Path, cold: Collection[str] = COLD) -> None:
        """`directory`: for the logs, and where the processes run; `cold`: processes that are started from the command
        line, the others are forked."""
        self.kafka = kafka
        self.dsn = dsn
        self.topics = topics
        self.webhook_port = free_port()
        secrets: dict[WebhookSource, str] = {
            "whatsapp": APP_SECRETS[0],
            "softbot": SOFTBOT_SECRET,
            "agents": AGENTS_SECRET,
        }
        self.webhooks = Webhooks(f"http://{LOOPBACK}:{self.webhook_port}", secrets)
        self.workers: list[Worker] = []
        self._directory = directory
        self._cold = cold
        self._guard = Guard()
        self._has_roles = False

    def start(self, *names: str, crash_at: str | None = None, **settings: object) -> list[Worker]:
        """Starts processes and returns at once. `settings`: e.g. `poison_per_minute=5`."""
        workers = []
        for name in names:
            log = self._directory / f"{len(self.workers)}-{name}.log"
            own = {"postgres_dsn": self._own_dsn(name), **settings}
            workers.append(Worker(self._guard, name, log, self.environment(crash_at, **own), self._cold))
            self.workers.append(workers[-1])
        return workers

    def _own_dsn(self, process: str) -> str:
        """The connection string with the process's role; empty for the webhook, which has none."""
        if process not in ROLE_PROCESSES:
            return ""
        self.provide_roles()
        role = role_of(process, str(conninfo_to_dict(self.dsn)["dbname"]))
        return make_conninfo(self.dsn, user=role, password=_ROLE_PASSWORD)

    def provide_roles(self) -> None:
        """Creates the roles of the processes, unless they were created before. The database must run."""
        if not self._has_roles:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                provide(connection, dict.fromkeys(ROLE_PROCESSES, _ROLE_PASSWORD))
            self._has_roles = True

    def use(self, dsn: str) -> None:
        """Makes the processes that are started from now on use another database."""
        self.dsn, self._has_roles = dsn, False

    def run(self, *names: str, crash_at: str | None = None, **settings: object) -> list[Worker]:
        """Starts processes and returns when all of them are ready."""
        return [worker.wait_ready() for worker in self.start(*names, crash_at=crash_at, **settings)]

    def witiop(self, *arguments: str, **settings: object) -> Finished:
        """Runs a command of the command line in this process."""
        return call(*arguments, "--stack", "-", environment=self.environment(None, **settings))

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the command line in a process of its own, until it ends."""
        argv = [sys.executable, "-m", "witiop", *arguments, "--stack", "-"]
        return subprocess.run(
            argv, env=self.environment(), cwd=self._directory, capture_output=True, text=True, timeout=60, check=False
        )

    def environment(self, crash_at: str | None = None, **settings: object) -> dict[str, str]:
        """The environment of a process: these settings, without those in the tests' own environment."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("WITIOP_")}
        configured = {
            "kafka_bootstrap_servers": self.kafka,
            "kafka_topic_prefix": self.topics.prefix,
            "kafka_replication_factor": 1,
            "postgres_dsn": self.dsn,
            "whatsapp_app_secrets": ",".join(APP_SECRETS),
            "whatsapp_verify_token": VERIFY_TOKEN,
            "softbot_secrets": SOFTBOT_SECRET,
            "agents_secrets": AGENTS_SECRET,
            "command_secrets": COMMAND_SECRET,
            "webhook_port": self.webhook_port,
            "monitor_port": free_port(),
            **settings,
        }
        armed = {"CRASH_AT": crash_at} if crash_at else {}
        return own | {f"WITIOP_{name.upper()}": str(value) for name, value in configured.items()} | armed

    def logs(self) -> Iterable[str]:
        """The logs of all processes."""
        return (worker.log_text() for worker in self.workers)

    def close(self) -> None:
        """Kills the processes that still run."""
        for worker in self.workers:
            if worker.runs:
                worker.kill()
        self._guard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def get(port: int, path: str) -> tuple[int, str] | None:
    """Returns status and body of a page on this machine; None without an answer within two seconds."""
    connection = HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
