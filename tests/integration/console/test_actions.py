"""Actions on a conversation: manual facts S8, S9, S10. Each is a signed command whose result is shown."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from domain.commands import Command, Recall, Transfer, read_command
from domain.directory import Skillset, User
from domain.facts import AgentAccepted, AgentClosed, AgentMessage
from infra.process.clock import utc_now
from tests.support.console import BOSS, Browser, Console, OpenList, hidden, ids
from tests.support.office import COMPANY, SECRET
from tests.support.stories import NUMBER


def transfer(row: object, browser: Browser, kind: str = "user", into: str | None = "dialog", **to: str) -> TestResponse:
    """Fills in the dialog and sends it."""
    return browser.submit(f"/conversations/{row}/transfer/{kind}", into, **to)


def text_of(browser: Browser, notice: str) -> str:
    """The text of the notice once the command was processed."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page_of(browser, notice))).strip()


def page_of(browser: Browser, notice: str) -> str:
    """The notice, requested again."""
    found = re.search(r'hx-get="(/commands/[^"]+)"', notice)
    assert found is not None, notice
    return browser.get(found[1], "notices").text


def recalled(console: Console) -> Recall:
    """The only command that was submitted, which is a recall."""
    (record,) = console.publisher.records
    command = read_command(record.headers, record.value, [SECRET], datetime.now(UTC))
    assert isinstance(command, Command)
    assert isinstance(command.body, Recall)
    return command.body


