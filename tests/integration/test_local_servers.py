"""The servers of `infra.local` are real ones."""

from importlib import import_module
from typing import Any

import psycopg

kafka_python: Any = import_module("kafka")  # its functions have no types


def test_a_record_that_the_broker_acknowledged_can_be_read(kafka: str) -> None:
    admin = kafka_python.KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics({"local-servers": {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = kafka_python.KafkaProducer(bootstrap_servers=kafka, acks="all")
    producer.send("local-servers", b"hello").get(10)
    producer.close()
    consumer = kafka_python.KafkaConsumer(
        "local-servers", bootstrap_servers=kafka, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    assert [record.value for record in [next(consumer)]] == [b"hello"]
    consumer.close()


def test_the_server_is_postgresql_18_and_keeps_utf_8(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        row = connection.execute(
            "select current_setting('server_version_num')::int / 10000, current_setting('server_encoding')"
        ).fetchone()
    assert row == (18, "UTF8")
