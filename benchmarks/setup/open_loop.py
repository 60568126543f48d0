"""An open loop of commands: each is sent when it is due, whatever became of those before it."""

from collections.abc import Iterable
from contextlib import closing
from time import sleep, time
from typing import Any

from kafka import KafkaProducer

from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig


def put(producer: Any, record: OutgoingRecord) -> None:  # noqa: ANN401 - kafka-python has no types
    """Sends a record without waiting for its acknowledgement."""
    key = record.key and record.key.encode()
    producer.send(record.topic, record.value, key, list(record.headers))


def send_at_rate(config: KafkaConfig, commands: Iterable[OutgoingRecord], rate: float) -> dict[str, float]:
    """Sends so many commands a second and returns when each was due, in seconds since 1970, by its id."""
    due: dict[str, float] = {}
    producer: Any = KafkaProducer(**config.client_options(), acks="all")  # type: ignore[no-untyped-call]
    with closing(producer):
        producer.bootstrap_connected()
        began = time()
        for place, record in enumerate(commands):
            at = began + place / rate
            sleep(max(0.0, at - time()))
            due[dict(record.headers)["ce_id"].decode()] = at
            put(producer, record)
        producer.flush()
    return due
