"""Rescue rules on their page: written, tried, switched on, seen, undone, stopped."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection

from domain.facts import AgentMessage
from domain.sending.templates import Template
from infra.postgres.console import people
from infra.postgres.directory_versions import DirectoryDraft, find_draft
from infra.postgres.sending.library import store_templates
from tests.support.console import PASSWORD, QUICK, Browser, Console, hidden
from tests.support.rule_room import RuleRoom, reserve


@pytest.fixture
def room(console: Console) -> Iterator[RuleRoom]:
    yield RuleRoom(console.office)


def form_of(page: str) -> dict[str, object]:
    """Returns the fields of the form of a rule as a browser would send them."""
    form = page.partition('id="rule-form"')[2].partition("</form>")[0]
    fields: dict[str, object] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name is None or ('type="checkbox"' in tag and " checked" not in tag):
            continue
        fields.setdefault(name[1], [])
        fields[name[1]].append(unescape(value[1]) if value else "on")  # type: ignore[attr-defined]
    for name_, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options) or re.search(
            r'<option value="([^"]*)"', options
        )
        fields[name_] = [unescape(chosen[1])] if chosen else []
    for name_, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        fields[name_] = [unescape(text)]
    return fields


def saved(console: Console, browser: Browser, answer: object) -> str:
    """Carries out what a form asked for and returns the page that it led to."""
    assert answer.status_code == 303, answer.text  # type: ignore[attr-defined]
    assert console.process_commands() == [("applied", None)]
    return browser.get(answer.headers["Location"]).text  # type: ignore[attr-defined]


def test_nobody_has_written_a_rule_at_first(boss: Browser) -> None:
    page = boss.get("/rules").text
    assert ("No rule yet." in page, "Rules have done nothing yet." in page) == (True, True)
    assert 'href="/rules"' in boss.get("/unmanaged").text


def test_a_page_that_says_saved_shows_what_was_saved(
    console: Console, boss: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it is saved while the page is being made."""
    page = boss.get("/rules?new=1").text
    page = boss.post("/rules/edit", **{**form_of(page), "add": "alone"}).text
    typed = {**form_of(page), "name": "Evening rescue", "to": "skillset sales"}
    answer = boss.post("/rules/edit", **{**typed, "do": "on"})

    def found_later(conn: Connection[Any], draft: UUID) -> DirectoryDraft | None:
        console.process_commands()
        return find_draft(conn, draft)

    monkeypatch.setattr("console.rules.pages.directory_versions.find_draft", found_later)
    page = boss.get(answer.headers["Location"]).text
    assert ("Saved: it counts from now on." in page, 'aria-checked="true"' in page) == (True, True)


def test_a_rule_is_written_tried_and_switched_on_and_then_acts(console: Console, room: RuleRoom, boss: Browser) -> None:
    conversation = console.office.customer_writes("hello", hours_ago=1)
    page = boss.get("/rules?new=1").text
    page = boss.post("/rules/edit", **{**form_of(page), "add": "alone"}).text
    assert ("has waited" in page, form_of(page)["alone"]) == (True, ["10"])
    page = boss.post("/rules/edit", **{**form_of(page), "add": "left"}).text
    page = boss.post("/rules/edit", **{**form_of(page), "take_out": "left"}).text
    assert "of the window are left" not in page
    typed = {**form_of(page), "name": "Evening rescue", "to": "skillset sales"}
    tried = boss.post("/rules/edit", **{**typed, "do": "try"})
    assert tried.status_code == 303
    page = boss.get(tried.headers["Location"]).text
    assert "Not saved yet." in page
    assert console.office.rows("select rules from directory_version")[0]["rules"] == []
    trial = re.search(r'hx-get="(/rules/dry-run[^"]+)"', page)
    assert trial is not None
    now = unescape(trial[1]).replace("span=30", "span=now")
    shown = boss.get(now).text
    assert ("Would act on 1 customer on the list." in shown, str(conversation) in shown) == (True, True)
    page = saved(console, boss, boss.post("/rules/edit", **{**form_of(page), "do": "on"}))
    assert ("Saved: it counts from now on." in page, 'aria-checked="true"' in page) == (True, True)
    assert room.run() == ["transfer"]
    assert room.owner(conversation) == ("sales", "r")
    page = boss.get("/rules").text
    assert ("acted on 1 customer in 30 days" in page, "Reserved for Sales" in page) == (True, True)
    history = boss.get(f"/unmanaged?open={conversation}&tab=info").text
    assert "Reserved for Sales by the rule Evening rescue." in history


def test_what_a_rule_did_is_undone_from_the_page(console: Console, room: RuleRoom, boss: Browser) -> None:
    room.write_rules(reserve())
    conversation = console.office.customer_writes()
    room.run()
    page = boss.get("/rules/did").text
    assert "waiting, " in page
    form = page.partition('class="tone waits"')[2]
    url = re.search(r'action="(/conversations/[^"]+/recall)"', form)
    assert url is not None
    answer = boss.post(url[1], **hidden(form))
    assert answer.status_code == 303
    assert console.process_commands() == [("applied", None)]
    assert room.owner(conversation) == (None, None)
    page = boss.get("/rules/did").text
    assert ("on the list" in page, "/recall" in page) == (True, False)


def test_what_somebody_took_meanwhile_cannot_be_undone(console: Console, room: RuleRoom, boss: Browser) -> None:
    room.write_rules(reserve())
    conversation = console.office.customer_writes()
    room.run()
    console.office.desktop_reports(AgentMessage, "anna", conversation)
    page = boss.get("/rules").text
    assert ("taken by " in page, "/recall" in page) == (True, False)


