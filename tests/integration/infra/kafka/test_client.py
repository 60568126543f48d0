"""kafka-python clients while no broker answers."""

import threading

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from infra.kafka.client import open_client
from infra.local.ports import LOOPBACK, free_port
from tests.support.waiting import wait_until


@pytest.mark.parametrize("kind", [KafkaConsumer, KafkaProducer])
def test_a_client_that_could_not_connect_leaves_no_thread_behind(kind: type) -> None:
    before = set(threading.enumerate())

    with pytest.raises(KafkaError):
        open_client(kind, bootstrap_servers=f"{LOOPBACK}:{free_port()}", bootstrap_timeout_ms=200)

    wait_until(lambda: set(threading.enumerate()) <= before)
