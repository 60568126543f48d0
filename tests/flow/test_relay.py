"""Every public event reaches the topic, in the order of its conversation. One relay at a time publishes, whatever
happens to that relay or to the broker."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient
from psycopg import Connection

from consumers.handlers.conversations import Conversations
from consumers.workers.relay import IDLE_SESSION_SECONDS
from domain.facts import FACT, Fact
from infra.kafka.consumer import IncomingRecord
from tests.support.outcome import assert_published_without_gaps, public_events
from tests.support.stories import START, FactMaker
from tests.support.system import System, Worker
from tests.support.waiting import wait_until

CONVERSATIONS = 30


class Installation:
    """An installation in which a test creates public events and watches the outbox and the topic."""

    def __init__(self, system: System, connection: Connection[Any]) -> None:
        self.system = system
        self.connection = connection
        self._call = 0

    def make_events(self) -> None:
        """Creates four events in each of many new conversations, half of them in a second transaction."""
        self._call += 1
        makers = [FactMaker(number=f"{self._call}-{n}") for n in range(CONVERSATIONS)]
        self._process([maker.turn(0) for maker in makers])
        self._process([fact for maker in makers for fact in (maker.answered(1), maker.agent_closes(2))])

    def _process(self, facts: Sequence[Fact]) -> None:
        now = START + timedelta(hours=3)
        topic = self.system.topics.inbound
        records = [IncomingRecord(topic, 0, offset, now, FACT.dump_json(fact), ()) for offset, fact in enumerate(facts)]
        with self.connection.transaction():
            Conversations(self.system.topics).apply(self.connection, records)

    @property
    def waiting(self) -> int:
        row = self.connection.execute("select count(*) from outbox").fetchone()
        assert row is not None
        count: int = row[0]
        return count

    def repeats(self) -> int:
        """Returns how many events are more than once on the topic."""
        published = public_events(self.system.kafka, self.system.topics.conversations)
        return sum(len(events) - len({event.id for event in events}) for events in published.values())


@pytest.fixture
def installation(system: System) -> Iterator[Installation]:
    with psycopg.connect(system.dsn, autocommit=True) as connection:
        yield Installation(system, connection)


def test_one_relay_publishes_and_another_takes_over_when_it_is_killed_or_stopped(
    installation: Installation,
) -> None:
    relays = installation.system.run("relay", "relay", "relay")
    installation.make_events()
    wait_until(lambda: installation.waiting == 0)
    wait_until(lambda: in_service(relays))
    first, *others = in_service(relays)
    assert ([], 0) == (others, installation.repeats())

    first.kill()
    installation.make_events()
    wait_until(lambda: installation.waiting == 0)
    relays.remove(first)
    wait_until(lambda: in_service(relays))
    (second,) = in_service(relays)

    second.freeze()
    installation.make_events()
    wait_until(lambda: installation.waiting == 0, seconds=IDLE_SESSION_SECONDS + 20)
    second.thaw()
    installation.make_events()
    wait_until(lambda: installation.waiting == 0)
    wait_until(lambda: second.not_ready_reason() == [])

    assert_published_without_gaps(installation.connection, installation.system)


def in_service(relays: Sequence[Worker]) -> list[Worker]:
    """The relays that published something."""
    return [relay for relay in relays if relay.metric("witiop_relay_published_total")]


def test_without_its_topic_the_relay_waits_for_it(installation: Installation) -> None:
    (relay,) = installation.system.run("relay")
    installation.make_events()
    wait_until(lambda: installation.waiting == 0)
    remove_topic(installation.system)

    installation.make_events()
    events = installation.waiting
    wait_until(lambda: relay.not_ready_reason() == ["worker: the broker does not accept the events"])
    assert CONVERSATIONS * 4 == events == installation.waiting
    assert 0 == installation.system.witiop("topics").code

    wait_until(lambda: installation.waiting == 0 and relay.not_ready_reason() == [], seconds=40)


def remove_topic(system: System) -> None:
    admin: Any = KafkaAdminClient(bootstrap_servers=system.kafka)  # type: ignore[no-untyped-call]
    with closing(admin):
        admin.delete_topics([system.topics.conversations])
        wait_until(lambda: system.topics.conversations not in admin.list_topics())
