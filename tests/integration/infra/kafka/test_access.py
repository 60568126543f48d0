"""On a broker with TLS, passwords and an authorizer, each process can do its work and nothing else."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from kafka.structs import OffsetAndMetadata

from domain.topics import Topics
from infra.kafka.access.principals import AccessChange, AccessDifferences, AccessRefused, differences, provide
from infra.kafka.access.privileges import ACCESS, KAFKA_PROCESSES, grants, principal_of
from infra.kafka.config import KafkaConfig
from infra.kafka.topics import TopicSettings, create_or_repair
from infra.local.secured.broker import SecuredKafka
from tests.support.servers import on_docker
from tests.support.waiting import wait_until

TOPICS = Topics("shop.")
PASSWORDS = {process: f"password of {process}" for process in KAFKA_PROCESSES}
PATIENT = {"bootstrap_timeout_ms": 10_000, "request_timeout_ms": 10_000}
BRIEF = {"bootstrap_timeout_ms": 1_500, "request_timeout_ms": 5_000}

pytestmark = pytest.mark.skipif(on_docker(), reason="the container's broker has no authorizer")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A broker whose topics and users were prepared by `witiop topics`."""
    with SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka") as kafka:
        create_or_repair(administrator_of(kafka), TOPICS, TopicSettings(1, 1))
        assert provide(administrator_of(kafka), TOPICS, PASSWORDS)
        yield kafka


def administrator_of(broker: SecuredKafka) -> KafkaConfig:
    return KafkaConfig(**broker.administrator())


def config_of(broker: SecuredKafka, process: str, password: str | None = None, host: str = "localhost") -> KafkaConfig:
    return KafkaConfig(**broker.client(principal_of(process, TOPICS), password or PASSWORDS[process], host))


def options(config: KafkaConfig, **more: Any) -> dict[str, Any]:
    return config.client_options() | PATIENT | {"metrics_enabled": False, "allow_auto_create_topics": False} | more


def writable(config: KafkaConfig, topics: Iterable[str]) -> set[str]:
    """Returns the topics among these that the user can write to."""
    producer: Any = KafkaProducer(
        **options(config, acks="all", enable_idempotence=False, max_block_ms=5_000, retries=0)
    )  # type: ignore[no-untyped-call]
    with closing(producer):
        return {topic for topic in topics if _takes(producer, topic)}


def _takes(producer: Any, topic: str) -> bool:
    try:
        producer.send(topic, b"x").get(10)
    except (AuthorizationError, UnknownTopicOrPartitionError):
        return False
    return True


def readable(config: KafkaConfig, topics: Iterable[str]) -> set[str]:
    """Returns the topics among these that the user can read. Each has a record, and the user may see each of them."""
    consumer: Any = KafkaConsumer(
        **options(config, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=10)
    )  # type: ignore[no-untyped-call]
    with closing(consumer):
        return {topic for topic in topics if _gives(consumer, topic)}


def _gives(consumer: Any, topic: str) -> bool:
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    try:
        assert consumer.poll(timeout_ms=20_000)
    except TopicAuthorizationFailedError:
        return False
    return True


def joins(config: KafkaConfig, group: str, topic: str) -> bool:
    """Whether the user can commit a position of a group: a member of it can."""
    consumer: Any = KafkaConsumer(**options(config, group_id=group, enable_auto_commit=False))  # type: ignore[no-untyped-call]
    with closing(consumer):
        consumer.assign([TopicPartition(topic, 0)])
        try:
            consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(0, "", -1)}, timeout_ms=5_000)
        except GroupAuthorizationFailedError:
            return False
        return True


def admin(config: KafkaConfig, **more: Any) -> Any:
    return closing(KafkaAdminClient(**config.client_options(), **(PATIENT | more)))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def filled(broker: SecuredKafka) -> SecuredKafka:
    """Every topic has a record."""
    producer: Any = KafkaProducer(**options(administrator_of(broker), acks="all"))  # type: ignore[no-untyped-call]
    with closing(producer):
        for sent in [producer.send(topic, b"x") for topic in TOPICS.all]:
            sent.get(10)
    return broker


@pytest.mark.parametrize("process", KAFKA_PROCESSES)
def test_a_process_writes_and_reads_exactly_the_topics_of_its_work(filled: SecuredKafka, process: str) -> None:
    """Every process tries every topic."""
    config, held = config_of(filled, process), [each for each in grants(process, TOPICS) if each.kind == "topic"]
    with admin(config) as client:
        seen = {each["name"] for each in client.describe_topics(list(TOPICS.all)) if each["error_code"] == 0}

    assert {each.name for each in held} == seen
    assert {each.name for each in held if each.operation == "write"} == writable(config, TOPICS.all)
    assert {each.name for each in held if each.operation == "read"} == readable(config, seen)


@pytest.mark.parametrize("process", ["conversations", "commands", "analytics"])
def test_a_consumer_belongs_to_its_own_group_only(filled: SecuredKafka, process: str) -> None:
    """A position that another process moved would lose records or repeat them."""
    (topic, *_) = (getattr(TOPICS, name) for name in ACCESS[process].reads)
    config = config_of(filled, process)
    for other in ("conversations", "commands", "analytics", "somebody"):
        assert (other, other == process) == (other, joins(config, TOPICS.group(other), topic))


