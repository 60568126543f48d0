"""An administrator at the command line, agents at their desktops, and the real processes between them."""

import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.contract.page import history_document
from domain.contract.row import row_document
from domain.ports import OutgoingRecord
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Chat, Story
from infra.postgres import directory
from infra.postgres.conversations.agents import Agents
from infra.postgres.lists.conversation_page import conversation_page
from tests.flow.conftest import Install
from tests.support.commander import Commander
from tests.support.office import COMPANY
from tests.support.outcome import assert_list_is_right, assert_published_without_gaps, facts_of, has_arrived, log_of
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

SHOP = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
BEN = replace(COMPANY.users["ben"], skillsets=("sales",))
PEOPLE = replace(COMPANY, users=COMPANY.users | {"ben": BEN, "dora": replace(BEN, id="dora")})
"""Dora is never ready."""


class Company:
    """An installation whose processes run, with an administrator's means of access."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.commander = Commander(system.kafka, system.topics)

    def receives(self, story: Story) -> None:
        """Posts a story in the order of its times. Returns when it is processed."""
        posts = [each.post for each in story.posts]
        for post in posts:
            self.system.webhooks.deliver(post)
        facts = [fact for fact in facts_of(posts) if fact.kind != "agent_presence_changed"]
        with self.database() as connection:
            wait_until(lambda: has_arrived(connection, facts))

    def database(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.system.dsn, autocommit=True)

    def witiop_json(self, *command: str, code: int = 0) -> Any:
        """Runs a command of the command line. Returns its JSON."""
        done = self.system.witiop(*command, "--json")
        assert code == done.code, done.err
        return json.loads(done.out)

    def conversation(self, customer: SimulatedCustomer) -> str:
        with self.database() as connection:
            ((id_,),) = connection.execute(
                "select id::text from conversations where wa_id = %s", [customer.wa_id]
            ).fetchall()
        return str(id_)

    def page(self, conversation: str) -> Any:
        """Returns what `conversations show` prints, without the time that a program needs to start."""
        with self.database() as connection:
            page = conversation_page(connection, UUID(conversation))
        assert page is not None
        return {**row_document(page.conversation), "history": [history_document(entry) for entry in page.history]}

    def owner(self, conversation: str) -> tuple[str, str, str] | None:
        owner = self.page(conversation)["owner"]
        return owner and (owner["kind"], owner["id"], owner["state"])

    def transfer(
        self, conversation: str, to: str, target: str, mode: str, *more: str, code: int = 0
    ) -> tuple[str, str | None]:
        """Returns outcome and reason of a transfer."""
        result = self.witiop_json("transfer", conversation, f"--to-{to}", target, "--mode", mode, *more, code=code)
        return result["outcome"], result["reason"]

    def results_of(self, commands: Sequence[OutgoingRecord]) -> list[dict[str, Any]]:
        """Publishes commands and returns their results. By then each command has its audit row."""
        with self.database() as connection:

            def audited() -> int:
                ((found,),) = connection.execute("select count(*) from command_audit").fetchall()
                return int(found)

            before, known = audited(), {id_ for id_, _ in self.commander.result_records()}
            self.commander.publish(commands)
            wait_until(lambda: audited() == before + len(commands), seconds=60, step=0.1)
            wait_until(lambda: connection.execute("select count(*) from outbox").fetchone() == (0,), step=0.1)
        return [result for id_, result in self.commander.result_records() if id_ not in known]

    def presence(self, agent: str) -> str:
        with self.database() as connection:
            return Agents(connection).all_with_presence()[agent].state


@pytest.fixture(scope="module")
def company(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with install(tmp_path_factory.mktemp("logs")) as system:
        with psycopg.connect(system.dsn) as connection:
            directory.apply(connection, PEOPLE)
        system.run("webhook", "conversations", "commands", "routing", "timer", "relay", ses_sender="inbox@example.com")
        yield Company(system)


@pytest.fixture
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.node.name, datetime.now(UTC))


def new_customer(request: pytest.FixtureRequest, name: str) -> SimulatedCustomer:
    return SimulatedCustomer(name, f"39060{zlib.crc32(f'{request.node.name}{name}'.encode())}")


@pytest.fixture
def rosa(request: pytest.FixtureRequest) -> SimulatedCustomer:
    """A customer who is new to the installation."""
    return new_customer(request, "Rosa")


@pytest.fixture
def chat(story: Story, rosa: SimulatedCustomer) -> Chat:
    return story.chat(SHOP, rosa)


@pytest.fixture
def conversation(company: Company, story: Story, chat: Chat, rosa: SimulatedCustomer) -> str:
    """The conversation of Rosa, who wrote five minutes ago and chose nothing."""
    chat.writes("0:05", "Hello")
    company.receives(story)
    return company.conversation(rosa)


def test_a_customer_who_chose_nothing_is_handed_to_anna_who_is_ready_and_not_to_ben_who_is_at_capacity(
    company: Company,
    story: Story,
    chat: Chat,
    rosa: SimulatedCustomer,
    conversation: str,
    request: pytest.FixtureRequest,
) -> None:
    busy = new_customer(request, "Busy")
    story.chat(SHOP, busy).writes("0:05", "Hello")
    story.agent_is("0:04", "anna", "ready")
    story.agent_is("0:04", "ben", "ready")
    company.receives(story)
    wait_until(lambda: {company.presence("anna"), company.presence("ben")} == {"ready"}, step=0.2)

    assert ("applied", None) == company.transfer(company.conversation(busy), "user", "ben", "immediate")
    assert ("rejected", "user_at_capacity") == company.transfer(conversation, "user", "ben", "immediate", code=1)
    assert ("applied", None) == company.transfer(conversation, "user", "anna", "immediate", "--as", "boss")

    page = company.page(conversation)
    assert ("user", "anna", "assigned") == tuple(page["owner"][key] for key in ("kind", "id", "state"))
    assert [("opened", "customer"), ("became_unmanaged", "customer"), ("assigned", "boss")] == [
        (each["event"], each["actor"]) for each in page["history"]
    ]
    refused = company.system.witiop("transfer", conversation, "--to-user", "ben", "--mode", "immediate")
    assert (1, "") == (refused.code, refused.out)
    assert (
        "witiop: rejected (already_assigned): somebody already has it: recall it first (assigned: user anna)\n"
        == refused.err
    )

    chat.agent_says("0:01", "anna", "Good morning")
    company.receives(story)
    assert ("user", "anna", "accepted") == company.owner(conversation)
    managed = company.witiop_json("conversations", "list", "--state", "managed", "--phone", str(rosa.wa_id))
    assert [conversation] == [each["id"] for each in managed["rows"]]


def test_a_conversation_reserved_for_a_skillset_is_offered_to_the_first_member_who_is_ready(
    company: Company, story: Story, conversation: str
) -> None:
    assert ("rejected", "no_agent_ready") == company.transfer(conversation, "skillset", "support", "immediate", code=1)
    assert ("applied", None) == company.transfer(conversation, "skillset", "support", "exclusive")
    assert ("skillset", "support", "reserved") == company.owner(conversation)
    waiting = company.witiop_json("conversations", "list", "--state", "waiting")
    assert conversation in [each["id"] for each in waiting["rows"]]

    story.agent_is("0:01", "carla", "ready")
    company.receives(story)
    wait_until(lambda: company.owner(conversation) == ("user", "carla", "assigned"), step=0.2)

    result = company.witiop_json("recall", conversation)
    assert ("applied", None) == (result["outcome"], result["reason"])
    assert company.page(conversation)["reason"] == "no_choice"
    assert ["reserved", "assigned", "released", "became_unmanaged"] == [
        each["event"] for each in company.page(conversation)["history"]
    ][-4:]


def test_a_reservation_that_nobody_was_ready_for_ends_five_minutes_before_the_window(
    company: Company, rosa: SimulatedCustomer
) -> None:
    story = Story("late", datetime.now(UTC) + timedelta(seconds=6))
    story.chat(SHOP, rosa).writes("23:55", "Hello")
    company.receives(story)
    conversation = company.conversation(rosa)

    assert ("applied", None) == company.transfer(conversation, "user", "dora", "exclusive")
    wait_until(lambda: company.page(conversation)["reason"] == "reservation_expired", seconds=40, step=0.3)
    assert [("released", "clock"), ("became_unmanaged", "clock")] == [
        (each["event"], each["actor"]) for each in company.page(conversation)["history"]
    ][-2:]
    assert ("rejected", "window_closing") == company.transfer(conversation, "user", "dora", "exclusive", code=1)


def test_a_customer_whom_an_agent_accepted_and_did_not_answer_is_back_on_the_list_until_somebody_writes(
    company: Company, story: Story, chat: Chat, rosa: SimulatedCustomer
) -> None:
    chat.writes("0:20", "Hello")
    chat.agent_accepts("0:15", "dora")
    company.receives(story)
    conversation = company.conversation(rosa)
    wait_until(lambda: company.page(conversation)["reason"] == "taken_not_answered", seconds=40, step=0.3)
    assert [("accepted", "agent:dora"), ("released", "clock"), ("became_unmanaged", "clock")] == [
        (each["event"], each["actor"]) for each in company.page(conversation)["history"]
    ][-3:]
    listed = company.witiop_json("unmanaged", "list", "--reason", "taken_not_answered")
    assert conversation in [each["id"] for each in listed["rows"]]

    chat.agent_says("0:12", "dora", "Good morning")
    company.receives(story)
    assert (None, ("user", "dora", "accepted")) == (company.page(conversation)["reason"], company.owner(conversation))
    managed = company.witiop_json("conversations", "list", "--state", "managed", "--phone", str(rosa.wa_id))
    assert [conversation] == [each["id"] for each in managed["rows"]]
    chat.agent_closes("0:01", "dora", "all said")
    company.receives(story)


def test_a_closed_conversation_cannot_be_transferred(
    company: Company, story: Story, chat: Chat, rosa: SimulatedCustomer
) -> None:
    chat.writes("25:00", "Hello")
    company.receives(story)
    conversation = company.conversation(rosa)
    assert ("rejected", "conversation_closed") == company.transfer(conversation, "user", "anna", "exclusive", code=1)
    assert ("rejected", "conversation_closed") == company.transfer(
        conversation, "skillset", "sales", "immediate", code=1
    )


def test_of_two_simultaneous_transfers_one_is_applied_and_the_other_is_rejected_with_the_reason(
    company: Company, conversation: str
) -> None:
    version = str(company.page(conversation)["version"])

    def transfer(admin: str) -> dict[str, Any]:
        arguments = ("--to-user", "dora", "--mode", "exclusive", "--expected-version", version, "--as", admin)
        result: dict[str, Any] = json.loads(
            company.system.program("transfer", conversation, *arguments, "--json").stdout
        )
        return result

    with ThreadPoolExecutor(2) as admins:
        results = list(admins.map(transfer, ["boss", "chief"]))

    assert [("applied", None), ("rejected", "version_conflict")] == sorted(
        [(each["outcome"], each["reason"]) for each in results], key=lambda each: each[0]
    )
    winner = ["boss", "chief"][[each["outcome"] for each in results].index("applied")]
    assert winner in [each["actor"] for each in company.page(conversation)["history"]]


def test_of_two_transfers_without_an_expected_version_the_second_result_names_the_owner(
    company: Company, conversation: str
) -> None:
    transfers = [
        company.commander.transfer(f"of {admin}", conversation, "user", "dora", "exclusive", issuer=admin)
        for admin in ("boss", "chief")
    ]

    results = {each["reason"]: each for each in company.results_of(transfers)}

    assert {None, "already_assigned"} == results.keys()
    assert company.page(conversation)["owner"] == results["already_assigned"]["owner"]
    assert ("user", "dora", "reserved") == company.owner(conversation)


def test_a_user_who_takes_a_conversation_owns_it_at_once_even_if_not_ready_but_never_beyond_their_capacity(
    company: Company, story: Story, conversation: str, request: pytest.FixtureRequest
) -> None:
    other = new_customer(request, "Other")
    story.chat(SHOP, other).writes("0:05", "Hello")
    company.receives(story)
    second = company.conversation(other)

    assert ("applied", None) == company.transfer(conversation, "user", "dora", "immediate", "--as", "dora")
    assert ("rejected", "user_at_capacity") == company.transfer(
        second, "user", "dora", "immediate", "--as", "dora", code=1
    )

    assert ("user", "dora", "accepted") == company.owner(conversation)
    assert [("opened", "customer"), ("became_unmanaged", "customer"), ("accepted", "agent:dora")] == [
        (each["event"], each["actor"]) for each in company.page(conversation)["history"]
    ]
    assert None is company.owner(second)
    assigned = company.witiop_json("conversations", "list", "--state", "assigned")
    assert conversation in [each["id"] for each in assigned["rows"]]

    company.witiop_json("recall", conversation, "--as", "dora")
    assert ("no_choice", None) == (company.page(conversation)["reason"], company.owner(conversation))


def test_a_command_without_a_result_is_unknown_and_one_without_waiting_is_published(
    company: Company, conversation: str
) -> None:
    reserve = ("transfer", conversation, "--to-user", "dora", "--mode", "exclusive")

    result = company.witiop_json("transfer", conversation, "--to-user", "nobody", "--mode", "exclusive", "--wait", "0")
    assert "published" == result["outcome"]
    wait_until(lambda: result["command_id"] in [each["command_id"] for each in company.commander.results()], step=0.2)
    (relay,) = [worker for worker in company.system.workers if worker.name == "relay"]
    relay.freeze()
    try:
        done = company.system.witiop(*reserve, "--wait", "0.5", "--json")
    finally:
        relay.thaw()
    assert (3, "unknown") == (done.code, json.loads(done.out)["outcome"])
    assert done.err.startswith("witiop: no result for command ")


def test_a_mail_of_any_size_is_accepted_or_rejected_as_too_large(company: Company, conversation: str) -> None:
    """Also one that no topic can hold, and one that would be too large only as a composed mail."""
    mail = ("email", conversation, "--to", "a@example.com", "--subject", "s", "--hold", "60", "--body")
    assert "applied" == company.witiop_json(*mail, "x" * 3_000_000)["outcome"]
    for size in (3_900_000, 5_000_000):
        assert "too_large" == company.witiop_json(*mail, "x" * size, code=1)["reason"]


def test_a_held_mail_is_recalled_with_the_printed_command(company: Company, conversation: str) -> None:
    """Here a person reads the command; `mails list` has it too."""
    done = company.system.witiop(
        "email", conversation, "--to", "a@example.com", "--subject", "s", "--body", "b", "--hold", "60"
    )
    assert (0, "queued for sending as command") == (done.code, done.out.rpartition(" ")[0])
    command = done.out.split()[-1]
    (row,) = [row for row in company.witiop_json("mails", "list")["rows"] if row["command_id"] == command]
    assert "requested" == row["state"]
    assert "applied" == company.witiop_json("recall", "--mail", command)["outcome"]
    assert "recalled" == company.witiop_json("mails", "show", row["id"])["state"]


def test_a_command_signed_with_a_retired_secret_is_rejected_as_such(company: Company, conversation: str) -> None:
    """The result has no command id, only partition and offset: that is how it is found."""
    done = company.system.witiop("recall", conversation, "--json", command_secrets="of last year")
    assert (1, "not_authentic") == (done.code, json.loads(done.out)["reason"])
    assert done.err.startswith("witiop: rejected (not_authentic): the command's signature is not valid")


def test_commands_that_are_not_authentic_or_repeated_change_nothing_and_are_answered_and_audited(
    company: Company, conversation: str
) -> None:
    before = company.page(conversation)
    command, now = company.commander.transfer, datetime.now(UTC)
    good = command("good", conversation, "user", "nobody", "exclusive")
    forged = command("forged", conversation, "user", "anna", "exclusive", secret="a guess")
    altered = replace(good, value=good.value.replace(b"nobody", b"anna"))
    expired = command("expired", conversation, "user", "anna", "exclusive", at=now - timedelta(minutes=6))
    ahead = command("ahead", conversation, "user", "anna", "exclusive", at=now + timedelta(minutes=6))
    stolen = replace(good, headers=(*good.headers, ("witiop_issuer", b"boss")))

    results = company.results_of([good, good, forged, altered, expired, ahead, stolen])

    assert 6 == len(results)
    assert [("rejected", "user_unknown")] == [
        (each["outcome"], each["reason"]) for each in results if each["command_id"] == "good"
    ]
    assert ["expired"] == [each["reason"] for each in results if each["command_id"] == "expired"]
    without_id = [each for each in results if each["command_id"] is None]
    assert {("rejected", "not_authentic", None)} == {
        (each["outcome"], each["reason"], each["conversation_id"]) for each in without_id
    }
    assert 4 == len({(each["partition"], each["offset"]) for each in without_id})
    assert before == company.page(conversation)
    with company.database() as connection:
        assert [(1,)] == connection.execute("select repeats from commands where id = 'good'").fetchall()


def test_ten_thousand_garbage_commands_change_nothing_and_each_is_answered_once(
    company: Company, conversation: str
) -> None:
    before = company.page(conversation)
    transfer, now, chance = company.commander.transfer, datetime.now(UTC), random.Random(20260701)

    def alter(record: OutgoingRecord) -> OutgoingRecord:
        place = chance.randrange(len(record.value))
        other = bytes([record.value[place] ^ chance.randrange(1, 256)])
        return replace(record, value=record.value[:place] + other + record.value[place + 1 :])

    def garbage(place: int) -> list[OutgoingRecord]:
        """Returns one invalid command of each kind."""
        good = transfer(f"good {place}", conversation, "user", "anna", "exclusive")
        forged = transfer(f"forged {place}", conversation, "user", "anna", "exclusive", secret="a guess")
        noise = OutgoingRecord(
            good.topic, None, chance.randbytes(chance.randrange(60)), chance.choice([(), good.headers])
        )
        expired = transfer(f"expired {place}", conversation, "user", "anna", "exclusive", at=now - timedelta(minutes=6))
        malformed = company.commander.raw(f"malformed {place}", chance.randbytes(chance.randrange(60)))
        return [noise, forged, alter(good), expired, malformed]

    first = transfer("first", conversation, "user", "nobody", "exclusive")
    records = [first] * 10 + [record for place in range(1998) for record in garbage(place)]
    assert 10_000 == len(records)
    results = company.results_of(records)

    expected = Counter(not_authentic=3 * 1998, expired=1998, malformed=1998, user_unknown=1)
    assert expected == Counter(each["reason"] for each in results)
    assert {"rejected"} == {each["outcome"] for each in results}
    named = [each["command_id"] or (each["partition"], each["offset"]) for each in results]
    assert len(results) == len(set(named))
    assert {each["reason"] for each in results if each["command_id"] is None} == {"not_authentic"}
    assert before == company.page(conversation)
    with company.database() as connection:
        assert [(9,)] == connection.execute("select repeats from commands where id = 'first'").fetchall()
        assert [] == connection.execute("select * from set_aside").fetchall()


def test_every_command_has_one_audit_row_and_all_stories_together_are_published_without_gaps(company: Company) -> None:
    with company.database() as connection:
        wait_until(lambda: connection.execute("select count(*) from outbox").fetchone() == (0,))
        audited = connection.execute('select partition, "offset" from command_audit').fetchall()
        assert sorted(log_of(company.system.kafka, company.system.topics.commands)) == sorted(audited)
        assert_list_is_right(connection)
        assert_published_without_gaps(connection, company.system)