def test_the_dialog_shows_users_with_their_state_and_free_slots(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    console.office.presence("ben", "paused")
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    for shown in ("ready, 2 slots free", "paused", "offline", "Immediate", "Exclusive", "23 h 00 min left"):
        assert shown in page or shown == "23 h 00 min left"
    assert "anna" == hidden(page)["to"]


def outlook(page: str) -> list[str]:
    """The predicted outcomes of a dialog's options, in order."""
    return [unescape(found) for found in re.findall(r'<small id="to-[a-z]+-\d-\d+-now">([^<]+)</small>', page)]


def test_the_dialog_predicts_the_outcome_for_each_user(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    console.office.presence("ben", "paused")
    boss.post("/account/words", zone="Europe/Rome")
    began = console.clock()
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    ends = [(at + console.deps.terms.reservation).astimezone(ZoneInfo("Europe/Rome")) for at in (began, utc_now())]
    assert ["offered to anna immediately"] == outlook(page)
    assert any(f"Reserved for this user alone until {end:%H:%M}" in page for end in ends)


def test_the_dialog_predicts_who_would_be_offered_it_for_each_skillset(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    assert ["offered to anna immediately"] == outlook(
        boss.get(f"/conversations/{row}/transfer/skillset", "dialog").text
    )


@pytest.mark.parametrize(
    ("ready", "hours_ago", "mode"), [(True, 1, "immediate"), (False, 1, "exclusive"), (False, 23.95, "immediate")]
)
def test_the_dialog_chooses_the_mode_that_can_work(
    console: Console, boss: Browser, ready: bool, hours_ago: float, mode: str
) -> None:
    row = console.office.customer_writes(hours_ago=hours_ago)
    if ready:
        console.office.presence("anna", "ready")
    for kind in ("user", "skillset"):
        page = boss.get(f"/conversations/{row}/transfer/{kind}", "dialog").text
        assert mode == hidden(page)["mode"]
        refused = re.search(r'<small class="would-not"( hidden)?>Would be refused now', page)
        assert refused is not None
        assert ready == bool(refused[1])


def test_a_dialog_finds_one_of_many_by_a_field_and_counts_as_people_do(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    assert "data-find" not in boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    users = {
        f"a{n}": User(f"a{n}", f"Ada {n}", "a@example.com", "agent", 1, ("sales",)) for n in (10, 2, 1, 3, 4, 5, 6, 7)
    }
    console.office.apply_directory(replace(COMPANY, users=users))
    console.office.presence("a7", "ready")
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    assert 'placeholder="Find a user"' in page
    assert [f"Ada {n}" for n in (7, 1, 2, 3, 4, 5, 6, 10)] == re.findall(r'<b id="to-[a-z]+-\d-\d+">([^<]+)', page)


def test_the_number_s_own_skillsets_and_whom_one_chose_last_come_first_among_the_ready_and_the_others(
    console: Console, boss: Browser
) -> None:
    teams = {each: Skillset(each, each.title()) for each in ("admin", "bikes", "cars", "sales", "support")}
    number = replace(COMPANY.numbers[NUMBER], menu={"1": "sales"})
    console.office.apply_directory(replace(COMPANY, skillsets=teams, numbers={NUMBER: number}))
    console.office.presence("carla", "ready")

    def shown(kind: str, row: object) -> list[str]:
        page = boss.get(f"/conversations/{row}/transfer/{kind}", "dialog").text
        groups = re.findall(r'<p class="of-group"[^>]*>([^<]+)</p>', page)
        return groups + re.findall(r'<input type="radio" name="to" value="([^"]+)"', page)

    first, second = console.office.customer_writes("x", "391"), console.office.customer_writes("x", "392")
    assert ["Ready (1)", "Not available now (4)", "support", "sales", "admin", "bikes", "cars"] == shown(
        "skillset", second
    )
    assert ["Ready (1)", "Not available now (2)", "carla", "anna", "ben"] == shown("user", second)
    transfer(first, boss, "skillset", to="cars", mode="exclusive")
    assert ["support", "sales", "cars", "admin", "bikes"] == shown("skillset", second)[2:]
    transfer(first, boss, "skillset", to="bikes", mode="exclusive")
    transfer(first, boss, to="ben", mode="exclusive")
    assert ["support", "sales", "bikes", "cars", "admin"] == shown("skillset", second)[2:]
    assert ["carla", "ben", "anna"] == shown("user", second)[2:]


def test_a_window_that_closes_soon_leaves_no_time_for_a_reservation(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes(hours_ago=23.95)
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    assert "The customer's window closes too soon for a reservation." in page
    assert "Would be refused now: nobody is ready with a free slot." in page


def test_the_dialog_shows_the_ready_members_and_the_queue_of_each_skillset(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.customer_writes("2", "391")
    console.office.presence("anna", "ready")
    console.office.presence("ben", "ready")
    page = boss.get(f"/conversations/{row}/transfer/skillset", "dialog").text
    assert ["2 ready", "1 ready"] == re.findall(r'class="r ready">([^<]+)', page)
    assert "1 in queue" in page


def test_a_transfer_is_a_signed_command_and_the_console_changes_nothing(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    before = console.office.rows("select * from conversations")
    transfer(row, boss, to="anna", mode="exclusive")
    assert before == console.office.rows("select * from conversations")
    (record,) = console.publisher.records
    command = read_command(record.headers, record.value, [SECRET], datetime.now(UTC))
    assert isinstance(command, Command)
    assert isinstance(command.body, Transfer)
    assert (BOSS, str(row), "/witiop/console") == (command.head.issuer, record.key, command.head.source)
    assert ("anna", "exclusive", before[0]["version"]) == (
        command.body.target.id,
        command.body.mode,
        command.body.expected_version,
    )


@pytest.mark.parametrize("ahead", [timedelta(days=-1), timedelta(hours=1), timedelta(days=1)], ids=str)
def test_pages_and_commands_go_by_the_databases_clock_and_not_by_the_machines(
    console: Console, boss: Browser, ahead: timedelta
) -> None:
    row = console.office.customer_writes(hours_ago=23)
    console.office.presence("anna", "ready")
    console.clock.ahead = ahead
    assert re.search(r">0 h (59|58) min<", boss.get("/unmanaged").text)
    assert ["offered to anna immediately"] == outlook(boss.get(f"/conversations/{row}/transfer/user", "dialog").text)
    transfer(row, boss, to="anna", mode="immediate")
    assert [("applied", None)] == console.process_commands()
    open_list = OpenList(console, boss, "/waiting?state=assigned")
    open_list.listen(seen=f"{row}.of-an-earlier-version")
    assert re.search(r">0 h (59|58) min<", open_list.look())


def test_a_transfer_is_pending_then_done_and_can_be_undone(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.presence("anna", "ready")
    notice = transfer(row, boss, to="anna", mode="immediate").text
    assert "Sending …" in notice
    assert "" == text_of(boss, notice)  # unchanged
    assert [("applied", None)] == console.process_commands()
    assert "Offered to anna. Undo" in text_of(boss, notice)
    assert ("u", "anna", "a", False, None) == console.office.owner()
    boss.send(page_of(boss, notice), "notices")
    assert [("applied", None)] == console.process_commands()
    assert [row] == ids(boss.get("/unmanaged").text)


@pytest.mark.parametrize(
    ("kind", "to", "mode", "why"),
    [
        ("user", "carla", "immediate", "carla is not ready"),
        ("skillset", "support", "immediate", "nobody in Support is ready with a free slot"),
        ("user", "nobody", "exclusive", "this user is not in the directory"),
    ],
)
def test_a_rejected_transfer_says_why(console: Console, boss: Browser, kind: str, to: str, mode: str, why: str) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, kind, to=to, mode=mode).text
    assert "rejected" == console.process_commands()[0][0]
    assert why in text_of(boss, notice)


def test_a_closed_conversation_cannot_be_transferred_from_a_dialog_that_was_open_before(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    console.office.connection.execute("update conversations set window_ends_at = now() - interval '1 hour'")
    notice = boss.send(dialog, "dialog", to="anna", mode="exclusive").text
    assert [("rejected", "conversation_closed")] == console.process_commands()
    assert "the 24-hour window is over" in text_of(boss, notice).replace("&#39;", "'")


def test_a_double_click_a_second_tab_and_the_back_button_transfer_once(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    for _ in range(3):
        boss.send(dialog, "dialog", to="anna", mode="exclusive")
    assert [("applied", None)] == console.process_commands()
    assert 1 == len(console.audited("asked"))
    again = boss.send(dialog, "dialog", to="ben", mode="exclusive").text
    assert [("rejected", "version_conflict")] == console.process_commands()
    assert "the conversation has changed in the meantime: look at it again. Now with anna." in text_of(boss, again)


def test_of_two_administrators_one_succeeds_and_the_other_learns_who_has_it(console: Console, boss: Browser) -> None:
    console.person("chief")
    chief = console.signed_in("chief")
    row = console.office.customer_writes()
    dialogs = [browser.get(f"/conversations/{row}/transfer/user", "dialog").text for browser in (boss, chief)]
    first = boss.send(dialogs[0], "dialog", to="anna", mode="exclusive").text
    second = chief.send(dialogs[1], "dialog", to="ben", mode="exclusive").text
    assert [("applied", None), ("rejected", "version_conflict")] == console.process_commands()
    assert "Reserved for anna." in text_of(boss, first)
    assert "Now with anna." in text_of(chief, second)


def test_an_administrator_cannot_see_the_commands_of_another(console: Console, boss: Browser) -> None:
    console.person("chief")
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    found = re.search(r'hx-get="(/commands/[^"]+)"', notice)
    assert found is not None
    assert 404 == console.signed_in("chief").get(found[1]).status_code


def test_without_kafka_the_dialog_says_so_and_keeps_its_fields(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    console.publisher.unreachable = True
    answer = boss.send(dialog, "dialog", to="ben", mode="exclusive")
    assert 503 == answer.status_code
    assert "Kafka" in answer.text
    assert ("ben", "exclusive") == (hidden(answer.text)["to"], hidden(answer.text)["mode"])
    console.publisher.unreachable = False
    boss.send(answer.text, "dialog")
    assert [("applied", None)] == console.process_commands()
    assert (1, 1) == (len(console.audited("asked")), len(console.audited("not_kept")))


def test_without_kafka_a_mail_keeps_its_text(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    console.publisher.unreachable = True
    answer = boss.send(page, "panel", to="you@example.com", subject="My subject", body="My text")
    assert 503 == answer.status_code
    assert all(words in answer.text for words in ("Kafka", "you@example.com", "My subject", "My text"))


def test_only_people_who_answer_customers_can_take_a_conversation(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    assert "/take" not in boss.get("/unmanaged").text
    assert 403 == boss.post(f"/conversations/{row}/take", form="f").status_code
    assert [(BOSS, row)] == [(entry["name"], entry["conversation_id"]) for entry in console.audited("forbidden")]
    console.person("anna")
    anna = console.signed_in("anna")
    page = anna.get("/unmanaged").text
    notice = anna.send(page.split("<tbody")[1], "notices").text
    assert [("applied", None)] == console.process_commands()
    assert "It is yours." in text_of(anna, notice)
    assert ("u", "anna", "x", False, None) == console.office.owner()


def test_taking_a_conversation_can_be_undone_like_a_transfer(console: Console) -> None:
    """One key press must not lose a customer."""
    console.office.customer_writes()
    console.person("anna")
    anna = console.signed_in("anna")
    notice = anna.send(anna.get("/unmanaged").text.split("<tbody")[1], "notices").text
    console.process_commands()
    undone = anna.send(page_of(anna, notice), "notices").text
    assert [("applied", None)] == console.process_commands()
    assert "Recalled: it is back on the list." in text_of(anna, undone)
    assert (None, None, None, True) == console.office.owner()[:4]


def test_only_the_agent_who_took_a_conversation_can_give_it_back_and_only_until_they_write(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes()
    console.office.desktop_reports(AgentAccepted, "anna", row)
    console.person("anna")
    anna = console.signed_in("anna")
    opened = f"/waiting?state=assigned&open={row}"
    assert "Accepted by anna" in boss.get(opened).text
    assert "Give it back" not in boss.get(opened).text
    page = anna.get(opened).text
    assert "Give it back" in page
    console.office.desktop_reports(AgentMessage, "anna", row)
    assert "Give it back" not in anna.get(opened).text
    anna.send(page.partition('id="panel-actions"')[2], "notices")
    assert [("rejected", "version_conflict")] == console.process_commands()


def test_undo_names_the_version_of_its_own_command(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    console.process_commands()
    (done,) = console.office.rows("select version from conversations")
    boss.send(page_of(boss, notice), "notices")
    assert done["version"] == recalled(console).expected_version


def test_undo_also_recalls_an_offer_that_routing_made_since(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    console.process_commands()
    done = page_of(boss, notice)
    console.office.presence("anna", "ready")
    console.office.routing.poll()
    assert ("u", "anna", "a") == console.office.owner()[:3]
    boss.send(done, "notices")
    assert [("applied", None)] == console.process_commands()


def test_undo_does_not_recall_a_later_decision(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    console.process_commands()
    office = console.office
    office.results_of(
        office.command("recall", {"conversation_id": str(row)}), office.transfer(row, "user", "ben", "exclusive")
    )
    boss.send(page_of(boss, notice), "notices")
    assert [("rejected", "version_conflict")] == console.process_commands()


def test_a_waiting_conversation_is_transferred_in_one_dialog_which_recalls_it_first(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes("1")
    assert ("s", "sales", "q") == console.office.owner()[:3]
    for path in ("/waiting", f"/waiting?open={row}"):
        assert f"/conversations/{row}/transfer/user" in boss.get(path).text
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    assert "It is recalled first." in dialog
    assert "disabled" not in dialog.partition("<footer>")[2]
    notice = transfer(row, boss, to="anna", mode="exclusive").text
    assert [("applied", None), ("applied", None)] == console.process_commands()
    assert ("u", "anna", "r") == console.office.owner()[:3]
    boss.send(page_of(boss, notice), "notices")
    assert [("applied", None)] == console.process_commands()
    assert [row] == ids(boss.get("/unmanaged").text)


def test_a_waiting_conversation_that_an_agent_accepts_meanwhile_stays_with_the_agent(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes()
    transfer(row, boss, to="anna", mode="exclusive")
    console.process_commands()
    transfer(row, boss, to="ben", mode="exclusive")
    console.office.desktop_reports(AgentAccepted, "anna", row)
    assert ["rejected", "rejected"] == [outcome for outcome, _ in console.process_commands()]
    assert ("u", "anna", "x") == console.office.owner()[:3]


def test_a_row_recalls_the_version_that_it_shows(console: Console, boss: Browser) -> None:
    console.office.customer_writes("1")
    (shown,) = console.office.rows("select version from conversations")
    boss.send(boss.get("/waiting").text.split("<tbody")[1], "notices")
    assert shown["version"] == recalled(console).expected_version


def test_a_rejected_command_can_be_sent_again_from_the_same_row_and_is_done_once(console: Console) -> None:
    console.person("ben")
    ben = console.signed_in("ben")
    busy, row = (console.office.customer_writes(phone=phone) for phone in ("391", "392"))
    page = ben.get(f"/unmanaged?open={row}").text.rpartition("<aside")[2]
    console.office.desktop_reports(AgentAccepted, "ben", busy)
    form = re.search(r'<form class="inline".*?</form>', page, re.DOTALL)
    assert form is not None

    def press() -> str:
        return ben.send(form[0], "notices").text

    refused = press()
    assert [("rejected", "user_at_capacity")] == console.process_commands()
    assert "Not taken: you have no free slot." in text_of(ben, refused)
    console.office.desktop_reports(AgentClosed, "ben", busy)
    done = [press(), press()]
    assert [("applied", None)] == console.process_commands()
    assert ["It is yours. Undo"] * 2 == [text_of(ben, notice).rpartition("92 ")[2] for notice in done]
    press()
    assert [] == console.process_commands()


def test_a_mail_can_be_recalled_while_it_is_held(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    answer = boss.send(page, "panel", to="you@example.com", subject="A customer", body="x").text
    console.process_commands()
    undone = boss.send(page_of(boss, answer), "notices").text
    assert [("applied", None)] == console.process_commands()
    assert "Recalled: the email will not be sent." in text_of(boss, undone)
    assert ["recalled"] == [mail["state"] for mail in console.office.rows("select state from mails")]


def test_a_transfer_works_without_script(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    answer = transfer(row, boss, into=None, to="anna", mode="exclusive")
    assert 303 == answer.status_code
    console.process_commands()
    page = boss.get(answer.location).text
    assert "<html" in page
    assert "Reserved for anna." in page


def test_the_dialog_asks_for_a_recipient(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    answer = transfer(row, boss, to="", mode="immediate")
    assert (422, []) == (answer.status_code, console.publisher.records)
    assert "Choose a recipient first." in answer.text


def test_an_unknown_conversation_has_no_dialog(boss: Browser) -> None:
    assert 404 == boss.get("/conversations/00000000-0000-0000-0000-000000000000/transfer/user").status_code


def test_every_action_is_in_the_audit_log_with_its_command(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    transfer(row, boss, to="anna", mode="exclusive")
    (entry,) = console.audited("asked")
    assert (BOSS, "127.0.0.1", row) == (entry["name"], entry["address"], entry["conversation_id"])
    assert {"what": "exclusive", "kind": "user", "target": "anna"} == entry["detail"]


def test_a_transferred_row_stays_in_place_and_shows_its_owner(console: Console, boss: Browser) -> None:
    first, second = (console.office.customer_writes(phone=phone) for phone in ("391", "392"))
    page = OpenList(console, boss)
    transfer(first, boss, to="anna", mode="exclusive")
    console.process_commands()
    changes = page.look()
    assert [first] == ids(changes)
    assert "Reserved for anna" in changes
    assert "1 waiting" in changes
    assert "The list has changed" not in changes
    assert second not in ids(changes)


def test_a_conflict_names_the_agent_who_has_the_conversation(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    dialog = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    console.office.desktop_reports(AgentAccepted, "carla", row)
    boss.send(dialog, "dialog", to="anna", mode="exclusive")
    assert [("rejected", "version_conflict")] == console.process_commands()
