"""Bulk actions: a preview, one command per conversation with its own result, and undo."""

import json
import re
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from console.pages import bulk
from console.pages.deferred.on_reply_of_many import SECOND_LOOK
from domain.facts import AgentAccepted
from infra.postgres.words.searching import MAX_SCANNED
from tests.support.console import Browser, Console, hidden, ids


def write(console: Console, n: int, hours_ago: float = 1) -> list[UUID]:
    return [console.office.customer_writes(phone=f"39{hours_ago}{k}", hours_ago=hours_ago) for k in range(n)]


def look(boss: Browser, do: str, rows: list[UUID] | None = None, **more: str) -> TestResponse:
    return boss.post("/bulk", "dialog", do=do, pick=[str(row) for row in rows or []], **more)


def results(boss: Browser, page: str) -> str:
    found = re.search(r'hx-get="(/bulk/[^"?]+)', page) or re.search(r'action="(/bulk/[^"/]+)/undo"', page)
    assert found is not None, page
    return boss.get(found[1], "dialog").text


def test_the_preview_counts_what_can_be_transferred_and_says_why_the_rest_cannot(
    console: Console, boss: Browser
) -> None:
    able, closed = write(console, 2), write(console, 1, 30)
    waits = console.office.customer_writes("1", "395")
    page = look(boss, "user", [*able, *closed, waits]).text
    assert "2 can be transferred." in page
    assert "1 × Closed" in page
    assert "1 × Queued for Sales" in page
    assert [] == console.publisher.records


def test_the_preview_predicts_how_many_each_recipient_would_be_offered(console: Console, boss: Browser) -> None:
    rows = write(console, 3)
    for agent in ("anna", "ben"):
        console.office.presence(agent, "ready")
    users, teams = (look(boss, kind, rows).text for kind in ("user", "skillset"))
    assert "the 2 most urgent can be offered immediately<" in users
    assert "the most urgent one can be offered immediately<" in users
    assert "all can be offered immediately" in teams


def test_the_counts_of_the_preview_add_up_with_many_reasons(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes("1" if n % 2 else "2", f"39{n}") for n in range(8)]
    for agent, row in zip(("anna", "ben", "carla"), rows, strict=False):
        console.office.desktop_reports(AgentAccepted, agent, row)
    rows += write(console, 2, 30)
    boss.send(look(boss, "user", late := write(console, 1)).text, "dialog", to="anna", mode="exclusive")
    console.process_commands()
    page = look(boss, "user", [*rows, *late]).text
    counts = re.findall(r"<li>(\d+) × ([^<]+)</li>", page)
    assert (6, "other reasons") == (len(counts), counts[-1][1])
    assert len(rows) + 1 == sum(int(count) for count, _ in counts)


def test_a_cut_search_says_that_there_may_be_more_matches(console: Console, boss: Browser) -> None:
    write(console, 1)
    assert "There may be more" not in look(boss, "user", all="1", q="hello").text
    console.office.connection.execute(
        "insert into conversations select (r).* from (select json_populate_record(c, json_build_object("
        "'id', gen_random_uuid(), 'customer_id', gen_random_uuid(), 'last_text', 'bye', 'search', 'bye')) as r "
        "from conversations c, generate_series(0, %s)) as more",
        (MAX_SCANNED,),
    )
    assert "There may be more matches" in look(boss, "user", all="1", q="hello").text


def test_each_conversation_is_a_command_with_its_own_result(console: Console, boss: Browser) -> None:
    rows = write(console, 3)
    page = look(boss, "user", rows).text
    console.office.presence("ben", "ready")
    answer = boss.send(page, "dialog", to="ben", mode="immediate").text
    assert "0 done · 2 rejected · 1 pending" in answer
    assert [("applied", None)] == console.process_commands()
    shown = results(boss, answer)
    assert "1 done · 2 rejected · 0 pending" in shown
    assert "<b>2</b> × Not transferred: ben has no free slot." in shown
    assert 1 == len({row["batch_id"] for row in console.office.rows("select batch_id from command_audit")})


def test_all_that_match_includes_other_pages(console: Console, boss: Browser) -> None:
    rows = write(console, 12)
    console.office.customer_writes("7", "396")
    page = look(boss, "user", all="1", reason="no_choice").text
    assert "12 can be transferred." in page
    boss.send(page, "dialog", to="anna", mode="exclusive")
    assert [("applied", None)] * 12 == console.process_commands()
    assert not set(rows) & set(ids(boss.get("/unmanaged").text))


def offered(console: Console) -> list[str]:
    """The phones of the customers who were offered or reserved."""
    rows = console.office.rows("select wa_id from conversations where owner_state in ('a', 'r') order by last_at")
    return [row["wa_id"] for row in rows]


