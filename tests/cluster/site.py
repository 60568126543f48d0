"""The cluster of the stories: its servers, the product's processes, and what is done to them."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from domain.topics import Topics
from infra.kafka.diagnostics import offset_ranges, partitions_of
from infra.local.cluster.brokers import local_brokers
from infra.local.cluster.postgres_pair import PostgresPair
from infra.local.guard import Guard
from infra.local.kafka import KafkaNode, LocalKafka
from infra.local.ports import LOOPBACK, free_port
from infra.local.simulator.webhooks import Webhooks
from infra.postgres import directory
from tests.cluster.balancer import Balancer
from tests.cluster.networks import BrokerNetworks
from tests.support.databases import Databases
from tests.support.kafka_topics import new_topics
from tests.support.process_tree import tree
from tests.support.stories import DIRECTORY
from tests.support.system import System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS

BROKERS, PARTITIONS = 3, 6
CONSUMERS = ("conversations-1", "conversations-2", "conversations-3")
WEBHOOKS = ("webhook-1", "webhook-2")
OTHERS = ("commands", "relay", "timer", "routing", "rules", "alarms", "analytics", "campaigns", "retention", "console")
DETECTION_SECONDS = 0.5
"""Until somebody notices that a primary has died: as `witiop dev`."""
_HEAL_SECONDS = 180.0


class Site:
    """An installation with three brokers and a standby. Its processes are named as in `WEBHOOKS`, `CONSUMERS` and
    `OTHERS`."""

    def __init__(
        self, brokers: Sequence[LocalKafka], networks: BrokerNetworks | None, pair: PostgresPair, system: System
    ) -> None:
        """`networks`: None where the brokers share this machine's."""
        self.brokers = brokers
        self.networks = networks
        self.pair = pair
        self.system = system
        self.workers: dict[str, Worker] = {}
        self._ports = {name: free_port() for name in WEBHOOKS}
        self.balancer = Balancer([*self._ports.values()])

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks behind the balancer."""
        return Webhooks(f"http://{LOOPBACK}:{self.balancer.port}", {"whatsapp": APP_SECRETS[0]})

    @property
    def topics(self) -> Topics:
        """The installation's topics."""
        return self.system.topics

    # processes

    def start(self, *names: str) -> list[Worker]:
        """Starts processes and returns at once."""
        started = []
        for name in names:
            kind = name.partition("-")[0]
            settings: dict[str, Any] = {"kafka_replication_factor": BROKERS, "consumer_instance": name}
            if name in self._ports:
                settings["webhook_port"] = self._ports[name]
            if kind == "conversations":
                settings["consumer_threads"] = 2
            if kind == "console":
                settings["console_port"] = free_port()
            (self.workers[name],) = self.system.start(kind, **settings)
            started.append(self.workers[name])
        return started

    def run(self, *names: str) -> None:
        """Starts processes and returns when they are ready."""
        for worker in self.start(*names):
            worker.wait_ready()

    def restart(self, name: str) -> None:
        """Stops a process in order and starts it again, as an upgrade does; returns when it is ready."""
        assert self.workers[name].stop() == 0
        self.run(name)

    # brokers

    def broker(self, number: int) -> LocalKafka:
        """Returns a broker by its number."""
        return self.brokers[number - 1]

    def controller(self) -> int:
        """Returns the number of the active controller."""
        with self._admin() as admin:
            (log,) = admin.describe_metadata_quorum()["topics"][0]["partitions"]
            return int(log["leader_id"])

    def kill_broker(self, number: int) -> None:
        self._signal(self.broker(number), signal.SIGKILL)
        wait_until(lambda: self.broker(number).pid is None)

    def freeze_broker(self, number: int) -> None:
        self._signal(self.broker(number), signal.SIGSTOP)

    def thaw_broker(self, number: int) -> None:
        self._signal(self.broker(number), signal.SIGCONT)

    def wait_healed(self) -> None:
        """Returns when every partition has all its copies in sync and is led by the broker that should."""
        wait_until(self._is_healed, _HEAL_SECONDS, step=0.5)

    def _is_healed(self) -> bool:
        try:
            with self._admin() as admin:
                described = admin.describe_topics()
        except KafkaError:
            return False
        partitions = [partition for topic in described for partition in topic["partitions"]]
        return bool(partitions) and all(
            len(each["isr_nodes"]) == BROKERS and each["leader_id"] == each["replica_nodes"][0] for each in partitions
        )

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        bootstrap = [each.bootstrap for each in self.brokers]
        client: Any = KafkaAdminClient(  # type: ignore[no-untyped-call]
            bootstrap_servers=bootstrap, bootstrap_timeout_ms=5000, request_timeout_ms=5000
        )
        with closing(client) as admin:
            yield admin

    # the database

    def kill_postgres(self, index: int) -> None:
        """Kills a member of the pair with all its processes, as a power cut does."""
        pid = self.pair.members[index].pid
        assert pid is not None
        processes = tree(pid)
        for process in processes:
            process.kill()
        psutil.wait_procs(processes)
        wait_until(lambda: self.pair.members[index].pid is None)

    def fail_over(self) -> None:
        """Promotes the standby, after the time that it takes to notice that the primary is dead."""
        time.sleep(DETECTION_SECONDS)
        self.pair.fail_over()

    def open_alarms(self) -> list[str]:
        """Returns the kinds of alarms that are open."""
        return [kind for (kind,) in self._ask("select kind from alarms where ended_at is null")]

    def is_drained(self) -> bool:
        """Whether the consumers have processed every record, and every public event was published."""
        with self._admin() as admin:
            partitions = partitions_of(admin, [self.topics.inbound])
            held = {each.partition: held.end for each, held in offset_ranges(admin, partitions).items()}
        read = self._ask(
            "select partition, next_offset from consumer_offsets where topic = %s and group_name like %s",
            [self.topics.inbound, "%.conversations"],
        )
        (waiting,) = self._ask("select count(*) from outbox")
        return held == dict(read) and waiting == (0,)

    def _ask(self, query: LiteralString, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.system.dsn, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    @staticmethod
    def _signal(broker: LocalKafka, number: signal.Signals) -> None:
        assert broker.pid is not None
        os.kill(broker.pid, number)


@contextmanager
def site(data: Path, networks: BrokerNetworks | None, others: Sequence[str] = OTHERS) -> Iterator[Site]:
    """Starts everything. `others`: the processes besides webhooks and consumers."""
    with ExitStack() as stack:
        guard = stack.enter_context(Guard())
        hosts: Mapping[int, str] = {n: networks.host(n) if networks else LOOPBACK for n in range(1, BROKERS + 1)}
        nodes = [KafkaNode(free_port(), free_port(), host) for host in hosts.values()]
        within = [networks.within(number) for number in hosts] if networks else ()
        brokers = local_brokers(data, nodes, within=within, guard=guard)
        for broker in brokers:
            broker.launch()
        pair = stack.enter_context(PostgresPair(data, guard=guard))
        dsn = Databases(pair.dsn_of("postgres")).create()
        with psycopg.connect(dsn) as connection:
            directory.apply(connection, DIRECTORY)
        for broker in brokers:
            broker.wait_ready()
        bootstrap = ",".join(broker.bootstrap for broker in brokers)
        (logs := data / "logs").mkdir()
        system = stack.enter_context(System(bootstrap, dsn, new_topics(bootstrap, PARTITIONS, BROKERS), logs))
        made = Site(brokers, networks, pair, system)
        made.balancer.start(guard)
        made.run(*WEBHOOKS, *CONSUMERS, *others)
        made.wait_healed()
        yield made
