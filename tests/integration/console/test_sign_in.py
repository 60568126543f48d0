"""Signing in: permissions, limits of attempts, sessions, and their audit log."""

import re
from datetime import timedelta
from time import process_time

import pytest

from console.gate import AUDITED_PER_PERSON, AUDITED_SIGN_INS
from console.pages.attempts import SITE_TRIES_PER_NAME, TRIES_ANYWHERE, TRIES_PER_NAME, TRIES_PER_NETWORK
from infra.postgres.console.sign_ins import MAX_SESSIONS, SessionTerms, end_sessions
from infra.process.clock import utc_now
from tests.support.console import BOSS, PASSWORD, Browser, Console, field, open_console

_ID = "00000000-0000-0000-0000-000000000000"
PAGES = (
    "/unmanaged",
    "/waiting",
    "/live/may",
    "/unmanaged.csv",
    "/account",
    "/live",
    f"/commands/{_ID}",
    f"/bulk/{_ID}",
)


def test_without_a_session_every_page_leads_to_the_sign_in_and_back(console: Console) -> None:
    browser = console.browser()
    answer = browser.get("/unmanaged?status=active")
    assert (303, "/sign-in?next=/unmanaged?status%3Dactive") == (answer.status_code, answer.location)
    page = browser.get(answer.location).text
    answer = browser.send(page, name=BOSS, password=PASSWORD)
    assert (303, "/unmanaged?status=active") == (answer.status_code, answer.location)
    assert 200 == browser.get(answer.location).status_code


@pytest.mark.parametrize("path", PAGES)
def test_a_signed_out_person_receives_no_part_of_a_page(console: Console, path: str) -> None:
    answer = console.browser().get(path, "panel")
    assert (401, "none") == (answer.status_code, answer.headers["HX-Reswap"])


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(console: Console) -> None:
    browser = console.browser()
    wrong, unknown = browser.sign_in(BOSS, "wrong"), browser.sign_in("nobody", "wrong")
    assert (401, 401) == (wrong.status_code, unknown.status_code)

    def plain(html: str) -> str:
        return re.sub(r'name="(csrf|name)" value="[^"]*"|data-now="[^"]*"', "", html)

    assert plain(wrong.text) == plain(unknown.text)
    assert [{"why": "wrong"}] * 2 == [entry["detail"] for entry in console.audited("sign_in_refused")]


def test_guessing_is_stopped_and_so_is_the_right_password(console: Console) -> None:
    browser = console.browser()
    answers = [browser.sign_in(BOSS, f"guess {n}").status_code for n in range(TRIES_PER_NAME + 1)]
    assert [401] * TRIES_PER_NAME + [429] == answers
    assert 429 == browser.sign_in().status_code


def test_an_address_that_tries_many_names_is_stopped(console: Console) -> None:
    browser = console.browser()
    answers = [browser.sign_in(f"name {n}", "guess").status_code for n in range(TRIES_PER_NETWORK + 1)]
    assert [401, 429] == answers[-2:]


def test_guessing_does_not_lock_out_people_in_other_networks(console: Console) -> None:
    guesser = console.browser("192.0.2.1")
    answers = [guesser.sign_in(BOSS, "guess").status_code for _ in range(TRIES_PER_NETWORK + 2)]
    assert [401] * TRIES_PER_NAME + [429] * (TRIES_PER_NETWORK + 2 - TRIES_PER_NAME) == answers
    assert 303 == console.browser("192.0.2.2").sign_in().status_code
    assert 429 == guesser.sign_in().status_code


def test_an_attempt_that_one_limit_stops_does_not_count_towards_the_next(console: Console) -> None:
    guesser = console.browser("192.0.2.1")
    for n in range(TRIES_PER_NETWORK):
        guesser.sign_in(f"name {n}", "guess")
    guesser.sign_in(BOSS, "guess")
    assert [] == console.office.rows(f"select * from sign_in_tries where key like '%{BOSS}'")


