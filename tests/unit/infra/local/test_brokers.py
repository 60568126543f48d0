"""Brokers of a stack: one, or three that copy every record."""

from pathlib import Path

import pytest

from infra.local.cluster.brokers import local_brokers
from infra.local.errors import LocalServerError
from infra.local.kafka import KafkaNode, node_settings

NODES = [KafkaNode(9000 + number, 9100 + number) for number in range(3)]


def test_three_brokers_have_three_copies_of_which_two_are_enough_each_in_a_rack_of_its_own() -> None:
    given = [node_settings(number, 3) for number in (1, 2, 3)]
    assert {("3", "2", "3", "2")} == {
        (
            each["default.replication.factor"],
            each["min.insync.replicas"],
            each["transaction.state.log.replication.factor"],
            each["transaction.state.log.min.isr"],
        )
        for each in given
    }
    assert [("1", "rack-1"), ("2", "rack-2"), ("3", "rack-3")] == [
        (each["node.id"], each["broker.rack"]) for each in given
    ]


def test_a_broker_alone_has_one_copy() -> None:
    given = node_settings()
    assert ("1", "1") == (given["offsets.topic.replication.factor"], given["min.insync.replicas"])


def test_clients_are_told_all_brokers(tmp_path: Path) -> None:
    brokers = local_brokers(tmp_path, NODES)
    assert ["127.0.0.1:9000", "127.0.0.1:9001", "127.0.0.1:9002"] == [each.bootstrap for each in brokers]
    assert [1, 2, 3] == [each.number for each in brokers]


@pytest.mark.parametrize(("made", "wanted"), [(["kafka"], 3), (["kafka-1", "kafka-2", "kafka-3"], 1)])
def test_a_directory_is_not_started_with_another_number_of_brokers(
    tmp_path: Path, made: list[str], wanted: int
) -> None:
    """The topics of before would be on some of them only, or on none."""
    for name in made:
        (tmp_path / name / "log").mkdir(parents=True)
    with pytest.raises(LocalServerError, match=f"start it with --brokers {len(made)}"):
        local_brokers(tmp_path, NODES[:wanted])
    assert len(made) == len(local_brokers(tmp_path, NODES[: len(made)]))
