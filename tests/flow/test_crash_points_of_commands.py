"""The processes for commands and routing die at every crash point, and still each command is carried out once, with one
result and one audit row."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from consumers.handlers.conversations import Conversations
from domain.facts import FACT
from domain.ports import OutgoingRecord as Published
from infra.kafka.consumer import IncomingRecord
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.postgres import directory
from infra.process.crash_points import EXIT_CODE
from tests.support.commander import Commander
from tests.support.office import COMPANY
from tests.support.outcome import assert_list_is_right, assert_published_without_gaps, facts_of, log_of
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

SHOP = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
WAITING = 60
SLOTS = sum(user.max_conversations for user in COMPANY.users.values())
CRASHES = [
    "consumer.after-poll:2",
    "consumer.after-insert:2",
    "consumer.before-commit:2",
    "consumer.after-commit-before-kafka-commit:2",
    "routing.after-lock",
]


def process(system: System, story: Story) -> list[UUID]:
    """Processes the story as the webhook and its consumer would. Returns the conversations."""
    facts = facts_of(each.post for each in story.posts)
    now = datetime.now(UTC)
    with psycopg.connect(system.dsn) as connection:
        directory.apply(connection, COMPANY)
        records = [
            IncomingRecord("inbound", 0, place, now, FACT.dump_json(fact), ()) for place, fact in enumerate(facts)
        ]
        Conversations(system.topics).apply(connection, records)
        return [row[0] for row in connection.execute("select id from conversations order by wa_id").fetchall()]


def commands_for(commander: Commander, conversations: list[UUID]) -> list[Published]:
    """Returns a reservation of every conversation, recalls of some, repeated commands and impossible ones."""
    commands = []
    for place, conversation in enumerate(conversations):
        first = commander.transfer(f"first {place}", conversation, "skillset", "sales", "exclusive")
        commands += [first, first] if place % 5 == 0 else [first]
        if place % 3 == 0:
            commands.append(commander.recall(f"back {place}", conversation))
        if place % 4 == 0:
            commands.append(commander.transfer(f"nobody {place}", conversation, "user", "nobody", "immediate"))
    return commands


@pytest.mark.parametrize("crash", CRASHES)
def test_a_process_that_dies_at_any_point_carries_out_every_command_once(system: System, crash: str) -> None:
    victim_name = "commands" if crash.startswith("consumer") else "routing"
    story = Story("crash", datetime.now(UTC))
    for place in range(WAITING):
        story.chat(SHOP, SimulatedCustomer(f"Customer {place:02}", f"3906{place:02}")).writes("0:05", "Hello")
    for agent in COMPANY.users:
        story.agent_is("0:00", agent, "ready")
    conversations = process(system, story)
    assert WAITING == len(conversations)
    commander = Commander(system.kafka, system.topics)
    commands = commands_for(commander, conversations)
    ids = {dict(command.headers)["ce_id"].decode() for command in commands}

    others = system.start(*{"commands", "routing", "relay"} - {victim_name})
    (victim,) = system.start(victim_name, crash_at=crash, consumer_instance="one")
    for worker in others:
        worker.wait_ready()
    with psycopg.connect(system.dsn, autocommit=True) as connection:

        def count(of: str) -> Any:
            row = connection.execute(f"select count(*) from {of}").fetchone()
            assert row is not None
            return row[0]

        commander.publish(commands[:1])
        if victim_name == "commands":  # a first batch of one command, since the crash is in the second
            wait_until(lambda: count("command_audit") == 1, seconds=60)
        commander.publish(commands[1:])
        assert EXIT_CODE == victim.wait_end()
        system.run(victim_name, consumer_instance="one")

        wait_until(lambda: count("command_audit") == len(commands) and count("outbox") == 0, seconds=60, step=0.1)
        wait_until(lambda: {each["command_id"] for each in commander.results()} == ids, step=0.2)
        results = Counter(each["command_id"] for each in commander.results())
        assert Counter(ids) == results
        audited = connection.execute('select partition, "offset" from command_audit').fetchall()
        assert sorted(log_of(system.kafka, system.topics.commands)) == sorted(audited)
        repeated = len(commands) - len(ids)
        assert [(repeated,)] == connection.execute("select sum(repeats) from commands").fetchall()
        assert 0 == count("set_aside")
        assigned = connection.execute(
            "select owner_id, count(*) from conversations where owner_state = 'a' group by 1"
        ).fetchall()
        assert all(number <= COMPANY.users[agent].max_conversations for agent, number in assigned)
        assert_list_is_right(connection)
        assert_published_without_gaps(connection, system)