def test_a_name_that_is_tried_from_many_networks_is_locked(console: Console) -> None:
    values = (BOSS, TRIES_ANYWHERE)
    console.office.connection.execute("insert into sign_in_tries values ('n', %s, now(), %s)", values)
    assert 429 == console.browser().sign_in().status_code


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64 2001:db8::/48"),
        ("", ""),
        ("x" * 5000, "x" * 64),
    ],
)
def test_attempts_are_counted_per_network_of_a_providers_customer(
    console: Console, address: str, networks: str
) -> None:
    console.browser(address).sign_in(BOSS, "guess")
    found = console.office.rows("select key from sign_in_tries where kind = 'a' order by key")
    assert networks == " ".join(row["key"] for row in found)


def test_one_machine_with_all_networks_of_its_site_cannot_lock_a_person_out(console: Console) -> None:
    answers = [console.browser(f"2001:db8:0:{n:x}::1").sign_in(BOSS, "guess").status_code for n in range(40)]
    assert [401] * SITE_TRIES_PER_NAME + [429] * (40 - SITE_TRIES_PER_NAME) == answers
    assert [{"tries": SITE_TRIES_PER_NAME}] == console.office.rows("select tries from sign_in_tries where kind = 'n'")
    assert 303 == console.browser("192.0.2.2").sign_in().status_code


def test_counts_of_strangers_are_deleted_when_their_time_is_over(console: Console) -> None:
    console.office.connection.execute(
        "insert into sign_in_tries select 'n', 'stranger ' || n, now() - interval '16 minutes', 1 "
        "from generate_series(1, 50) as n"
    )
    for n in range(3):
        console.browser().sign_in(f"name {n}", "guess")
    assert [] == console.office.rows("select key from sign_in_tries where key like 'stranger%'")


def test_only_so_many_refused_sign_ins_are_in_the_audit_log_and_all_are_counted(console: Console) -> None:
    values = (AUDITED_SIGN_INS - 1,)
    console.office.connection.execute("insert into sign_in_tries values ('r', '', now(), %s)", values)
    for n in range(3):
        console.browser(f"192.0.2.{n}").sign_in(BOSS, "guess")
    for _ in range(TRIES_PER_NAME + 5):
        console.browser("192.0.2.9").sign_in(BOSS, "guess")
    assert 1 == len(console.audited("sign_in_refused"))
    assert [3 + TRIES_PER_NAME, 5] == [console.refused(why) for why in ("wrong_password", "too_many_attempts")]


def test_a_person_has_twenty_sessions_at_most(console: Console) -> None:
    browsers = [console.signed_in() for _ in range(MAX_SESSIONS + 1)]
    assert [303, 200, 200] == [browsers[n].get("/unmanaged").status_code for n in (0, 1, -1)]


@pytest.mark.parametrize("marks", ["\u0301\u0316" * 2000, "\u0301\u0316" * 500_000, "\u1100\u1161\u11a8" * 300])
def test_a_password_too_long_to_be_one_is_refused_before_any_work(console: Console, boss: Browser, marks: str) -> None:
    began = process_time()
    answers = [
        boss.post("/account/password", password=PASSWORD, new="a" + marks, again="a" + marks),
        boss.post("/account/password", password="a" + marks, new="x", again="x"),
        console.browser().sign_in(BOSS, "a" + marks),
    ]
    assert {401, 413, 422} >= {each.status_code for each in answers}
    assert process_time() - began < 2


def test_signing_in_forgets_the_failures_of_that_name(console: Console) -> None:
    browser = console.browser()
    for _ in range(TRIES_PER_NAME - 1):
        browser.sign_in(BOSS, "typing error")
    assert 303 == browser.sign_in().status_code
    assert 401 == console.browser().sign_in(BOSS, "typing error").status_code


def test_the_cookie_is_for_http_only_and_changes_at_the_sign_in(console: Console) -> None:
    browser = console.browser()
    before = browser.get("/sign-in").headers["Set-Cookie"]
    after = browser.sign_in().headers["Set-Cookie"]
    assert before.split(";")[0] != after.split(";")[0]
    for cookie in (before, after):
        assert {" HttpOnly", " Path=/", " SameSite=Lax"} == set(cookie.split(";")[1:])