def test_what_a_person_was_quicker_with_is_said_to_be_theirs(room: RuleRoom, boss: Browser) -> None:
    room.write_rules(reserve())
    conversation = room.office.customer_writes()
    (command,) = room.poll()
    room.office.results_of(room.office.transfer(conversation, "user", "anna", "immediate", issuer="anna"))
    room.carry_out(command)
    page = boss.get("/rules/did").text
    assert "tried again" not in page
    assert re.search(r"not done: [^<]* · taken by ", page)


def test_the_history_names_a_rule_that_was_removed_as_it_was_called_last(
    console: Console, room: RuleRoom, boss: Browser
) -> None:
    room.write_rules(replace(reserve("night"), name="Night rescue"))
    conversation = console.office.customer_writes()
    room.run()
    room.write_rules()
    history = boss.get(f"/unmanaged?open={conversation}&tab=info").text
    assert "Reserved for Sales by the rule Night rescue." in history


def test_what_is_wrong_in_a_rule_is_said_in_italian_too(room: RuleRoom, boss: Browser) -> None:
    boss.post("/account/words", language="it")
    page = boss.get("/rules?new=1").text
    page = boss.post("/rules/edit", **{**form_of(page), "add": "left"}).text
    answer = boss.post(
        "/rules/edit", **{**form_of(page), "name": "Sera", "left": "3", "left_unit": "min", "do": "save"}
    )
    assert (422, True) == (answer.status_code, "un numero intero da 6 a 1440" in answer.text)


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(room: RuleRoom, boss: Browser) -> None:
    page = boss.get("/rules?new=1").text
    page = boss.post("/rules/edit", **{**form_of(page), "add": "left"}).text
    answer = boss.post("/rules/edit", **{**form_of(page), "name": "", "left": "3", "left_unit": "min", "do": "save"})
    assert answer.status_code == 422
    assert "Give the rule a name." in answer.text
    assert "a whole number from 6 to 1440" in answer.text.partition("of the window are left")[2].partition("</div>")[0]
    assert form_of(answer.text)["left"] == ["3"]


def test_a_template_is_picked_from_those_that_meta_approved(console: Console, boss: Browser) -> None:
    ready = Template(
        "a", "come_back", "en", "APPROVED", "UTILITY", "POSITIONAL", [{"type": "BODY", "text": "Hi {{1}}"}]
    )
    paused = ready._replace(name="paused", status="PAUSED")
    store_templates(console.office.connection, "a", [ready, paused], datetime.now(UTC))
    page = boss.post("/rules/edit", **{**form_of(boss.get("/rules?new=1").text), "add": "template"}).text
    assert ("come_back · en" in page, "paused" in page, "Hi {{1}}" in page) == (True, False, False)
    typed = {**form_of(page), "name": "Remind", "template": "come_back en", "to": "skillset sales"}
    page = boss.get(boss.post("/rules/edit", **{**typed, "do": "try"}).headers["Location"]).text
    assert ("Hi {{1}}" in page, form_of(page)["template"]) == (True, ["come_back en"])


def test_rules_are_switched_moved_copied_and_removed(console: Console, room: RuleRoom, boss: Browser) -> None:
    room.write_rules(reserve("first"), reserve("second"))
    page = saved(console, boss, boss.post("/rules/order", of="second", to="up"))
    assert page.index(">Second</a>") < page.index(">First</a>")
    page = saved(console, boss, boss.post("/rules/switch", of="first", on="0"))
    assert 'aria-checked="false"' in page
    copied = form_of(boss.get("/rules?copy=first").text)
    assert (copied["name"], copied["of"]) == (["Copy of First"], [""])
    saved(console, boss, boss.post("/rules/edit", **{**copied, "do": "save"}))
    saved(console, boss, boss.post("/rules/remove", of="first"))
    (row,) = console.office.rows("select rules from directory_version")
    assert [(rule["id"], rule["on"]) for rule in row["rules"]] == [("second", True), ("copy-of-first", False)]


def test_a_change_that_began_before_another_is_shown_with_it(console: Console, room: RuleRoom, boss: Browser) -> None:
    room.write_rules(reserve())
    mine = form_of(boss.get("/rules?rule=rescue").text)
    room.write_rules(reserve(), reserve("other"))
    answer = boss.post("/rules/edit", **{**mine, "name": "Mine", "do": "save"})
    console.process_commands()
    page = boss.get(answer.headers["Location"]).text
    assert "Somebody changed the directory meanwhile." in page


def test_all_rules_are_stopped_with_one_button_and_act_again(console: Console, room: RuleRoom, boss: Browser) -> None:
    room.write_rules(reserve())
    assert boss.post("/rules/stop").status_code == 303
    console.office.customer_writes()
    assert room.run() == []
    page = boss.get("/rules").text
    assert "All rules are stopped since" in page
    assert boss.post("/rules/start").status_code == 303
    assert room.run() == ["transfer"]
    audited = console.office.rows("select event, name from console_audit where event like 'rules_%' order by id")
    assert [tuple(row.values()) for row in audited] == [("rules_stopped", "boss"), ("rules_started", "boss")]


def test_who_only_reads_sees_rules_and_changes_none(console: Console, room: RuleRoom) -> None:
    room.write_rules(reserve())
    people.create(console.office.connection, "ada", QUICK.hash(PASSWORD), level="read_only")
    reader = console.signed_in("ada")
    page = reader.get("/rules?rule=rescue").text
    assert ("Rescue" in page, "Stop all rules" in page, 'value="on"' in page) == (True, False, False)
    assert [reader.post(f"/rules/{way}", of="rescue").status_code for way in ("stop", "switch", "edit")] == [403] * 3