@pytest.mark.parametrize("process", KAFKA_PROCESSES)
def test_no_process_changes_topics_or_who_may_do_what(broker: SecuredKafka, process: str) -> None:
    mine = ACL(
        f"User:{principal_of(process, TOPICS)}",
        "*",
        ACLOperation.ALL,
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType.CLUSTER, "kafka-cluster"),  # type: ignore[no-untyped-call]
    )
    with admin(config_of(broker, process)) as client:
        with pytest.raises(KafkaError, match="Authorization"):
            client.create_topics({"mine": {"num_partitions": 1, "replication_factor": 1}})
        with pytest.raises(KafkaError, match="Authorization"):
            client.delete_topics([TOPICS.inbound])
        assert [ClusterAuthorizationFailedError] == client.create_acls([mine])["failed"]
    assert differences(config_of(broker, process), TOPICS) is None


def test_a_wrong_password_and_a_user_of_another_installation_are_refused(broker: SecuredKafka) -> None:
    for config in (
        config_of(broker, "relay", "a guess"),
        KafkaConfig(**broker.client("witiop-relay", PASSWORDS["relay"])),
    ):
        with pytest.raises(KafkaError):
            KafkaAdminClient(**config.client_options(), **BRIEF)  # type: ignore[no-untyped-call]


def test_a_broker_that_does_not_bear_the_name_in_its_certificate_is_refused(broker: SecuredKafka) -> None:
    """A stranger with a valid certificate of another name gets no password, and no record."""
    with pytest.raises(KafkaError):
        KafkaAdminClient(**config_of(broker, "relay", host="127.0.0.1").client_options(), **BRIEF)  # type: ignore[no-untyped-call]


def test_a_client_without_tls_is_not_answered(broker: SecuredKafka) -> None:
    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_servers=broker.bootstrap, **BRIEF)  # type: ignore[no-untyped-call]


def test_providing_again_changes_nothing_and_takes_back_what_was_granted_by_hand(broker: SecuredKafka) -> None:
    administrator, relay = administrator_of(broker), principal_of("relay", TOPICS)
    assert provide(administrator, TOPICS, {}) == []
    resource = ResourcePattern(ResourceType.TOPIC, "shop.", ACLResourcePatternType.PREFIXED)  # type: ignore[no-untyped-call]
    extra = ACL(f"User:{relay}", "*", ACLOperation.READ, ACLPermissionType.ALLOW, resource)  # type: ignore[no-untyped-call]
    with admin(administrator) as client:
        client.create_acls([extra])
        found = differences(administrator, TOPICS)
        assert found is not None
        assert [extra] == found.extra[relay]

        assert [AccessChange(relay, "may no longer read of topic shop. (prefix)")] == provide(administrator, TOPICS, {})

    principals = [principal_of(process, TOPICS) for process in ACCESS]
    nothing: dict[str, Any] = {principal: [] for principal in principals}
    assert AccessDifferences(nothing, nothing) == differences(administrator, TOPICS)


def test_what_an_administrator_denied_stays_denied(broker: SecuredKafka) -> None:
    administrator, console = administrator_of(broker), principal_of("console", TOPICS)
    resource = ResourcePattern(ResourceType.TOPIC, TOPICS.commands)  # type: ignore[no-untyped-call]
    denied = ACL(f"User:{console}", "*", ACLOperation.WRITE, ACLPermissionType.DENY, resource)  # type: ignore[no-untyped-call]
    with admin(administrator) as client:
        client.create_acls([denied])
        assert provide(administrator, TOPICS, {}) == []
        wait_until(lambda: not writable(config_of(broker, "console"), [TOPICS.commands]))
        client.delete_acls([denied])
    wait_until(lambda: bool(writable(config_of(broker, "console"), [TOPICS.commands])))


def test_a_new_password_counts_at_once_and_open_connections_go_on(broker: SecuredKafka) -> None:
    """So a process is told its new password after the broker, and loses nothing meanwhile."""
    producer: Any = KafkaProducer(**options(config_of(broker, "relay"), acks="all"))  # type: ignore[no-untyped-call]
    with closing(producer):
        producer.send(TOPICS.results, b"before").get(10)
        changed = provide(administrator_of(broker), TOPICS, {"relay": "a new one"})
        assert [AccessChange(principal_of("relay", TOPICS), "password set")] == changed
        producer.send(TOPICS.results, b"after").get(10)
    with pytest.raises(KafkaError):
        KafkaAdminClient(**config_of(broker, "relay").client_options(), **BRIEF)  # type: ignore[no-untyped-call]
    assert writable(config_of(broker, "relay", "a new one"), [TOPICS.results])
    provide(administrator_of(broker), TOPICS, PASSWORDS)


def test_a_refused_change_is_told(broker: SecuredKafka) -> None:
    """Of a user who may look at permissions and not change them."""
    cluster = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")  # type: ignore[no-untyped-call]
    user = f"User:{principal_of('relay', TOPICS)}"
    looks = ACL(user, "*", ACLOperation.DESCRIBE, ACLPermissionType.ALLOW, cluster)  # type: ignore[no-untyped-call]
    with admin(administrator_of(broker)) as client:
        client.create_acls([looks])
    with pytest.raises(AccessRefused, match="permissions were not revoked: ClusterAuthorizationFailedError"):
        provide(config_of(broker, "relay"), TOPICS, {})
    with pytest.raises(AccessRefused, match=r"the password of shop\.witiop-relay was not set"):
        provide(config_of(broker, "relay"), TOPICS, {"relay": "mine"})
    provide(administrator_of(broker), TOPICS, {})
