"""The servers of `infra.local` are real ones and lose nothing that they confirmed, whatever happens to them."""

import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from infra.local import install
from infra.local.kafka import LocalKafka
from infra.local.ports import free_port
from infra.local.postgres import LocalPostgres
from tests.support.process_tree import still_running, tree
from tests.support.waiting import wait_until

kafka_python: Any = import_module("kafka")  # its functions have no types


def write(bootstrap: str, topic: str, value: bytes) -> None:
    admin = kafka_python.KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = kafka_python.KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    producer.send(topic, value).get(10)
    producer.close()


def read_one(bootstrap: str, topic: str) -> bytes:
    consumer = kafka_python.KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    value: bytes = next(consumer).value
    consumer.close()
    return value


def test_an_acknowledged_record_can_be_read(kafka: str) -> None:
    write(kafka, "local-servers", b"hello")
    assert read_one(kafka, "local-servers") == b"hello"


def test_a_killed_broker_restarts_with_its_records_also_on_other_ports(tmp_path: Path) -> None:
    with LocalKafka(tmp_path / "kafka") as kafka:
        write(kafka.bootstrap, "stored", b"hello")
        assert kafka.pid is not None
        os.kill(kafka.pid, signal.SIGKILL)
        wait_until(lambda: kafka.pid is None)
    with LocalKafka(tmp_path / "kafka") as kafka:
        assert read_one(kafka.bootstrap, "stored") == b"hello"


def test_the_server_is_postgresql_18_with_utf_8(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        row = connection.execute(
            "select current_setting('server_version_num')::int / 10000, current_setting('server_encoding')"
        ).fetchone()
    assert row == (18, "UTF8")


def test_committed_data_survives_a_killed_server(tmp_path: Path) -> None:
    with LocalPostgres(tmp_path / "postgres") as postgres:
        with psycopg.connect(postgres.ensure_database("stored")) as connection:
            connection.execute("create table stored as select 1 as one")
        assert postgres.pid is not None
        children = psutil.Process(postgres.pid).children()
        os.kill(postgres.pid, signal.SIGKILL)
        psutil.wait_procs(children)
        wait_until(lambda: postgres.pid is None)
        postgres.start()
        with psycopg.connect(postgres.dsn_of("stored")) as connection:
            assert connection.execute("select one from stored").fetchone() == (1,)


def test_a_frozen_server_is_stopped_with_all_its_processes(tmp_path: Path) -> None:
    with LocalPostgres(tmp_path / "postgres", fsync=False) as postgres, psycopg.connect(postgres.dsn):
        assert postgres.pid is not None
        processes = tree(postgres.pid)
        for process in processes:
            process.suspend()
        postgres.stop(grace_seconds=0.1)
        assert still_running(processes) == []


def test_a_path_too_long_for_a_socket_works_and_leaves_nothing_outside_the_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 25)
    with LocalPostgres(deep, fsync=False) as postgres:
        with psycopg.connect(postgres.dsn) as connection:
            socket_dir = Path(connection.info.host)
        assert socket_dir.stat().st_mode & 0o777 == 0o700
    assert not socket_dir.exists()


def test_tcp_connections_require_the_password(tmp_path: Path) -> None:
    with LocalPostgres(tmp_path / "postgres", port=free_port(), fsync=False) as postgres:
        with psycopg.connect(postgres.tcp_dsn_of("postgres")) as connection:
            assert connection.execute("select current_user").fetchone() == ("postgres",)
        stranger = psycopg.conninfo.make_conninfo(postgres.tcp_dsn_of("postgres"), password="guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(stranger)


def test_installing_a_second_time_does_nothing(kafka: str) -> None:
    lines: list[str] = []
    install(echo=lines.append)
    assert lines == []
