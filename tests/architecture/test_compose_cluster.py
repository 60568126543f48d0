"""docker-compose.cluster.yml fits docker-compose.yml. These checks need no Docker engine."""

import re
from typing import Any

import pytest
import yaml

from infra.local.kafka import node_settings
from tests.architecture.test_compose import OURS, SERVICES
from tests.support.paths import ROOT


class _Loader(yaml.SafeLoader):
    """Reads compose files: `!reset` replaces what the other file says."""


_Loader.add_constructor("!reset", lambda loader, _: [])
CLUSTER: dict[str, Any] = yaml.load((ROOT / "docker-compose.cluster.yml").read_text(), _Loader)
ADDED: dict[str, dict[str, Any]] = CLUSTER["services"]
BROKERS = {"kafka": 1, "kafka-2": 2, "kafka-3": 3}


def environment_of(service: str) -> dict[str, str]:
    """The variables of a service in the cluster."""
    base = SERVICES.get(ADDED[service].get("extends", {}).get("service", service), {})
    return {name: str(value) for name, value in {**base["environment"], **ADDED[service]["environment"]}.items()}


@pytest.mark.parametrize("service", OURS)
def test_every_process_knows_all_brokers_and_both_databases(service: str) -> None:
    given = environment_of(service)
    assert given["WITIOP_KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092,kafka-2:9092,kafka-3:9092"
    assert given["WITIOP_KAFKA_REPLICATION_FACTOR"] == "3"
    alone = OURS[service]["environment"].get("WITIOP_POSTGRES_DSN")
    assert given.get("WITIOP_POSTGRES_DSN") == (
        alone
        and alone.replace(
            "@postgres:5432/witiop",
            "@postgres:5432,postgres-standby:5432/witiop?target_session_attrs=read-write",
        )
    )


@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_has_the_settings_of_a_local_cluster_and_a_place_of_its_own(broker: str) -> None:
    """What the stories of `make test-cluster` show holds for these settings."""
    given, number = environment_of(broker), BROKERS[broker]
    local = {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in node_settings(number, 3).items()}
    assert {name: given[name] for name in local.keys() & given.keys()} == {
        name: value for name, value in local.items() if name in given
    }
    assert re.findall(r"(\d)@(\S+?):9093", given["KAFKA_CONTROLLER_QUORUM_VOTERS"]) == [
        (str(each), name) for name, each in BROKERS.items()
    ]
    assert given["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{broker}:9092"


def test_the_two_databases_follow_each_other() -> None:
    """One of them makes the database, the other copies it."""
    first, second = environment_of("postgres"), environment_of("postgres-standby")
    assert (first["PEER"], first["FIRST"], second["PEER"], second["FIRST"]) == (
        "postgres-standby",
        "yes",
        "postgres",
        "no",
    )
    assert "synchronous_standby_names=*" in first["POSTGRES_INITDB_ARGS"]


def test_files_and_volumes_exist() -> None:
    for service in ADDED.values():
        for source, *_ in (volume.split(":") for volume in service.get("volumes", [])):
            assert (ROOT / source).is_file() if source.startswith("./") else source in CLUSTER["volumes"]


def test_the_webhooks_are_reached_through_the_balancer_only() -> None:
    assert ADDED["webhook"]["ports"] == []
    assert [name for name, service in ADDED.items() if service.get("ports")] == ["balancer"]
    balancer = ADDED["balancer"]
    assert (balancer["read_only"], balancer["cap_drop"]) == (True, ["ALL"])
