"""The console on a real database, with browsers that send forms and a company that carries out what they ask for."""

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from argon2 import PasswordHasher
from flask import Flask, request, request_finished
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from console.app import create_app
from console.dependencies import Dependencies, MailComposition
from console.live.broadcast import Broadcaster
from console.live.watch import ListWatcher, WatchedList
from domain.mail import MailPolicy
from domain.mail_body.compose import MailSender
from infra.kafka.consumer import IncomingRecord
from infra.passwords import Passwords
from infra.postgres.connections.pool import pool
from infra.postgres.console.change_hints import ChangeHints
from infra.postgres.console.sign_ins import SessionTerms, create
from infra.process.clock import utc_now
from infra.serving.front import FOLLOWED
from infra.ses.addresses import address
from tests.support.fake_publisher import FakePublisher
from tests.support.office import SECRET, Office, open_office

BOSS, PASSWORD = "boss", "correct horse battery staple"
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
"""Passwords that cost nothing."""


class Clock:
    """The time of the pages; it goes on only when told to."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Browser:
    """One browser with its cookies. `htmx`: as the script asks, with the part that is to change."""

    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.http: FlaskClient = app.test_client()
        self.http.environ_base["REMOTE_ADDR"] = address

    def get(self, path: str, into: str | None = None, **headers: str) -> TestResponse:
        return self.http.get(path, headers={**_asks(into), **headers})

    def post(self, path: str, into: str | None = None, /, **fields: Any) -> TestResponse:
        """Sends a form with the token of this browser's session."""
        return self.post_from({}, path, into, **fields)

    def post_from(self, headers: dict[str, str], path: str, into: str | None = None, /, **fields: Any) -> TestResponse:
        """The same, with headers that another page's form would bring."""
        fields.setdefault("csrf", self.token())
        return self.http.post(path, data=fields, headers={**_asks(into), **headers})

    def token(self) -> str:
        """What forms of this browser carry."""
        found = field(self.get("/account").text, "csrf") or field(self.get("/sign-in").text, "csrf")
        assert found is not None
        return found

    def submit(self, path: str, into: str | None = None, **changed: Any) -> TestResponse:
        """Opens a form, fills it in and sends it where it says."""
        page = self.get(path, into).text
        return self.send(page, into, **changed)

    def send(self, page: str, into: str | None = None, **changed: Any) -> TestResponse:
        """Presses the first button of a row that does something; without one sends the first form of a page that posts,
        as it is but for what is changed."""
        page = page.rpartition("<main")[2]  # the header has a form too
        if button := re.search(r'form="deeds" formaction="([^"]+)" name="version" value="(\d+)"', page):
            fields = {**hidden(page.partition('id="deeds"')[2]), "version": button[2], **changed}
            return self.http.post(unescape(button[1]), data=fields, headers=_asks(into))
        form = re.search(r'<form[^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>', page, re.DOTALL)
        assert form is not None, page
        fields = {**hidden(form[2]), **changed}
        return self.http.post(unescape(form[1]), data=fields, headers=_asks(into))

    def sign_in(self, name: str = BOSS, password: str = PASSWORD) -> TestResponse:
        return self.post("/sign-in", name=name, password=password)