def test_the_most_urgent_get_the_free_slots_and_the_rest_can_be_reserved(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes(phone=f"39{hours}", hours_ago=hours) for hours in (2, 23, 1, 22, 3)]
    console.office.presence("anna", "ready")
    page = look(boss, "user", rows).text
    answer = boss.send(page, "dialog", to="anna", mode="immediate").text
    assert [("applied", None)] * 2 == console.process_commands()
    assert ["3923", "3922"] == offered(console)
    shown = results(boss, answer)
    assert "<b>2</b> × Offered to anna." in shown
    assert "<b>3</b> × Not transferred: anna has no free slot." in shown
    assert "Reserve the 3 for anna" in shown
    reserve = re.search(r'action="(/bulk/[^"]+/reserve)"', shown)
    assert reserve is not None
    reserved = boss.post(reserve[1], "dialog", form=hidden(shown)["form"]).text
    assert [("applied", None)] * 3 == console.process_commands()
    assert ["3923", "3922", "393", "392", "391"] == offered(console)
    assert "<b>3</b> × Reserved for anna." in results(boss, reserved)


def test_the_most_urgent_get_the_free_slots_and_the_rest_is_reserved_at_once(console: Console, boss: Browser) -> None:
    """Also when the form is sent again: the same ones are reserved."""
    rows = [console.office.customer_writes(phone=f"39{hours}", hours_ago=hours) for hours in (2, 23, 1, 22, 3)]
    console.office.presence("anna", "ready")
    page = look(boss, "user", rows).text
    console.publisher.unreachable = True
    assert 503 == boss.send(page, "dialog", to="anna", mode="split").status_code
    console.publisher.unreachable = False
    for _ in range(2):
        answer = boss.send(page, "dialog", to="anna", mode="split").text
        console.process_commands()
    shown = results(boss, answer)
    assert "5 done · 0 rejected · 0 pending" in shown
    assert ("<b>2</b> × Offered to anna." in shown, "<b>3</b> × Reserved for anna." in shown) == (True, True)
    states = console.office.rows("select wa_id, owner_state from conversations order by last_at")
    assert [("3923", "a"), ("3922", "a"), ("393", "r"), ("392", "r"), ("391", "r")] == [
        (*row.values(),) for row in states
    ]


def test_everything_is_reserved_at_once_if_the_last_slot_is_gone(console: Console, boss: Browser) -> None:
    page = look(boss, "user", write(console, 2)).text
    boss.send(page, "dialog", to="anna", mode="split")
    assert [("applied", None)] * 2 == console.process_commands()
    states = console.office.rows("select owner_state from conversations")
    assert ["r", "r"] == [row["owner_state"] for row in states]


def test_a_form_sent_again_gives_the_slots_to_the_same_conversations(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes(phone=f"39{hours}", hours_ago=hours) for hours in (1, 23, 22)]
    console.office.presence("ben", "ready")
    page = look(boss, "user", rows).text
    console.publisher.unreachable = True
    assert 503 == boss.send(page, "dialog", to="ben", mode="immediate").status_code
    console.publisher.unreachable = False
    for _ in range(2):
        answer = boss.send(page, "dialog", to="ben", mode="immediate").text
        console.process_commands()
    assert ["3923"] == offered(console)
    assert "1 done · 2 rejected · 0 pending" in results(boss, answer)


def test_what_waits_is_transferred_when_the_form_is_sent_again_after_kafka_was_away(
    console: Console, boss: Browser
) -> None:
    """Its recalls are sent first, so nothing of the batch but what was held back is known then."""
    rows = [console.office.customer_writes("1", f"39{n}") for n in range(3)]
    console.office.presence("ben", "ready")
    page = look(boss, "user", rows, reroutes="1").text
    console.publisher.unreachable = True
    assert 503 == boss.send(page, "dialog", to="ben", mode="immediate").status_code
    console.publisher.unreachable = False
    answer = boss.send(page, "dialog", to="ben", mode="immediate").text
    console.process_commands()
    assert "1 done · 2 rejected · 0 pending" in results(boss, answer)


def test_results_of_a_skillset_say_which_member_got_it(console: Console, boss: Browser) -> None:
    console.office.presence("carla", "ready")
    answer = boss.send(look(boss, "skillset", write(console, 1)).text, "dialog", to="support", mode="immediate").text
    console.process_commands()
    assert "Offered to carla (Support)." in results(boss, answer)


def test_all_that_match_leaves_closed_ones_out_unless_only_they_are_listed(console: Console, boss: Browser) -> None:
    write(console, 2)
    write(console, 3, 30)
    for status, n in (("", 2), ("closed", 3)):
        assert f"{n} can be sent." in look(boss, "email", all="1", status=status).text


