"""Sign-ins as administrators manage them in the console."""

import re

import pytest

from tests.support.console import BOSS, PASSWORD, Browser, Console

NEW = "seven purple bicycles overnight"


def one_time(page: str) -> str:
    """The one-time password that a page shows."""
    found = re.search(r'class="one-time"><code>([a-z0-9-]+)</code>', page)
    assert found is not None
    return found[1]


def test_a_new_person_gets_a_password_for_one_sign_in_and_chooses_another(console: Console, boss: Browser) -> None:
    page = boss.post("/people/new", name="vera", shown_name="Vera Bianchi", level="read_only").text
    password = one_time(page)
    browser = console.browser()
    assert 303 == browser.sign_in("vera", password).status_code
    assert "/account?next=/unmanaged" == browser.get("/unmanaged").location
    assert 401 == browser.get("/live/may").status_code
    assert "Choose your own to go on." in browser.get("/account").text
    same = browser.post("/account/password", password=password, new=password, again=password)
    assert (422, True) == (same.status_code, "Choose another password than the one that you were given." in same.text)
    assert 303 == browser.post("/account/password", password=password, new=NEW, again=NEW).status_code
    assert 200 == browser.get("/unmanaged").status_code
    assert [401, 303] == [console.browser().sign_in("vera", each).status_code for each in (password, NEW)]
    assert password not in str(console.office.rows("select * from console_audit"))
    assert [{"of": "vera", "level": "read_only", "provider": False}] == [
        each["detail"] for each in console.audited("sign_in_made")
    ]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "", "level": "read_only"}, "The name must have 1 to 256 characters on one line."),
        ({"name": "a\tb", "level": "read_only"}, "The name must have 1 to 256 characters on one line."),
        ({"name": BOSS, "level": "read_only"}, "This name can sign in already."),
        ({"name": "vera"}, "The directory has no user with this name"),
        ({"name": "vera", "level": "supervisor"}, "a supervisor needs at least one skillset"),
        ({"name": "vera", "level": "agent"}, "Choose a level"),
        ({"name": "vera", "level": "king"}, "Choose a level"),
    ],
)
def test_a_form_that_makes_no_sense_makes_nobody(
    console: Console, boss: Browser, fields: dict[str, str], error: str
) -> None:
    answer = boss.post("/people/new", **fields)
    assert (422, True) == (answer.status_code, error in answer.text)
    assert [BOSS] == [row["name"] for row in console.office.rows("select name from sign_ins")]


def test_a_user_of_the_directory_has_the_level_that_it_says(console: Console, boss: Browser) -> None:
    password = one_time(boss.post("/people/new", name="anna").text)
    browser = console.browser()
    browser.sign_in("anna", password)
    browser.post("/account/password", password=password, new=NEW, again=NEW)
    assert [200, 403] == [browser.get(path).status_code for path in ("/desk", "/unmanaged")]


def test_the_list_says_who_is_there_how_and_since_when(console: Console, boss: Browser) -> None:
    console.person("anna", administrator=False)
    page = boss.get("/people").text
    assert page.index("name=anna") < page.index("name=boss")
    assert "Administrator" in page
    assert "on 1 device" in page
    assert "never" in page
    assert "boss" not in boss.get("/people?q=ann").text.partition("<tbody")[2]
    assert "Nobody has such a name." in boss.get("/people?q=%25").text


def test_a_disabled_person_is_out_at_once_and_may_come_back(console: Console, boss: Browser) -> None:
    console.person("carla")
    browser = console.signed_in("carla")
    assert 303 == boss.post("/people/person/disable", name="carla").status_code
    assert 303 == browser.get("/unmanaged").status_code
    assert 401 == console.browser().sign_in("carla").status_code
    assert 303 == boss.post("/people/person/enable", name="carla").status_code
    assert 303 == console.browser().sign_in("carla").status_code
    events = [each["event"] for each in console.office.rows("select event from console_audit order by id")]
    assert ["sign_in_disabled", "sign_in_refused", "sign_in_enabled"] == [e for e in events if e.startswith("sign_in")]


def test_the_last_administrator_cannot_be_shut_out(console: Console, boss: Browser) -> None:
    assert 422 == boss.post("/people/person/disable", name=BOSS).status_code
    answer = boss.post("/people/person/level", name=BOSS, level="read_only")
    assert (422, True) == (answer.status_code, "nobody else is an administrator" in answer.text)
    console.person("carla")
    carla = console.signed_in("carla")
    assert 303 == carla.post("/people/person/level", name=BOSS, level="read_only").status_code
    assert 403 == boss.get("/people").status_code
    assert 422 == carla.post("/people/person/level", name="carla", level="campaign_manager").status_code
    assert [{"of": BOSS, "level": "read_only", "skillsets": None}] == [
        each["detail"] for each in console.audited("level_changed")
    ]


def test_a_supervisor_of_the_console_supervises_what_the_form_says(console: Console, boss: Browser) -> None:
    console.person("carla")
    answer = boss.post("/people/person/level", name="carla", level="supervisor", skillset=["sales", "gone"])
    assert 303 == answer.status_code
    (row,) = console.office.rows("select level, skillsets from sign_ins where name = 'carla'")
    assert {"level": "supervisor", "skillsets": ["sales"]} == row


def test_a_reset_password_ends_the_sessions_and_lifts_the_lock(console: Console, boss: Browser) -> None:
    console.person("carla")
    browser = console.signed_in("carla")
    for _ in range(11):
        console.browser().sign_in("carla", "guess")
    password = one_time(boss.post("/people/person/reset-password", name="carla").text)
    assert 303 == browser.get("/unmanaged").status_code
    assert [401, 303] == [console.browser().sign_in("carla", each).status_code for each in (PASSWORD, password)]


def test_open_sessions_are_ended_and_a_second_factor_is_removed(console: Console, boss: Browser) -> None:
    console.person("carla")
    browser = console.signed_in("carla")
    assert 303 == boss.post("/people/person/end-sessions", name="carla").status_code
    assert 303 == browser.get("/unmanaged").status_code
    console.office.connection.execute("insert into second_factors values ('carla', 'ABCD', now())")
    assert "/sign-in/code" in str(console.browser().sign_in("carla").location)
    assert "Password and code" in boss.get("/people").text
    assert 303 == boss.post("/people/person/remove-second-factor", name="carla").status_code
    assert "/" == console.browser().sign_in("carla").location


@pytest.mark.parametrize("action", ["disable", "enable", "level", "end-sessions", "reset-password"])
def test_what_is_done_about_nobody_is_not_found(console: Console, boss: Browser, action: str) -> None:
    fields = {"name": "nobody", "level": "read_only"}
    assert 404 == boss.post(f"/people/person/{action}", **fields).status_code
    assert 404 == boss.get("/people/person?name=nobody").status_code
