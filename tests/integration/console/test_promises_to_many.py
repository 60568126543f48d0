"""Transfers on reply of many conversations: the dry run, one command each, and their results."""

import re
from datetime import UTC, datetime
from html import unescape
from uuid import UUID

import pytest

from domain.commands import Rejection
from domain.contract.texts import REJECTION_TEXTS
from domain.facts import MarketingPreference, Party
from domain.ids import fact_id
from domain.sending.numbers import GraphNumber
from domain.sending.templates import Template
from infra.postgres.sending import accounts, library
from tests.support.console import Browser, Console, hidden
from tests.support.stories import NUMBER

FILLED = {"of-1": "ready", "to": "skillset:sales", "mode": "exclusive", "hours": "24"}


def templates(console: Console, category: str = "UTILITY", people_per_day: int = 1000) -> None:
    now, connection = datetime.now(UTC), console.office.connection
    body = [{"type": "BODY", "text": "Your order is {{1}}."}]
    plain = [{"type": "BODY", "text": "Hello"}]
    found = [
        Template("a", "order_update", "en", "APPROVED", category, "POSITIONAL", body),
        Template("a", "paused", "en", "PAUSED", "UTILITY", "POSITIONAL", plain),
    ]
    library.store_templates(connection, "a", found, now)
    accounts.store_numbers(connection, "a", [GraphNumber(NUMBER, "+39", "Shop", "GREEN", 80, people_per_day)], now)


def write(console: Console, n: int, hours_ago: float = 30) -> list[UUID]:
    rows = [console.office.customer_writes(phone=f"3933{hours_ago}{k}", hours_ago=hours_ago) for k in range(n)]
    console.office.set_watermark("0 s")
    console.office.timer.close_due()
    return rows


def open_dialog(boss: Browser, rows: list[UUID]) -> str:
    return boss.post("/bulk", "dialog", do="on_reply", pick=[str(row) for row in rows]).text


def press(boss: Browser, page: str, do: str, **changed: str) -> str:
    fields = {**hidden(page), **FILLED, "template": "order_update|en", "do": do, **changed}
    return boss.post("/bulk/on-reply", "dialog", **fields).text


def said(page: str) -> list[tuple[int, str]]:
    """How many get no template, by reason."""
    return [(int(n), unescape(why)) for n, why in re.findall(r"<li>(\d+) × ([^<]+)</li>", page)]


def test_the_dry_run_says_who_gets_the_template_and_why_others_do_not(console: Console, boss: Browser) -> None:
    templates(console, "MARKETING")
    closed, active = write(console, 5), console.office.customer_writes("hello", "3940")
    unwanted = MarketingPreference(
        id=fact_id("stop"),
        phone_number_id=NUMBER,
        customer=Party(wa_id="3933300"),
        wants=False,
        at=datetime.now(UTC),
        sent_at=datetime.now(UTC),
    )
    console.office.process(unwanted)
    console.office.customer_writes("again", "3933301")
    promised = press(boss, open_dialog(boss, [closed[2]]), "check")
    press(boss, promised, "send")
    assert [("applied", None)] == console.process_commands()
    page = press(boss, open_dialog(boss, [*closed, active]), "check")
    assert "2 customers get the template." in page
    assert {
        (2, REJECTION_TEXTS[Rejection.CONVERSATION_OPEN]),
        (1, REJECTION_TEXTS[Rejection.OPTED_OUT]),
        (1, REJECTION_TEXTS[Rejection.ALREADY_PROMISED]),
    } == set(said(page))
    assert [] == console.publisher.records


def test_nothing_is_sent_before_a_dry_run_of_what_is_sent(console: Console, boss: Browser) -> None:
    templates(console)
    page = open_dialog(boss, write(console, 2))
    assert "What would happen" in (checked := press(boss, page, "send"))
    assert "What would happen" in press(boss, checked, "send", **{"of-1": "lost"})
    assert [] == console.publisher.records
    assert "2 pending" in press(boss, checked, "send")
    assert [("applied", None)] * 2 == console.process_commands()
    assert 2 == len(console.office.rows("select id from wishes where state = 'waiting'"))


def test_sending_it_again_does_nothing_twice(console: Console, boss: Browser) -> None:
    templates(console)
    page = press(boss, open_dialog(boss, write(console, 2)), "check")
    press(boss, page, "send")
    press(boss, page, "send")
    console.process_commands()
    assert 2 == len(console.office.rows("select id from sends"))


def test_all_of_them_can_be_undone(console: Console, boss: Browser) -> None:
    templates(console)
    page = press(boss, press(boss, open_dialog(boss, write(console, 2)), "check"), "send")
    console.process_commands()
    found = re.search(r'hx-get="(/bulk/[^"?]+)', page)
    assert found is not None
    done = boss.get(found[1], "dialog").text
    assert "2</b> × Promised to Sales" in done
    boss.send(done, "dialog")
    console.process_commands()
    assert ["cancelled"] * 2 == [row["ended_because"] for row in console.office.rows("select * from wishes")]


def test_more_than_meta_allows_in_a_day_is_said(console: Console, boss: Browser) -> None:
    templates(console, people_per_day=1)
    assert "2 of them wait: that is more people than Meta allows" in press(
        boss, open_dialog(boss, write(console, 3)), "check"
    )


def test_a_customer_of_two_rows_is_promised_once(console: Console, boss: Browser) -> None:
    templates(console)
    rows = [console.office.customer_writes(phone="39333", hours_ago=hours) for hours in (60, 30)]
    console.office.set_watermark("0 s")
    console.office.timer.close_due()
    page = press(boss, open_dialog(boss, rows), "check")
    assert "1 customer gets the template." in page
    assert [(1, REJECTION_TEXTS[Rejection.ALREADY_PROMISED])] == said(page)


@pytest.mark.parametrize("wrong", [{"of-1": ""}, {"to": ""}, {"to": "nobody:x"}])
def test_what_is_missing_is_said_before_a_dry_run(console: Console, boss: Browser, wrong: dict[str, str]) -> None:
    templates(console)
    page = press(boss, open_dialog(boss, write(console, 1)), "check", **wrong)
    assert 'role="alert"' in page
    assert "What would happen" not in page


def test_many_are_confirmed_by_their_number(console: Console, boss: Browser) -> None:
    templates(console)
    page = press(boss, open_dialog(boss, write(console, 101)), "check")
    assert "Nothing was done yet" in press(boss, page, "send", confirmed="100")
    assert "101 pending" in press(boss, page, "send", confirmed="101")


def test_without_a_template_the_dialog_says_so(console: Console, boss: Browser) -> None:
    assert "Meta has to approve one first" in open_dialog(boss, write(console, 1))


def test_a_template_that_is_gone_is_named_before_another_is_sent_in_its_place(console: Console, boss: Browser) -> None:
    templates(console)
    page = open_dialog(boss, write(console, 2))
    refused = press(boss, page, "send", template="withdrawn|en")
    assert ("There is no such template" in refused, "Choose a recipient first." in refused) == (True, False)
    assert [] == console.publisher.records
