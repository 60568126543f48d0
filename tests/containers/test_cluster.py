"""docker-compose.cluster.yml: servers that replace each other, as its comments and docs/runbook.md say."""

from collections.abc import Iterator

import pytest

from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.process.clock import utc_now
from tests.containers.deployment import Deployment
from tests.containers.engine import Docker
from tests.support.waiting import wait_until

BROKERS = ("kafka", "kafka-2", "kafka-3")


@pytest.fixture(scope="module")
def cluster(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Three brokers, two databases, two webhooks behind a balancer, three consumers."""
    found = Deployment(
        docker, tmp_path_factory.mktemp("cluster"), "witiop-tests-cluster", ["docker-compose.cluster.yml"]
    )
    found.write({"COMPOSE_PROFILES": "", "WITIOP_CONSOLE_URL": "", "WITIOP_WEBHOOK_PROXIES": "1"})
    try:
        found.up("--build")
        found.open()
        yield found
    finally:
        found.compose("down", "--volumes", "--timeout", "20")


def written(cluster: Deployment, phone: str) -> str:
    """A customer writes to the shop until it is answered 200. Returns the conversation's id, once it is stored."""
    story = Story(f"cluster {phone}", utc_now())
    story.chat(SHOP, SimulatedCustomer("Gina", phone)).writes("0:01", "I am Gina")
    for told in story.posts:
        cluster.webhooks.deliver(told.post)
    return cluster.conversation_of(phone)


def standbys(cluster: Deployment) -> list[tuple[str, str]]:
    """The servers that copy the primary, with their state."""
    return cluster.query("select state, sync_state from pg_stat_replication")


def test_everything_comes_up_and_every_record_and_commit_has_its_copies(cluster: Deployment) -> None:
    assert "not in sync" not in cluster.witiop("topics")
    assert [("streaming", "sync")] == standbys(cluster)
    assert [("C.UTF-8",)] == cluster.query("select datlocale from pg_database where datname = 'witiop'")
    assert 2 == len(cluster.containers_of("webhook"))
    assert 3 == len(cluster.containers_of("conversations"))
    assert written(cluster, "393005559001")


@pytest.mark.parametrize("broker", BROKERS)
def test_each_broker_may_be_gone(cluster: Deployment, broker: str) -> None:
    cluster.compose("kill", broker)
    try:
        assert written(cluster, f"39300555910{BROKERS.index(broker)}")
    finally:
        cluster.up()


def test_the_standby_is_promoted_and_the_old_primary_follows_it(cluster: Deployment) -> None:
    """The three steps of the runbook; what was stored before is there afterwards."""
    before = written(cluster, "393005559201")
    cluster.compose("stop", "postgres")
    cluster.compose("exec", "--no-TTY", "postgres-standby", "pg_ctl", "promote")
    cluster.primary = "postgres-standby"
    cluster.compose("start", "postgres")
    wait_until(lambda: [("streaming", "sync")] == standbys(cluster), step=1)

    assert before == cluster.conversation_of("393005559201")
    assert written(cluster, "393005559202")
    cluster.wait_well()


def test_a_database_that_lost_its_disk_copies_the_other_one(cluster: Deployment) -> None:
    """It makes no second database, also if it was the one that made the first."""
    before = written(cluster, "393005559301")
    (standby,) = {"postgres", "postgres-standby"} - {cluster.primary}
    cluster.compose("rm", "--stop", "--force", standby)
    cluster.docker("volume", "rm", f"witiop-tests-cluster_{standby}")
    cluster.up()
    wait_until(lambda: [("streaming", "sync")] == standbys(cluster), step=1)

    assert before == cluster.conversation_of("393005559301")
    assert written(cluster, "393005559302")
