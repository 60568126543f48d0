"""The table of what each process may do at the brokers, like `infra.postgres.roles` for the database. A process that is
taken over can do no more than its line says: the webhook cannot read a command, the relay cannot read anything."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from domain.topics import Topics

Operation = Literal["read", "write", "describe", "delete"]
"""`describe`: to see the partitions and offsets of a topic, or the positions of a group; the others include it.
`delete`: to delete records; Kafka has no permission for that which does not allow to delete the topic too."""


class KafkaAccess(NamedTuple):
    """What a process may do: topics by their names in `Topics`, groups by the processes that they belong to."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    sees: tuple[str, ...] = ()
    trims: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    sees_groups: tuple[str, ...] = ()


class KafkaGrant(NamedTuple):
    """One permission: an operation on one topic or group."""

    kind: Literal["topic", "group"]
    name: str
    operation: Operation


_RECOGNISES_RESTORES = KafkaAccess(
    sees=("inbound", "unreadable", "commands"), sees_groups=("conversations", "commands")
)
"""For processes that compare the positions of the consumers with the database (`RestoreGuard`)."""

ACCESS: Mapping[str, KafkaAccess] = {
    "webhook": KafkaAccess(writes=("inbound", "unreadable")),
    "conversations": KafkaAccess(reads=("inbound", "unreadable"), joins=("conversations",)),
    "commands": KafkaAccess(reads=("commands",), joins=("commands",)),
    "analytics": KafkaAccess(reads=("conversations",), joins=("analytics",)),
    "timer": KafkaAccess(sees=("inbound",)),
    "mails": _RECOGNISES_RESTORES,
    "sender": _RECOGNISES_RESTORES,
    "campaigns": _RECOGNISES_RESTORES,
    "rules": _RECOGNISES_RESTORES,
    "relay": KafkaAccess(writes=("inbound", "commands", "results", "conversations", "messages", "campaigns")),
    "console": KafkaAccess(writes=("inbound", "commands")),
    "retention": KafkaAccess(trims=("unreadable",)),
    "routing": KafkaAccess(),
    "media": KafkaAccess(),
    "alarms": KafkaAccess(),
}
"""Every process; those at the end use no broker."""

KAFKA_PROCESSES = tuple(name for name, access in ACCESS.items() if any(access))
"""The processes that have a principal."""


def principal_of(process: str, topics: Topics) -> str:
    """Returns the name of a process's user at the brokers, e.g. `witiop-console`."""
    return f"{topics.prefix}witiop-{process}"


def grants(process: str, topics: Topics) -> Iterator[KafkaGrant]:
    """Yields the permissions of a process."""
    access = ACCESS[process]
    allowed: tuple[tuple[Operation, tuple[str, ...]], ...] = (
        ("read", access.reads),
        ("write", access.writes),
        ("describe", access.sees),
        ("delete", access.trims),
    )
    for operation, names in allowed:
        yield from (KafkaGrant("topic", getattr(topics, name), operation) for name in names)
    yield from (KafkaGrant("group", topics.group(name), "read") for name in access.joins)
    yield from (KafkaGrant("group", topics.group(name), "describe") for name in access.sees_groups)