def test_an_action_on_many_is_confirmed_by_their_number(
    console: Console, boss: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 100 == SECOND_LOOK
    monkeypatch.setattr(bulk, "SECOND_LOOK", 2)
    page = look(boss, "user", write(console, 3)).text
    assert "Type 3 to confirm" in page
    refused = boss.send(page, "dialog", to="anna", mode="exclusive")
    assert (422, []) == (refused.status_code, console.publisher.records)
    assert "type the number of conversations" in refused.text
    boss.send(refused.text, "dialog", to="anna", mode="exclusive", confirmed=" 3 ")
    assert [("applied", None)] * 3 == console.process_commands()


def test_undo_recalls_every_conversation_that_can_be_recalled(console: Console, boss: Browser) -> None:
    rows = write(console, 2)
    answer = boss.send(look(boss, "user", rows).text, "dialog", to="anna", mode="exclusive").text
    console.process_commands()
    done = results(boss, answer)
    versions = [row["version"] for row in console.office.rows("select version from conversations")]
    undone = boss.send(done, "dialog").text
    assert versions == [json.loads(record.value)["expected_version"] for record in console.publisher.records]
    assert [("applied", None)] * 2 == console.process_commands()
    assert "2 done" in results(boss, undone)
    assert set(rows) == set(ids(boss.get("/unmanaged").text))


def test_undo_also_recalls_transfers_that_are_still_pending(console: Console, boss: Browser) -> None:
    rows = write(console, 2)
    answer = boss.send(look(boss, "user", rows).text, "dialog", to="anna", mode="exclusive").text
    done, pending = console.publisher.records
    console.publisher.records = [done]
    console.process_commands()
    console.publisher.records = [pending]
    boss.send(results(boss, answer), "dialog")
    assert [pending.key, done.key, pending.key] == [record.key for record in console.publisher.records]
    versions = [json.loads(record.value).get("expected_version") for record in console.publisher.records[1:]]
    assert [True, False] == [version is not None for version in versions]
    assert [("applied", None)] * 3 == console.process_commands()
    assert set(rows) == set(ids(boss.get("/unmanaged").text))


def test_undo_of_mails_is_offered_once_each_has_a_result(console: Console, boss: Browser) -> None:
    page = look(boss, "email", write(console, 2)).text
    answer = boss.send(page, "dialog", to="you@example.com", subject="s", body="b").text
    done, pending = console.publisher.records
    offered = []
    for each in (done, pending):
        console.publisher.records = [each]
        console.process_commands()
        offered.append("/undo" in results(boss, answer))
    assert [False, True] == offered


def test_a_bulk_mail_sends_one_mail_per_conversation_also_of_closed_ones(console: Console, boss: Browser) -> None:
    rows = write(console, 1) + write(console, 1, 30)
    page = look(boss, "email", rows).text
    assert "2 can be sent." in page
    wrong = boss.send(page, "dialog", to="nobody", subject="s", body="my text")
    assert 422 == wrong.status_code
    assert "my text" in wrong.text
    answer = boss.send(wrong.text, "dialog", to="you@example.com").text
    assert [("applied", None)] * 2 == console.process_commands()
    boss.send(results(boss, answer), "dialog")
    assert [("applied", None)] * 2 == console.process_commands()
    assert ["recalled"] * 2 == [mail["state"] for mail in console.office.rows("select state from mails")]


def test_the_preview_of_a_bulk_mail_shows_the_first(console: Console, boss: Browser) -> None:
    first, second = (console.office.customer_writes(text, text) for text in ("one bicycle", "two bicycles"))
    page = look(boss, "email", [first, second]).text
    assert 'title="Preview of the email: the first of 2"' in page
    filled = {**hidden(page), "to": "you@example.com", "subject": "Customers", "body": "Please call."}
    shown = boss.post("/bulk/email/preview", **filled)
    assert ["Customers" in shown.text, "one bicycle" in shown.text, "two bicycles" in shown.text] == [True, True, False]
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert [] == console.publisher.records
    assert [404, 400] == [boss.post("/bulk/email/preview", able=each).status_code for each in ("", "x")]


def test_a_bulk_form_sent_twice_is_done_once(console: Console, boss: Browser) -> None:
    page = look(boss, "user", write(console, 2)).text
    for _ in range(2):
        boss.send(page, "dialog", to="anna", mode="exclusive")
    assert [("applied", None)] * 2 == console.process_commands()


def test_without_kafka_nothing_is_lost(console: Console, boss: Browser) -> None:
    page = look(boss, "user", write(console, 2)).text
    console.publisher.unreachable = True
    answer = boss.send(page, "dialog", to="anna", mode="exclusive")
    assert (503, True) == (answer.status_code, "Kafka" in answer.text)
    console.publisher.unreachable = False
    boss.send(answer.text, "dialog")
    assert [("applied", None)] * 2 == console.process_commands()


def test_an_empty_selection_and_invalid_values_do_nothing(console: Console, boss: Browser) -> None:
    assert "0 can be transferred." in look(boss, "user").text
    assert [400, 400, 422] == [
        look(boss, "nonsense").status_code,
        boss.post("/bulk/user", "dialog", able="x", to="anna", form="f").status_code,
        boss.post("/bulk/user", "dialog", able="", to="anna", form="f").status_code,
    ]
    assert [] == console.publisher.records


def test_an_administrator_cannot_see_or_undo_the_batch_of_another(console: Console, boss: Browser) -> None:
    console.person("chief")
    answer = boss.send(look(boss, "user", write(console, 1)).text, "dialog", to="anna", mode="exclusive").text
    found = re.search(r'hx-get="(/bulk/[^"?]+)', answer)
    assert found is not None
    chief = console.signed_in("chief")
    console.process_commands()
    assert [404, 404] == [chief.get(found[1]).status_code, chief.post(f"{found[1]}/undo", form="f").status_code]
