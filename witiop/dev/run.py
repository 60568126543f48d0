"""`witiop dev`: starts the whole system on one machine, keeps it running and stops it cleanly."""

import errno
import json
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from infra.local import CACHE_DIR, say
from infra.local.directory_lock import locked
from infra.local.errors import LocalServerError, NotReachableError
from infra.local.graph.process import LocalGraph
from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, require_free
from infra.local.ses import LocalSes
from infra.local.team_hook import TeamHook
from infra.postgres.roles import ROLE_PROCESSES
from infra.process.readiness import not_ready_reason_at
from witiop.dev.environment import CONSOLE_PORT, WEBHOOK_PORT, environment_of
from witiop.dev.graph import graph_stand_in
from witiop.dev.processes import MIGRATE, PROCESSES, SHOP, SIMULATOR, TOPICS, DevProgram
from witiop.dev.servers import ONE_OF_EACH, StackServers, StackSize
from witiop.dev.sign_ins import add_sign_ins
from witiop.dev.stack_file import FILE_NAME, Stack, write_private
from witiop.dev.supervision import RunningProgram, Supervisor
from witiop.dev.team import open_team

PORTS = 30
SES_PORT, GRAPH_PORT, TEAM_PORT = 5, 6, 7
"""Offsets from the first port, like those of `witiop.dev.environment` and `witiop.dev.servers`; 4 is reserved for
PostgreSQL."""
FREE_BYTES = 512 * 1024 * 1024
READY_SECONDS = 90.0
SECRETS = ("whatsapp_app_secret", "whatsapp_verify_token", "softbot_secret", "agents_secret", "command_secret")
SECRETS_FILE = "secrets.json"
_STEP_SECONDS = 0.1
_NOT_REACHABLE = 3
_SHOP_PAUSE_SECONDS = 10
"""The shortest time between two starts of the demo's shop."""


@dataclass(frozen=True)
class System:
    """Programs of the stack, in the order of their start: migrations, topics, the processes, then the demo: a story
    that ends, and its shop, which stays open."""

    migrate: DevProgram = MIGRATE
    topics: DevProgram = TOPICS
    processes: Sequence[DevProgram] = PROCESSES
    simulator: DevProgram = SIMULATOR
    shop: DevProgram = SHOP


def run_dev(
    data: Path,
    port_base: int,
    demo: bool,
    out: TextIO,
    *,
    size: StackSize = ONE_OF_EACH,
    system: System = System(),
    cache_dir: Path = CACHE_DIR,
    echo: Callable[[str], None] = say,
) -> int:
    """Runs the stack until SIGINT, SIGTERM or SIGHUP; a second signal shortens the stop.

    Writes one line that begins with "ready " to `out` once every part answers, and all other lines to `echo`. Must run
    on the main thread, because it handles signals.

    Returns the exit code: 0 after a normal stop, 1 if something on this machine prevents the start, 3 if an external
    system does not answer. In the last two cases the last line says what is wrong and how to fix it.
    """
    data = data.resolve()
    interruptions = _Interruptions()
    try:
        with interruptions.handled(), locked(data) as lock, Guard(holds=[lock]) as guard:
            stack = _LocalStack(data, port_base, size, system, cache_dir=cache_dir, guard=guard, echo=echo)
            interruptions.guard = guard
            try:
                stack.start(demo, out)
                stack.keep_running(demo)
            finally:
                interruptions.stopping = True
                stack.stop()
    except _Interrupted:
        pass
    except LocalServerError as error:
        echo(f"witiop dev: {error}")
        return _NOT_REACHABLE if isinstance(error, NotReachableError) else 1
    except OSError as error:  # from our own files and directories; the message names the file and the reason
        full = f"the disk of {error.filename or data} is full: free some space and try again"
        echo(f"witiop dev: {full if error.errno == errno.ENOSPC else error}")
        return 1
    return 0


