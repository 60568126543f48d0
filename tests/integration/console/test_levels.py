"""Levels: every page and every action for every level, and the conversations that a supervisor reaches."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args
from uuid import UUID, uuid4

import pytest
from openpyxl import load_workbook

from console.levels import ADMITTED
from domain.directory import Level, Number, User
from domain.facts import Party
from tests.support.console import Browser, Console, OpenList, open_console
from tests.support.databases import Databases
from tests.support.office import COMPANY, USERS
from tests.support.open_pages import OPEN
from tests.support.rule_room import reserve
from tests.support.stories import NUMBER, FactMaker

OF_LEVEL: dict[Level, set[str]] = {
    "tenant_administrator": {"signed_in", "lists", "overview", "actions", "messages", "desk", "campaigns"},
    "read_only": {"signed_in", "lists", "overview", "messages"},
    "campaign_manager": {"signed_in", "campaigns"},
    "supervisor": {"signed_in", "lists", "actions", "messages", "desk"},
    "agent": {"signed_in", "messages", "desk"},
}
OTHER = "100000000000002"
"""A number whose menu leads to support; the other one's leads to sales."""
PEOPLE = {
    "lena": User("lena", "Lena", "lena@example.com", "supervisor", 0, ("support",)),
    "rita": User("rita", "Rita", "rita@example.com", "read_only", 0),
    "mara": User("mara", "Mara", "mara@example.com", "campaign_manager", 0),
}
SHOP = replace(
    COMPANY,
    numbers={
        NUMBER: Number(NUMBER, "Shop", menu={"buy": "sales"}),
        OTHER: Number(OTHER, "Workshop", menu={"repair": "support"}),
    },
    users={**USERS, **PEOPLE},
)
NAMES: dict[Level, str] = {
    "tenant_administrator": "boss",
    "read_only": "rita",
    "campaign_manager": "mara",
    "supervisor": "lena",
    "agent": "anna",
}


@pytest.fixture(scope="module")
def console(databases: Databases) -> Iterator[Console]:
    dsn = databases.create()
    with open_console(dsn) as console:
        console.office.apply_directory(SHOP)
        for name in ("lena", "rita", "mara", "anna"):
            console.person(name, administrator=False)
        yield console
    databases.drop(dsn)


@pytest.fixture(scope="module")
def browsers(console: Console) -> dict[Level, Browser]:
    return {level: console.signed_in(name) for level, name in NAMES.items()}


def writes(console: Console, text: str, phone: str, number: str) -> UUID:
    """A customer writes to a number and is left alone."""
    office = console.office
    office.process(FactMaker(number, Party(wa_id=phone)).turn(office.hours_ago(1), text))
    (found,) = office.rows(f"select id from conversations where wa_id = '{phone}'")
    conversation: UUID = found["id"]
    return conversation


def test_every_page_and_action_is_open_to_the_levels_written_here_and_to_no_other(console: Console) -> None:
    views = console.app.view_functions
    marked = {name: getattr(view, "_console_access", None) for name, view in views.items() if name != "static"}
    assert {name: OPEN.get(name) for name in marked} == marked
    assert OF_LEVEL == {
        level: {str(access) for access, levels in ADMITTED.items() if access and level in levels}
        for level in get_args(Level)
    }


@pytest.mark.parametrize("level", [level for level in get_args(Level) if level != "tenant_administrator"])
def test_whatever_is_not_open_to_a_level_is_refused_at_every_address(
    console: Console, browsers: dict[Level, Browser], level: Level
) -> None:
    browser = browsers[level]
    token = browser.token()
    reached = []
    for rule in console.app.url_map.iter_rules():
        if rule.endpoint == "static" or OPEN.get(rule.endpoint) in {"everybody", *OF_LEVEL[level]}:
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = browser.http.open(_address(rule.rule), method=method, data={"csrf": token, "form": "f"})
            reached += [(rule.rule, method, answer.status_code)] if answer.status_code not in (403, 415) else []
    assert [] == reached


def _address(rule: str) -> str:
    """An address of this rule with values that fit."""
    parts = []
    for part in rule.split("<"):
        inside, _, rest = part.partition(">")
        if not _:
            parts.append(part)
            continue
        if inside.startswith("any("):
            fitting = inside[4:].split(",")[0].strip("')")
        else:
            fitting = "1" if inside.startswith("int:") else str(UUID(int=7))
        parts.append(fitting + rest)
    return "".join(parts)


