"""Transfers on reply in the console: promised on a closed conversation, listed, and cancelled."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.sending.numbers import GraphNumber
from domain.sending.templates import Template
from infra.postgres.sending import accounts, library
from tests.support.console import Browser, Console, OpenList, hidden
from tests.support.stories import NUMBER


@pytest.fixture
def closed(console: Console) -> UUID:
    """A conversation that was over yesterday, from a number with one approved template."""
    now = datetime.now(UTC)
    body = [{"type": "BODY", "text": "Your order {{1}} is ready."}]
    template = Template("a", "order_update", "en", "APPROVED", "UTILITY", "POSITIONAL", body)
    library.store_templates(console.office.connection, "a", [template], now)
    number = GraphNumber(NUMBER, "+39 02 0000", "The shop", "GREEN", 80, 1000)
    accounts.store_numbers(console.office.connection, "a", [number], now)
    row = console.office.customer_writes("is it ready?", hours_ago=30)
    console.office.set_watermark("0 s")
    console.office.timer.close_due()
    return row


def form_of(boss: Browser, row: UUID, kind: str = "skillset") -> dict[str, str]:
    page = boss.get(f"/conversations/{row}/on-reply/{kind}", "dialog").text
    return hidden(page.partition('method="post"')[2])


def promise(boss: Browser, row: UUID, kind: str = "skillset", **more: str) -> str:
    """Fills the dialog in and sends it; returns what the page is sent."""
    filled = {**form_of(boss, row, kind), "of-1": "A 17", "to": "sales", "mode": "exclusive", "hours": "24", **more}
    return boss.post(f"/conversations/{row}/on-reply/{kind}", "dialog", **filled).text


def test_a_closed_conversation_is_promised_and_its_answer_is_transferred(
    console: Console, boss: Browser, closed: UUID
) -> None:
    assert "when the customer answers" in boss.get(f"/unmanaged?open={closed}", "panel").text
    assert 'data-request="' in promise(boss, closed)
    assert [("applied", None)] == console.process_commands()
    assert "Promised to Sales until" in boss.get(f"/unmanaged?open={closed}", "panel").text
    listed = boss.get("/deferred").text
    assert "Your order A 17 is ready." in listed
    assert "the template waits" in listed
    answer = console.office.customer_writes("great, thanks", hours_ago=0)
    (row,) = console.office.rows(f"select owner_id, owner_state from conversations where id = '{answer}'")
    assert ("sales", "r") == tuple(row.values())
    assert "Nothing is promised." in boss.get("/deferred").text
    assert "answered and transferred" in boss.get("/deferred?all=1").text


def test_the_row_says_to_whom_the_answer_is_promised(console: Console, boss: Browser, closed: UUID) -> None:
    """Also on a list that is open, and until the customer answered or it was cancelled; in both languages."""
    assert 'class="promised"' not in boss.get("/unmanaged?status=all").text
    shown = OpenList(console, boss, "/unmanaged?status=all")
    shown.look()
    promise(boss, closed, kind="user", to="anna")
    console.process_commands()
    assert re.search(r'<b class="promised">Promised to anna until \w{3} \d\d:\d\d<', shown.look())
    assert "Promised to anna until" in boss.get("/unmanaged?status=all").text
    boss.post("/account/words", language="it")
    assert "Promessa a anna fino a" in boss.get("/unmanaged?status=all").text
    console.office.connection.execute("update wishes set state = 'ended', ended_because = 'cancelled'")
    assert 'class="promised"' not in boss.get("/unmanaged?status=all").text


def test_an_open_panel_learns_of_a_promise_and_of_its_end(console: Console, boss: Browser, closed: UUID) -> None:
    shown = OpenList(console, boss)
    shown.listen(open=str(closed))
    shown.look()
    promise(boss, closed)
    console.process_commands()
    assert "event: open" in shown.look()
    assert "event: open" not in shown.look()
    console.office.connection.execute("update wishes set state = 'ended', ended_because = 'expired'")
    assert "event: open" in shown.look()


def test_the_customer_s_text_is_seen_before_it_is_sent(console: Console, boss: Browser, closed: UUID) -> None:
    assert "Your order A 17 is ready." in promise(boss, closed, do="preview")
    assert [] == console.publisher.records


@pytest.mark.parametrize(
    ("more", "says"), [({"to": ""}, "Choose a recipient first."), ({"of-1": ""}, "has to be filled in")]
)
def test_what_is_missing_is_said(
    console: Console, boss: Browser, closed: UUID, more: dict[str, str], says: str
) -> None:
    assert says in promise(boss, closed, **more)
    assert [] == console.publisher.records


def test_a_promise_is_made_once_and_can_be_cancelled(console: Console, boss: Browser, closed: UUID) -> None:
    promise(boss, closed)
    console.process_commands()
    assert "Promised to Sales until" in boss.get(f"/conversations/{closed}/on-reply/user", "dialog").text
    (wish,) = console.office.rows("select id from wishes")
    page = boss.get("/deferred").text
    boss.post(f"/deferred/{wish['id']}/cancel", "notices", **hidden(page.partition("/cancel")[2]))
    assert [("applied", None)] == console.process_commands()
    assert "cancelled" in boss.get("/deferred?all=1").text
    assert "Promised" not in boss.get(f"/unmanaged?open={closed}", "panel").text


def test_an_active_conversation_is_not_promised(console: Console, boss: Browser, closed: UUID) -> None:
    active = console.office.customer_writes("hello", "16505550000")
    assert "when the customer answers" not in boss.get(f"/unmanaged?open={active}", "panel").text
    promise(boss, active)
    assert [("rejected", "conversation_open")] == console.process_commands()
