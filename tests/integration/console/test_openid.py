"""Signing in at an OpenID provider, a real one: who gets in, on which level, and attacks on the way."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from domain.directory import User
from infra.postgres.connections.pool import connect
from tests.support.console import PASSWORD, Browser, Console, open_console
from tests.support.office import COMPANY
from tests.support.openid import CLIENT, Provider, path_of, provider_running, with_parameter
from tests.support.waiting import wait_until

SPOIL = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider_running() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.spoil, running.is_down, running.published = None, False, running.key
    running.asked.clear()
    return running


@pytest.fixture
def console(database: str, provider: Provider) -> Iterator[Console]:
    with open_console(database, provider=provider.client()) as console:
        yield console


def begin(browser: Browser, next_: str = "/") -> str:
    """Presses the button of the sign-in page; returns where it leads."""
    answer = browser.get(f"/sign-in/provider?next={next_}")
    assert 303 == answer.status_code
    return str(answer.location)


def sign_in(console: Console, provider: Provider, person: str, browser: Browser | None = None) -> tuple[Browser, str]:
    """Signs a person in; returns their browser and where they were led."""
    browser = browser or console.browser()
    back = provider.authorizes(begin(browser), person)
    return browser, str(browser.get(path_of(back)).location)


def level_of(console: Console, name: str) -> tuple[str | None, list[str] | None]:
    (row,) = console.office.rows(f"select level, skillsets from sign_ins where name = '{name}'")
    return row["level"], row["skillsets"]


def test_the_sign_in_page_offers_both_ways_and_begins_with_what_the_flow_needs(
    console: Console, provider: Provider
) -> None:
    browser = console.browser()
    page = browser.get("/sign-in?next=/waiting").text
    assert "Sign in with Zefiro accounts" in page
    assert 'name="password"' in page
    asked = parse_qs(urlsplit(begin(browser)).query)
    assert {
        "code_challenge_method": ["S256"],
        "response_type": ["code"],
        "client_id": [CLIENT],
    }.items() <= asked.items()
    assert {"state", "nonce", "code_challenge", "redirect_uri"} <= asked.keys()
    assert ["http://localhost/sign-in/provider/return"] == asked["redirect_uri"]
    assert begin(browser) == begin(browser)
    assert begin(browser) != begin(console.browser())


@pytest.mark.parametrize(
    ("groups", "level"),
    [
        (("bosses",), ("tenant_administrator", None)),
        (("others", "eyes"), ("read_only", None)),
        (("leads",), ("supervisor", ["support"])),
        (("leads", "bosses"), ("tenant_administrator", None)),
    ],
)
def test_a_person_with_a_role_gets_a_sign_in_of_its_level(
    console: Console, provider: Provider, groups: tuple[str, ...], level: tuple[str, list[str] | None]
) -> None:
    provider.has("rosa", *groups, name="Rosa Verdi")
    browser, led_to = sign_in(console, provider, "rosa")
    assert "/" == led_to
    assert level == level_of(console, "rosa")
    assert 200 == browser.get("/unmanaged").status_code
    assert "Rosa Verdi" in browser.get("/account").text
    (made,) = console.audited("sign_in_made")
    assert ("rosa", {"of": "rosa", "provider": True}) == (made["name"], made["detail"])
    (asked,) = provider.asked
    assert {"code_verifier", "code"} <= asked.keys()


def test_the_directory_gives_the_level_where_a_role_says_so(console: Console, provider: Provider) -> None:
    provider.has("anna", "staff")
    browser, _ = sign_in(console, provider, "anna")
    assert [403, 200] == [browser.get(path).status_code for path in ("/unmanaged", "/desk")]
    provider.has("stranger", "staff")
    assert "/sign-in?wrong=no_role" == sign_in(console, provider, "stranger")[1]
    assert [] == console.office.rows("select from sign_ins where name = 'stranger'")


def test_a_person_without_a_role_is_told_so_and_gets_nothing(console: Console, provider: Provider) -> None:
    provider.has("otto", "others")
    browser, led_to = sign_in(console, provider, "otto")
    assert "/sign-in?wrong=no_role" == led_to
    assert "Zefiro accounts knows you, but you have no role here." in browser.get(led_to).text
    assert [] == console.office.rows("select from sign_ins where name = 'otto'")
    assert [("otto", {"why": "no_role"})] == [(e["name"], e["detail"]) for e in console.audited("provider_refused")]


def test_who_loses_the_role_loses_it_here_at_the_next_sign_in_and_everywhere(
    console: Console, provider: Provider
) -> None:
    provider.has("rosa", "bosses")
    browser, _ = sign_in(console, provider, "rosa")
    provider.has("rosa", "eyes")
    sign_in(console, provider, "rosa")
    assert ("read_only", None) == level_of(console, "rosa")
    assert 403 == browser.get("/people").status_code
    provider.has("rosa")
    assert "/sign-in?wrong=no_role" == sign_in(console, provider, "rosa")[1]
    assert 303 == browser.get("/unmanaged").status_code


def test_a_person_keeps_their_sign_in_when_their_name_changes(console: Console, provider: Provider) -> None:
    provider.has("mia", "bosses", sub="42")
    sign_in(console, provider, "42")
    provider.has("mia-rossi", "bosses", sub="42")
    sign_in(console, provider, "42")
    assert ["boss", "mia"] == [row["name"] for row in console.office.rows("select name from sign_ins order by name")]


@pytest.mark.parametrize("name", ["boss", "mia"])
def test_what_a_provider_calls_somebody_opens_nobody_elses_sign_in(
    console: Console, provider: Provider, name: str
) -> None:
    provider.has("mia", "bosses", sub="43")
    sign_in(console, provider, "43")
    provider.has(name, "bosses", sub="thief")
    assert "/sign-in?wrong=name_taken" == sign_in(console, provider, "thief")[1]


def test_a_sign_in_that_an_administrator_made_waits_for_its_person(console: Console, provider: Provider) -> None:
    boss = console.signed_in()
    boss.post("/people/new", name="nora", level="read_only", provider="1")
    provider.has("nora", "bosses")
    assert "/" == sign_in(console, provider, "nora")[1]
    assert 401 == console.browser().sign_in("nora", PASSWORD).status_code


def test_without_roles_only_those_get_in_whom_an_administrator_made(database: str, provider: Provider) -> None:
    with open_console(database, provider=provider.client(roles=())) as console:
        provider.has("nora", "bosses")
        assert "/sign-in?wrong=unknown" == sign_in(console, provider, "nora")[1]
        console.signed_in().post("/people/new", name="nora", level="read_only", provider="1")
        browser, led_to = sign_in(console, provider, "nora")
        assert ("/", 200) == (led_to, browser.get("/unmanaged").status_code)


def test_a_disabled_person_does_not_get_in(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    browser, _ = sign_in(console, provider, "rosa")
    console.signed_in().post("/people/person/disable", name="rosa")
    assert 303 == browser.get("/unmanaged").status_code
    assert "/sign-in?wrong=disabled" == sign_in(console, provider, "rosa")[1]


def test_signing_out_ends_the_session_at_the_provider_too(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    browser, _ = sign_in(console, provider, "rosa")
    assert f"form-action 'self' {provider.issuer};" in browser.get("/unmanaged").headers["Content-Security-Policy"]
    answer = browser.post("/sign-out")
    asked = parse_qs(urlsplit(str(answer.location)).query)
    assert str(answer.location).startswith(f"{provider.issuer}/oauth2/end_session?")
    assert ["http://localhost/sign-in"] == asked["post_logout_redirect_uri"]
    assert {"id_token_hint", "client_id"} <= asked.keys()
    assert 303 == browser.get("/unmanaged").status_code
    assert "/sign-in" == console.signed_in().post("/sign-out").location


def test_a_cancelled_sign_in_says_so(console: Console, provider: Provider) -> None:
    browser = console.browser()
    led_to = browser.get(path_of(provider.denies(begin(browser)))).location
    if "wrong=other_browser" in str(led_to):  # this provider forgets the state of what was denied
        denied = with_parameter("/sign-in/provider/return?error=access_denied", state=_state(browser))
        led_to = browser.get(denied).location
    assert "The sign-in was cancelled at Zefiro accounts." in browser.get(str(led_to)).text


def test_a_provider_that_is_down_leaves_the_local_way(console: Console, provider: Provider) -> None:
    provider.is_down = True
    browser = console.browser()
    led_to = str(browser.get("/sign-in/provider").location)
    assert "Zefiro accounts does not answer." in browser.get(led_to).text
    assert 303 == browser.sign_in().status_code


def test_local_sign_in_can_be_switched_off(database: str, provider: Provider) -> None:
    with open_console(database, provider=provider.client(), local_sign_in=False) as console:
        browser = console.browser()
        assert 'name="password"' not in browser.get("/sign-in").text
        assert 404 == browser.sign_in().status_code


def test_the_sign_in_leads_back_to_the_page_and_never_to_another_site(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    for asked, led_to in (("/waiting", "/waiting"), ("//evil.example", "/"), ("https://evil.example", "/")):
        browser = console.browser()
        back = provider.authorizes(begin(browser, asked), "rosa")
        assert asked not in back or asked == "/waiting"
        assert led_to == browser.get(path_of(back)).location
    browser = console.browser()
    back = provider.authorizes(begin(browser), "rosa")
    browser.http.set_cookie("witiop-next", "https://evil.example")
    assert "/" == browser.get(path_of(back)).location


def _state(browser: Browser) -> str:
    return parse_qs(urlsplit(begin(browser)).query)["state"][0]


def test_an_answer_counts_only_in_the_browser_that_began(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    thief, victim = console.browser(), console.browser()
    back = path_of(provider.authorizes(begin(thief), "rosa"))
    begin(victim)
    assert "/sign-in?wrong=other_browser" == victim.get(back).location
    assert [] == provider.asked
    for state in ("", "x", _state(victim)):
        browser = console.browser()
        begin(browser)
        assert "/sign-in?wrong=other_browser" == browser.get(with_parameter(back, state=state)).location


def test_an_answer_counts_once(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    browser = console.browser()
    back = path_of(provider.authorizes(begin(browser), "rosa"))
    assert "/" == browser.get(back).location
    assert "/sign-in?wrong=other_browser" == browser.get(back).location
    again = with_parameter(back, state=_state(browser))
    assert "/sign-in?wrong=rejected" == browser.get(again).location


def test_a_session_gets_another_token_by_signing_in(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    browser = console.browser()
    browser.get("/sign-in")
    before = browser.http.get_cookie("witiop")
    sign_in(console, provider, "rosa", browser)
    after = browser.http.get_cookie("witiop")
    assert before is not None and after is not None
    assert before.value != after.value
    fixed = console.browser()
    fixed.http.set_cookie("witiop", before.value)
    assert 303 == fixed.get("/unmanaged").status_code


def changed(**claims: Any) -> SPOIL:
    return lambda honest: {**honest, **claims}


def without(name: str) -> SPOIL:
    return lambda honest: {key: value for key, value in honest.items() if key != name}


def unsigned(honest: dict[str, Any]) -> str:
    """A token with `alg: none`."""
    parts = ({"alg": "none", "typ": "JWT"}, honest)
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts), ""])


def by_secret(honest: dict[str, Any]) -> str:
    """A token that is signed by what the client knows too."""
    return jwt.encode({"alg": "HS256"}, honest, OctKey.import_key("client secret" * 4), algorithms=["HS256"])


def by_another_key(honest: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256"}, honest, RSAKey.generate_key(2048))


@pytest.mark.parametrize(
    "spoil",
    [
        changed(aud="another client"),
        changed(aud=[CLIENT, "another client"], azp="another client"),
        changed(iss="http://evil.example"),
        changed(nonce="of another sign-in"),
        without("nonce"),
        without("exp"),
        without("sub"),
        changed(sub=""),
        changed(exp=int(time.time()) - 600, iat=int(time.time()) - 1200),
        changed(iat=int(time.time()) + 6000, nbf=int(time.time()) + 6000),
        changed(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
        unsigned,
        by_secret,
        by_another_key,
        lambda honest: "no token",
    ],
    ids=lambda each: getattr(each, "__name__", "x"),
)
def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(
    console: Console, provider: Provider, spoil: SPOIL
) -> None:
    provider.has("rosa", "bosses")
    provider.spoil = spoil
    browser, led_to = sign_in(console, provider, "rosa")
    assert "/sign-in?wrong=invalid" == led_to
    assert "is not valid, so nobody was signed in" in browser.get(led_to).text
    assert [] == console.office.rows("select from sign_ins where name = 'rosa'")


def test_the_same_token_lets_in_when_nothing_is_wrong_and_clocks_differ_a_little(
    console: Console, provider: Provider
) -> None:
    provider.has("rosa", "bosses")
    now = int(time.time())
    for claims in ({}, {"exp": now - 60, "iat": now - 600}, {"iat": now + 60}):
        provider.spoil = changed(**claims)
        assert "/" == sign_in(console, provider, "rosa")[1]


def test_a_provider_that_changes_its_keys_is_still_understood(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    provider.spoil = changed()
    assert "/" == sign_in(console, provider, "rosa")[1]
    provider.key = provider.published = RSAKey.generate_key(2048, auto_kid=True)
    assert "/" == sign_in(console, provider, "rosa")[1]


def test_a_claim_can_lie_inside_of_another(database: str, provider: Provider) -> None:
    with open_console(database, provider=provider.client(role_claim="realm_access.roles")) as console:
        provider.has("kim", realm_access={"roles": ["eyes"]})
        assert "/" == sign_in(console, provider, "kim")[1]
        assert ("read_only", None) == level_of(console, "kim")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 300, None])
def test_a_name_that_is_none_is_refused(console: Console, provider: Provider, name: str | None) -> None:
    provider.has("kim", "bosses", sub="7", preferred_username=name)
    assert "/sign-in?wrong=no_name" == sign_in(console, provider, "7")[1]


def test_nothing_secret_is_stored_or_in_the_audit_log(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    sign_in(console, provider, "rosa")
    (asked,) = provider.asked
    text = str(console.office.rows("select event, name, detail from console_audit"))
    assert not any(secret in text for values in asked.values() for secret in values if len(secret) > 12)
    assert "client secret" not in repr(console.deps.provider.terms if console.deps.provider else "")


def test_the_second_factor_is_the_providers_affair(database: str, provider: Provider) -> None:
    deps: dict[str, Any] = {"provider": provider.client(), "factor_levels": ("tenant_administrator",)}
    with open_console(database, **deps) as console:
        provider.has("rosa", "bosses")
        browser, _ = sign_in(console, provider, "rosa")
        assert 200 == browser.get("/unmanaged").status_code


def test_a_user_of_the_directory_keeps_their_conversations(console: Console, provider: Provider) -> None:
    users = {**COMPANY.users, "rosa": User("rosa", "Rosa", "rosa@example.com", "agent", 2, ("sales",))}
    console.office.apply_directory(type(COMPANY)(COMPANY.numbers, COMPANY.skillsets, users))
    provider.has("rosa", "staff")
    browser, _ = sign_in(console, provider, "rosa")
    assert 200 == browser.get("/desk").status_code


def test_a_link_that_somebody_sends_signs_nobody_out(console: Console, provider: Provider) -> None:
    provider.has("rosa", "bosses")
    browser, _ = sign_in(console, provider, "rosa")
    for link in ("/sign-in/provider/return?state=x&code=y", "/sign-in/provider/return?error=access_denied"):
        assert "/sign-in?wrong=other_browser" == browser.get(link).location
    provider.is_down = True
    browser.get("/sign-in/provider")
    assert 200 == browser.get("/unmanaged").status_code


@pytest.mark.parametrize("password", ["'hash of a password'", "null"])
def test_two_people_of_one_name_who_come_at_the_same_moment_get_no_sign_in_of_each_other(
    console: Console, provider: Provider, password: str
) -> None:
    provider.has("zoe", "bosses", sub="late")
    browser = console.browser()
    back = path_of(provider.authorizes(begin(browser), "late"))
    led_to: list[str] = []
    with connect(console.dsn, "first") as first:
        first.execute(
            "insert into sign_ins (name, password, provider, subject) "
            f"values ('zoe', {password}, {password} is null, case when {password} is null then 'iss first' end)"
        )
        late = Thread(target=lambda: led_to.append(str(browser.get(back).location)))
        late.start()
        waiting = "select 1 as n from pg_locks where not granted and locktype = 'transactionid'"
        wait_until(lambda: console.office.rows(waiting))
        first.commit()
        late.join()
    assert ["/sign-in?wrong=name_taken"] == led_to
    assert (None, None) == level_of(console, "zoe")
