"""Other sites' pages, forms and links can do nothing with the console."""

import json
import re
from collections.abc import Iterator
from time import process_time

import pytest

from console import bounds
from tests.support.console import BOSS, PASSWORD, Browser, Console, assets, open_console
from tests.support.databases import Databases
from tests.support.hostile import FRAGMENTS

ELSEWHERE = (
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "http:evil.example",
    "/\nevil",
    "javascript:x",
)


@pytest.fixture(scope="module")
def console(databases: Databases) -> Iterator[Console]:
    """One console for all tests of the module, which change nothing."""
    dsn = databases.create()
    with open_console(dsn) as console:
        yield console
    databases.drop(dsn)


@pytest.fixture(autouse=True)
def nothing_asked_for(console: Console) -> None:
    console.publisher.records.clear()


@pytest.fixture
def row(console: Console) -> str:
    return str(console.office.customer_writes())


@pytest.mark.parametrize("token", ["", "x", "A" * 88, "é"])
def test_a_form_without_a_token_of_this_session_does_nothing(
    console: Console, boss: Browser, row: str, token: str
) -> None:
    answer = boss.post(f"/conversations/{row}/recall", csrf=token)
    assert (403, []) == (answer.status_code, console.publisher.records)


def test_a_forged_form_is_in_the_audit_log_with_the_person_who_sent_it(
    console: Console, boss: Browser, row: str
) -> None:
    path = f"/conversations/{row}/recall"
    console.office.connection.execute("delete from console_audit")
    boss.post(path, csrf="")
    boss.post_from({"Origin": "https://evil.example"}, path)
    assert [(BOSS, path), (BOSS, path)] == [
        (entry["name"], entry["detail"]["path"]) for entry in console.audited("form_refused")
    ]


def test_what_a_stranger_sends_is_counted_and_never_stored(console: Console, row: str) -> None:
    stored = "select (select count(*) from console_audit) + (select count(*) from console_sessions) as n"
    before, counted = console.office.rows(stored), console.refused("form")
    stranger = console.browser()
    for path in ("/sign-in", "/nowhere", f"/conversations/{row}/recall", "/" + "x" * 500):
        assert 403 == stranger.post(path, csrf="").status_code
        assert 403 == stranger.http.post(path, headers={"Cookie": "witiop=" + "c" * 43}).status_code
    for method in ("TRACE", "CONNECT", "PUT", "X" * 5000):
        assert 405 == stranger.http.open("/nowhere", method=method).status_code
    assert (before, counted + 8) == (console.office.rows(stored), console.refused("form"))


@pytest.mark.parametrize(
    ("status", "path", "headers", "content"),
    [
        (414, "/" + "x" * 60_000, {}, ""),
        (414, "/unmanaged?q=" + "x" * 20_000, {}, ""),
        (413, "/sign-in", {"Origin": "http://a" + "\u0301\u0316" * 15_000}, "name=x"),
        (413, "/sign-in", {"Accept-Language": "it," * 20_000}, "name=x"),
        (413, "/sign-in", {}, "name=" + "x" * 5000),
        (413, "/sign-in", {}, "x" * 5000 + "=1"),
        (413, "/sign-in", {}, "&".join(["a=1"] * 100_000)),
        (413, "/sign-in", {}, "x" * 2_000_000),
        (415, "/sign-in", {"Content-Type": "multipart/form-data; boundary=x"}, "--x"),
        (415, "/sign-in", {"Content-Type": "application/json"}, "[" * 100_000),
    ],
)
def test_a_request_beyond_its_bounds_is_refused_before_any_work(
    console: Console, status: int, path: str, headers: dict[str, str], content: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    began = process_time()
    answer = console.browser().http.open(path, method="POST" if content else "GET", data=content, headers=sent)
    assert status == answer.status_code
    assert process_time() - began < 0.5


def test_every_field_that_the_console_reads_is_bounded(console: Console, boss: Browser, row: str) -> None:
    for path, name, most in (
        (f"/conversations/{row}/email", "body", bounds.LONG_FIELDS["body"]),
        (f"/conversations/{row}/email", "to", bounds.LONG_FIELDS["to"]),
        ("/bulk/user", "able", bounds.LONG_FIELDS["able"]),
        (f"/conversations/{row}/email", "subject", bounds.MAX_FIELD),
        (f"/conversations/{row}/transfer/user", "to", bounds.LONG_FIELDS["to"]),
        ("/account/words", "zone", bounds.MAX_FIELD),
    ):
        assert 413 == boss.post(path, **{name: "1" * (most + 1), "form": "f"}).status_code
        assert 500 > boss.post(path, **{name: "1" * most, "form": "f"}).status_code
    assert [] == console.publisher.records


def test_the_token_of_another_session_is_invalid(console: Console, boss: Browser, row: str) -> None:
    other = console.signed_in()
    answer = boss.post(f"/conversations/{row}/recall", csrf=other.token(), form="f")
    assert (403, []) == (answer.status_code, console.publisher.records)


def test_the_token_from_before_the_sign_in_is_invalid(console: Console) -> None:
    browser = console.browser()
    before = browser.token()
    browser.sign_in()
    assert 403 == browser.post("/sign-out", csrf=before).status_code


def test_the_form_token_is_masked_differently_on_each_page(boss: Browser) -> None:
    assert boss.token() != boss.token()


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://["}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_form_that_another_site_sends_does_nothing_even_with_the_token(
    console: Console, boss: Browser, row: str, headers: dict[str, str]
) -> None:
    answer = boss.post_from(headers, f"/conversations/{row}/recall", form="f")
    assert (403, []) == (answer.status_code, console.publisher.records)


