"""*Opt-outs* in the console: listed with how they are known, added, ended and noted again, and downloaded."""

import io
from collections.abc import Iterator

import openpyxl
import pytest

from domain.facts import Party
from tests.support.campaign_pages import MANAGER, campaign_pages
from tests.support.campaign_room import CampaignRoom
from tests.support.console import Browser, Console, hidden
from tests.support.stories import NUMBER, FactMaker

ADA, BOB = "16505550002", "16505550003"


@pytest.fixture
def room(console: Console) -> Iterator[CampaignRoom]:
    with campaign_pages(console) as room:
        yield room


@pytest.fixture
def manager(console: Console, room: CampaignRoom) -> Browser:
    """The browser of a campaign manager."""
    return console.signed_in(MANAGER)


def stops(console: Console, phone: str = ADA) -> None:
    console.office.process(FactMaker(customer=Party(wa_id=phone)).turn(console.office.hours_ago(0.5), "STOP"))


def adds(browser: Browser, customers: str, **more: str) -> str:
    page = browser.get("/opt-outs/new", "dialog").text
    return browser.post("/opt-outs/new", "dialog", **{**hidden(page), "customers": customers, **more}).text


def test_nobody_has_opted_out_at_first(manager: Browser) -> None:
    page = manager.get("/opt-outs").text
    assert "Nobody has opted out." in page
    assert 'href="/opt-outs"' in manager.get("/campaigns").text


def test_who_wrote_stop_is_listed_and_an_administrator_can_read_the_conversation(
    console: Console, manager: Browser
) -> None:
    """A campaign manager reads no conversations."""
    stops(console)
    (row,) = console.office.rows("select id from conversations")
    link = f'href="/unmanaged?open={row["id"]}"'
    page, own = console.signed_in().get("/opt-outs").text, manager.get("/opt-outs").text
    assert ("+1 650-555-0002" in page, "wrote a stop word" in page, link in page) == (True, True, True)
    assert ("+1 650-555-0002" in own, link in own) == (True, False)


def test_customers_are_added_by_hand_and_end_with_one_click_that_can_be_undone(
    console: Console, manager: Browser
) -> None:
    assert 'data-request="' in adds(manager, f"+1 650 555 0002\n{BOB}", scope="marketing", evidence="called us")
    assert [("applied", None)] == console.process_commands()
    page = manager.get("/opt-outs").text
    assert ("by Elena Zanini", "called us", 2) == (
        next(text for text in ("by Elena Zanini",) if text in page),
        next(text for text in ("called us",) if text in page),
        page.count("marketing templates"),
    )
    ended = manager.send(manager.get(f"/opt-outs?q={ADA}").text)
    assert 303 == ended.status_code
    assert [("applied", None)] == console.process_commands()
    notice = manager.get(ended.headers["Location"]).text
    assert "the customer may get messages again" in notice
    assert "+1 650-555-0002" not in manager.get("/opt-outs").text
    assert "ended " in manager.get("/opt-outs?ended=1").text
    assert 303 == manager.send(notice).status_code
    assert [("applied", None)] == console.process_commands()
    assert "called us" in manager.get(f"/opt-outs?q={ADA}").text


def test_a_line_that_is_no_customer_is_named_and_nothing_is_lost(console: Console, manager: Browser) -> None:
    page = adds(manager, f"{ADA}\nnobody", evidence="a letter")
    assert "Neither a phone with its country code nor a user id: nobody" in page
    assert (f"{ADA}\nnobody" in page, 'value="a letter"' in page) == (True, True)
    assert "Write at least one phone" in adds(manager, " \n ")
    assert [] == console.process_commands()


def test_what_was_stopped_in_whatsapp_cannot_be_ended_here(console: Console, room: CampaignRoom) -> None:
    room.connection.execute(
        "insert into opt_outs (phone_number_id, kind, value, source, scope, address, at, input_id, actor) "
        "values (%b, 'w', %b, 'meta', 'marketing', %b, now(), gen_random_uuid(), 'meta')",
        [NUMBER, ADA, ADA],
    )
    page = console.signed_in().get("/opt-outs").text
    assert ("Only they can end it, in WhatsApp." in page, "/end" in page) == (True, False)


def test_the_list_is_filtered_paged_and_downloaded(console: Console, manager: Browser) -> None:
    adds(manager, "\n".join(f"39333{n:07}" for n in range(12)), number=NUMBER)
    console.process_commands()
    stops(console)
    first = manager.get("/opt-outs?rows=10").text
    assert (10, 'rel="next"' in first) == (first.count("<bdi>"), True)
    assert (1, 0) == (
        manager.get("/opt-outs?source=keyword").text.count("<bdi>"),
        manager.get("/opt-outs?number=all").text.count("<bdi>"),
    )
    assert "No matches." in manager.get("/opt-outs?q=nobody").text
    book = openpyxl.load_workbook(io.BytesIO(manager.download("/opt-outs.xlsx?source=admin")))
    rows = [row for row in book.active.iter_rows(values_only=True) if row[0]]  # type: ignore[union-attr]
    assert 12 == sum(str(row[0]).startswith("+39333") for row in rows)


def test_agents_may_not_see_it(console: Console) -> None:
    console.person("anna", administrator=False)
    agent = console.signed_in("anna")
    assert [403] * 3 == [agent.get(path).status_code for path in ("/opt-outs", "/opt-outs.xlsx", "/opt-outs/new")]


def test_in_italian(console: Console, manager: Browser) -> None:
    stops(console)
    manager.post("/account/words", language="it")
    page = manager.get("/opt-outs").text
    assert "Aggiungi disiscrizioni" in manager.get("/opt-outs/new", "dialog").text
    assert ("Disiscrizioni" in page, "ha scritto una parola di stop" in page) == (True, True)
