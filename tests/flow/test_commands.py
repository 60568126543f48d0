"""An administrator at the command line, agents at their desks, and the real processes between them."""

import json
import random
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.ports import Record
from domain.rows import row
from infra.local.simulator.bodies import Customer, Line
from infra.local.simulator.chat import Chat, Story
from infra.postgres import directory
from infra.postgres.conversation_page import conversation_page
from infra.postgres.people import People
from tests.flow.conftest import Install
from tests.support.commander import Commander
from tests.support.office import COMPANY
from tests.support.outcome import assert_list_is_right, assert_told_without_gaps, facts_of, is_there, log_of
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

SHOP = Line(NUMBER, "+39 06 555 0100", "330000000000001")
BEN = replace(COMPANY.users["ben"], skillsets=("sales",))
PEOPLE = replace(COMPANY, users=COMPANY.users | {"ben": BEN, "dora": replace(BEN, id="dora")})
"""Dora never comes."""


class Company:
    """An installation whose processes run, and an administrator of it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.commander = Commander(system.kafka, system.topics)

    def hears(self, story: Story) -> None:
        """Posts a story in the order of its time; returns when it is worked in."""
        posts = [told.post for told in story.told]
        for post in posts:
            self.system.webhooks.deliver(post)
        facts = [fact for fact in facts_of(posts) if fact.kind != "agent_presence_changed"]
        with self.database() as connection:
            wait_until(lambda: is_there(connection, facts))

    def database(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.system.dsn, autocommit=True)

    def says(self, *command: str, code: int = 0) -> Any:
        """A command of the command line, its answer as JSON."""
        done = self.system.witiop(*command, "--json")
        assert code == done.returncode, done.stderr
        return json.loads(done.stdout)

    def conversation(self, customer: Customer) -> str:
        with self.database() as connection:
            ((id_,),) = connection.execute(
                "select id::text from conversations where wa_id = %s", [customer.wa_id]
            ).fetchall()
        return str(id_)

    def shows(self, conversation: str) -> Any:
        """As `conversations show`, without the time that a program takes to start."""
        with self.database() as connection:
            page = conversation_page(connection, UUID(conversation))
        assert page is not None
        return {**row(page.conversation), "history": page.history}

    def owner(self, conversation: str) -> tuple[str, str, str] | None:
        owner = self.shows(conversation)["owner"]
        return owner and (owner["kind"], owner["id"], owner["state"])

    def transfer(
        self, conversation: str, to: str, target: str, mode: str, *more: str, code: int = 0
    ) -> tuple[str, str | None]:
        """Outcome and reason."""
        told = self.says("transfer", conversation, f"--to-{to}", target, "--mode", mode, *more, code=code)
        return told["outcome"], told["reason"]

    def presence(self, agent: str) -> str:
        with self.database() as connection:
            return People(connection).everybody()[agent].state


@pytest.fixture(scope="module")
def company(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with install(tmp_path_factory.mktemp("logs")) as system:
        with psycopg.connect(system.dsn) as connection:
            directory.apply(connection, PEOPLE)
        system.run("webhook", "conversations", "commands", "routing", "timer", "relay")
        yield Company(system)


@pytest.fixture
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.node.name, datetime.now(UTC))


def who(request: pytest.FixtureRequest, name: str) -> Customer:
    return Customer(name, f"39060{zlib.crc32(f'{request.node.name}{name}'.encode())}")


@pytest.fixture
def rosa(request: pytest.FixtureRequest) -> Customer:
    """A customer whom nobody knows yet."""
    return who(request, "Rosa")


@pytest.fixture
def chat(story: Story, rosa: Customer) -> Chat:
    return story.chat(SHOP, rosa)


def test_who_chose_nothing_is_handed_to_anna_who_is_ready_and_not_to_ben_who_is_at_capacity(
    company: Company, story: Story, chat: Chat, rosa: Customer, request: pytest.FixtureRequest
) -> None:
    busy = who(request, "Busy")
    chat.writes("0:05", "Is anybody there?")
    story.chat(SHOP, busy).writes("0:05", "Hello")
    story.agent_is("0:04", "anna", "ready")
    story.agent_is("0:04", "ben", "ready")
    company.hears(story)
    wait_until(lambda: {company.presence("anna"), company.presence("ben")} == {"ready"}, step=0.2)
    conversation = company.conversation(rosa)

    assert ("applied", None) == company.transfer(company.conversation(busy), "user", "ben", "immediate")
    assert ("rejected", "user_at_capacity") == company.transfer(conversation, "user", "ben", "immediate", code=1)
    assert ("applied", None) == company.transfer(conversation, "user", "anna", "immediate", "--as", "boss")

    page = company.shows(conversation)
    assert ("user", "anna", "assigned") == tuple(page["owner"][key] for key in ("kind", "id", "state"))
    assert [("opened", "customer"), ("became_unmanaged", "customer"), ("assigned", "boss")] == [
        (each["event"], each["actor"]) for each in page["history"]
    ]
    refused = company.system.witiop("transfer", conversation, "--to-user", "ben", "--mode", "immediate")
    assert (1, "") == (refused.returncode, refused.stdout)
    assert (
        "witiop: rejected (already_assigned): somebody has it already: recall it first (assigned: user anna)\n"
        == refused.stderr
    )

    chat.agent_says("0:01", "anna", "Good morning")
    company.hears(story)
    assert ("user", "anna", "accepted") == company.owner(conversation)
    assert [conversation] == [
        each["id"]
        for each in company.says("conversations", "list", "--state", "managed", "--phone", str(rosa.wa_id))["rows"]
    ]


def test_what_is_reserved_for_a_skillset_goes_to_the_first_member_who_comes(
    company: Company, story: Story, chat: Chat, rosa: Customer
) -> None:
    chat.writes("0:05", "My bike is broken")
    company.hears(story)
    conversation = company.conversation(rosa)

    assert ("rejected", "no_agent_ready") == company.transfer(conversation, "skillset", "support", "immediate", code=1)
    assert ("applied", None) == company.transfer(conversation, "skillset", "support", "exclusive")
    assert ("skillset", "support", "reserved") == company.owner(conversation)
    assert conversation in [each["id"] for each in company.says("conversations", "list", "--state", "waiting")["rows"]]

    story.agent_is("0:01", "carla", "ready")
    company.hears(story)
    wait_until(lambda: company.owner(conversation) == ("user", "carla", "assigned"), step=0.2)

    told = company.says("recall", conversation)
    assert ("applied", None) == (told["outcome"], told["reason"])
    assert company.shows(conversation)["reason"] == "no_choice"
    assert ["reserved", "assigned", "released", "became_unmanaged"] == [
        each["event"] for each in company.shows(conversation)["history"]
    ][-4:]


def test_a_reservation_nobody_came_for_ends_five_minutes_before_the_window(company: Company, rosa: Customer) -> None:
    story = Story("late", datetime.now(UTC) + timedelta(seconds=12))
    story.chat(SHOP, rosa).writes("23:55", "Hello")
    company.hears(story)
    conversation = company.conversation(rosa)

    assert ("applied", None) == company.transfer(conversation, "user", "dora", "exclusive")
    wait_until(lambda: company.shows(conversation)["reason"] == "reservation_expired", seconds=40, step=0.3)
    assert [("released", "clock"), ("became_unmanaged", "clock")] == [
        (each["event"], each["actor"]) for each in company.shows(conversation)["history"]
    ][-2:]
    assert ("rejected", "window_closing") == company.transfer(conversation, "user", "dora", "exclusive", code=1)


def test_a_closed_conversation_cannot_be_transferred(
    company: Company, story: Story, chat: Chat, rosa: Customer
) -> None:
    chat.writes("25:00", "Hello")
    company.hears(story)
    conversation = company.conversation(rosa)
    assert ("rejected", "conversation_closed") == company.transfer(conversation, "user", "anna", "exclusive", code=1)
    assert ("rejected", "conversation_closed") == company.transfer(
        conversation, "skillset", "sales", "immediate", code=1
    )


def test_of_two_admins_at_the_same_moment_one_wins_and_the_other_is_told_why_not(
    company: Company, story: Story, chat: Chat, rosa: Customer
) -> None:
    chat.writes("0:05", "Hello")
    company.hears(story)
    conversation = company.conversation(rosa)
    version = str(company.shows(conversation)["version"])

    def transfer(admin: str) -> dict[str, Any]:
        arguments = ("--to-user", "dora", "--mode", "exclusive", "--expected-version", version, "--as", admin)
        told: dict[str, Any] = json.loads(company.system.witiop("transfer", conversation, *arguments, "--json").stdout)
        return told

    with ThreadPoolExecutor(2) as admins:
        told = list(admins.map(transfer, ["boss", "chief"]))

    assert [("applied", None), ("rejected", "version_conflict")] == sorted(
        [(each["outcome"], each["reason"]) for each in told], key=lambda each: each[0]
    )
    winner = ["boss", "chief"][[each["outcome"] for each in told].index("applied")]
    assert winner in [each["actor"] for each in company.shows(conversation)["history"]]


def test_a_command_without_an_answer_is_unknown_and_one_nobody_waits_for_is_published(
    company: Company, story: Story, chat: Chat, rosa: Customer
) -> None:
    chat.writes("0:05", "Hello")
    company.hears(story)
    conversation = company.conversation(rosa)
    reserve = ("transfer", conversation, "--to-user", "dora", "--mode", "exclusive")

    told = company.says("transfer", conversation, "--to-user", "nobody", "--mode", "exclusive", "--wait", "0")
    assert "published" == told["outcome"]
    wait_until(lambda: told["command_id"] in [each["command_id"] for each in company.commander.results()], step=0.2)
    (relay,) = [worker for worker in company.system.workers if worker.name == "relay"]
    relay.freeze()
    try:
        done = company.system.witiop(*reserve, "--wait", "0.5", "--json")
    finally:
        relay.thaw()
    assert (3, "unknown") == (done.returncode, json.loads(done.stdout)["outcome"])
    assert done.stderr.startswith("witiop: no result of command ")


def test_what_is_not_authentic_or_comes_again_changes_nothing_and_is_answered_and_audited(
    company: Company, story: Story, chat: Chat, rosa: Customer
) -> None:
    chat.writes("0:05", "Hello")
    company.hears(story)
    conversation = UUID(company.conversation(rosa))
    before = company.shows(str(conversation))
    command, now = company.commander.transfer, datetime.now(UTC)
    good = command("good", conversation, "user", "nobody", "exclusive")
    forged = command("forged", conversation, "user", "anna", "exclusive", secret="a guess")
    altered = replace(good, value=good.value.replace(b"nobody", b"anna"))
    expired = command("expired", conversation, "user", "anna", "exclusive", at=now - timedelta(minutes=6))
    ahead = command("ahead", conversation, "user", "anna", "exclusive", at=now + timedelta(minutes=6))
    stolen = replace(good, headers=(*good.headers, ("witiop_issuer", b"boss")))
    chance = random.Random(20260701)
    known = len(company.commander.results())

    garbage = [
        Record(
            good.topic, None, chance.randbytes(chance.randrange(60)), chance.choice([(), good.headers, forged.headers])
        )
        for _ in range(1000)
    ]
    company.commander.publish([good, good, forged, altered, expired, ahead, stolen, *garbage])
    wait_until(lambda: len(company.commander.results()) == known + 1006, seconds=60, step=0.5)

    results = company.commander.results()
    assert [("rejected", "user_unknown")] == [
        (each["outcome"], each["reason"]) for each in results if each["command_id"] == "good"
    ]
    assert ["expired"] == [each["reason"] for each in results if each["command_id"] == "expired"]
    nobodys = [each for each in results if each["command_id"] is None]
    assert {("rejected", "not_authentic", None)} == {
        (each["outcome"], each["reason"], each["conversation_id"]) for each in nobodys
    }
    assert 1004 == len(nobodys)
    assert 1004 == len({(each["partition"], each["offset"]) for each in nobodys})
    assert before == company.shows(str(conversation))
    with company.database() as connection:
        assert [(1,)] == connection.execute("select repeats from commands where id = 'good'").fetchall()
        assert [] == connection.execute("select * from set_aside").fetchall()


def test_every_command_has_one_audit_row_and_all_stories_together_are_told_without_gaps(company: Company) -> None:
    with company.database() as connection:
        wait_until(lambda: connection.execute("select count(*) from outbox").fetchone() == (0,))
        audited = connection.execute('select partition, "offset" from command_audit').fetchall()
        assert sorted(log_of(company.system.kafka, company.system.topics.commands)) == sorted(audited)
        assert_list_is_right(connection)
        assert_told_without_gaps(connection, company.system)