def test_another_sites_form_cannot_sign_in(console: Console) -> None:
    browser = console.browser()
    headers = {"Origin": "https://evil.example"}
    assert 403 == browser.post_from(headers, "/sign-in", name=BOSS, password=PASSWORD).status_code


def test_an_outdated_form_receives_a_valid_token(boss: Browser, row: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = boss.post_from(headers, f"/conversations/{row}/recall", "notices", csrf="old", form="f")
    fresh = answer.headers["X-Form-Token"]
    assert 200 == boss.post_from(headers, f"/conversations/{row}/recall", "notices", csrf=fresh, form="f").status_code


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_redirect_leads_to_another_site(console: Console, place: str) -> None:
    browser = console.browser()
    page = browser.http.get("/sign-in", query_string={"next": place}).text
    assert "/" == browser.send(page, name=BOSS, password=PASSWORD).location
    signed_in = console.signed_in()
    assert "/" == signed_in.http.get("/sign-in", query_string={"next": place}).location


@pytest.mark.parametrize("path", ["/unmanaged", "/sign-in", "/nowhere", "/live"])
def test_every_page_has_the_security_headers(boss: Browser, path: str) -> None:
    assert_guarded(boss, path)


def test_every_file_has_the_security_headers(boss: Browser) -> None:
    for path in assets(boss.get("/unmanaged").text):
        assert_guarded(boss, path)


def assert_guarded(boss: Browser, path: str) -> None:
    headers = boss.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }.items() <= dict(headers).items()


def test_pages_are_never_cached_and_files_are(boss: Browser) -> None:
    assert "no-store" == boss.get("/unmanaged").headers["Cache-Control"]
    for path in assets(boss.get("/unmanaged").text):
        file = boss.get(path)
        assert (200, True) == (file.status_code, "immutable" in file.headers["Cache-Control"])


def test_a_file_of_another_version_is_not_found_and_never_cached(boss: Browser) -> None:
    [script] = [path for path in assets(boss.get("/unmanaged").text) if path.endswith("/main.js")]
    version = script.split("/")[2]
    for path in (script.replace(version, "0123456789ab"), script.replace("main", "missing")):
        missing = boss.get(path)
        assert (404, "no-store") == (missing.status_code, missing.headers["Cache-Control"])


def test_modules_import_each_other_within_the_version_of_the_page(boss: Browser) -> None:
    paths = assets(boss.get("/unmanaged").text)
    modules = [path for path in paths if path.endswith(".js") and "htmx" not in path]
    imported = {name for path in modules for name in re.findall(r'from "\./([^"]+)"', boss.get(path).text)}
    assert {path.rpartition("/")[2] for path in modules} == imported | {"main.js"}
    assert 1 == len({path.rpartition("/")[0] for path in paths})


def test_no_page_has_script_or_style_of_its_own(console: Console, boss: Browser, row: str) -> None:
    for path in ("/unmanaged?open=" + row, f"/unmanaged?open={row}&tab=email", f"/unmanaged?open={row}&tab=info"):
        page = boss.get(path).text
        for word in ("<style", " style=", " onclick", "<script>", "javascript:"):
            assert word not in page


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/etc/passwd"]
)
def test_no_path_leads_out_of_the_static_files(boss: Browser, path: str) -> None:
    version = assets(boss.get("/unmanaged").text)[0].split("/")[2]
    assert 404 == boss.get(path.replace("/static/", f"/static/{version}/")).status_code
    assert 404 == boss.get(path).status_code


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_do_nothing(console: Console, boss: Browser, row: str, method: str) -> None:
    answer = boss.http.open(f"/conversations/{row}/recall", method=method)
    assert 405 == answer.status_code
    assert [] == console.publisher.records


