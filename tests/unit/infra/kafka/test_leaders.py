"""Which broker leads a partition, as a client knows it: the newest answer counts, not the last one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from kafka.cluster import ClusterMetadata
from kafka.protocol.metadata import MetadataResponse

from infra.kafka.client import LeaderGuard

_VERSION = 12
_Broker = MetadataResponse.MetadataResponseBroker
_Topic = MetadataResponse.MetadataResponseTopic
TOPIC, OTHER = UUID(int=1), UUID(int=2)


def answer(leaders: Mapping[int, tuple[int, int]], topic: UUID = TOPIC) -> MetadataResponse:
    """A broker's answer about one topic: partition -> number and epoch of the leader."""
    brokers = [_Broker(number, "localhost", 9000 + number, None, version=_VERSION) for number in (1, 2, 3)]
    partitions = [
        _Topic.MetadataResponsePartition(0, index, leader, epoch, [1, 2, 3], [leader], [], version=_VERSION)
        for index, (leader, epoch) in leaders.items()
    ]
    topics = [_Topic(0, "inbound", topic, False, partitions, version=_VERSION)]
    return MetadataResponse(
        throttle_time_ms=0, brokers=brokers, cluster_id="c", controller_id=1, topics=topics, version=_VERSION
    )


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(clock: Clock) -> Any:
    cluster: Any = ClusterMetadata(bootstrap_servers="localhost:9001")  # type: ignore[no-untyped-call]
    LeaderGuard(cluster, clock)
    return cluster


def leaders(cluster: Any) -> dict[int, int]:
    return {index: known.leader_id for index, known in cluster._partitions["inbound"].items()}


def test_a_broker_that_was_cut_off_does_not_bring_back_the_leaders_of_before(cluster: Any) -> None:
    cluster.update_metadata(answer({0: (1, 5), 1: (2, 5)}))
    cluster.update_metadata(answer({0: (3, 6), 1: (2, 5)}))
    cluster.update_metadata(answer({0: (1, 5), 1: (2, 5)}))
    assert {0: 3, 1: 2} == leaders(cluster)


def test_a_newer_leader_is_believed_at_once_whoever_says_so(cluster: Any) -> None:
    cluster.update_metadata(answer({0: (1, 5)}))
    cluster.update_metadata(answer({0: (2, 6)}))
    cluster.update_metadata(answer({0: (1, 7)}))
    assert {0: 1} == leaders(cluster)


def test_of_a_topic_that_was_created_again_the_old_epochs_say_nothing(cluster: Any) -> None:
    cluster.update_metadata(answer({0: (1, 5)}))
    cluster.update_metadata(answer({0: (2, 0)}, topic=OTHER))
    assert {0: 2} == leaders(cluster)


def test_brokers_that_were_restored_from_a_backup_are_believed_after_a_minute(cluster: Any, clock: Clock) -> None:
    cluster.update_metadata(answer({0: (1, 5)}))
    for clock.now in (20, 40):
        cluster.update_metadata(answer({0: (2, 3)}))
    assert {0: 1} == leaders(cluster)
    clock.now = 60
    cluster.update_metadata(answer({0: (2, 3)}))
    assert {0: 2} == leaders(cluster)
