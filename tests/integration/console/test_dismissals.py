"""Dismissing conversations in the console: one, many, their list, and how they come back."""

import csv
import re
from uuid import UUID

from tests.support.console import Browser, Console, OpenList, hidden, ids


def dismiss(console: Console, browser: Browser, row: UUID, **fields: str) -> str:
    """Dismisses a conversation by its dialog; returns the notice with the result."""
    notice = browser.submit(f"/conversations/{row}/dismiss", "dialog", **{"why": "spam", **fields}).text
    console.process_commands()
    found = re.search(r'hx-get="(/commands/[^"]+)"', notice)
    assert found is not None, notice
    return browser.get(found[1], "notices").text


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)).strip()


def test_a_dismissed_conversation_leaves_the_list_and_can_be_put_back_by_the_notice(
    console: Console, boss: Browser
) -> None:
    row, other = console.office.customer_writes("You have won"), console.office.customer_writes(phone="391")
    page = boss.get(f"/conversations/{row}/dismiss", "dialog").text
    assert "no_answer_needed" == hidden(page)["why"]
    notice = dismiss(console, boss, row, note="A prize centre")
    assert "Dismissed: Spam. Undo" in words_of(notice)
    page = boss.get("/unmanaged").text
    assert [other] == ids(page)
    assert "1 active · 0 closed · 1 dismissed" in words_of(page)
    boss.send(notice, "notices")
    assert [("applied", None)] == console.process_commands()
    assert {row, other} == set(ids(boss.get("/unmanaged?status=all").text))


def test_dismissed_conversations_have_a_list_that_says_why_and_by_whom(console: Console, boss: Browser) -> None:
    row, _ = console.office.customer_writes("You have won"), console.office.customer_writes(phone="391")
    dismiss(console, boss, row, note="A prize centre")
    page = boss.get("/unmanaged?status=dismissed").text
    assert [row] == ids(page)
    assert "Dismissed conversations" in page
    assert "Spam · The Boss" in page or "Spam · boss" in page
    assert [row] == ids(boss.get("/unmanaged?status=dismissed&q=won").text)
    assert [] == ids(boss.get("/unmanaged?status=dismissed&q=lost").text)
    info = boss.get(f"/unmanaged?status=dismissed&open={row}&tab=info", "panel").text
    assert "A prize centre" in info
    assert re.search(r"Dismissed by [^:]+: Spam\. “A prize centre”", words_of(info))
    assert "Put back on the list" in info
    form = re.search(rf'action="(/conversations/{row}/recall\?put_back=1)"', info)
    assert form is not None
    boss.post(form[1], "notices", version=hidden(info)["version"], form="once")
    assert [("applied", None)] == console.process_commands()
    assert [] == ids(boss.get("/unmanaged?status=dismissed").text)


def test_the_download_of_dismissed_conversations_says_why_by_whom_and_when(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("You have won")
    dismiss(console, boss, row, note="A prize centre")
    (cells,) = csv.DictReader(boss.download("/unmanaged.csv?status=dismissed").decode("utf-8-sig").splitlines())
    assert "Spam · boss" == cells["Dismissed"]
    assert "A prize centre" == cells["Note of the dismissal"]
    assert 1 == len(boss.download("/unmanaged.csv?status=all").decode("utf-8-sig").splitlines())


def test_an_open_list_loses_the_row_and_counts_it_as_dismissed(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    shown = OpenList(console, boss)
    shown.look()
    dismiss(console, boss, row)
    changed = shown.look()
    assert "1 dismissed" in words_of(changed)
    assert re.search(rf'id="row-{row}"[^>]*class="dismissed', changed)
    of_dismissed = OpenList(console, boss, "/unmanaged?status=dismissed")
    of_dismissed.look()
    console.office.customer_writes("Hello?", hours_ago=-0.001)
    changed = of_dismissed.look()
    assert re.search(rf'id="row-{row}"[^>]*class="active', changed)


def test_many_are_dismissed_at_once_and_those_that_somebody_has_are_skipped(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes(phone=f"39{n}") for n in range(2)]
    closed = console.office.customer_writes(phone="395", hours_ago=30)
    queued = console.office.customer_writes("1", phone="396")
    page = boss.post("/bulk", "dialog", do="dismiss", pick=[str(each) for each in (*rows, closed, queued)]).text
    assert "3 can be dismissed." in page
    assert "1 × Queued for Sales" in page
    sent = boss.send(page, "dialog", why="duplicate").text
    assert 3 * [("applied", None)] == console.process_commands()
    assert {*rows, closed} == set(ids(boss.get("/unmanaged?status=dismissed").text))
    found = re.search(r'hx-get="(/bulk/[^"?]+)', sent)
    assert found is not None
    results = boss.get(found[1], "dialog").text
    assert "Dismissed: Duplicate." in results
    boss.post(f"{found[1]}/undo", "dialog", form="once")
    assert 3 * [("applied", None)] == console.process_commands()
    assert [] == ids(boss.get("/unmanaged?status=dismissed").text)


def test_of_many_those_whose_customer_wrote_after_the_preview_stay_on_the_list(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes(phone=f"39{n}") for n in range(2)]
    page = boss.post("/bulk", "dialog", do="dismiss", pick=[str(each) for each in rows]).text
    console.office.customer_writes("One more thing", phone="391", hours_ago=0.5)
    boss.send(page, "dialog", why="spam")
    outcomes = [("applied", None), ("rejected", "customer_wrote_meanwhile")]
    assert outcomes == sorted(console.process_commands())
    assert [rows[1]] == ids(boss.get("/unmanaged").text)


def test_the_dialog_of_one_that_somebody_took_meanwhile_says_so(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("1")
    page = boss.get(f"/conversations/{row}/dismiss", "dialog").text
    assert "Queued for Sales" in page
    assert re.search(r'class="btn go" disabled', page)
    assert 400 == boss.post(f"/conversations/{row}/dismiss", "dialog", why="because", form="once").status_code