@pytest.mark.parametrize(
    "path", ["/conversations/{}/take", "/conversations/{}/recall", "/conversations/{}/email", "/bulk", "/sign-out"]
)
def test_a_link_changes_nothing(console: Console, boss: Browser, row: str, path: str) -> None:
    assert boss.get(path.format(row)).status_code in (404, 405)
    assert [] == console.publisher.records


@pytest.mark.parametrize(
    "query",
    [
        "rows=7",
        "rows=1000000",
        "after=x",
        "after=0x",
        "after=1" + "A" * 32,
        "status=open",
        "reason=none",
        "number=%00",
        "q=%00%00",
        "q=%27%3B+drop+table+sign_ins%3B--",
        "q=%25%5F%5C",
        "q=%28%26%7C%21%29%3A%2A",
        "open=x",
        "open=00000000-0000-0000-0000-000000000000",
        "order=x&tab=x",
        "q=" + "word+" * 100,
        "q=%F0%9F%91%8B",
        "q={{7*7}}",
    ],
)
def test_no_address_of_the_list_causes_a_server_error(console: Console, boss: Browser, row: str, query: str) -> None:
    assert row
    answer = boss.get(f"/unmanaged?{query}")
    assert 200 == answer.status_code
    assert "49" not in answer.text.split('placeholder="')[0][-200:]


@pytest.mark.parametrize("fragment", [value for _, value in FRAGMENTS if value.startswith(b'"')][:16])
def test_texts_of_customers_are_shown_as_text(console: Console, boss: Browser, fragment: bytes) -> None:
    text = json.loads(fragment).replace("\x00", "").encode("utf-8", "ignore").decode()
    row = console.office.customer_writes(text or "x")
    for path in ("/unmanaged", f"/unmanaged?open={row}", f"/unmanaged?open={row}&tab=info"):
        page = boss.get(path)
        assert 200 == page.status_code
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text


@pytest.mark.parametrize(
    ("status", "path", "fields"),
    [
        (400, "/conversations/{}/transfer/user", {"to": "x" * 257}),
        (400, "/conversations/{}/transfer/skillset", {"to": "sales\x00"}),
        (400, "/conversations/{}/transfer/user", {"to": "anna", "version": "-1"}),
        (400, "/conversations/{}/take", {"version": "-1"}),
        (400, "/conversations/{}/recall", {"version": "-1"}),
        (400, "/bulk/user", {"to": "x" * 257, "able": "{}.1"}),
        (400, "/bulk/skillset", {"to": "sales\x00", "able": "{}.1"}),
        (400, "/bulk/user", {"to": "anna", "able": "{}.-1"}),
        (404, "/mails/%00/recall", {}),
        (404, "/bulk/%00/undo", {}),
    ],
)
def test_no_form_causes_a_server_error(
    console: Console, row: str, status: int, path: str, fields: dict[str, str]
) -> None:
    console.person("ben")
    filled = {name: value.format(row) for name, value in fields.items()}
    for into in (None, "dialog"):
        answer = console.signed_in("ben").post(path.format(row), into, form="f", **filled)
        assert (status, []) == (answer.status_code, console.publisher.records)


@pytest.mark.parametrize(
    "path", ["/people/person?name=%00", "/rules?rule=%00", "/rules/did?rule=%00", "/desk/replies?number=a%00b"]
)
def test_a_value_that_no_column_can_have_is_no_defect_of_ours(boss: Browser, path: str) -> None:
    assert boss.get(path).status_code in (200, 400, 404)


@pytest.mark.parametrize("path", ["/commands/%00", "/commands/x", "/bulk/%00", "/bulk/" + "x" * 300])
def test_no_address_of_a_command_causes_a_server_error(boss: Browser, path: str) -> None:
    assert 404 == boss.get(path).status_code


def test_typed_text_cannot_inject_headers(console: Console, boss: Browser, row: str) -> None:
    answer = boss.post(
        f"/conversations/{row}/email",
        "panel",
        to="a@example.com\r\nBcc: b@example.com",
        subject="hello\r\nBcc: c@example.com",
        body="x",
        form="f",
    )
    assert (422, []) == (answer.status_code, console.publisher.records)
