"""The directory in the console: edited with the file's validation, checked before it is saved, and never silently over
what somebody else saved; its versions, and who is ready."""

import re
from dataclasses import replace
from datetime import time
from html import unescape
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from console.live.directory import DirectoryWatcher
from consumers.changes.directory import apply_directory
from domain.directory import Directory, Number, Opening, Skillset, User
from domain.facts import AgentDeclined
from domain.rules.rule import Rule, RuleTransfer
from infra.postgres import directory
from infra.postgres.directory_versions import VersionOrigin, listed
from tests.support.console import Browser, Console, OpenPage, hidden
from tests.support.office import COMPANY
from tests.support.stories import NUMBER

USER, SHOP = "/directory/user/edit", "/directory/number/edit"


def current(console: Console) -> Directory:
    return directory.read(console.office.connection)[1]


def edits(browser: Browser, path: str, **changed: str) -> str:
    """Fills in the form of a table and sends it; returns the page that follows. Names with underscores in pairs for
    dots."""
    form = browser.get(path).text.rpartition("<main")[2]
    fields = {**fields_of(form), **{name.replace("__", "."): value for name, value in changed.items()}}
    return follows(browser, browser.post(path.partition("?")[0], **fields))


def fields_of(form: str) -> dict[str, str]:
    """What a browser sends of a form: also what is chosen in lists and written in areas."""
    found = hidden(form)
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"( selected)?', options)
        found[name] = unescape(next((value for value, chosen in values if chosen), values[0][0] if values else ""))
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found[unescape(name)] = unescape(text)
    return found


def follows(browser: Browser, answer: TestResponse) -> str:
    """The page that follows an answer."""
    return browser.get(answer.headers["Location"]).text if answer.status_code == 303 else answer.text


def saves(console: Console, browser: Browser, draft: str) -> str:
    """Presses *Save* of a draft's page, and returns the page once the command was carried out."""
    answer = browser.send(draft)
    assert 303 == answer.status_code
    console.process_commands()
    return browser.get(answer.headers["Location"]).text