def test_who_only_reads_sends_no_form_but_those_of_their_own_account(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    conversation = writes(console, "hello", "16505550001", NUMBER)
    browser = browsers["read_only"]
    token = browser.token()
    console.publisher.records.clear()
    for rule in console.app.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and not rule.endpoint.startswith(
            ("account.", "second_factor.", "personal_alarms.")
        ):
            address = _address(rule.rule).replace(str(UUID(int=7)), str(conversation))
            answer = browser.http.post(address, data={"csrf": token, "form": "f", "text": "x", "to": "user:anna"})
            assert answer.status_code in (403, 413, 415), rule.rule
    assert [] == console.publisher.records
    assert 303 == browser.post("/account/words", language="", zone="Europe/Rome").status_code


def test_who_only_reads_sees_the_lists_and_conversations_and_no_button(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    conversation = writes(console, "where is my bicycle", "16505550002", NUMBER)
    browser = browsers["read_only"]
    page = browser.get(f"/unmanaged?open={conversation}").text
    assert "where is my bicycle" in page
    assert "You can read this conversation, but do nothing with it." in page
    for action in ("Transfer to a skillset", "Send via email", 'id="bulk"', 'name="text"'):
        assert action not in page
    for path in ("/waiting", "/numbers", "/messages/unknown", "/desk/replies", "/deferred"):
        assert 200 == browser.get(path).status_code
    assert 200 == browser.get(f"/conversations/{conversation}/earlier").status_code


def test_a_supervisor_sees_the_unmanaged_conversations_of_numbers_whose_menus_lead_to_their_skillsets(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    theirs = writes(console, "the chain is broken", "16505550003", OTHER)
    foreign = writes(console, "I want to buy one", "16505550004", NUMBER)
    browser = browsers["supervisor"]
    for path in ("/unmanaged", "/unmanaged?order=newest", "/unmanaged?q=chain", f"/unmanaged?number={OTHER}"):
        page = browser.get(path).text
        assert (True, False) == (f"row-{theirs}" in page, f"row-{foreign}" in page), path
    for path in (f"/unmanaged?number={NUMBER}", "/unmanaged?q=buy"):
        assert "row-" not in browser.get(path).text.partition("<tbody")[2], path
    assert "1 active" in browser.get("/unmanaged").text
    assert "0 active" in browser.get(f"/unmanaged?number={NUMBER}").text
    assert NUMBER not in browser.get("/unmanaged").text
    rows = list(load_workbook(io.BytesIO(browser.download("/unmanaged.xlsx"))).active.values)  # type: ignore[union-attr]
    assert ["the chain is broken"] == [
        each for row in rows for each in row if each in ("the chain is broken", "I want to buy one")
    ]
    assert b"I want to buy one" not in browser.download("/unmanaged.csv")


def test_no_address_form_or_stream_leads_a_supervisor_to_a_conversation_of_others(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    foreign = writes(console, "I want to buy one", "16505550005", NUMBER)
    browser = browsers["supervisor"]
    token = browser.token()
    assert "I want to buy one" not in browser.get(f"/unmanaged?open={foreign}").text
    assert "I want to buy one" not in browser.get(f"/waiting?open={foreign}", "panel").text
    console.publisher.records.clear()
    for rule in console.app.url_map.iter_rules():
        if "<uuid:id_>" in rule.rule and not rule.endpoint.startswith(("media.", "campaign", "check", "start", "opt")):
            address = _address(rule.rule).replace(str(UUID(int=7)), str(foreign))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                fields = {"csrf": token, "form": "f", "to": "support", "mode": "exclusive", "text": "x"}
                answer = browser.http.open(address, method=method, data=fields)
                assert "I want to buy one" not in answer.text, rule.rule
                if rule.rule.startswith("/conversations/"):
                    assert 403 == answer.status_code, rule.rule
    able = f"{foreign}.1.1"
    for path in ("/bulk/skillset", "/bulk/email", "/bulk/email/preview"):
        answer = browser.post(path, form=str(uuid4()), able=able, to="support", subject="s", body="b")
        assert 403 == answer.status_code, path
    assert 403 == browser.post("/bulk/on-reply", picked=str(foreign), able=str(foreign), do="send").status_code
    answer = browser.post("/bulk", do="skillset", pick=str(foreign))
    assert str(foreign) not in answer.text
    assert 403 == browser.post(f"/mails/{uuid4()}/recall", form="f", about=str(foreign)).status_code
    assert [] == console.publisher.records


def test_a_supervisor_acts_on_what_they_supervise(console: Console, browsers: dict[Level, Browser]) -> None:
    theirs = writes(console, "the chain is broken", "16505550006", OTHER)
    browser = browsers["supervisor"]
    console.publisher.records.clear()
    answer = browser.submit(f"/conversations/{theirs}/transfer/skillset", to="support", mode="exclusive")
    assert 303 == answer.status_code
    assert [("applied", None)] == console.process_commands()
    for path in ("/waiting", "/waiting?state=waiting"):
        assert f"row-{theirs}" in browser.get(path).text
    assert "1 waiting" in browser.get("/waiting").text
    assert f"row-{theirs}" in browsers["read_only"].get("/waiting").text


def test_a_supervisor_does_not_see_who_waits_for_other_skillsets(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    foreign = writes(console, "I want to buy one", "16505550007", OTHER)
    console.office.results_of(console.office.transfer(foreign, "skillset", "sales", "exclusive"))
    browser = browsers["supervisor"]
    page = browser.get("/waiting").text
    assert f"row-{foreign}" not in page
    assert b"I want to buy one" not in browser.download("/waiting.csv")
    assert b"I want to buy one" in browsers["read_only"].download("/waiting.csv")
    everything = browser.post("/bulk", do="recall", all="1", list="waiting")
    assert str(foreign) not in everything.text
    assert 403 == browser.get(f"/conversations/{foreign}/earlier").status_code
    assert f"row-{foreign}" in browsers["tenant_administrator"].get("/waiting").text


def test_the_stream_of_a_supervisor_tells_nothing_of_other_conversations(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    foreign = writes(console, "I want to buy one", "16505550008", NUMBER)
    shown = OpenList(console, browsers["supervisor"])
    shown.look()
    shown.listen(seen=f"{foreign}.0.0.0")
    assert "I want to buy one" not in shown.look()


def test_the_stream_of_a_supervisor_ends_when_they_supervise_something_else(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    shown = OpenList(console, browsers["supervisor"])
    assert shown.may_look()
    other = replace(SHOP, users={**SHOP.users, "lena": replace(PEOPLE["lena"], skillsets=("sales",))})
    console.office.apply_directory(other)
    assert not shown.may_look()
    console.office.apply_directory(SHOP)


def test_a_mention_tells_a_supervisor_nothing_about_a_conversation_of_others(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    foreign = writes(console, "I want to buy one", "16505550009", NUMBER)
    theirs = writes(console, "the chain is broken", "16505550010", OTHER)
    for conversation, note in ((foreign, "@lena he is rich"), (theirs, "@lena he is poor")):
        browsers["tenant_administrator"].post(f"/conversations/{conversation}/notes", text=note, form="f")
    browser = browsers["supervisor"]
    page = browser.get("/mentions").text
    assert ("he is poor" in page, "he is rich" in page, str(foreign) in page) == (True, False, False)
    assert ("16505550010" in page, "16505550009" in page) == (True, False)
    assert page.count("A conversation that you cannot open") == 1
    assert re.search(r'class="chip" title="Mentions of you">\s*1<', browser.get("/unmanaged").text)


def test_a_supervisor_is_shown_no_conversation_of_others_beside_one_of_the_same_customer(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    theirs, foreign = (writes(console, "hello", f"1650555001{n}", number) for n, number in ((1, OTHER), (2, NUMBER)))
    (one, other) = (
        console.office.rows(f"select customer_id from conversations where id = '{id_}'")[0]["customer_id"]
        for id_ in (theirs, foreign)
    )
    console.office.connection.execute("update customers set merged_into = %s where id = %s", (one, other))
    address = f"/unmanaged?open={theirs}&tab=info"
    assert f"open={foreign}" in browsers["tenant_administrator"].get(address).text
    page = browsers["supervisor"].get(address).text
    assert ("What was known when" in page, f"open={foreign}" in page) == (True, False)


def test_a_dry_run_tells_a_supervisor_of_their_conversations_only(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    theirs, foreign = (writes(console, "hello", f"1650555002{n}", number) for n, number in ((1, OTHER), (2, NUMBER)))
    console.office.apply_directory(replace(SHOP, rules=(reserve(),)))
    (at_boss, page) = (
        browsers[level].get("/rules/dry-run?rule=rescue&span=now").text
        for level in ("tenant_administrator", "supervisor")
    )
    console.office.apply_directory(SHOP)
    assert (str(foreign) in at_boss, str(foreign) in page, str(theirs) in page) == (True, False, True)
    assert page.count('<i class="open">') == page.count("open=") < at_boss.count("open=")


def test_a_supervisor_is_told_how_often_rules_acted_on_their_conversations_only(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    (foreign, theirs) = (writes(console, "hello", f"1650555003{n}", number) for n, number in ((1, NUMBER), (2, OTHER)))
    console.office.apply_directory(replace(SHOP, rules=(reserve(),)))
    for conversation in (foreign, theirs, foreign):
        console.office.connection.execute(
            "insert into rule_acts (conversation_id, rule_id, action, rule_name, phone_number_id, state, attempt, "
            "version, detail, at, asked_at) "
            "values (%s, 'rescue', 'alarm', 'Rescue', %s, 'done', 0, 1, '{}', now(), now()) on conflict do nothing",
            [conversation, NUMBER],
        )
    (at_boss, page) = (browsers[level].get("/rules").text for level in ("tenant_administrator", "supervisor"))
    console.office.connection.execute("delete from rule_acts")
    console.office.apply_directory(SHOP)
    assert "acted on 2 customers in 30 days" in at_boss
    assert ("acted on 1 customer in 30 days" in page, "acted on 2" in page) == (True, False)


def test_a_mail_is_recalled_by_who_may_act_on_its_conversation_whatever_the_form_says(
    console: Console, browsers: dict[Level, Browser]
) -> None:
    foreign, theirs = writes(console, "hello", "16505550031", NUMBER), writes(console, "hello", "16505550032", OTHER)
    command = uuid4()
    console.office.connection.execute(
        "insert into console_audit (name, address, event, conversation_id, command_id, detail) "
        "values ('lena', '', 'asked', %s, %s, '{\"what\": \"email\"}')",
        (foreign, str(command)),
    )
    console.publisher.records.clear()
    answer = browsers["supervisor"].post(f"/mails/{command}/recall", form="f", about=str(theirs))
    assert (403, []) == (answer.status_code, console.publisher.records)
