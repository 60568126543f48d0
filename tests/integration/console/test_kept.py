"""What colleagues keep about a conversation: notes with mentions, tags, saved lists; who else looks at it."""

import csv
import re
from dataclasses import replace
from uuid import UUID

from domain.directory import User
from domain.facts import AgentAccepted
from tests.support.console import Browser, Console, OpenList, hidden, ids
from tests.support.office import COMPANY, USERS
from tests.support.stories import FactMaker

MARIA = User("maria", "Maria Bianchi", "maria@example.com", "tenant_administrator", 0)


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).strip()


def with_maria(console: Console) -> Browser:
    console.office.apply_directory(replace(COMPANY, users={**USERS, "maria": MARIA}))
    console.person("maria", administrator=False)
    return console.signed_in("maria")


def add_note(browser: Browser, row: UUID, text: str) -> str:
    return browser.post(f"/conversations/{row}/notes", "kept", text=text, form="form").text


def test_a_note_is_shown_to_colleagues_with_who_and_when_and_told_to_those_it_mentions(
    console: Console, boss: Browser
) -> None:
    maria, row = with_maria(console), console.office.customer_writes()
    page = add_note(boss, row, "She asked twice, @maria can you call?")
    assert "She asked twice" in page
    assert "for Maria Bianchi" in words_of(page)
    assert page.count("She asked twice") == add_note(boss, row, "She asked twice, @maria can you call?").count(
        "She asked twice"
    )
    listed = maria.get("/unmanaged").text
    assert re.search(r'class="chip" title="Mentions of you">\s*1<', listed)
    assert "1 note" in words_of(listed)
    mentions = words_of(maria.get("/mentions").text)
    assert "She asked twice, @maria can you call?" in mentions
    assert "new" in mentions
    assert "Notes (1)" in words_of(maria.get(f"/unmanaged?open={row}&tab=notes", "panel").text)
    assert 'title="Mentions of you"' not in maria.get("/unmanaged").text
    assert "She asked twice" not in boss.get("/mentions").text


def test_a_note_can_be_deleted_by_its_author_and_leaves_a_trace_without_its_text(
    console: Console, boss: Browser
) -> None:
    maria, row = with_maria(console), console.office.customer_writes()
    page = add_note(maria, row, "Not nice")
    (url,) = re.findall(r'action="([^"]+/delete)"', page)
    assert "Not nice" not in maria.post(url, "kept").text
    (trace,) = console.audited("note_deleted")
    assert ("maria", row, {"of": "maria"}) == (trace["name"], trace["conversation_id"], trace["detail"])
    assert [] == console.office.rows("select * from notes")
    add_note(boss, row, "Mine")
    (mine,) = console.office.rows("select id from notes")
    maria.post(f"/conversations/{row}/notes/{mine['id']}/delete", "kept")
    assert [] == console.office.rows("select * from notes")


def test_tags_are_pills_of_the_row_are_suggested_elsewhere_and_filter_the_list(console: Console, boss: Browser) -> None:
    row, other = console.office.customer_writes(), console.office.customer_writes("hello bike", phone="391")
    page = boss.post(f"/conversations/{row}/notes/tags", "kept", tag=" #Invoice ").text
    assert 'tag=invoice"' in page or "tag=invoice&" in page
    assert re.search(r'class="tag">\s*invoice<', boss.get("/unmanaged").text)
    assert '<option value="invoice">' in boss.get(f"/conversations/{other}/notes", "kept").text
    assert [row] == ids(boss.get("/unmanaged?tag=invoice").text)
    assert [row] == ids(boss.get("/unmanaged?tag=Invoice&order=newest&status=all").text)
    assert [] == ids(boss.get("/unmanaged?tag=invoice&q=bike").text)
    assert "1 active · 0 closed" in words_of(boss.get("/unmanaged?tag=invoice").text)
    boss.post(f"/conversations/{row}/dismiss", "dialog", why="spam", form="once")
    console.process_commands()
    assert [row] == ids(boss.get("/unmanaged?tag=invoice&status=dismissed").text)
    assert [] == ids(boss.get("/unmanaged?tag=bike&status=dismissed").text)
    boss.post(f"/conversations/{row}/notes/tags/remove", "kept", tag="invoice")
    assert [] == ids(boss.get("/unmanaged?tag=invoice&status=dismissed").text)
    assert [{"tag": "invoice"}] == [each["detail"] for each in console.audited("tag_removed")]


