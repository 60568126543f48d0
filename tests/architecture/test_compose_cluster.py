"""docker-compose.cluster.yml fits docker-compose.yml. These checks need no Docker engine."""

import os
import re
import subprocess
from pathlib import Path
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


def test_the_database_is_made_before_commits_wait_for_the_standby() -> None:
    """With the setting among its arguments, initdb waits for a standby for ever. It gets those of the one machine, and
    so the same order of texts; the image runs the script with the settings when the database is there."""
    alone = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]
    assert alone == environment_of("postgres")["POSTGRES_INITDB_ARGS"]
    script = "./examples/cluster/replication.sh:/docker-entrypoint-initdb.d/replication.sh:ro"
    assert script in ADDED["postgres"]["volumes"]
    assert "synchronous_standby_names = '*'\n" in (ROOT / "examples" / "cluster" / "replication.sh").read_text()


_PROGRAMS = {
    "psql": 'printf %s "$PEER_TIMELINE"',
    "pg_isready": 'exit "$PEER_ANSWERS"',
    "pg_basebackup": 'for each; do case "$each" in --pgdata=*) echo copied > "${each#*=}/PG_VERSION" ;; esac; done',
    "docker-entrypoint.sh": '[ -s "$PGDATA/PG_VERSION" ] || { mkdir -p "$PGDATA"; echo made > "$PGDATA/PG_VERSION"; }',
}
"""What postgres.sh calls, each as little as it can be."""

_DATA, _SECOND, _ELEVENTH = "PG_VERSION", "pg_wal/00000002.history", "pg_wal/0000000B.history"


@pytest.mark.parametrize(
    ("first", "has", "peer_answers", "peer_timeline", "then"),
    [
        pytest.param("yes", [], "2", "", "made", id="the first start of the first server"),
        pytest.param("no", [], "0", "00000001", "copied", id="the first start of the second"),
        pytest.param("yes", [], "0", "00000002", "copied", id="the first one lost its disk, the other was promoted"),
        pytest.param("yes", [], "1", "00000001", "copied", id="it lost its disk, the other is still starting"),
        pytest.param("yes", [_DATA], "0", "00000002", "copied", id="a former primary"),
        pytest.param("no", [_DATA, _SECOND], "0", "0000000A", "copied", id="a former primary, later"),
        pytest.param("yes", [_DATA, _SECOND, _ELEVENTH], "0", "0000000A", "own", id="the other one is the former one"),
        pytest.param("yes", [_DATA], "0", "", "own", id="the primary again"),
        pytest.param("yes", [_DATA], "2", "", "own", id="the primary alone"),
        pytest.param("no", [_DATA, "standby.signal"], "0", "00000002", "own", id="the standby again"),
    ],
)
def test_a_server_follows_the_one_that_was_promoted_last_and_makes_no_second_database(
    tmp_path: Path, first: str, has: list[str], peer_answers: str, peer_timeline: str, then: str
) -> None:
    """Two databases would both take what is written, and a copy of the former primary would lose what came since."""
    programs, data = tmp_path / "programs", tmp_path / "18" / "docker"
    programs.mkdir()
    for name, does in _PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    for name in has:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("own")
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGDATA": str(data),
        "POSTGRES_USER": "witiop",
        "POSTGRES_DB": "witiop",
        "POSTGRES_PASSWORD": "secret",
        "PEER": "the-other-one",
        "FIRST": first,
        "PEER_ANSWERS": peer_answers,
        "PEER_TIMELINE": peer_timeline,
    }
    script = ROOT / "examples" / "cluster" / "postgres.sh"
    subprocess.run(["sh", script], env=environment, check=True, timeout=30)
    assert then == (data / _DATA).read_text().strip()