def test_behind_https_the_cookie_is_sent_by_https_only(database: str) -> None:
    with open_console(database, secure=True) as console:
        answer = console.browser().get("/sign-in")
    assert answer.headers["Set-Cookie"].startswith("__Host-witiop=")
    assert " Secure" in answer.headers["Set-Cookie"].split(";")
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_only_a_hash_of_the_token_is_stored(console: Console, boss: Browser) -> None:
    cookie = boss.http.get_cookie("witiop")
    assert cookie is not None
    (row,) = console.office.rows("select token_hash, name from console_sessions")
    assert cookie.value.encode() not in bytes(row["token_hash"])
    stolen = console.browser()
    stolen.http.set_cookie("witiop", bytes(row["token_hash"]).hex())
    assert 303 == stolen.get("/unmanaged").status_code


def test_signing_out_ends_the_session_also_for_a_copied_cookie(console: Console, boss: Browser) -> None:
    cookie = boss.http.get_cookie("witiop")
    assert cookie is not None
    assert 303 == boss.post("/sign-out").status_code
    copied = console.browser()
    copied.http.set_cookie("witiop", cookie.value)
    assert [303, 303] == [browser.get("/unmanaged").status_code for browser in (boss, copied)]


def test_a_session_that_was_ended_is_over(console: Console, boss: Browser) -> None:
    end_sessions(console.office.connection, BOSS)
    assert 303 == boss.get("/unmanaged").status_code


@pytest.mark.parametrize("column", ["seen_at", "began_at"])
def test_a_session_ends_when_idle_and_in_any_case(console: Console, boss: Browser, column: str) -> None:
    console.office.connection.execute(f"update console_sessions set {column} = {column} - interval '13 hours'")
    assert 303 == boss.get("/unmanaged").status_code


def test_a_live_page_alone_does_not_extend_a_session(console: Console, boss: Browser) -> None:
    aged = "update console_sessions set seen_at = now() - interval '50 minutes'"
    console.office.connection.execute(aged)
    boss.get("/live/may", "listen", **{"X-Live": "1"})
    assert 200 == boss.get("/live", Accept="text/event-stream").status_code
    (row,) = console.office.rows("select seen_at < now() - interval '49 minutes' as old from console_sessions")
    assert row["old"]
    boss.get("/unmanaged")
    (row,) = console.office.rows("select seen_at < now() - interval '49 minutes' as old from console_sessions")
    assert not row["old"]


def test_a_setting_ends_every_session_that_began_before(database: str) -> None:
    with open_console(database) as console:
        browser = console.signed_in()
        cookie = browser.http.get_cookie("witiop")
    assert cookie is not None
    console.deps.pool.close()
    with open_console(database + "", sessions=SessionTerms(since=utc_now() + timedelta(minutes=1))) as console:
        again = console.browser()
        again.http.set_cookie("witiop", cookie.value)
        assert 303 == again.get("/unmanaged").status_code


@pytest.mark.parametrize(("name", "level"), [("anna", "Agent"), ("carla", "Agent")])
def test_an_agent_is_told_that_the_page_is_for_administrators(console: Console, name: str, level: str) -> None:
    console.person(name, administrator=False)
    browser = console.signed_in(name)
    answer = browser.get("/unmanaged")
    assert 403 == answer.status_code
    assert "This page is for administrators." in answer.text
    assert level in answer.text
    assert 200 == browser.get("/account").status_code
    assert [name] == [entry["name"] for entry in console.audited("forbidden")]


def test_only_so_many_refusals_of_a_person_are_in_the_audit_log(console: Console) -> None:
    console.person("anna", administrator=False)
    browser = console.signed_in("anna")
    values = (AUDITED_PER_PERSON - 2,)
    console.office.connection.execute("insert into sign_in_tries values ('r', 'anna', now(), %s)", values)
    assert {403} == {browser.get("/unmanaged").status_code for _ in range(5)}
    assert (2, 5) == (len(console.audited("forbidden")), console.refused("level"))