class _LocalStack:
    """The servers and processes of a data directory, and its `stack.json`."""

    def __init__(
        self,
        data: Path,
        port_base: int,
        size: StackSize,
        system: System,
        *,
        cache_dir: Path,
        guard: Guard,
        echo: Callable[[str], None],
    ) -> None:
        self._data = data
        self._port_base = port_base
        self._system = system
        self._guard = guard
        self._echo = echo
        self._servers = StackServers(data, port_base, size, cache_dir=cache_dir, guard=guard, echo=echo)
        self._ses = LocalSes(data / "ses", port_base + SES_PORT, guard=guard)
        self._graph: LocalGraph | None = None
        self._team: TeamHook | None = None
        self._role_passwords: dict[str, str] = {name: secrets.token_urlsafe(16) for name in ROLE_PROCESSES}
        self._supervisor = Supervisor(echo)
        self._programs: list[RunningProgram] = []
        self._simulator: RunningProgram | None = None
        self._shop: RunningProgram | None = None
        self._shop_due = 0.0
        self._file: Stack | None = None
        self._written_pids: dict[str, list[int]] = {}
        self._last_write_error = ""

    def start(self, demo: bool, out: TextIO) -> None:
        (self._data / FILE_NAME).unlink(missing_ok=True)
        self._require_disk_space()
        self._require_ports()
        self._echo(f"starting {self._servers.description}, SES and the Graph stand-in in {self._data}")
        self._servers.launch_brokers(self._supervisor)
        self._ses.launch()
        self._supervisor.watch("ses", self._ses)
        postgres_dsn = self._servers.start_postgres(self._supervisor)
        self._file = Stack(
            **self._secrets(),
            webhook_url=f"http://{LOOPBACK}:{self._port_base + WEBHOOK_PORT}",
            kafka_bootstrap=self._servers.bootstrap,
            postgres_dsn=postgres_dsn,
            ses_endpoint=self._ses.endpoint,
        )
        self._graph = graph_stand_in(self._file, self._data, self._port_base + GRAPH_PORT, self._guard)
        self._graph.launch()
        self._supervisor.watch("graph", self._graph)
        self._prepare(self._system.migrate)  # Kafka starts in the meantime
        if self._has_console():
            self._file.console_url = f"http://{LOOPBACK}:{self._port_base + CONSOLE_PORT}"
            add_sign_ins(self._file, self._data / SECRETS_FILE, demo, self._echo)
        if demo and self._has_console():
            team_port = self._port_base + TEAM_PORT
            self._team = open_team(self._file, self._data / SECRETS_FILE, team_port, self._echo)
        self._servers.wait_for_brokers()
        self._prepare(self._system.topics)
        self._ses.wait_ready()
        self._graph.wait_ready()
        self._echo(f"starting {', '.join(program.name for program in self._system.processes)}")
        for program in self._system.processes:
            running = self._running(program)
            self._programs.append(running)
            running.launch()
            self._supervisor.watch(program.name, running)
        self._wait_ready()
        self._update_stack_file()
        console = f"console={self._file.console_url} " if self._file.console_url else ""
        print(
            f"ready webhook={self._file.webhook_url} {console}kafka={self._file.kafka_bootstrap} "
            f"postgres={self._file.postgres_dsn} mails={self._ses.mails_url} stack={self._data / FILE_NAME}",
            file=out,
            flush=True,
        )

    def keep_running(self, demo: bool) -> None:
        """Restarts dead parts until a signal interrupts it."""
        played = self._data / "demo-played"
        if demo and not played.exists():
            self._simulator = self._running(self._system.simulator, "--stack", str(self._data))
            self._simulator.launch()
        while True:
            self._supervisor.check()
            self._guard.ensure_watcher()
            if demo and played.exists():
                self._keep_shop()
            if self._simulator is not None and self._simulator.pid is None:
                if self._simulator.exit_code == 0:
                    played.touch()
                else:
                    self._echo(f"the demo failed: {self._simulator.last_words()}; the next start plays it again")
                self._simulator = None
            self._update_stack_file()
            time.sleep(_STEP_SECONDS)

    def _keep_shop(self) -> None:
        """Opens the demo's shop, and again some time after it ended."""
        ended = self._shop is None or self._shop.pid is None
        if ended and time.monotonic() >= self._shop_due:
            self._shop = self._running(self._system.shop, "--stack", str(self._data))
            self._shop.launch()
            self._shop_due = time.monotonic() + _SHOP_PAUSE_SECONDS

    def stop(self) -> None:
        if self._supervisor.pids():
            self._echo("stopping")
        (self._data / FILE_NAME).unlink(missing_ok=True)
        programs = [*self._programs, *filter(None, (self._simulator, self._shop))]
        with ThreadPoolExecutor(max_workers=max(1, len(programs))) as together:
            list(together.map(RunningProgram.stop, programs))
        if self._graph is not None:
            self._graph.stop()
        if self._team is not None:
            self._team.stop()
        self._ses.stop()
        self._servers.stop()

    def _require_disk_space(self) -> None:
        free = shutil.disk_usage(self._data).free
        if free < FREE_BYTES:
            raise LocalServerError(
                f"the disk of {self._data} has {free >> 20} MiB left, but {FREE_BYTES >> 20} are needed: "
                "free some space, or choose another disk with --data"
            )

    def _require_ports(self) -> None:
        if not 1 <= self._port_base <= 65536 - PORTS:
            raise LocalServerError(f"--port-base {self._port_base}: choose a port between 1024 and {65536 - PORTS}")
        used = {WEBHOOK_PORT: "webhook", **self._servers.ports, SES_PORT: "SES"}
        used |= {GRAPH_PORT: "Graph stand-in", TEAM_PORT: "the team's stand-in"}
        if self._has_console():
            used[CONSOLE_PORT] = "console"
        used |= {offset: f"monitor of {name}" for name, offset in self._monitors().items()}
        for offset, purpose in used.items():
            require_free(self._port_base + offset, purpose, "stop it, or choose other ports with --port-base")

    def _secrets(self) -> dict[str, Any]:
        path = self._data / SECRETS_FILE
        if not path.exists():
            write_private(path, {name: secrets.token_urlsafe(32) for name in SECRETS})
        known = json.loads(path.read_text(encoding="utf-8"))
        return {name: known[name] for name in SECRETS}

    def _has_console(self) -> bool:
        return any(program.name == "console" for program in self._system.processes)

    def _running(self, program: DevProgram, *arguments: str) -> RunningProgram:
        assert self._file is not None
        environment = environment_of(program, self._file, self._port_base, self._role_passwords)
        argv = (*program.argv, *arguments)
        return RunningProgram(program.name, argv, environment, guard=self._guard, echo=self._echo)

    def _prepare(self, program: DevProgram) -> None:
        self._echo(f"running {program.name}")
        running = self._running(program)
        self._programs.append(running)
        exit_code = running.run()
        if exit_code != 0:
            kind = NotReachableError if exit_code == _NOT_REACHABLE else LocalServerError
            raise kind(f"{program.name} failed: {running.last_words()}")

    def _wait_ready(self) -> None:
        waiting = self._monitors()
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            self._supervisor.check()
            for name, offset in list(waiting.items()):
                self._supervisor.require_started(name)
                reason = not_ready_reason_at(LOOPBACK, self._port_base + offset, timeout_seconds=1)
                if reason is None:
                    del waiting[name]
                elif time.monotonic() > deadline:
                    raise LocalServerError(f"{name} is not ready after {READY_SECONDS:.0f} s: {reason}")
            time.sleep(_STEP_SECONDS)

    def _monitors(self) -> dict[str, int]:
        return {program.name: program.monitor for program in self._system.processes if program.monitor is not None}

    def _update_stack_file(self) -> None:
        """Writes stack.json if a process id changed."""
        pids = self._supervisor.pids()
        if self._simulator is not None and self._simulator.pid is not None:
            pids["simulator"] = [self._simulator.pid]
        if self._shop is not None and self._shop.pid is not None:
            pids["shop"] = [self._shop.pid]
        if pids == self._written_pids or self._file is None:
            return
        self._file.pids = pids
        try:
            self._file.write(self._data)
        except OSError as error:  # e.g. a full disk: the stack keeps running, and the next check tries again
            if str(error) != self._last_write_error:
                self._echo(f"{FILE_NAME} is out of date: {error}")
            self._last_write_error = str(error)
        else:
            self._written_pids = pids


class _Interrupted(BaseException):
    """A stop was requested. Raised at any point of the main thread, so that it also ends a long download."""


class _Interruptions:
    """Signal handling: the first signal interrupts the main thread, a later one kills what the stop still waits for."""

    # `make dev` and the terminal may both forward the same Ctrl-C.
    _SAME_SIGNAL_SECONDS = 1.0

    def __init__(self) -> None:
        self.stopping = False
        self.guard: Guard | None = None
        self._first_at = 0.0

    @contextmanager
    def handled(self) -> Iterator[None]:
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            signals.remove(signal.SIGHUP)  # nohup
        previous = {each: signal.signal(each, self._handle) for each in signals}
        try:
            yield
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.stopping:
            self.stopping, self._first_at = True, time.monotonic()
            raise _Interrupted
        if time.monotonic() - self._first_at > self._SAME_SIGNAL_SECONDS and self.guard is not None:
            self.guard.force()
