"""Publishes facts to the inbound topic, as the webhook does."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from kafka import KafkaProducer

from domain.facts import FACT, Fact, partition_key
from tests.support.system import System


def publish_facts(system: System, facts: Iterable[Fact]) -> None:
    """Publishes facts and returns when all of them are acknowledged."""
    producer: Any = KafkaProducer(bootstrap_servers=system.kafka, acks="all")  # type: ignore[no-untyped-call]
    with closing(producer):
        futures = [
            producer.send(system.topics.inbound, FACT.dump_json(fact), partition_key(fact).encode()) for fact in facts
        ]
        for future in futures:
            future.get(timeout=20)