class Console:
    """See the module. `parts`, `publisher`, `office`, `clock`: what it is made of."""

    def __init__(self, parts: Dependencies, publisher: FakePublisher, office: Office, clock: Clock) -> None:
        self.parts, self.publisher, self.office, self.clock = parts, publisher, office, clock
        self.app = create_app(parts)

    def person(self, name: str = BOSS, *, administrator: bool = True) -> None:
        """May sign in."""
        create(self.office.connection, name, QUICK.hash(PASSWORD), administrator=administrator, shown_name=None)

    def browser(self, address: str = "127.0.0.1") -> Browser:
        """Nobody is signed in there."""
        return Browser(self.app, address)

    def signed_in(self, name: str = BOSS) -> Browser:
        browser = self.browser()
        assert browser.sign_in(name).status_code == 303
        return browser

    def carry_out(self) -> list[tuple[str, str | None]]:
        """Everything that was asked for and not carried out yet, in one batch; outcomes in order."""
        records, self.publisher.records = self.publisher.records, []
        given = [
            IncomingRecord(r.topic, 0, self.office.next_offset(), datetime.now(UTC), r.value, tuple(r.headers))
            for r in records
        ]
        return self.office.results_of(*given) if given else []

    def watch(self) -> ListWatcher:
        """A reader that has not looked yet."""
        return ListWatcher(self.parts.pool.connection, self.parts.sessions)

    def audited(self, event: str) -> list[dict[str, Any]]:
        return self.office.rows(f"select * from console_audit where event = '{event}' order by id")


class OpenList:
    """A list that is open in a browser and listens."""

    def __init__(self, console: Console, browser: Browser, path: str = "/unmanaged") -> None:
        self._console, self._browser = console, browser
        page = browser.get(path).text
        found = re.search(r'id="listen"[^>]*data-from="([^"]*)" data-newest="([^"]*)" data-total="([^"]*)"', page)
        assert found is not None
        self._from, *above = map(unescape, found.groups())
        self._told = {"newest": above[0], "total": above[1], "seen": ",".join(re.findall(r'data-seen="([^"]*)"', page))}
        self.listen()

    def listen(self, **more: str) -> None:
        """As the script does it, also after it was cut off."""
        followed: list[Any] = []

        def note(_: Flask, **__: object) -> None:
            followed.append(request.environ[FOLLOWED])

        with request_finished.connected_to(note, self._console.app):
            answer = self._browser.http.get(f"{self._from}&{urlencode(self._told | more)}")
        assert 200 == answer.status_code
        self.stream: Callable[[], AsyncGenerator[bytes, None]] = followed[0]
        self.shown: WatchedList
        self.shown, self._draw = followed[0].args

    def look(self) -> str:
        """What it is told when the reader looks now."""
        now = self._console.watch().look([self.shown])
        events = self._draw(self.shown, now)
        assert events is not None
        return b"".join(events).decode()

    def may_look(self) -> bool:
        return self._draw(self.shown, self._console.watch().look([self.shown])) is not None


@contextmanager
def open_console(dsn: str, **parts: Any) -> Iterator[Console]:
    """On a database with our schema; `boss` may sign in."""
    publisher, clock = FakePublisher(), Clock()
    with open_office(dsn) as office, pool(dsn, "test", 4, autocommit=True, generic_plans=True) as connections:
        sender = MailSender("inbox@shop.example", "The shop")
        made: dict[str, Any] = {
            "pool": connections,
            "publisher": publisher,
            "commands_topic": "t",
            "command_secret": SECRET,
            "clock": clock,
            "live": Broadcaster(lambda: ChangeHints(dsn), ListWatcher(connections.connection, SessionTerms()).look),
            "passwords": QUICK,
            "sessions": SessionTerms(),
            "post": MailComposition(MailPolicy(address), sender),
            "organisation": "The shop",
            **parts,
        }
        console = Console(Dependencies(**made), publisher, office, clock)
        console.person()
        yield console


def field(html: str, name: str) -> str | None:
    """The value of the first field of this name."""
    return hidden(html).get(name)


def hidden(html: str) -> dict[str, str]:
    """Hidden fields, ticked radio buttons and boxes, and texts of a form."""
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = {key: unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        kind, name = attributes.get("type", "text"), attributes.get("name")
        if name and name not in found and (kind not in ("radio", "checkbox") or re.search(r"\schecked\b", tag)):
            found[name] = attributes.get("value", "")
    return found


def ids(html: str) -> list[UUID]:
    """The conversations of a list, in order."""
    return [UUID(found) for found in re.findall(r'<tr id="row-([0-9a-f-]{36})"', html)]


def _asks(into: str | None) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": into} if into else {}
