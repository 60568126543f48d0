"""Days of customers, seen from outside: signed posts are the input; the database, the public topic and the command line
show the outcome."""

import json
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from domain.contract.page import transcript_document
from domain.conversations.reasons import Reason
from domain.facts import Fact
from infra.local.simulator import bodies
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer, WebhookPost
from infra.local.simulator.chat import Chat, Story
from infra.postgres.lists.conversation_page import conversation_page
from tests.flow.conftest import Install
from tests.support.outcome import (
    assert_list_is_right,
    assert_published_without_gaps,
    assert_stored_once,
    facts_of,
    has_arrived,
    is_all_processed,
    public_events,
)
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

SHOP = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
BOT = BusinessNumber("bot", "+39 06 555 0101", "330000000000001")


class Company:
    """An installation whose processes run, and everything that it shows."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.received: list[Fact] = []

    def receives(self, story: Story) -> None:
        """Posts a story in the order of its times. Returns when it is processed and its events are published."""
        self.receives_at_once([each.post for each in story.posts])

    def receives_at_once(self, posts: Sequence[WebhookPost]) -> None:
        """Delivers posts. Returns when they are processed and their events are published."""
        for post in posts:
            self.system.webhooks.deliver(post)
        self.received += facts_of(posts)
        with self.database() as connection:
            wait_until(lambda: has_arrived(connection, self.received))

    def database(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.system.dsn, autocommit=True)

    def conversations(self, customer: SimulatedCustomer) -> list[dict[str, Any]]:
        """Returns the conversations of a customer in the order of time."""
        with self.database() as connection:
            return (
                connection.cursor(row_factory=dict_row)
                .execute(
                    "select *, status::text from conversations where wa_id = %s order by opened_at", [customer.wa_id]
                )
                .fetchall()
            )

    def conversation(self, customer: SimulatedCustomer) -> dict[str, Any]:
        (only,) = self.conversations(customer)
        return only

    def transcript(self, customer: SimulatedCustomer) -> list[dict[str, Any]]:
        """Returns the transcript of the customer's only conversation."""
        with self.database() as connection:
            page = conversation_page(connection, self.conversation(customer)["id"])
        assert page is not None
        return [transcript_document(item) for item in page.transcript]

    def published(self, customer: SimulatedCustomer) -> list[tuple[int, str]]:
        """Returns sequence and name of the public events of the customer's only conversation."""
        events = public_events(self.system.kafka, self.system.topics.conversations)
        return [(event.sequence, event.name) for event in events[str(self.conversation(customer)["id"])]]

    def is_listed(self, customer: SimulatedCustomer) -> bool:
        return any(conversation["unmanaged"] for conversation in self.conversations(customer))

    def witiop_json(self, *command: str) -> Any:
        """Runs a command of the command line. Returns its JSON."""
        done = self.system.witiop(*command, "--json")
        assert (0, "") == (done.code, done.err)
        return json.loads(done.out)


@pytest.fixture(scope="module")
def company(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with install(tmp_path_factory.mktemp("logs")) as system:
        system.run("webhook", "conversations", "timer", "relay")
        yield Company(system)


@pytest.fixture
def anna(request: pytest.FixtureRequest) -> SimulatedCustomer:
    """A customer who is new to the installation."""
    return SimulatedCustomer("Anna", f"39060{zlib.crc32(request.node.name.encode())}")


@pytest.fixture
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.node.name, datetime.now(UTC))


@pytest.fixture
def chat(story: Story, anna: SimulatedCustomer) -> Chat:
    """Anna's chat with the shop, whose menu is 1 for sales and 2 for support."""
    return story.chat(SHOP, anna)


@pytest.fixture
def bot_chat(story: Story, anna: SimulatedCustomer) -> Chat:
    """Anna's chat with the number that a Softbot answers."""
    return story.chat(BOT, anna)


def summary_of(conversation: dict[str, Any]) -> tuple[Any, ...]:
    reason = conversation["reason"]
    owner = conversation["owner_id"]
    return conversation["status"], conversation["managed"], reason and Reason.of_code(reason).value, owner


