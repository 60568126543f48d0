"""Kafka and PostgreSQL of a development stack: one server of each, or several that replace each other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.local.cluster.brokers import local_brokers
from infra.local.cluster.postgres_pair import STANDBY, PairMember, PostgresPair
from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.kafka import KafkaNode
from infra.local.postgres import LocalPostgres
from infra.local.server import STOP_SECONDS
from witiop.dev.supervision import Supervisor

DATABASE = "witiop"
_KAFKA_PORTS, _CONTROLLER_PORTS = (2, 26, 27), (3, 28, 29)
"""Offsets from the first port, for each broker."""
_CLUSTER_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StackSize:
    """How many servers a stack has. `brokers`: 1, or 3 that have a copy of every record each. `standby`: whether
    PostgreSQL has one, which is promoted when the primary dies."""

    brokers: int = 1
    standby: bool = False


ONE_OF_EACH = StackSize()


class StackServers:
    """The servers of a data directory."""

    def __init__(
        self,
        data: Path,
        port_base: int,
        size: StackSize,
        *,
        cache_dir: Path,
        guard: Guard,
        echo: Callable[[str], None],
    ) -> None:
        """Raises LocalServerError if the directory was made for another size."""
        offsets = list(zip(_KAFKA_PORTS, _CONTROLLER_PORTS, strict=True))[: size.brokers]
        self.ports = {kafka: "Kafka" for kafka, _ in offsets} | {other: "Kafka's controller" for _, other in offsets}
        """The ports that are used, counted from the first, and for what."""
        nodes = [KafkaNode(port_base + kafka, port_base + controller) for kafka, controller in offsets]
        self._brokers = local_brokers(data, nodes, cache_dir, guard=guard, echo=echo)
        if not size.standby and (data / STANDBY).exists():
            raise LocalServerError(
                f"{data} was made with a standby, which may have what the other server lacks: "
                "start it with --standby, or choose another directory with --data"
            )
        self._pair = PostgresPair(data, guard=guard) if size.standby else None
        self._postgres = LocalPostgres(data / "postgres", guard=guard)

    @property
    def bootstrap(self) -> str:
        """The addresses of the brokers, as host:port, comma separated."""
        return ",".join(broker.bootstrap for broker in self._brokers)

    @property
    def description(self) -> str:
        """What is started, for people."""
        kafka = "Kafka" if len(self._brokers) == 1 else f"{len(self._brokers)} Kafka brokers"
        return f"{kafka}, PostgreSQL{' with a standby' if self._pair else ''}"

    def launch_brokers(self, supervisor: Supervisor) -> None:
        """Starts the brokers without waiting for them."""
        for broker in self._brokers:
            broker.launch()
            supervisor.watch("kafka" if len(self._brokers) == 1 else f"kafka-{broker.number}", broker)

    def wait_for_brokers(self) -> None:
        """Returns when all brokers answer."""
        for broker in self._brokers:
            broker.wait_ready()

    def start_postgres(self, supervisor: Supervisor) -> str:
        """Starts PostgreSQL, waits until it answers, creates the database if it is missing, and returns its DSN."""
        if self._pair is None:
            self._postgres.start()
            supervisor.watch("postgres", self._postgres)
            return self._postgres.ensure_database(DATABASE)
        self._pair.start()
        for index, name in enumerate(("postgres", "postgres-standby")):
            supervisor.watch(name, PairMember(self._pair, index))
        self._pair.members[self._pair.primary].ensure_database(DATABASE)
        return self._pair.dsn_of(DATABASE)

    def stop(self) -> None:
        """Stops what was started. The last brokers find no others to hand over to, and are not waited for for long."""
        grace_seconds = STOP_SECONDS if len(self._brokers) == 1 else _CLUSTER_STOP_SECONDS
        with ThreadPoolExecutor(len(self._brokers)) as together:
            list(together.map(lambda broker: broker.stop(grace_seconds), self._brokers))
        if self._pair is not None:
            self._pair.stop()
        self._postgres.stop()
