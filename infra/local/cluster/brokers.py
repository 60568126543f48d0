"""The Kafka of a stack: a single node, or several that form a cluster."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from infra.local import CACHE_DIR, say
from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.kafka import KafkaNode, LocalKafka


def local_brokers(
    data: Path,
    nodes: Sequence[KafkaNode],
    cache_dir: Path = CACHE_DIR,
    *,
    within: Sequence[Sequence[str | Path]] = (),
    guard: Guard | None = None,
    echo: Callable[[str], None] = say,
) -> list[LocalKafka]:
    """Returns the nodes, none of which is started. A single one has its data in `kafka` below `data`, those of a
    cluster in `kafka-1`, `kafka-2`, ... Of a cluster, all have to be launched before one is ready. `within`: for each
    node a command that runs it.

    Raises LocalServerError if `data` belongs to another number of nodes: its topics would be on some of them only."""
    data = data.resolve()
    names = ["kafka"] if len(nodes) == 1 else [f"kafka-{number}" for number in range(1, len(nodes) + 1)]
    there = sorted(each.name for each in data.glob("kafka*") if (each / "log").is_dir())
    if there and there != sorted(names):
        brokers = len(there)
        raise LocalServerError(
            f"{data} was made with {brokers} broker{'s' * (brokers > 1)}: "
            f"start it with --brokers {brokers}, or choose another directory with --data"
        )
    if len(nodes) == 1:
        return [LocalKafka(data / "kafka", nodes[0], cache_dir, guard=guard, echo=echo)]
    id_ = str(uuid5(NAMESPACE_URL, data.as_uri()))
    commands = within or [()] * len(nodes)
    return [
        LocalKafka(data / name, node, cache_dir, cluster=nodes, cluster_id=id_, within=command, guard=guard, echo=echo)
        for name, node, command in zip(names, nodes, commands, strict=True)
    ]