def test_a_person_who_left_the_directory_cannot_sign_in(console: Console) -> None:
    console.person("anna", administrator=False)
    browser = console.signed_in("anna")
    console.office.connection.execute("delete from users where id = 'anna'")
    assert 303 == browser.get("/account").status_code
    assert 401 == console.browser().sign_in("anna").status_code


def test_changing_the_password_requires_it_and_signs_out_all_other_devices(console: Console, boss: Browser) -> None:
    elsewhere = console.signed_in()
    new = "seven purple bicycles overnight"

    def change(old: str, first: str, again: str) -> int:
        return boss.post("/account/password", password=old, new=first, again=again).status_code

    assert [422, 422, 422, 422] == [
        change("wrong", new, new),
        change(PASSWORD, new, new + "x"),
        change(PASSWORD, "short", "short"),
        change(PASSWORD, "password1234", "password1234"),
    ]
    assert 303 == change(PASSWORD, new, new)
    assert [200, 303] == [boss.get("/unmanaged").status_code, elsewhere.get("/unmanaged").status_code]
    assert [401, 303] == [console.browser().sign_in(BOSS, each).status_code for each in (PASSWORD, new)]


def test_new_passwords_can_be_tried_as_often_as_needed_with_the_right_one(boss: Browser) -> None:
    new = "seven purple bicycles overnight"
    for weak in ["short"] * (TRIES_PER_NAME + 1):
        assert 422 == boss.post("/account/password", password=PASSWORD, new=weak, again=weak).status_code
    assert 303 == boss.post("/account/password", password=PASSWORD, new=new, again=new).status_code


def test_guessing_the_password_of_a_session_is_stopped(console: Console, boss: Browser) -> None:
    fields = {"new": "seven purple bicycles overnight", "again": "seven purple bicycles overnight"}
    answers = [
        boss.post("/account/password", password="guess", **fields).status_code for _ in range(TRIES_PER_NAME + 1)
    ]
    assert [422] * TRIES_PER_NAME + [429] == answers
    refused = [(entry["name"], entry["detail"]["why"]) for entry in console.audited("password_refused")]
    assert [(BOSS, "wrong")] * TRIES_PER_NAME + [(BOSS, "too_many_tries")] == refused


def test_an_unknown_time_zone_is_not_saved(boss: Browser) -> None:
    assert 303 == boss.post("/account/words", language="", zone=" Europe/Rome ").status_code
    answer = boss.post("/account/words", language="it", zone="Europe/Roma")
    assert 422 == answer.status_code
    assert "Unknown time zone" in answer.text
    assert ("Europe/Roma", True) == (
        field(answer.text, "zone"),
        '<option value="it" lang="it" selected>' in answer.text,
    )
    page = boss.get("/account").text
    assert ("Europe/Rome", "Saved." in page) == (field(page, "zone"), False)
    assert 303 == boss.post("/account/words", language="it", zone="roma").status_code  # the city is enough
    page = boss.get("/account").text
    assert "Europe/Rome" == field(page, "zone")
    assert '<option value="Europe/London">Londra</option>' in page
    assert 303 == boss.post("/account/words", language="", zone="").status_code
    assert "" == field(boss.get("/account").text, "zone")


def test_every_sign_in_refusal_and_sign_out_is_in_the_audit_log(console: Console) -> None:
    browser = console.browser()
    browser.sign_in(BOSS, "wrong")
    browser.sign_in()
    browser.post("/sign-out")
    for event in ("sign_in_refused", "signed_in", "signed_out"):
        assert [(BOSS, "127.0.0.1")] == [(entry["name"], entry["address"]) for entry in console.audited(event)]


def test_no_password_or_token_is_in_what_is_audited(console: Console) -> None:
    browser = console.signed_in()
    cookie = browser.http.get_cookie("witiop")
    assert cookie is not None
    stored = str(console.office.rows("select * from console_audit"))
    assert [] == [word for word in (PASSWORD, cookie.value, browser.token()) if word in stored]
