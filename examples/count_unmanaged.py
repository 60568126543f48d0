"""Counts unmanaged conversations by reason and by the hour in which they became unmanaged. Reads the public topic up to
its end and prints CSV.

    python examples/count_unmanaged.py --bootstrap localhost:9092
"""

import argparse
import csv
import json
import sys
from collections import Counter
from typing import Any

from kafka import KafkaConsumer, TopicPartition


class UnmanagedCounter:
    """Counts events in any order and with repeats: only the highest sequence of each conversation matters."""

    def __init__(self) -> None:
        self._reason: dict[str, tuple[int, str | None]] = {}
        self._hour: dict[str, tuple[int, str]] = {}

    def add(self, headers: dict[str, bytes], row: dict[str, Any]) -> None:
        conversation, sequence = row["id"], int(headers["ce_sequence"])
        # Events that take a conversation off the list (queued, managed, corrected, ...) have a reason of null.
        self._reason[conversation] = max(self._reason.get(conversation, (0, None)), (sequence, row["reason"]))
        if headers["ce_type"] == b"witiop.conversation.became_unmanaged.v1":
            hour = headers["ce_time"].decode()[:13] + ":00Z"
            self._hour[conversation] = max(self._hour.get(conversation, (0, "")), (sequence, hour))

    def table(self) -> Counter[tuple[str, str]]:
        return Counter((self._hour[id_][1], reason) for id_, (_, reason) in self._reason.items() if reason is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", default="witiop.conversations.v1")
    args = parser.parse_args()
    consumer = KafkaConsumer(bootstrap_servers=args.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    partitions = [TopicPartition(args.topic, number) for number in consumer.partitions_for_topic(args.topic) or ()]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    counter = UnmanagedCounter()
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=1000).values():
            for record in records:
                counter.add(dict(record.headers), json.loads(record.value))
    consumer.close()
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["hour", "reason", "conversations"])
    out.writerows([hour, reason, number] for (hour, reason), number in sorted(counter.table().items()))


if __name__ == "__main__":
    main()
