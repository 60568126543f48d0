"""The console on a real database, with browsers that send forms and an office that processes the commands."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from argon2 import PasswordHasher
from flask import Flask, request, request_finished
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from console.app import create_app
from console.dependencies import Dependencies, MailComposition
from console.live.broadcast import Broadcaster
from console.live.campaigns import CampaignWatcher
from console.live.desk import DeskWatcher
from console.live.directory import DirectoryWatcher
from console.live.watch import ListWatcher
from console.live.watched_list import WatchedList
from console.metrics import ConsoleMetrics
from consumers.workers.words import MessageWords
from domain.directory import Level
from domain.facts import FACT, Fact
from domain.mail import MailPolicy
from domain.mail_body.compose import MailSender
from domain.ports import OutgoingRecord
from domain.routing.transfers import RoutingPolicy
from domain.sending.acceptance import SendingPolicy
from infra.kafka.consumer import IncomingRecord
from infra.passwords import Passwords
from infra.postgres.connections.hints import ChangeHints
from infra.postgres.connections.pool import connect, pool
from infra.postgres.console import people
from infra.postgres.console.sign_ins import SessionTerms
from infra.process.clock import utc_now
from infra.serving.wsgi_bridge import STREAM_KEY
from infra.ses.addresses import address
from tests.support.fake_publisher import FakePublisher
from tests.support.office import SECRET, Office, open_office

BOSS, PASSWORD = "boss", "correct horse battery staple"
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
"""Password hashes that cost almost nothing."""


class Clock:
    """The clock of the console's machine, which a test can set ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Browser:
    """One browser with its cookies. `into`: the id of the element that the script replaces; None: without script."""

    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.http: FlaskClient = app.test_client()
        self.http.environ_base["REMOTE_ADDR"] = address

    def get(self, path: str, into: str | None = None, **headers: str) -> TestResponse:
        return self.http.get(path, headers={**_asks(into), **headers})

    def download(self, path: str, **headers: str) -> bytes:
        """The file at this address, with everything that follows the response."""
        return self.begin_download(path, **headers)()

    def begin_download(self, path: str, **headers: str) -> Callable[[], bytes]:
        """Requests the file at this address; the returned function receives it."""
        followed: list[Callable[[], AsyncGenerator[bytes, None]]] = []

        def note(_: Flask, **__: object) -> None:
            followed.append(request.environ[STREAM_KEY])

        async def parts() -> bytes:
            return b"".join([part async for part in followed[0]()])

        with request_finished.connected_to(note, self.http.application):
            answer = self.get(path, **headers)
        assert 200 == answer.status_code
        return lambda: bytes(answer.data) + asyncio.run(parts())

    def fetch(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> tuple[TestResponse, bytes]:
        """Asks for a file, with a form if there is one; returns the answer and what the server sends. `headers`: with
        underscores for hyphens."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        followed: list[Callable[[], AsyncGenerator[bytes, None]]] = []

        def note(_: Flask, **__: object) -> None:
            if STREAM_KEY in request.environ:
                followed.append(request.environ[STREAM_KEY])

        async def parts() -> bytes:
            return b"".join([part async for part in followed[0]()])

        if form is not None:
            form = {"csrf": self.token(), **form}
        with request_finished.connected_to(note, self.http.application):
            answer = self.get(path, **headers) if form is None else self.http.post(path, data=form, headers=headers)
        is_followed = followed and answer.status_code in (200, 206)
        return answer, asyncio.run(parts()) if is_followed else bytes(answer.data)

    def post(self, path: str, into: str | None = None, /, **fields: Any) -> TestResponse:
        """Sends a form with the token of this browser's session."""
        return self.post_from({}, path, into, **fields)

    def post_from(self, headers: dict[str, str], path: str, into: str | None = None, /, **fields: Any) -> TestResponse:
        """Sends a form with the headers that another site's form would have."""
        fields.setdefault("csrf", self.token())
        return self.http.post(path, data=fields, headers={**_asks(into), **headers})

    def token(self) -> str:
        """The form token of this browser's session."""
        pages = ("/account", "/sign-in", "/sign-in/code", "/account/second-factor")
        return next(found for page in pages if (found := field(self.get(page).text, "csrf")))

    def submit(self, path: str, into: str | None = None, **changed: Any) -> TestResponse:
        """Opens a form, fills it in and sends it."""
        page = self.get(path, into).text
        return self.send(page, into, **changed)

    def send(self, page: str, into: str | None = None, **changed: Any) -> TestResponse:
        """Presses the first command button of a row; without one, sends the first form of the page that posts, with the
        changed values."""
        page = page.rpartition("<main")[2]  # the header has a form too
        if button := re.search(r'form="row-actions" formaction="([^"]+)" name="version"\s+value="(\d+)"', page):
            fields = {**hidden(page.partition('id="row-actions"')[2]), "version": button[2], **changed}
            return self.http.post(unescape(button[1]), data=fields, headers=_asks(into))
        form = re.search(r'<form[^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>', page, re.DOTALL)
        assert form is not None, page
        fields = {**hidden(form[2]), **changed}
        return self.http.post(unescape(form[1]), data=fields, headers=_asks(into))

    def sign_in(self, name: str = BOSS, password: str = PASSWORD) -> TestResponse:
        return self.post("/sign-in", name=name, password=password)


class Console:
    """The application, with what it was made of."""

    def __init__(
        self,
        deps: Dependencies,
        publisher: FakePublisher,
        office: Office,
        clock: Clock,
        registry: CollectorRegistry,
        dsn: str,
    ) -> None:
        self.deps, self.publisher, self.office, self.clock, self.registry = deps, publisher, office, clock, registry
        self.dsn = dsn
        self.app = create_app(deps)

    def person(self, name: str = BOSS, *, administrator: bool = True) -> None:
        """Creates a sign-in; of no administrator, for a user of the directory."""
        level: Level | None = "tenant_administrator" if administrator else None
        people.create(self.office.connection, name, QUICK.hash(PASSWORD), level=level)

    def browser(self, address: str = "127.0.0.1") -> Browser:
        """A browser without a session."""
        return Browser(self.app, address)

    def signed_in(self, name: str = BOSS) -> Browser:
        browser = self.browser()
        assert browser.sign_in(name).status_code == 303
        return browser

    def process_commands(self) -> list[tuple[str, str | None]]:
        """Processes the submitted commands in one batch; returns their outcomes in order."""
        records = self._taken("t")
        incoming = [
            IncomingRecord(r.topic, 0, self.office.next_offset(), datetime.now(UTC), r.value, tuple(r.headers))
            for r in records
        ]
        return self.office.results_of(*incoming) if incoming else []

    def process_facts(self) -> list[Fact]:
        """Processes in one batch what agents did on their page; returns the facts."""
        facts = [FACT.validate_json(record.value) for record in self._taken("i")]
        self.office.process(*facts)
        return facts

    def _taken(self, topic: str) -> list[OutgoingRecord]:
        """Takes the records of a topic from the publisher."""
        found = self.publisher.on(topic)
        self.publisher.records = [record for record in self.publisher.records if record.topic != topic]
        return found

    def read_words(self) -> None:
        """Reads the words of all messages, as the process `analytics` does."""
        words = MessageWords(self.office.connection.transaction_of)
        while words.follow() or words.walk_recent() or words.walk():
            pass

    def watch(self) -> ListWatcher:
        """A watcher that has not looked yet."""
        return ListWatcher(self.deps.pool.connection, self.deps.sessions)

    def refused(self, why: str) -> int:
        """How many requests were refused for this reason, as the metrics say."""
        return int(self.registry.get_sample_value("witiop_console_refused_total", {"why": why}) or 0)

    def audited(self, event: str) -> list[dict[str, Any]]:
        return self.office.rows(f"select * from console_audit where event = '{event}' order by id")


class OpenList:
    """A list that is open in a browser, with its stream."""

    def __init__(self, console: Console, browser: Browser, path: str = "/unmanaged") -> None:
        self._console, self._browser = console, browser
        page = browser.get(path).text
        found = re.search(r'id="listen"[^>]*data-from="([^"]*)"\s+data-newest="([^"]*)" data-total="([^"]*)"', page)
        assert found is not None
        self._from, *above = map(unescape, found.groups())
        self._shown = {
            "newest": above[0],
            "total": above[1],
            "seen": ",".join(re.findall(r'data-seen="([^"]*)"', page)),
        }
        self.listen()

    def listen(self, **more: str) -> None:
        """Opens the stream as the script does, also after the stream was cut off."""
        followed: list[Any] = []

        def note(_: Flask, **__: object) -> None:
            followed.append(request.environ[STREAM_KEY])

        with request_finished.connected_to(note, self._console.app):
            answer = self._browser.http.get(f"{self._from}&{urlencode(self._shown | more)}")
        assert 200 == answer.status_code
        self.stream: Callable[[], AsyncGenerator[bytes, None]] = followed[0]
        self.shown: WatchedList
        _, self.shown, self._render = followed[0].args

    def look(self) -> str:
        """The events that the page receives when the watcher looks now."""
        now = self._console.watch().look([self.shown])
        events = self._render(self.shown, now)
        assert events is not None
        return b"".join(events).decode()

    def may_look(self) -> bool:
        """Whether the stream stays open when the watcher looks now."""
        return self._render(self.shown, self._console.watch().look([self.shown])) is not None


class OpenPage:
    """A page that is open in a browser, with its stream. `watch`: looks for what changed for the page."""

    def __init__(self, console: Console, browser: Browser, path: str, watch: Callable[[Sequence[Any]], Any]) -> None:
        followed: list[Any] = []

        def note(_: Flask, **__: object) -> None:
            followed.append(request.environ[STREAM_KEY])

        with request_finished.connected_to(note, console.app):
            assert 200 == browser.get(path).status_code
        _, self._shown, self._render = followed[0].args
        self._watch = watch

    def look(self) -> str | None:
        """The events that the page receives when the watcher looks now; None: its stream ends."""
        events = self._render(self._shown, self._watch([self._shown]))
        return None if events is None else b"".join(events).decode()


class OpenDesk(OpenPage):
    """An agents' page that is open in a browser, with its stream."""

    def __init__(self, console: Console, browser: Browser, path: str = "/desk/live") -> None:
        deps = console.deps
        watcher = DeskWatcher(deps.pool.connection, deps.sessions, deps.terms.presence_timeout)
        super().__init__(console, browser, path, watcher.look)


@contextmanager
def open_console(dsn: str, **deps: Any) -> Iterator[Console]:
    """A console on a database with our schema; `boss` has a sign-in."""
    publisher, clock, registry = FakePublisher(), Clock(), CollectorRegistry()
    with open_office(dsn) as office, pool(dsn, "test", 4, autocommit=True, generic_plans=True) as connections:
        sender = MailSender("inbox@shop.example", "The shop")
        made: dict[str, Any] = {
            "pool": connections,
            "download_connection": partial(connect, dsn, "download", autocommit=True, generic_plans=True),
            "publisher": publisher,
            "commands_topic": "t",
            "inbound_topic": "i",
            "command_secret": SECRET,
            "clock": clock,
            "live": Broadcaster(lambda: ChangeHints(dsn), ListWatcher(connections.connection, SessionTerms()).look),
            "desks": Broadcaster(
                lambda: ChangeHints(dsn),
                DeskWatcher(connections.connection, SessionTerms(), RoutingPolicy().presence_timeout).look,
            ),
            "campaigns": Broadcaster(
                lambda: ChangeHints(dsn), CampaignWatcher(connections.connection, SessionTerms()).look
            ),
            "directories": Broadcaster(
                lambda: ChangeHints(dsn),
                DirectoryWatcher(connections.connection, SessionTerms(), RoutingPolicy().presence_timeout).look,
            ),
            "passwords": QUICK,
            "sessions": SessionTerms(),
            "mailing": MailComposition(MailPolicy(address), sender, attach_bytes=1_000_000),
            "sending": SendingPolicy(enabled=True),
            "organisation": "The shop",
            "metrics": ConsoleMetrics(registry),
            **deps,
        }
        console = Console(Dependencies(**made), publisher, office, clock, registry, dsn)
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


def assets(html: str) -> list[str]:
    """The addresses of everything that a browser loads with a page: style, script modules, icon."""
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', html)


def ids(html: str) -> list[UUID]:
    """The conversations of a list, in order."""
    return [UUID(found) for found in re.findall(r'<tr id="row-([0-9a-f-]{36})"', html)]


def _asks(into: str | None) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": into} if into else {}
