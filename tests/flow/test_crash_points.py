"""The processes die at every crash point, and the outcome is the same as without a crash."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from consumers.handlers.conversations import Conversations
from consumers.workers.timer import Timer
from domain.facts import FACT, Fact
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.local.simulator import bodies
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer, WebhookPost
from infra.local.simulator.chat import Story
from infra.postgres import directory
from infra.postgres.connections.session import DatabaseSession
from infra.process.crash_points import EXIT_CODE
from tests.support.databases import Databases
from tests.support.outcome import (
    Summary,
    Watcher,
    assert_accounted_for,
    assert_list_is_right,
    assert_published_without_gaps,
    assert_stored_once,
    facts_of,
    has_arrived,
    summary,
)
from tests.support.promises import promise_all
from tests.support.stories import DIRECTORY, NUMBER
from tests.support.system import System, Worker
from tests.support.waiting import wait_until

UPDATES = 200
POISON, UNREADABLE = 3, 3
SHOP, BOT, PLAIN = (BusinessNumber(number, "+39 06 555 0100", "330000000000001") for number in (NUMBER, "bot", "plain"))
SOON, JUST_OVER = timedelta(seconds=6), timedelta(seconds=-6)


class Crash(NamedTuple):
    """A crash point, the pass at which a process dies there, and its exit code. The webhook is two processes: the one
    that answers requests dies, and its supervisor reports that."""

    point: str
    code: int = EXIT_CODE

    @property
    def process(self) -> str:
        where = self.point.partition(".")[0]
        return "conversations" if where in ("consumer", "wish") else where

    @property
    def windows_end(self) -> timedelta:
        """When windows end: while the timer is under test, otherwise before it has anything to do."""
        return SOON if self.process == "timer" else JUST_OVER


# Early enough that the updates and events that are sent again after the crash are messages: a repeated message would be
# visible. Consumers and the relay die in their second batch at the latest, because two batches may hold everything.
CRASHES = [
    Crash("webhook.after-verify:10", code=1),
    Crash("webhook.after-publish-before-answer:10", code=1),
    Crash("consumer.after-poll:2"),
    Crash("consumer.after-insert:2"),
    Crash("consumer.before-commit:2"),
    Crash("consumer.after-commit-before-kafka-commit:2"),
    Crash("consumer.after-dead-letters"),
    Crash("relay.after-publish-before-mark:2"),
    Crash("timer.after-lock"),
    Crash("wish.before-commit"),
]
PROMISED = 6


@dataclass(frozen=True)
class Day:
    """Some forty customers of three numbers: windows that end, retries of the day before, agents who name conversations
    that do not exist, unreadable updates. `now`: when it is posted. `windows_end`: how long after that."""

    now: datetime
    windows_end: timedelta

    def posts(self) -> list[WebhookPost]:
        """Returns posts with `UPDATES` updates in total."""
        ending = Story("ending", self.now + self.windows_end)
        for name in customers("ending", 4):
            ending.chat(SHOP, name).writes("24:00", "My window ends")
        story = Story("day", self.now)
        for place, name in enumerate(customers("shop", 16)):
            chat = story.chat(SHOP, name)
            first = chat.writes("2:00", "Hello")
            chat.writes("1:30", str(place % 4))
            if place % 3 == 0:
                chat.echoes("1:00", "We are here")
            if place % 5 == 0:
                chat.edits("1:00", first, "Hallo")
        for place, name in enumerate(customers("bot", 8)):
            chat = story.chat(BOT, name)
            chat.writes("3:00", "Hello")
            chat.bot_starts("3:00")
            chat.bot_says("2:59", "How can I help?")
            chat.writes("2:50", "Hm")
            if place % 2:
                chat.bot_hands_over("2:40", "support")
            if place % 3 == 0:
                chat.agent_says("2:20", "anna", "Let me see")
            chat.bot_ends("2:00", "done")
        for name in customers("asked", PROMISED):
            story.chat(SHOP, name).writes("0:20", "2")  # a choice of the menu, if nothing had been promised
        for name in customers("late", 6):
            story.chat(PLAIN, name).writes("30:00", "Was anybody there?")
        posts = [each.post for each in (*ending.posts, *story.posts)] + self._poison() + self._unreadable()
        chatty = Story("chatty", self.now)
        chat = chatty.chat(PLAIN, SimulatedCustomer("Zoe", "399"))
        for minute in range(UPDATES - sum(post.updates for post in posts)):
            chat.writes(f"1:{minute:02}", f"And {minute}")
        return posts + [each.post for each in chatty.posts]

    def promise(self, connection: psycopg.Connection[Any], topics: Topics) -> list[Fact]:
        """Stores what happened before: some customers wrote yesterday, were promised to sales an hour ago, and got the
        template. Returns the facts."""
        with connection.transaction():
            directory.apply(connection, DIRECTORY)
            facts = facts_of(each.post for each in self._asked().posts)
            records = [
                IncomingRecord(topics.inbound, 0, n, self.now, FACT.dump_json(f), ()) for n, f in enumerate(facts)
            ]
            Conversations(topics).apply(connection, records)
            promise_all(connection, topics, self.now - timedelta(hours=1))
        return facts

    def _asked(self) -> Story:
        story = Story("asked", self.now)
        for name in customers("asked", PROMISED):
            story.chat(SHOP, name).writes("30:00", "Is it ready?")
        return story

    def _poison(self) -> list[WebhookPost]:
        """Returns signed and valid posts about a conversation that does not exist."""
        data = {"agent_id": "anna", "conversation_id": str(UUID(int=1))}
        kind = "agents.conversation.accepted"
        return [
            bodies.from_ours("agents", bodies.cloud_event(kind, "/desk", f"lost {n}", self.now, data))
            for n in range(POISON)
        ]

    def _unreadable(self) -> list[WebhookPost]:
        return [WebhookPost("whatsapp", b'{"entry": [{"id": "%d", "changes": "none"}]}' % n) for n in range(UNREADABLE)]


def customers(group: str, how_many: int) -> Iterator[SimulatedCustomer]:
    start = 390000 + 100 * ["ending", "shop", "bot", "late", "asked"].index(group)
    return (SimulatedCustomer(f"{group} {n}", str(start + n)) for n in range(how_many))


@pytest.fixture(scope="module")
def undisturbed(databases: Databases) -> Callable[[timedelta], Summary]:
    """A function of `Day.windows_end` that returns the outcome of the same day if every fact is processed alone and in
    order, without a broker or a process."""
    return cache(partial(_undisturbed, databases))


def _undisturbed(databases: Databases, windows_end: timedelta) -> Summary:
    day = Day(datetime.now(UTC).replace(microsecond=0) - 2 * SOON, windows_end)
    dsn = databases.create()
    handler = Conversations(Topics())
    with closing(DatabaseSession(dsn, "undisturbed")) as session:
        with session.transaction() as connection:
            day.promise(connection, Topics())
        for offset, fact in enumerate(facts_of(day.posts())):
            record = IncomingRecord(Topics().inbound, 0, offset, day.now, FACT.dump_json(fact), ())
            with session.transaction() as connection:
                handler.apply(connection, [record])
        Timer(session.transaction, Topics()).close_due()
        with session.transaction() as connection:
            return summary(connection, day.now)


def deliver(system: System, posts: Sequence[WebhookPost], victim: Worker) -> None:
    """Delivers posts from four senders at once; a post that is not answered with 200 is sent again. In two parts, so
    that every process has at least two batches, however slow the others are."""
    first, rest = posts[:20], posts[20:]
    with ThreadPoolExecutor(4) as senders, psycopg.connect(system.dsn, autocommit=True) as connection:
        list(senders.map(system.webhooks.deliver, first))
        wait_until(lambda: not victim.runs or has_arrived(connection, facts_of(first)))
        list(senders.map(system.webhooks.deliver, rest))


def all_closed(connection: psycopg.Connection[Any], ends: datetime) -> bool:
    """Returns whether all conversations whose window ends by then are closed, and there is at least one."""
    rows = connection.execute("select distinct status from conversations where window_ends_at <= %s", [ends]).fetchall()
    return rows == [("c",)]


def assert_promises_were_kept_once(connection: psycopg.Connection[Any]) -> None:
    """W2: every answer was reserved for sales, once."""
    kept = connection.execute(
        "select w.state, c.owner_id, (select count(*) from history h where h.conversation_id = c.id "
        "and h.event = 'reserved') from wishes w left join conversations c on c.id = w.executed_in"
    ).fetchall()
    assert [("executed", "sales", 1)] * PROMISED == kept


@pytest.mark.parametrize("crash", CRASHES, ids=[crash.point for crash in CRASHES])
def test_a_process_that_dies_at_any_point_loses_and_doubles_nothing(
    system: System, undisturbed: Callable[[timedelta], Summary], crash: Crash
) -> None:
    others = system.start(*{"webhook", "conversations", "timer", "relay"} - {crash.process})
    (victim,) = system.start(crash.process, crash_at=crash.point, consumer_instance="one")
    for worker in (*others, victim):
        worker.wait_ready()
    day = Day(datetime.now(UTC).replace(microsecond=0), crash.windows_end)
    posts = day.posts()
    with psycopg.connect(system.dsn) as connection:
        facts = day.promise(connection, system.topics) + facts_of(posts)
    assert UPDATES == sum(post.updates for post in posts)

    with psycopg.connect(system.dsn, autocommit=True) as connection:
        with Watcher(system) as watcher, ThreadPoolExecutor(1) as background:
            delivery = background.submit(deliver, system, posts, victim)
            assert crash.code == victim.wait_end()
            system.run(crash.process, consumer_instance="one")
            delivery.result()
            wait_until(
                lambda: all_closed(connection, day.now + crash.windows_end) and has_arrived(connection, facts), step=0.1
            )

        assert_stored_once(connection, facts)
        assert_list_is_right(connection)
        assert_accounted_for(connection, system)
        assert_promises_were_kept_once(connection)
        assert_published_without_gaps(connection, system)
        assert undisturbed(crash.windows_end) == summary(connection, day.now)
        dead_letters = connection.execute("select kind, count(distinct raw) from set_aside group by 1").fetchall()
        assert {"dead_letter": POISON, "unreadable": UNREADABLE} == dict(dead_letters)
    watcher.assert_offsets_never_ran_ahead()