def text(page: str) -> str:
    """The words of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.rpartition("<main")[2])).split())


def test_an_edit_is_checked_saved_and_a_version_with_its_author(console: Console, boss: Browser) -> None:
    draft = edits(boss, f"{USER}?id=anna", max_conversations="4", note="More in December")
    assert "conversations at once 2 → becomes 4" in text(draft)
    assert "More in December" in draft
    assert 2 == current(console).users["anna"].max_conversations
    assert "Saved" in text(saves(console, boss, draft))
    assert 4 == current(console).users["anna"].max_conversations
    version = listed(console.office.connection, None, 1)[0]
    assert ("boss", "More in December", [["changed", "user", "anna"]]) == (
        version.author,
        version.note,
        version.changes,
    )


def test_hours_a_menu_and_texts_are_edited_and_the_rest_stays(console: Console, boss: Browser) -> None:
    before = current(console).numbers[NUMBER]
    draft = edits(
        boss,
        f"{SHOP}?id={NUMBER}",
        hours__mon="09:00-19:00",
        menu__9__choice="Rent",
        menu__9__skillset="support",
        texts__en__greeting="Welcome!\r\n{menu}",
    )
    saves(console, boss, draft)
    after = current(console).numbers[NUMBER]
    assert (Opening(time(9), time(19)),) == (after.hours or {})["mon"]
    assert ("support", "Welcome!\n{menu}") == (after.menu["Rent"], after.texts["en"]["greeting"])
    assert (before.name, before.time_zone, before.softbot) == (after.name, after.time_zone, after.softbot)
    assert before.menu.items() <= after.menu.items()


def test_what_is_wrong_is_said_at_its_field_in_the_words_of_the_file(console: Console, boss: Browser) -> None:
    page = edits(boss, f"{SHOP}?id={NUMBER}", hours__tue="9-18", name="New name", time_zone="Europe/Rom")
    assert 'id="wrong-hours.tue"' in page
    assert "“" not in text(page).partition("are not hours")[0][-8:]
    assert '"9-18" are not hours; write them like "09:00-13:00"' in text(page)
    assert 'did you mean "Europe/Rome"?' in text(page)
    assert ('value="9-18"' in page, 'value="New name"' in page) == (True, True)
    assert [] == console.office.rows("select id from directory_drafts")


def test_a_menu_that_leads_to_no_skillset_is_said_in_its_row(boss: Browser) -> None:
    page = edits(boss, f"{SHOP}?id={NUMBER}", menu__9__choice="9", menu__9__skillset="nobody")
    assert 'id="wrong-menu.9"' in page
    assert 'there is no skillset "nobody"' in text(page)


def test_an_edit_that_changes_nothing_makes_no_draft(console: Console, boss: Browser) -> None:
    assert "Nothing differs from what is there." in edits(boss, f"{SHOP}?id={NUMBER}")
    assert [] == console.office.rows("select id from directory_drafts")


def test_users_skillsets_and_numbers_are_added(console: Console, boss: Browser) -> None:
    saves(console, boss, edits(boss, "/directory/skillset/edit", id="rent", name="Rental"))
    user = {"id": "zoe", "name": "Zoe", "email": "zoe@example.com", "max_conversations": "1", "skillsets__rent": "1"}
    saves(console, boss, edits(boss, USER, **user))
    saves(console, boss, edits(boss, SHOP, phone_number_id="77", name="Rental", time_zone="Roma"))
    now = current(console)
    assert Skillset("rent", "Rental") == now.skillsets["rent"]
    assert User("zoe", "Zoe", "zoe@example.com", "agent", 1, ("rent",)) == now.users["zoe"]
    assert Number("77", "Rental", "Europe/Rome") == now.numbers["77"]
    assert "already defined" in text(edits(boss, "/directory/skillset/edit", id="rent", name="Again"))


def test_a_change_of_the_menu_is_tried_on_the_last_days_before_it_is_saved(console: Console, boss: Browser) -> None:
    lost = console.office.customer_writes("Rent", "16505550001")
    console.office.customer_writes("hello", "16505550002")
    draft = edits(boss, f"{SHOP}?id={NUMBER}", menu__9__choice="Rent", menu__9__skillset="sales")
    trial = re.search(r'hx-get="(/directory/drafts/[^"]+/trial)"', draft)
    assert trial is not None
    page = boss.get(trial[1]).text
    assert "1 conversation would have gone differently. 1 of them was never answered." in text(page)
    assert "1: Nothing chosen → becomes Queued for Sales" in text(page)
    assert ("Queued for Sales 0 1" in text(page), f"open={lost}" in page) == (True, True)
    assert "2 conversations of the numbers that change were looked at." in text(page)
    assert "<html" not in boss.http.get(trial[1], headers={"HX-Request": "true"}).text


def test_a_change_that_decides_nothing_otherwise_is_not_tried(boss: Browser) -> None:
    assert "/trial" not in edits(boss, f"{SHOP}?id={NUMBER}", name="Another name")
    assert 404 == boss.get(f"/directory/drafts/{UUID(int=1)}/trial").status_code


def test_removing_a_user_says_how_many_conversations_go_back_to_the_list(console: Console, boss: Browser) -> None:
    conversation = console.office.customer_writes()
    console.office.results_of(console.office.transfer(conversation, "user", "anna", "exclusive"))
    draft = follows(boss, boss.post("/directory/user/remove", of="anna"))
    assert "1 conversation of anna goes back to the list." in text(draft)
    saves(console, boss, draft)
    assert (None, True) == (console.office.owner()[0], console.office.owner()[3])


def test_removing_a_skillset_takes_it_from_its_users_and_menus_too(console: Console, boss: Browser) -> None:
    draft = follows(boss, boss.post("/directory/skillset/remove", of="sales"))
    saves(console, boss, draft)
    now = current(console)
    assert ("sales" in now.skillsets, now.users["anna"].skillsets) == (False, ())
    assert "sales" not in {skillset for number in now.numbers.values() for skillset in number.menu.values()}


def test_of_two_editors_the_second_sees_what_the_first_saved_and_puts_theirs_on_top(console: Console) -> None:
    console.person("eva")
    first, second = console.signed_in(), console.signed_in("eva")
    mine = edits(second, f"{USER}?id=anna", name="Anna Maria")
    theirs = edits(first, f"{USER}?id=ben", max_conversations="5")
    saves(console, first, theirs)
    page = saves(console, second, mine)
    assert "Somebody else was faster" in text(page)
    assert "by boss" in text(page)
    assert "ben conversations at once 1 → becomes 5" in text(page)
    on_top = follows(second, second.send(page))
    assert ("Check the change" in text(on_top), "You both changed" in text(on_top)) == (True, False)
    saves(console, second, on_top)
    now = current(console)
    assert ("Anna Maria", 5) == (now.users["anna"].name, now.users["ben"].max_conversations)


def test_two_saves_at_once_are_told_apart_by_the_command_itself(console: Console) -> None:
    """Both pages still said that nobody else had saved."""
    console.person("eva")
    first, second = console.signed_in(), console.signed_in("eva")
    drafts = [
        edits(first, f"{USER}?id=ben", max_conversations="5"),
        edits(second, f"{USER}?id=ben", max_conversations="7"),
    ]
    addresses = [each.send(draft).headers["Location"] for each, draft in zip((first, second), drafts, strict=True)]
    assert "Saving" in text(second.get(addresses[1]).text)
    assert [("applied", None), ("rejected", "version_conflict")] == console.process_commands()
    assert "Saved" in text(first.get(addresses[0]).text)
    page = second.get(addresses[1]).text
    assert "Somebody else was faster" in text(page)
    disputed = follows(second, second.send(page))
    assert "You both changed the same." in text(disputed)
    saves(console, second, disputed)
    assert 7 == current(console).users["ben"].max_conversations


def test_what_the_command_line_applied_meanwhile_is_not_undone(console: Console, boss: Browser) -> None:
    draft = edits(boss, f"{USER}?id=anna", max_conversations="9")
    zoe = User("zoe", "Zoe", "zoe@example.com", "agent", 1)
    company = replace(current(console), users={**current(console).users, "zoe": zoe})
    apply_directory(console.office.connection, company, console.office.topics, VersionOrigin("root", "company.toml"))
    page = saves(console, boss, draft)
    assert ("User Zoe: added" in text(page), "company.toml" in page) == (True, True)
    saves(console, boss, follows(boss, boss.send(page)))
    assert {"zoe"} < set(current(console).users)
    assert 9 == current(console).users["anna"].max_conversations


def test_a_form_that_was_opened_before_somebody_else_saved_keeps_what_was_typed(
    console: Console, boss: Browser
) -> None:
    form = boss.get(f"{USER}?id=anna").text.rpartition("<main")[2]
    console.office.apply_directory(without(current(console), "carla"))
    fields = {**fields_of(form), "name": "Anna Maria"}
    page = follows(boss, boss.post(USER, **fields))
    assert ("Somebody else was faster" in text(page), "User carla: removed" in text(page)) == (True, True)
    assert "name anna → becomes Anna Maria" in text(page)


def test_two_changes_can_be_one_version(console: Console, boss: Browser) -> None:
    draft = edits(boss, f"{USER}?id=anna", max_conversations="4")
    address = next(part for part in draft.split('"') if part.startswith(f"{USER}?draft=") or "&amp;draft=" in part)
    more = edits(boss, address.replace("&amp;", "&"), name="Anna Maria")
    assert ("becomes 4" in text(more), "becomes Anna Maria" in text(more)) == (True, True)
    saves(console, boss, more)
    assert (2, "Anna Maria") == (directory.version(console.office.connection), current(console).users["anna"].name)


def test_a_number_that_customers_write_to_is_added_with_one_click(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    console.office.apply_directory(replace(current(console), numbers={}))
    page = boss.get("/directory/number").text
    assert "conversation was left alone" in text(page)
    saved = follows(boss, boss.send(page))
    assert "Saving" in text(saved)
    console.process_commands()
    assert {NUMBER} == set(current(console).numbers)
    assert 404 == boss.post("/directory/number/seen", of="12345").status_code


def test_versions_are_listed_compared_downloaded_and_gone_back_to(console: Console, boss: Browser) -> None:
    saves(console, boss, edits(boss, f"{USER}?id=anna", max_conversations="4"))
    saves(console, boss, edits(boss, f"{USER}?id=anna", max_conversations="5", note="Even more"))
    page = boss.get("/directory/versions").text
    assert ("Even more" in page, "3 now" in text(page)) == (True, True)
    difference = boss.get("/directory/versions/diff?before=1&after=3").text
    assert "anna conversations at once 2 → becomes 5" in text(difference)
    assert "+max_conversations = 5" in text(difference)
    file = boss.get("/directory/versions/1.toml").text
    assert "max_conversations = 2" in file
    draft = follows(boss, boss.post("/directory/versions/1/roll-back"))
    assert ("Version 1 again" in draft, "becomes 2" in text(draft)) == (True, True)
    saves(console, boss, draft)
    assert COMPANY.users == current(console).users
    assert [404] * 3 == [
        boss.get(path).status_code
        for path in (
            "/directory/versions/9.toml",
            "/directory/versions/diff?before=1&after=9",
            "/directory/drafts/00000000-0000-0000-0000-000000000001",
        )
    ]


def test_hints_stand_beside_what_they_are_about(console: Console, boss: Browser) -> None:
    console.office.apply_directory(without(current(console), "carla", "ben"))
    page = text(boss.get("/directory/skillset").text)
    assert "No user has this skillset" in page
    assert "which has no users" in text(boss.get("/directory/number").text)
    draft = edits(boss, f"{USER}?id=anna", skillsets__sales="")
    assert "Is that meant?" in text(draft)


def test_only_administrators_change_it(console: Console) -> None:
    console.person("anna", administrator=False)
    agent = console.signed_in("anna")
    paths = ("/directory/number", USER, "/directory/versions", "/directory/ready")
    assert [403] * 4 == [agent.get(path).status_code for path in paths]
    assert [403] * 3 == [
        agent.post(path, of="ben").status_code
        for path in (USER, "/directory/user/remove", "/directory/versions/1/roll-back")
    ]


def test_who_only_reads_sees_the_directory_without_its_buttons(console: Console) -> None:
    console.office.connection.execute(
        "insert into sign_ins (name, password, level) select 'rita', password, 'read_only' from sign_ins "
        "where name = 'boss'"
    )
    reader = console.signed_in("rita")
    page = reader.get(f"{USER}?id=anna")
    assert (200, False) == (page.status_code, "See what changes" in page.text)
    assert 403 == reader.post("/directory/user/remove", of="anna").status_code


def test_the_pages_speak_italian(console: Console, boss: Browser) -> None:
    draft = edits(boss, f"{USER}?id=anna", max_conversations="4")
    address = next(part for part in draft.split('"') if part.startswith("/directory/drafts/"))
    boss.post("/account/words", language="it")
    assert "conversazioni contemporanee 2 → diventa 4" in text(boss.get(address.removesuffix("/save")).text)
    assert "Chi è pronto" in text(boss.get("/directory/ready").text)


@pytest.mark.parametrize(
    ("path", "typed", "said"),
    [
        (SHOP, {"hours__mon": "9-18"}, "non sono orari"),
        (SHOP, {"hours__mon": "25:00-26:00"}, "fuori dalla giornata"),
        (SHOP, {"hours__mon": "09:00-09:00"}, "è vuoto"),
        (SHOP, {"hours__mon": "22:00-02:00"}, "supera la mezzanotte"),
        (SHOP, {"hours__mon": "09:00-12:00, 11:00-13:00"}, "si sovrappongono"),
        (SHOP, {"time_zone": "Europe/Rom"}, "forse"),
        (SHOP, {"time_zone": "xyz"}, "non esiste il fuso orario"),
        (SHOP, {"name": "x" * 201}, "troppo lungo"),
        (SHOP, {"texts__en__greeting": "x" * 1001}, "troppo lungo"),
        (SHOP, {"stop_words": "!"}, "nulla che un cliente"),
        (SHOP, {"menu__9__choice": "!", "menu__9__skillset": "sales"}, "non possono scegliere"),
        (SHOP, {"menu__9__choice": "9", "menu__9__skillset": "nobody"}, "non esiste lo skillset"),
        (SHOP, {"menu__9__choice": "1", "menu__9__skillset": "sales"}, "la stessa scelta"),
        (SHOP, {"softbot": "1", "texts__en__greeting": "Hi"}, "parla il Softbot"),
        (USER, {"email": "nobody"}, "non è un indirizzo"),
        (USER, {"max_conversations": "many"}, "numero intero da 0 a 1000"),
    ],
)
def test_what_is_wrong_is_said_in_italian_too(boss: Browser, path: str, typed: dict[str, str], said: str) -> None:
    boss.post("/account/words", language="it")
    page = edits(boss, f"{path}?id={NUMBER if path == SHOP else 'anna'}", **typed)
    assert said in text(page)


def test_a_new_table_without_its_id_is_refused_in_italian_too(boss: Browser) -> None:
    boss.post("/account/words", language="it")
    assert "non è l'ID di un numero" in text(edits(boss, SHOP, phone_number_id="a b"))
    assert "non è un ID" in text(edits(boss, "/directory/skillset/edit", id="a b", name="A"))
    assert "è già presente" in text(edits(boss, USER, id="anna", name="A", email="a@example.com"))


def test_a_skillset_that_a_rule_names_is_not_removed_and_the_page_leads_to_the_rule(
    console: Console, boss: Browser
) -> None:
    rule = Rule("night", "Night rescue", on=True, transfer=RuleTransfer(skillset="sales"))
    console.office.apply_directory(replace(COMPANY, rules=(rule,)))
    page = follows(boss, boss.post("/directory/skillset/remove", of="sales"))
    said = 'It names the skillset "sales", which would be gone. Change or remove the rule first.'
    assert f"Rule “Night rescue” : {said}" in text(page)
    assert '<a href="/rules?rule=night">Rule “Night rescue”</a>' in page
    assert "drafts/" not in "".join(part for part in page.split('"') if part.endswith("/save"))
    boss.post("/account/words", language="it")
    page = follows(boss, boss.post("/directory/skillset/remove", of="sales"))
    assert "Regola «Night rescue» : nomina lo skillset" in text(page)


def without(company: Directory, *users: str) -> Directory:
    return replace(company, users={id_: user for id_, user in company.users.items() if id_ not in users})


class TestWhoIsReady:
    """The page says why somebody gets nothing, by the rules that routing goes by."""

    def row(self, browser: Browser, user: str) -> str:
        page = browser.get("/directory/ready").text
        return text("<main " + next(part for part in page.split("<tr>") if f"id={user}" in part))

    def test_users_who_have_said_nothing_are_offline(self, boss: Browser) -> None:
        assert "has never said that they are ready" in self.row(boss, "anna")

    def test_a_ready_user_for_whom_nothing_waits(self, console: Console, boss: Browser) -> None:
        console.office.presence("anna", "ready")
        row = self.row(boss, "anna")
        assert ("Ready" in row, "2 of 2" in row, "nothing waits" in row) == (True, True, True)

    def test_what_waits_for_another_skillset(self, console: Console, boss: Browser) -> None:
        console.office.presence("anna", "ready")
        conversation = console.office.customer_writes()
        console.office.results_of(console.office.transfer(conversation, "skillset", "support", "exclusive"))
        assert "nothing waits for their skillsets" in self.row(boss, "anna")
        console.office.presence("carla", "ready")
        assert "gets the next one" in self.row(boss, "carla")

    def test_an_open_offer_takes_a_slot_and_a_declined_one_is_the_reason(self, console: Console, boss: Browser) -> None:
        console.office.presence("carla", "ready")
        conversation = console.office.customer_writes()
        console.office.results_of(console.office.transfer(conversation, "skillset", "support", "exclusive"))
        console.office.routing.poll()
        row = self.row(boss, "carla")
        assert ("1 open offer" in row, "at capacity: 1 of 1" in row) == (True, True)
        console.office.desktop_reports(AgentDeclined, "carla", conversation)
        console.office.routing.poll()
        assert "declined or missed what waits for them" in self.row(boss, "carla")

    def test_a_pause_has_its_reason_and_a_silent_desk_its_minutes(self, console: Console, boss: Browser) -> None:
        console.office.presence("anna", "paused")
        assert "Paused" in self.row(boss, "anna")
        console.office.connection.execute(
            "update agent_presence set state = 'ready', seen_at = now() - interval '6 min'"
        )
        row = self.row(boss, "anna")
        assert ("Offline" in row, "desk silent for 6 min" in row) == (True, True)

    def test_the_page_is_asked_for_again_and_answers_only_if_something_changed(
        self, console: Console, boss: Browser
    ) -> None:
        page = boss.get("/directory/ready").text
        again = next(part for part in page.split('"') if "seen=" in part).replace("&amp;", "&")
        assert 204 == boss.get(again, "ready").status_code
        console.office.presence("anna", "ready")
        assert 200 == boss.get(again, "ready").status_code

    def test_an_open_page_is_told_of_every_change_and_of_nothing_else(self, console: Console, boss: Browser) -> None:
        deps = console.deps
        watcher = DirectoryWatcher(deps.pool.connection, deps.sessions, deps.terms.presence_timeout)
        page = OpenPage(console, boss, "/directory/live", watcher.look)
        assert "event: open" in (page.look() or "")
        assert "" == page.look()
        console.office.presence("anna", "ready")
        assert "event: open" in (page.look() or "")
        conversation = console.office.customer_writes()
        assert "" == page.look()
        console.office.results_of(console.office.transfer(conversation, "skillset", "support", "exclusive"))
        assert "event: open" in (page.look() or "")
        console.office.connection.execute("update agent_presence set seen_at = now() - interval '6 min'")
        assert "event: open" in (page.look() or "")
        draft = edits(boss, f"{USER}?id=anna", name="Anna Maria")
        boss.send(draft)
        console.process_commands()
        told = page.look() or ""
        assert ("event: open" in told, "event: results" in told) == (True, True)
        boss.post("/sign-out")
        assert page.look() is None


@pytest.mark.parametrize("kind", ["number", "skillset", "user"])
def test_every_table_can_be_opened_and_sent_back_unchanged(console: Console, boss: Browser, kind: str) -> None:
    for id_ in getattr(current(console), f"{kind}s"):
        assert "Nothing differs from what is there." in edits(boss, f"/directory/{kind}/edit?id={id_}")
