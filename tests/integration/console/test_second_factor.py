"""The second factor: setting it up, signing in with it, recovery codes, and guessing."""

import re
from datetime import timedelta
from uuid import uuid4

import pyotp
import pytest

from console.people.second_factor import TRIES
from infra.one_time_codes import RECOVERY_CODES
from infra.process.clock import utc_now
from tests.support.console import BOSS, Browser, Console, open_console


def secret_of(browser: Browser) -> str:
    """The key that the page shows."""
    found = re.search(r"<code>([A-Z2-7 ]{30,})</code>", browser.get("/account/second-factor").text)
    assert found is not None
    return found[1].replace(" ", "")


def code_of(secret: str, steps: int = 0) -> str:
    """The code of an authenticator app, so many steps from now. The next one is accepted already, also if time goes on
    meanwhile."""
    return pyotp.TOTP(secret).at(utc_now() + timedelta(seconds=30 * steps))


def enrol(browser: Browser) -> tuple[str, list[str]]:
    """Sets the second factor up; returns its secret and the recovery codes."""
    secret = secret_of(browser)
    page = browser.post("/account/second-factor", code=code_of(secret))
    assert 200 == page.status_code
    codes = re.findall(r"<li><code>([a-z0-9-]+)</code>", page.text)
    assert RECOVERY_CODES == len(set(codes))
    return secret, codes


def with_password(console: Console) -> Browser:
    """A browser in which the password was entered."""
    browser = console.browser()
    answer = browser.sign_in()
    assert (303, "/sign-in/code?next=/") == (answer.status_code, answer.location)
    return browser


def test_the_page_shows_a_code_to_scan_and_the_same_as_text(boss: Browser) -> None:
    page = boss.get("/account/second-factor").text
    assert "<svg" in page
    assert secret_of(boss) == secret_of(boss)
    assert "style=" not in page.partition("<main")[2]


def test_signing_in_takes_password_and_code(console: Console, boss: Browser) -> None:
    secret, _ = enrol(boss)
    browser = with_password(console)
    for path in ("/unmanaged", "/account", "/account/second-factor", "/unmanaged.csv"):
        assert f"/sign-in/code?next={path}" == browser.get(path).location
    assert 401 == browser.get("/unmanaged", "panel").status_code
    assert 401 == browser.get("/live/may").status_code
    assert 401 == browser.post("/sign-in/code", code="000000").status_code
    before = browser.http.get_cookie("witiop")
    answer = browser.post("/sign-in/code", code=code_of(secret, 1), next="/waiting")
    assert (303, "/waiting") == (answer.status_code, answer.location)
    assert 200 == browser.get("/unmanaged").status_code
    after = browser.http.get_cookie("witiop")
    assert before is not None and after is not None
    assert before.value != after.value


def test_a_code_counts_once_also_for_somebody_else_with_the_password(console: Console, boss: Browser) -> None:
    secret, _ = enrol(boss)
    code = code_of(secret, 1)
    assert 303 == with_password(console).post("/sign-in/code", code=code).status_code
    assert 401 == with_password(console).post("/sign-in/code", code=code).status_code
    assert 401 == with_password(console).post("/sign-in/code", code=code_of(secret)).status_code


@pytest.mark.parametrize("steps", [-3, 3])
def test_a_code_of_another_time_is_wrong(console: Console, boss: Browser, steps: int) -> None:
    secret, _ = enrol(boss)
    console.office.connection.execute("update second_factors set last_step = 0")
    assert 401 == with_password(console).post("/sign-in/code", code=code_of(secret, steps)).status_code


def test_a_recovery_code_lets_in_once_however_it_is_typed(console: Console, boss: Browser) -> None:
    _, codes = enrol(boss)
    browser = with_password(console)
    assert 303 == browser.post("/sign-in/code", code=codes[0].upper().replace("-", " ")).status_code
    assert f"You have {RECOVERY_CODES - 1} left." in browser.get("/account/second-factor").text
    assert 401 == with_password(console).post("/sign-in/code", code=codes[0]).status_code
    assert [{"left": RECOVERY_CODES - 1}] == [each["detail"] for each in console.audited("recovery_code_used")]


