"""What a row of the list says: who, what they sent last, to which number, how long is left, and why it is closed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import g

from console.table.rows import RowContext, render_rows
from console.words import UTC_ZONE, Words
from domain.directory import Directory
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Chat, Story
from infra.postgres.lists import console as console_list
from infra.process.clock import utc_now
from tests.support.console import Browser, Console, ids
from tests.support.stories import NUMBER

LINE = BusinessNumber(NUMBER, "+39 300 555 0001", "1")


def chat(console: Console, name: str = "Ada", phone: str | None = "393005550101") -> tuple[Story, Chat]:
    """A story with one chat."""
    story = Story("rows", utc_now())
    return story, story.chat(LINE, SimulatedCustomer(name, phone, None if phone else "IT.1234"))


def cells(page: str) -> dict[str, str]:
    """The text of each cell of the only row, by its class."""
    row = page.partition("<tbody")[2].partition("</tbody>")[0] or page
    found = re.findall(r'<td role="cell" class="(\w+)">(.*?)</td>', row, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", content).split()) for name, content in found}


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        ("image", {"image": {"id": "1"}}, "Photo"),
        ("image", {"image": {"id": "1", "caption": "the broken part"}}, "Photo the broken part"),
        ("audio", {"audio": {"id": "1", "voice": True}}, "Voice message"),
        ("audio", {"audio": {"id": "1", "voice": True, "duration": 41}}, "Voice message, 0:41"),
        ("audio", {"audio": {"id": "1", "duration": "41"}}, "Audio"),
        ("video", {"video": {"id": "1"}}, "Video"),
        ("sticker", {"sticker": {"id": "1"}}, "Sticker"),
        ("document", {"document": {"id": "1", "filename": "a.pdf"}}, "Document, a.pdf"),
        ("document", {"document": {"id": "1", "filename": "a.pdf", "caption": "read"}}, "Document, a.pdf read"),
        ("location", {"location": {"latitude": 45.4384, "longitude": 10.9916}}, "Location 45.4384, 10.9916"),
        ("location", {"location": {"latitude": 45.4, "longitude": 10.9, "name": "Arena"}}, "Location Arena"),
        (
            "contacts",
            {"contacts": [{"name": {"formatted_name": "Mario Rossi"}, "phones": [{"phone": "+39 300 555 0999"}]}]},
            "Contact Mario Rossi, +39 300 555 0999",
        ),
        ("contacts", {"contacts": "none"}, "Contact"),
        (
            "order",
            {
                "order": {
                    "text": "quickly",
                    "product_items": [
                        {"product_retailer_id": "BIKE", "quantity": 2, "item_price": 400, "currency": "EUR"},
                        {"product_retailer_id": "LOCK", "quantity": 1, "item_price": 19.9, "currency": "EUR"},
                    ],
                }
            },
            "Order quickly · 2 × BIKE · 1 × LOCK · Total: €819.90",
        ),
        (
            "order",
            {"order": {"product_items": [{"product_retailer_id": "BIKE", "quantity": "x", "item_price": []}]}},
            "Order x × BIKE",
        ),
        ("interactive", {"interactive": {"type": "button_reply", "button_reply": {"id": "x", "title": "Yes"}}}, "Yes"),
    ],
)
def test_a_message_that_is_not_a_text_is_named_in_words(
    console: Console, boss: Browser, kind: str, content: dict[str, Any], shown: str
) -> None:
    story, customer = chat(console)
    customer.writes("0:20", "before")
    customer.sends("0:10", kind, **content)
    console.office.play(story)
    assert shown == cells(boss.get("/unmanaged").text)["text"].partition(" 10 min ago")[0]


def test_a_text_after_a_photo_is_the_last_message_again(console: Console, boss: Browser) -> None:
    story, customer = chat(console)
    customer.shows("0:20", "look")
    customer.writes("0:10", "did you see it?")
    console.office.play(story)
    assert cells(boss.get("/unmanaged").text)["text"].startswith("did you see it? 10 min ago")


@pytest.mark.parametrize("name", ["   ", "\u2800", "\u3164\u200b", "\u200d\ufe0f", "\u00a0\u2003"])
def test_a_name_of_which_nothing_can_be_seen_is_said_so(console: Console, boss: Browser, name: str) -> None:
    story, customer = chat(console, name)
    customer.writes("0:10", "hello")
    console.office.play(story)
    assert "Customer without a name +39 300 555 0101" == cells(boss.get("/unmanaged").text)["who"]


def test_a_customer_without_name_and_phone_is_not_called_by_an_id(console: Console, boss: Browser) -> None:
    story, customer = chat(console, "", None)
    customer.writes("0:10", "hello")
    console.office.play(story)
    assert "Customer without a name no phone shared" == cells(boss.get("/unmanaged").text)["who"]


@pytest.mark.parametrize("name", ["7", "🫨", "東京", "-", "é"])
def test_a_name_of_one_sign_is_a_name(console: Console, boss: Browser, name: str) -> None:
    story, customer = chat(console, name)
    customer.writes("0:10", "hello")
    console.office.play(story)
    assert f"{name} +39 300 555 0101" == cells(boss.get("/unmanaged").text)["who"]


def test_name_and_text_open_the_conversation_as_the_plus_does(console: Console, boss: Browser) -> None:
    id_ = console.office.customer_writes()
    page = boss.get("/unmanaged?rows=25").text
    assert [f"/unmanaged?rows=25&amp;open={id_}"] * 2 == re.findall(r'<a class="open"[^>]*href="([^"]+)"', page)
    assert "Conversation" in boss.get(f"/unmanaged?rows=25&open={id_}").text


def test_a_row_names_the_number_that_was_written_to(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    assert console.deps.pool is not None
    with console.deps.pool.connection() as conn:
        conn.execute("update numbers set name = 'Shop line'")
        conn.execute("update directory_version set version = version + 1")
    assert "Shop line" == cells(boss.get("/unmanaged").text)["number"]


@pytest.mark.parametrize(("seconds", "shown"), [(42, "42 s"), (59, "59 s"), (61, "0 h 01 min"), (0, "window over")])
def test_the_last_minute_is_counted_in_seconds(console: Console, seconds: int, shown: str) -> None:
    console.office.customer_writes()
    conn = console.office.connection
    ((id_, ends_at),) = conn.execute("select id, window_ends_at from conversations").fetchall()
    with console.app.test_request_context():
        g.words = Words("en", UTC_ZONE, ends_at - timedelta(seconds=seconds))
        (row,) = render_rows(console_list.by_ids(conn, [id_]).values(), Directory(), RowContext("/", "/", False, True))
    assert shown == cells(row)["left"]


def test_the_page_names_what_is_urgent_by_the_time_left(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes(phone=f"39{hours}", hours_ago=hours) for hours in (23.5, 21, 1)]
    page = boss.get("/unmanaged").text
    assert rows == ids(page)
    assert ["urgent", "soon", ""] == re.findall(r'class="count (\w*)"', page)


def test_the_buttons_of_a_closed_conversation_know_why_it_is_closed(console: Console, boss: Browser) -> None:
    story = Story("closed", utc_now())
    by_bot = story.chat(LINE, SimulatedCustomer("Bot", "393005550101"))
    by_bot.writes("1:00", "hello")
    by_bot.bot_starts("0:59")
    by_bot.bot_ends("0:50", "solved")
    by_agent = story.chat(LINE, SimulatedCustomer("Agent", "393005550102"))
    by_agent.writes("1:00", "hello")
    by_agent.agent_closes("0:40", "anna", "spam")
    over = story.chat(LINE, SimulatedCustomer("Time", "393005550103"))
    over.writes("30:00", "hello")
    console.office.play(story)
    page = boss.get("/unmanaged?status=all").text
    why = dict(zip(re.findall(r"<bdi>(\w+)</bdi>", page), re.findall(r'data-why="([^"]+)"', page)[::2], strict=True))
    assert {
        "Bot": "Closed: the bot ended it.",
        "Agent": "Closed: it was ended before the 24-hour window was over.",
        "Time": "Closed: the 24-hour window is over.",
    } == why