def test_a_list_of_a_tag_says_when_not_all_that_have_it_are_looked_at(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    boss.post(f"/conversations/{row}/notes/tags", "kept", tag="invoice")
    warning = "Only the 20,000 conversations that got this tag last are listed."
    assert warning not in words_of(boss.get("/unmanaged?tag=invoice").text)
    console.office.connection.execute(
        "insert into conversation_tags (conversation_id, tag, author, at) "
        "select gen_random_uuid(), 'invoice', 'boss', now() - interval '1 year' from generate_series(1, 20000)"
    )
    page = boss.get("/unmanaged?tag=invoice").text
    assert [row] == ids(page)
    assert warning in words_of(page)


def test_notes_and_tags_reach_an_open_list_and_panel(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    shown = OpenList(console, boss)
    shown.listen(open=str(row))
    shown.look()
    boss.post(f"/conversations/{row}/notes/tags", "kept", tag="invoice")
    changed = shown.look()
    assert "event: open" in changed
    assert re.search(r'class="tag">\s*invoice<', changed)


def test_two_people_at_one_conversation_see_each_other_until_one_leaves(console: Console, boss: Browser) -> None:
    maria, row = with_maria(console), console.office.customer_writes()
    for browser in (boss, maria):
        shown = OpenList(console, browser)
        shown.listen(open=str(row))
        shown.look()
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert "Maria Bianchi is looking at this" in words_of(panel)
    maria.get(f"/conversations/{row}/dialog?kind=transfer&version=1", "dialog")
    assert "Maria Bianchi is about to transfer it" in words_of(boss.get(f"/unmanaged?open={row}", "panel").text)
    maria.get(f"/conversations/{row}/dialog?closed=1", "dialog")
    assert "Maria Bianchi is looking at this" in words_of(boss.get(f"/unmanaged?open={row}", "panel").text)
    console.office.connection.execute("update viewers set seen_at = now() - interval '1 minute'")
    assert "Maria" not in words_of(boss.get(f"/unmanaged?open={row}", "panel").text)


def test_a_dialog_says_that_its_conversation_changed_under_it(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/conversations/{row}/transfer/user", "dialog").text
    found = re.search(r'hx-get="(/conversations/[^"]+/dialog\?[^"]+)"', page)
    assert found is not None
    look = found[1].replace("&amp;", "&")
    assert "changed" not in boss.get(look, "dialog").text
    console.office.results_of(console.office.transfer(row, "skillset", "sales", "exclusive", issuer="ben"))
    assert "It has changed meanwhile (ben): Reserved for Sales" in words_of(boss.get(look, "dialog").text)


def test_an_open_dialog_is_told_by_the_stream_when_somebody_else_opens_one_and_when_they_close_it(
    console: Console, boss: Browser
) -> None:
    maria, row = with_maria(console), console.office.customer_writes()
    page = OpenList(console, maria)
    page.look()
    assert "event: dialogs" not in page.look()
    found = re.search(r'hx-get="([^"]+/dialog\?[^"]+)"', boss.get(f"/conversations/{row}/dismiss", "dialog").text)
    assert found is not None
    boss.get(found[1].replace("&amp;", "&"), "dialog")
    assert "event: dialogs" in page.look()
    assert "event: dialogs" not in page.look()
    dialog = maria.get(f"/conversations/{row}/transfer/user", "dialog").text
    assert re.search(r'hx-trigger="[^"]*dialogs from:body', dialog)
    look = re.search(r'hx-get="([^"]+/dialog\?[^"]+)"', dialog)
    assert look is not None
    assert "is about to dismiss it" in maria.get(look[1].replace("&amp;", "&"), "dialog").text
    assert "event: dialogs" in page.look()  # her own
    boss.get(f"/conversations/{row}/dialog?closed=1")
    assert "event: dialogs" in page.look()
    assert "about to" not in maria.get(look[1].replace("&amp;", "&"), "dialog").text


def test_a_mention_leads_agents_to_their_desk_where_they_may_open_it(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    console.office.desktop_reports(AgentAccepted, "anna", row)
    console.person("anna", administrator=False)
    anna = console.signed_in("anna")
    add_note(boss, row, "@anna please call her")
    (link,) = re.findall(rf'href="([^"]*{row}[^"]*)"', anna.get("/mentions").text)
    assert f"/desk/{row}" == link
    assert "please call her" in anna.get(link).text


def test_a_saved_list_has_its_count_and_others_see_it_if_it_is_shared(console: Console, boss: Browser) -> None:
    maria = with_maria(console)
    console.office.customer_writes()
    console.office.customer_writes("9", phone="391")
    saved = boss.post("/saved-lists?reason=invalid_choice", "saved-lists", name="Wrong choices", shared="1").text
    assert "Wrong choices 1" in words_of(saved)
    assert 'href="/unmanaged?reason=invalid_choice"' in saved
    boss.post("/saved-lists?status=closed", "saved-lists", name="Closed ones")
    hers = words_of(maria.get("/saved-lists", "saved-lists").text)
    assert "Wrong choices" in hers
    assert "Closed ones" not in hers
    (url,) = re.findall(r'action="([^"]+/delete)"', maria.get("/saved-lists", "saved-lists").text)
    maria.post(url, "saved-lists")
    assert "Wrong choices" not in boss.get("/saved-lists", "saved-lists").text
    assert 422 == boss.post("/saved-lists", "saved-lists", name=" ").status_code


def test_a_conversation_can_be_printed_and_saved_without_what_the_customer_deleted(
    console: Console, boss: Browser
) -> None:
    maker = FactMaker()
    hour = console.office.hours_ago(1)
    secret, kept = maker.turn(hour, "My secret"), maker.turn(hour + 0.01, "Is my bike ready?")
    console.office.process(secret, kept, maker.deletes(hour + 0.02, secret))
    (row,) = ids(boss.get("/unmanaged").text)
    assert f"/conversations/{row}/transcript" in boss.get(f"/unmanaged?open={row}&tab=info", "panel").text
    add_note(boss, row, "Only for us")
    for page in (
        boss.get(f"/conversations/{row}/transcript").text,
        boss.get(f"/conversations/{row}/transcript.txt").text,
    ):
        assert "Is my bike ready?" in page
        assert "deleted by the customer" in page
        assert "My secret" not in page
        assert "Only for us" not in page
    assert {"kind": "txt"} == console.audited("downloaded")[-1]["detail"]


def test_the_dialog_suggests_the_skillset_that_the_customers_words_name_and_says_why(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes("I need your support, please")
    page = boss.get(f"/conversations/{row}/transfer/skillset", "dialog").text
    assert "support" == hidden(page)["to"]
    assert "Suggested: Support. The customer wrote “support”." in words_of(page)
    other = console.office.customer_writes("hello", phone="391")
    assert "Suggested" not in boss.get(f"/conversations/{other}/transfer/skillset", "dialog").text


def test_notes_and_tags_are_in_the_download(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    add_note(boss, row, "Call her")
    boss.post(f"/conversations/{row}/notes/tags", "kept", tag="invoice")
    (cells,) = csv.DictReader(boss.download("/unmanaged.csv").decode("utf-8-sig").splitlines())
    assert "invoice" == cells["Tags"]
    assert cells["Notes"].endswith(": Call her")


def test_nothing_is_kept_about_a_conversation_that_was_removed_while_a_page_shows_it(
    console: Console, boss: Browser
) -> None:
    """Its customer was erased: what names them would stay for ever."""
    row = console.office.customer_writes()
    add_note(boss, row, "Call her")
    console.office.connection.execute("delete from notes")
    console.office.connection.execute("delete from conversations")
    of = f"/conversations/{row}/notes"
    assert 404 == boss.post(of, "kept", text="Zoe called again", form="form").status_code
    assert 404 == boss.post(f"{of}/tags", "kept", tag="zoe").status_code
    assert 404 == boss.get(of, "kept").status_code
    assert [] == console.office.rows("select id from notes union all select conversation_id from conversation_tags")
