"""Deletes from a topic the records that are old and were copied elsewhere. Such a topic has no retention of its own: it
keeps what its consumer has not read yet, however long that takes."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable
from infra.kafka.diagnostics import offset_ranges

_OPTIONS = {"bootstrap_timeout_ms": 5_000, "request_timeout_ms": 10_000}


def delete_copied(config: KafkaConfig, topic: str, copied: Mapping[int, int], before: datetime) -> int:
    """Deletes the records of a topic that the broker took before a time and that were copied; returns how many.
    `copied`: partition -> the first record that was not. Opens a client for this. Blocks for some seconds at most.
    Raises BrokerUnreachable."""
    if not copied:
        return 0
    partitions = [TopicPartition(topic, partition) for partition in copied]
    try:
        with closing(open_client(KafkaAdminClient, **config.client_options(), **_OPTIONS)) as admin:
            held = offset_ranges(admin, partitions)
            milliseconds = int(before.timestamp() * 1000)
            younger = admin.list_partition_offsets(dict.fromkeys(partitions, milliseconds))
            ends: dict[TopicPartition, int] = {}
            for each in partitions:
                first = younger[each].offset  # negative: no record is so young
                old = first if first >= 0 else held[each].end
                ends[each] = min(old, copied[each.partition], held[each].end)
            due = {each: end for each, end in ends.items() if end > held[each].begin}
            if due:
                admin.delete_records(due)
            return sum(end - held[each].begin for each, end in due.items())
    except KafkaError as error:
        raise BrokerUnreachable(type(error).__name__) from error
