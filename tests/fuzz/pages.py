"""Fuzzes the console's pages: every address with any names and values, by somebody who has signed in. No answer is an
error of ours, and no page contains what was typed as HTML."""

import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from tests.support.console import Browser, Console, open_console
from tests.support.databases import Databases
from tests.support.office import COMPANY
from tests.support.paths import ROOT
from tests.support.servers import postgres_dsn

HTML = '"><img src=x onerror=alert(1)>'
"""If it is in a page as it was sent, a browser would run it."""
VALUES: Sequence[str] = (
    HTML,
    "",
    "0",
    "-1",
    "99999999999999999999",
    "1e309",
    "x" * 5000,
    "\u202eabc",
    "a\x00b",
    "\U0001f99c",
    "active",
    "all",
    "urgent",
    "newest",
    "user:anna",
    "skillset:sales",
    "en",
    "it",
    "Europe/Rome",
    "2026-01-01",
    "2026-02-31",
    "9999-12-31",
    "0001-01-01T00:00",
    "12:60",
    "+39 333 1234567",
    "a@example.com",
    "%00",
    "%",
    "'",
    "\\",
    "on",
    "[]",
    '{"a":1}',
    "-",
    "1,2,,3",
)
_GOES_OUT = {"account.sign_out", "account.change_password", "provider.begin", "provider.back"}
"""Views that would end the session."""
_NAME = re.compile(r"(?:args|form|values)(?:\.get(?:list)?)?[\[(]\s*\"(\w+)\"|name=\"(\w+)\"")


def names() -> list[str]:
    """Returns the names of all parameters and fields that the console's code and pages have."""
    files = [*(ROOT / "console").rglob("*.py"), *(ROOT / "console" / "templates").rglob("*.html")]
    found = {name for file in files for pair in _NAME.findall(file.read_text()) for name in pair if name}
    return sorted(found - {"csrf"})


@contextmanager
def _console() -> Iterator[Console]:
    with TemporaryDirectory(prefix="witiop-fuzz-") as directory, postgres_dsn(Path(directory) / "postgres") as admin:
        databases = Databases(admin)
        with open_console(databases.create()) as console:
            console.office.apply_directory(COMPANY)
            for number in range(3):
                console.office.customer_writes(HTML, f"1650555000{number}")
            yield console


def _person(console: Console, number: int) -> tuple[Browser, str]:
    """Another administrator, signed in, with the token of their forms."""
    console.person(f"person {number}")
    browser = console.signed_in(f"person {number}")
    return browser, browser.token()


def _path(rule: Any, known: Sequence[UUID], chance: random.Random) -> str:
    """Returns an address of a rule: its ids are often those of something that exists."""
    values: dict[str, object] = {}
    for name, converter in rule._converters.items():
        match type(converter).__name__:
            case "UUIDConverter":
                values[name] = chance.choice([*known, UUID(int=chance.getrandbits(128))])
            case "IntegerConverter":
                values[name] = chance.choice([0, 1, 2, 2**31, 2**63])
            case "AnyConverter":
                values[name] = chance.choice(sorted(converter.items))
            case _:
                values[name] = chance.choice([value for value in VALUES if value and "/" not in value][:12])
    _, path = rule.build(values, append_unknown=False) or ("", "/")
    return str(path)


def fuzz(seconds: float, seed: int) -> list[str]:
    """Sends requests for so long. Returns what was found, one line each."""
    chance, found = random.Random(seed), {}
    asked: Counter[int] = Counter()
    with _console() as console:
        people, words = count(), names()
        browser, token = _person(console, next(people))
        known = [each["id"] for each in console.office.rows("select id from conversations")]
        rules = [each for each in console.app.url_map.iter_rules() if each.endpoint not in {"static", *_GOES_OUT}]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            rule = chance.choice(rules)
            method = chance.choice(sorted((rule.methods or set()) & {"GET", "POST"}))
            fields = {chance.choice(words): chance.choice(VALUES) for _ in range(chance.randrange(6))}
            path = _path(rule, known, chance)
            status, page = _ask(browser, method, path, fields, token, chance)
            asked[status] += 1
            if status >= 500:
                found[rule.rule, method] = f"{method} {path} {fields}: {status}"
            elif HTML in page:
                found[rule.rule, method] = f"{method} {path} {fields}: HTML that was typed is in the page"
            if status in (303, 401) and browser.get("/account").status_code != 200:
                browser, token = _person(console, next(people))  # what was asked ended the session
    print(f"pages: {asked.total()} requests to {len(rules)} addresses: {dict(sorted(asked.items()))}")
    return sorted(found.values())


def _ask(
    browser: Browser, method: str, path: str, fields: dict[str, str], token: str, chance: random.Random
) -> tuple[int, str]:
    headers = {"HX-Request": "true", "HX-Target": "panel"} if chance.random() < 0.3 else {}
    try:
        if method == "GET":
            answer = browser.http.get(path, query_string=fields, headers=headers)
        else:
            answer = browser.http.post(path, data={**fields, "csrf": token}, headers=headers)
    except Exception as error:  # the test client passes on what no handler took
        return 599, f"{type(error).__name__}: {error}"
    return answer.status_code, answer.text if answer.mimetype == "text/html" else ""
