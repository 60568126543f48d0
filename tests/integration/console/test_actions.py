"""What is done with a conversation: manual facts S8, S9, S10, each a signed command with a result that is told."""

import re
from datetime import UTC, datetime
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from domain.commands import Command, Recall, Transfer, read_command
from domain.facts import AgentAccepted, AgentClosed
from infra.process.clock import utc_now
from tests.support.console import BOSS, Browser, Console, OpenList, hidden, ids
from tests.support.office import SECRET


def transfer(row: object, browser: Browser, kind: str = "user", into: str | None = "dialog", **to: str) -> TestResponse:
    """Fills in the dialog and sends it."""
    return browser.submit(f"/conversations/{row}/transfer/{kind}", into, **to)


def told(browser: Browser, notice: str) -> str:
    """What the page says once the command was carried out, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page_of(browser, notice))).strip()


def page_of(browser: Browser, notice: str) -> str:
    """The notice as it is now."""
    found = re.search(r'hx-get="(/actions/[^"]+)"', notice)
    assert found is not None, notice
    return browser.get(found[1], "notices").text


def recalled(console: Console) -> Recall:
    """What was asked for, and nothing else was."""
    (record,) = console.publisher.records
    asked = read_command(record.headers, record.value, [SECRET], datetime.now(UTC))
    assert isinstance(asked, Command)
    assert isinstance(asked.body, Recall)
    return asked.body


def test_the_dialog_shows_users_with_their_state_and_free_slots(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    console.office.presence("ben", "paused")
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    for shown in ("ready, 2 slots free", "paused", "not signed in", "Immediate", "Exclusive", "23 h 00 min left"):
        assert shown in page or shown == "23 h 00 min left"
    assert "anna" == hidden(page)["to"]


def outlook(page: str) -> list[str]:
    """What a dialog says of each option, in order."""
    return [unescape(found) for found in re.findall(r'<small id="to-\d+-now">([^<]+)</small>', page)]


def test_the_dialog_says_of_each_user_what_would_happen_now(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    console.office.presence("ben", "paused")
    boss.post("/account/words", zone="Europe/Rome")
    began = console.clock()
    said = outlook(boss.get(f"/conversations/{row}/transfer/user", "dialog").text)
    refused = "immediate would be refused; exclusive waits until {:%H:%M}"
    ends = [(at + console.parts.terms.reservation).astimezone(ZoneInfo("Europe/Rome")) for at in (began, utc_now())]
    assert "anna gets it at once" == said[0]
    assert said[1:] in [[refused.format(end)] * 2 for end in ends]


def test_the_dialog_says_of_each_skillset_who_would_get_it(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    first, second = outlook(boss.get(f"/conversations/{row}/transfer/skillset", "dialog").text)
    assert "anna would get it at once" == first
    assert second.startswith("immediate would be refused; exclusive waits until ")


def test_a_window_that_closes_soon_leaves_nothing_to_wait_for(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes(hours_ago=23.95)
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    assert ["immediate would be refused"] * 3 == outlook(page)


def test_the_dialog_shows_skillsets_with_how_many_are_ready_and_wait(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.customer_writes("2", "391")
    console.office.presence("anna", "ready")
    console.office.presence("ben", "ready")
    page = boss.get(f"/conversations/{row}/transfer/skillset", "dialog").text
    assert ["2 ready", "1 ready"] == re.findall(r'class="r ready">([^<]+)', page)
    assert "1 waits for it" in page


def test_a_transfer_is_a_signed_command_and_changes_nothing_by_itself(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    before = console.office.rows("select * from conversations")
    transfer(row, boss, to="anna", mode="exclusive")
    assert before == console.office.rows("select * from conversations")
    (record,) = console.publisher.records
    asked = read_command(record.headers, record.value, [SECRET], datetime.now(UTC))
    assert isinstance(asked, Command)
    assert isinstance(asked.body, Transfer)
    assert (BOSS, str(row), "/witiop/console") == (asked.head.issuer, record.key, asked.head.source)
    assert ("anna", "exclusive", before[0]["version"]) == (
        asked.body.target.id,
        asked.body.mode,
        asked.body.expected_version,
    )


def test_a_transfer_is_asked_then_done_and_can_be_undone(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    notice = transfer(row, boss, to="anna", mode="immediate").text
    assert "Asked …" in notice
    assert "" == told(boss, notice)  # still so
    assert [("applied", None)] == console.carry_out()
    assert "Offered to anna. Undo" in told(boss, notice)
    assert ("u", "anna", "a", False, None) == console.office.owner()
    boss.send(page_of(boss, notice), "notices")
    assert [("applied", None)] == console.carry_out()
    assert [row] == ids(boss.get("/unmanaged").text)


@pytest.mark.parametrize(
    ("kind", "to", "mode", "why"),
    [
        ("user", "carla", "immediate", "this user is not ready"),
        ("skillset", "support", "immediate", "no agent with this skillset is available"),
        ("user", "nobody", "exclusive", "this user is not in the directory"),
    ],
)
def test_what_is_refused_says_why(console: Console, boss: Browser, kind: str, to: str, mode: str, why: str) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, kind, to=to, mode=mode).text
    assert "rejected" == console.carry_out()[0][0]
    assert why in told(boss, notice)


def test_a_closed_conversation_cannot_be_transferred_from_a_dialog_that_was_open_before(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    console.office.connection.execute("update conversations set window_ends_at = now() - interval '1 hour'")
    notice = boss.send(dialog, "dialog", to="anna", mode="exclusive").text
    assert [("rejected", "conversation_closed")] == console.carry_out()
    assert "the 24-hour window is over" in told(boss, notice).replace("&#39;", "'")


def test_a_double_click_a_second_tab_and_the_back_button_do_it_once(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    for _ in range(3):
        boss.send(dialog, "dialog", to="anna", mode="exclusive")
    assert [("applied", None)] == console.carry_out()
    assert 1 == len(console.audited("asked"))
    again = boss.send(dialog, "dialog", to="ben", mode="exclusive").text
    assert [("rejected", "version_conflict")] == console.carry_out()
    assert "the conversation has changed in the meantime: look at it again. Now: anna." in told(boss, again)


def test_of_two_administrators_one_gets_it_and_the_other_learns_who(console: Console, boss: Browser) -> None:
    console.person("chief")
    chief = console.signed_in("chief")
    row = console.office.customer_writes()
    dialogs = [browser.get(f"/conversations/{row}/transfer/user", "dialog").text for browser in (boss, chief)]
    first = boss.send(dialogs[0], "dialog", to="anna", mode="exclusive").text
    second = chief.send(dialogs[1], "dialog", to="ben", mode="exclusive").text
    assert [("applied", None), ("rejected", "version_conflict")] == console.carry_out()
    assert "Reserved for anna." in told(boss, first)
    assert "Now: anna." in told(chief, second)


def test_what_one_administrator_asked_is_not_the_others_to_see(console: Console, boss: Browser) -> None:
    console.person("chief")
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    found = re.search(r'hx-get="(/actions/[^"]+)"', notice)
    assert found is not None
    assert 404 == console.signed_in("chief").get(found[1]).status_code


def test_without_kafka_the_dialog_says_so_and_keeps_what_was_chosen(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    console.publisher.away = True
    answer = boss.send(dialog, "dialog", to="ben", mode="exclusive")
    assert 503 == answer.status_code
    assert "Kafka" in answer.text
    assert ("ben", "exclusive") == (hidden(answer.text)["to"], hidden(answer.text)["mode"])
    console.publisher.away = False
    boss.send(answer.text, "dialog")
    assert [("applied", None)] == console.carry_out()
    assert (1, 1) == (len(console.audited("asked")), len(console.audited("not_kept")))


def test_without_kafka_a_mail_keeps_its_text(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    console.publisher.away = True
    answer = boss.send(page, "panel", to="you@example.com", subject="My subject", body="My text")
    assert 503 == answer.status_code
    assert all(words in answer.text for words in ("Kafka", "you@example.com", "My subject", "My text"))


def test_only_who_answers_customers_can_take_one(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    assert "/take" not in boss.get("/unmanaged").text
    assert 403 == boss.post(f"/conversations/{row}/take", form="f").status_code
    assert [(BOSS, row)] == [(deed["name"], deed["conversation_id"]) for deed in console.audited("forbidden")]
    console.person("anna")
    anna = console.signed_in("anna")
    page = anna.get("/unmanaged").text
    notice = anna.send(page.split("<tbody")[1], "notices").text
    assert [("applied", None)] == console.carry_out()
    assert "It is yours." in told(anna, notice)
    assert ("u", "anna", "x", False, None) == console.office.owner()
    assert "Undo" not in told(anna, notice)


def test_undo_takes_back_what_was_done_and_not_what_others_decided_since(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    console.carry_out()
    (done,) = console.office.rows("select version from conversations")
    boss.send(page_of(boss, notice), "notices")
    assert done["version"] == recalled(console).expected_version


def test_undo_takes_back_also_what_routing_offered_to_somebody_since(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    console.carry_out()
    done = page_of(boss, notice)
    console.office.presence("anna", "ready")
    console.office.routing.round()
    assert ("u", "anna", "a") == console.office.owner()[:3]
    boss.send(done, "notices")
    assert [("applied", None)] == console.carry_out()


def test_undo_leaves_what_others_decided_since(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    console.carry_out()
    office = console.office
    office.results_of(
        office.command("recall", {"conversation_id": str(row)}), office.transfer(row, "user", "ben", "exclusive")
    )
    boss.send(page_of(boss, notice), "notices")
    assert [("rejected", "version_conflict")] == console.carry_out()


def test_a_row_takes_back_what_it_shows_and_not_what_others_decided_since(console: Console, boss: Browser) -> None:
    console.office.customer_writes("1")
    (shown,) = console.office.rows("select version from conversations")
    boss.send(boss.get("/waiting").text.split("<tbody")[1], "notices")
    assert shown["version"] == recalled(console).expected_version


def test_what_was_refused_can_be_asked_for_again_by_the_same_row_and_is_done_once(console: Console) -> None:
    console.person("ben")
    ben = console.signed_in("ben")
    busy, row = (console.office.customer_writes(phone=phone) for phone in ("391", "392"))
    page = ben.get(f"/unmanaged?open={row}").text.rpartition("<aside")[2]
    console.office.agent_desktop_reports(AgentAccepted, "ben", busy)
    form = re.search(r'<form class="inline".*?</form>', page, re.DOTALL)
    assert form is not None

    def press() -> str:
        return ben.send(form[0], "notices").text

    refused = press()
    assert [("rejected", "user_at_capacity")] == console.carry_out()
    assert "this user is at capacity" in told(ben, refused)
    console.office.agent_desktop_reports(AgentClosed, "ben", busy)
    done = [press(), press()]
    assert [("applied", None)] == console.carry_out()
    assert ["It is yours."] * 2 == [told(ben, notice).rpartition("92 ")[2] for notice in done]
    press()
    assert [] == console.carry_out()


def test_a_mail_is_taken_back_while_it_is_held(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    answer = boss.send(page, "panel", to="you@example.com", subject="A customer", body="x").text
    console.carry_out()
    undone = boss.send(page_of(boss, answer), "notices").text
    assert [("applied", None)] == console.carry_out()
    assert "Taken back: the mail is not sent." in told(boss, undone)
    assert ["recalled"] == [mail["state"] for mail in console.office.rows("select state from mails")]


def test_everything_works_a_page_at_a_time_without_script(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    answer = transfer(row, boss, into=None, to="anna", mode="exclusive")
    assert 303 == answer.status_code
    console.carry_out()
    page = boss.get(answer.location).text
    assert "<html" in page
    assert "Reserved for anna." in page


def test_nobody_chosen_is_said_in_the_dialog(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    answer = transfer(row, boss, to="", mode="immediate")
    assert (422, []) == (answer.status_code, console.publisher.records)
    assert "Choose somebody first." in answer.text


def test_a_conversation_that_is_not_there_has_no_dialog(boss: Browser) -> None:
    assert 404 == boss.get("/conversations/00000000-0000-0000-0000-000000000000/transfer/user").status_code


def test_every_action_is_in_the_audit_log_with_its_command(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    transfer(row, boss, to="anna", mode="exclusive")
    (deed,) = console.audited("asked")
    assert (BOSS, "127.0.0.1", row) == (deed["name"], deed["address"], deed["conversation_id"])
    assert {"what": "exclusive", "kind": "user", "target": "anna"} == deed["detail"]


def test_a_row_that_was_transferred_stays_in_its_place_and_says_where_it_is(console: Console, boss: Browser) -> None:
    first, second = (console.office.customer_writes(phone=phone) for phone in ("391", "392"))
    page = OpenList(console, boss)
    transfer(first, boss, to="anna", mode="exclusive")
    console.carry_out()
    changes = page.look()
    assert [first] == ids(changes)
    assert "Reserved for anna" in changes
    assert "1 waiting" in changes
    assert "The list has changed" not in changes
    assert second not in ids(changes)


def test_who_takes_care_of_it_is_named_on_the_way_out(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    console.office.agent_desktop_reports(AgentAccepted, "carla", row)
    boss.send(dialog, "dialog", to="anna", mode="exclusive")
    assert [("rejected", "version_conflict")] == console.carry_out()