def test_a_customer_who_chose_nothing_is_listed_and_every_view_agrees(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    chat.writes("0:05", "Good morning")
    chat.writes("0:04", "Is anybody there?")
    company.receives(story)

    listed = company.witiop_json(
        "unmanaged", "list", "--rows", "100", "--status", "active", "--number", SHOP.phone_number_id
    )
    (row,) = [row for row in listed["rows"] if row["customer"]["wa_id"] == anna.wa_id]
    page = company.witiop_json("conversations", "show", row["id"])
    last = public_events(company.system.kafka, company.system.topics.conversations)[row["id"]][-1]

    assert ("active", "no_choice", "Is anybody there?", 2, None) == tuple(
        row[key] for key in ("status", "reason", "last_text", "entries", "owner")
    )
    assert row == {key: page[key] for key in row}
    assert not page["managed"]
    assert ["Good morning", "Is anybody there?"] == [entry["text"] for entry in page["transcript"]]
    assert [(1, "opened"), (2, "became_unmanaged")] == company.published(anna)
    assert ["opened", "became_unmanaged"] == [each["event"] for each in page["history"]]
    decided = ("id", "status", "reason", "owner", "closed_at", "version", "sequence")
    assert [row[key] for key in decided] == [last.row[key] for key in decided]
    assert page["history"][-1]["because"] == last.row["because"]


def test_a_menu_choice_queues_the_conversation_for_its_skillset_and_takes_it_off_the_list(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    chat.writes("0:05", "Hello")
    chat.writes("0:04", "2)")
    company.receives(story)

    assert ("a", False, None, "support") == summary_of(company.conversation(anna))
    assert [(1, "opened"), (2, "became_unmanaged"), (3, "queued")] == company.published(anna)


def test_a_customer_whom_the_bot_dismissed_is_listed_with_that_reason(
    company: Company, story: Story, bot_chat: Chat, anna: SimulatedCustomer
) -> None:
    bot_chat.writes("0:05", "Hello")
    bot_chat.bot_starts("0:05")
    bot_chat.bot_says("0:04", "Goodbye")
    bot_chat.bot_ends("0:03", "nothing found")
    company.receives(story)

    assert ("c", False, "bot_closed", None) == summary_of(company.conversation(anna))
    assert [(1, "opened"), (2, "became_unmanaged"), (3, "became_unmanaged"), (4, "closed")] == company.published(anna)
    assert ["customer", "bot", "bot", "bot"] == [entry["from"] for entry in company.transcript(anna)]
    assert "read" == company.transcript(anna)[2]["status"]


def test_a_retry_that_arrives_after_its_window_is_visible_and_closed_at_once(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    chat.writes("25:00", "Please call me")
    company.receives(story)

    conversation = company.conversation(anna)
    assert ("c", False, "no_choice", None) == summary_of(conversation)
    assert story.at("1:00") == conversation["closed_at"]
    assert [(1, "opened"), (2, "became_unmanaged"), (3, "closed")] == company.published(anna)


def test_an_edit_is_shown_in_place_and_what_was_deleted_is_not_shown(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    typo = chat.writes("0:05", "Is this in stok?")
    secret = chat.writes("0:04", "My card is 1234")
    chat.edits("0:03", typo, "Is this in stock?")
    chat.deletes("0:02", secret)
    company.receives(story)

    turns = [entry for entry in company.transcript(anna) if entry["kind"] == "text"]
    assert [("Is this in stock?", True, False), (None, False, True)] == [
        (entry["text"], entry.get("edited", False), entry.get("deleted", False)) for entry in turns
    ]
    assert company.conversation(anna)["last_text"] is None
    assert [(1, "opened"), (2, "became_unmanaged")] == company.published(anna)


def test_a_status_that_overtakes_its_message_is_not_lost(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    chat.writes("0:05", "Hello")
    answer = "wamid.overtaken"
    status = bodies.status(anna, answer, story.at("0:02"), "delivered")
    company.receives_at_once([bodies.from_meta(SHOP, statuses=[status])])
    story.add(
        1, story.at("0:03"), bodies.from_meta(SHOP, echoes=[bodies.echo(SHOP, anna, answer, story.at("0:03"), "Hi")])
    )
    company.receives(story)

    assert [("Hello", None), ("Hi", "delivered")] == [
        (entry["text"], entry["status"]) for entry in company.transcript(anna)
    ]


def test_a_customer_who_was_answered_from_the_phone_app_leaves_the_list(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    chat.writes("0:05", "Hello")
    company.receives(story)
    assert company.is_listed(anna)

    chat.echoes("0:01", "We are here")
    company.receives(story)

    assert ("a", True, None, None) == summary_of(company.conversation(anna))
    assert [(1, "opened"), (2, "became_unmanaged"), (3, "managed")] == company.published(anna)


def test_an_answer_before_the_end_by_the_bot_takes_the_customer_off_the_list_however_late_it_arrives(
    company: Company, story: Story, bot_chat: Chat, anna: SimulatedCustomer
) -> None:
    bot_chat.writes("0:09", "Hello")
    bot_chat.bot_starts("0:09")
    bot_chat.bot_ends("0:05", "done")
    company.receives(story)
    assert company.is_listed(anna)

    bot_chat.echoes("0:07", "I will call you")
    company.receives(story)

    assert ("c", True, None, None) == summary_of(company.conversation(anna))
    assert ["corrected", "closed"] == [name for _, name in company.published(anna)][-2:]


def test_the_same_post_again_changes_nothing(
    company: Company, story: Story, chat: Chat, anna: SimulatedCustomer
) -> None:
    chat.writes("0:05", "Hello")
    chat.writes("0:04", "1")
    company.receives(story)
    before = company.conversation(anna)

    company.receives(story)
    wait_until(lambda: is_all_processed(company.system))

    assert before == company.conversation(anna)
    with company.database() as connection:
        assert [] == connection.execute("select 1 from set_aside where kind = 'dead_letter'").fetchall()


def test_an_unreadable_update_is_answered_200_and_becomes_a_dead_letter_with_its_bytes(company: Company) -> None:
    body = b'{"entry": [{"id": "1", "changes": "none"}]}'

    assert 200 == company.system.webhooks.post(bodies.WebhookPost("whatsapp", body))

    with company.database() as connection:
        dead_letters = "select kind, source, reason, raw from set_aside"
        wait_until(lambda: connection.execute(dead_letters).fetchone())
        ((kind, source, reason, raw),) = connection.execute(dead_letters).fetchall()
    assert ("unreadable", "whatsapp", "changes: not an array") == (kind, source, reason)
    assert json.loads(body)["entry"][0] == json.loads(raw)["entry"][0]


def test_all_stories_together_are_stored_once_listed_correctly_and_published_without_gaps(company: Company) -> None:
    with company.database() as connection:
        assert_stored_once(connection, company.received)
        assert_list_is_right(connection)
        assert_published_without_gaps(connection, company.system)
    listed = company.witiop_json("unmanaged", "list", "--rows", "100")
    with company.database() as connection:
        unmanaged = connection.execute(
            "select status::text, id::text from conversations where unmanaged order by last_at desc, id desc"
        ).fetchall()
    assert [conversation for _, conversation in unmanaged] == [row["id"] for row in listed["rows"]]
    statuses = [status for status, _ in unmanaged]
    assert {"active": statuses.count("a"), "closed": statuses.count("c"), "dismissed": 0} == listed["counts"]