def test_new_recovery_codes_replace_the_earlier_ones(console: Console, boss: Browser) -> None:
    secret, codes = enrol(boss)
    assert 422 == boss.post("/account/second-factor", code=codes[1]).status_code
    assert 200 == boss.post("/account/second-factor", code=code_of(secret, 1)).status_code
    assert 401 == with_password(console).post("/sign-in/code", code=codes[0]).status_code


def test_guessing_codes_is_stopped_and_so_is_the_right_one(console: Console, boss: Browser) -> None:
    secret, _ = enrol(boss)
    answers = []
    for _ in range(TRIES):
        answers.append(with_password(console).post("/sign-in/code", code="000000").status_code)
    assert {401} == set(answers)
    assert 429 == with_password(console).post("/sign-in/code", code=code_of(secret, 1)).status_code
    assert TRIES + 1 == len(console.audited("code_refused"))


def test_the_code_has_to_be_entered_within_ten_minutes(console: Console, boss: Browser) -> None:
    secret, _ = enrol(boss)
    browser = with_password(console)
    console.office.connection.execute(
        "update console_sessions set began_at = now() - interval '11 minutes' where awaits_code"
    )
    assert "/sign-in" in browser.post("/sign-in/code", code=code_of(secret, 1)).text
    assert "/sign-in?next=/unmanaged" == browser.get("/unmanaged").location


def test_a_secret_that_was_never_confirmed_asks_for_nothing(console: Console, boss: Browser) -> None:
    secret_of(boss)
    assert 422 == boss.post("/account/second-factor", code="123456").status_code
    assert 200 == console.signed_in().get("/unmanaged").status_code


def test_setting_it_up_ends_the_other_sessions(console: Console, boss: Browser) -> None:
    elsewhere = console.signed_in()
    enrol(boss)
    assert [200, 303] == [boss.get("/unmanaged").status_code, elsewhere.get("/unmanaged").status_code]


def test_it_is_turned_off_by_a_code_and_not_without(console: Console, boss: Browser) -> None:
    secret, _ = enrol(boss)
    assert 422 == boss.post("/account/second-factor/remove", code="000000").status_code
    assert 303 == boss.post("/account/second-factor/remove", code=code_of(secret, 1)).status_code
    assert 200 == console.signed_in().get("/unmanaged").status_code
    assert [BOSS] == [each["name"] for each in console.audited("factor_removed")]


def test_a_level_that_needs_it_sees_nothing_before(database: str) -> None:
    with open_console(database, factor_levels=("tenant_administrator",)) as console:
        console.person("anna", administrator=False)
        browser = console.signed_in()
        assert "/account/second-factor?next=/unmanaged" == browser.get("/unmanaged").location
        secret, _ = enrol(browser)
        assert 200 == browser.get("/unmanaged").status_code
        assert 403 == browser.post("/account/second-factor/remove", code=code_of(secret, 1)).status_code
        assert 200 == console.signed_in("anna").get("/account").status_code


def test_no_secret_or_recovery_code_is_in_the_audit_log_or_stored_readable(console: Console, boss: Browser) -> None:
    secret, codes = enrol(boss)
    stored = str(console.office.rows("select * from console_audit")) + str(
        console.office.rows("select encode(hash, 'escape') as hash from recovery_codes")
    )
    assert not any(each in stored for each in (secret, *codes))


def test_who_has_only_the_password_takes_nobody_off_their_desk(console: Console, boss: Browser) -> None:
    enrol(boss)
    boss.post("/desk/presence", state="ready", rings="1", page=str(uuid4()))
    console.publisher.records.clear()
    assert 303 == with_password(console).post("/sign-out").status_code
    assert [] == console.publisher.records
    boss.post("/sign-out")
    assert 1 == len(console.publisher.records)
