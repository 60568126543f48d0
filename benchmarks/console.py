"""Benchmarks of the console: the time of the list compared with an empty page, its weight, the time of a search, and
the cost of five hundred open lists under load.

The page: `witiop run console` among all conversations, and a Flask view that renders an empty template behind the same
server with as many threads, each in a process of its own. One client requests them alternately (A B A B ...) over one
persistent connection, one page at a time, compressed as browsers do. First paint is what Chromium reports for the page
with script turned off, if Chromium is installed.

The search: in the database, among all conversations, for words of last texts, names and phones of random
conversations, and for words of all their messages.

The viewers: `witiop dev` under the load of one number, and 500 open lists of 25 rows, each with its own session, all on
one console process. Lag is the time from the commit of a customer's message until a list that shows the conversation
received the new row. Meanwhile a client opens the list twice a second.
"""

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from statistics import fmean, median
from threading import Event as Flag
from threading import Thread
from time import monotonic, perf_counter, sleep
from typing import Any

import psycopg
from psycopg import Connection

from benchmarks.ceilings import bare_page
from benchmarks.figures import Figure, percentile
from benchmarks.load import RATE, generate, stack_of
from benchmarks.setup.sessions import cookies_of
from benchmarks.setup.world import World
from domain.topics import Topics
from infra.local.ports import LOOPBACK, free_port
from infra.postgres.connections.pool import connect
from infra.postgres.lists.console import page
from infra.postgres.lists.unmanaged import UnmanagedFilter
from tests.support.chromium import chromium, program
from tests.support.process_tree import pss_bytes
from tests.support.system import System
from tests.support.waiting import wait_until

PAIRS = 7
PAGES = 200
"""Pages per measurement."""
_MOST = 3.0
_HEAVIEST_KB = 150
_ASSET = re.compile(rb'(?:href|src)="(/static/[^"]+)"')
"""The address of a style sheet, script module or icon of a page."""

SEARCHES = 300
_SEARCH_P99_MS = 200.0
_FILL_WORDS = """
insert into conversation_words
select id, phone_number_id, version, sequence, entries, status = 'c', last_at,
  array_to_tsvector(string_to_array(concat_ws(' ', search,
    nullif(trim(regexp_replace(lower(concat_ws(' ', lag(last_text, 7) over w, lag(last_text, 77) over w,
      lag(last_text, 777) over w, lag(last_text, 7777) over w, lag(last_text, 77777) over w)),
      '[^[:alnum:]]+', ' ', 'g')), '')), ' '))
from conversations where search is not null window w as (order by id)
"""

VIEWERS = 500
VIEWING_SECONDS = 240.0
_LAG_P99_SECONDS = 1.0
_PAGE_P99_MS = 200.0
_GROWTH = 0.05
_MINUTE = 60.0
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_NAME = "bench"


def pages(world: World, directory: Path) -> Iterator[Figure]:
    """The list compared with an empty page, and its weight. Logs are written to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    with System("127.0.0.1:1", world.dsn, Topics(), directory) as system, _bare(directory / "bare.log") as bare_port:
        port = free_port()
        system.start("console", console_port=port, console_url=f"http://{LOOPBACK}:{port}")
        wait_until(lambda: answers(port, "/readyz"))
        with psycopg.connect(world.dsn, autocommit=True) as connection:
            (cookie,) = cookies_of(connection, [_NAME], administrator=True)
        with closing(PageClient(port, cookie)) as ours, closing(PageClient(bare_port, "")) as bare:
            path = "/unmanaged"
            ours.seconds(path, PAGES), bare.seconds(bare_page.PATH, PAGES)
            rates = [(ours.seconds(path, PAGES), bare.seconds(bare_page.PATH, PAGES)) for _ in range(PAIRS)]
            yield _ratio(rates, world.conversations)
            yield _weight(ours, path)
        if (executable := program()) is not None:
            yield _first_paint(executable, port, cookie, path)


def searches(world: World) -> Iterator[Figure]:
    """Searches for words, names and phones of rows, and for words of older messages."""
    chance = Random()
    with connect(world.dsn, "bench", autocommit=True, generic_plans=True) as connection:
        _fill_words(connection)
        of_rows = _search_times(connection, _searched(connection, world, chance))
        of_messages = _search_times(connection, _searched_messages(connection, world, chance))
    yield _search_figure(
        "search, 25 rows", of_rows, world, "for a name, a phone or a word of the last text in turn", _SEARCH_P99_MS
    )
    yield _search_figure(
        "search of messages, 25 rows",
        of_messages,
        world,
        "for a word of one of the messages, or for two of them in turn",
    )


def _fill_words(connection: Connection[Any]) -> None:
    """Gives conversations the words of six messages, once: the last text of their own, and of five others. They are
    complete from then on."""
    if connection.execute("select from conversation_words limit 1").fetchone() is None:
        connection.execute("set statement_timeout = 0")
        connection.execute(_FILL_WORDS)
        connection.execute("vacuum analyze conversation_words")
        connection.execute("reset statement_timeout")
    connection.execute("update words_progress set searched_until = now() + interval '1 day', walked_at = now()")


def _search_times(connection: Connection[Any], wanted: Iterator[UnmanagedFilter]) -> list[float]:
    """Returns milliseconds, in ascending order."""
    times = []
    for which in wanted:
        began = perf_counter()
        page(connection, which, 25)
        times.append((perf_counter() - began) * 1000)
    return sorted(times)


def _search_figure(what: str, times: Sequence[float], world: World, how: str, most: float | None = None) -> Figure:
    p99 = percentile(times, 99)
    return Figure(
        what=what,
        value=f"p50 {percentile(times, 50):.0f} ms, p99 {p99:.0f} ms",
        target=f"p99 at most {most:.0f} ms" if most is not None else "",
        holds=p99 <= most if most is not None else None,
        meaning=f"{len(times)} searches {how}, each new, among {world.conversations:,} conversations; the longest "
        f"{times[-1]:,.0f} ms",
    )


def viewers(directory: Path, seconds: float) -> Iterator[Figure]:
    """Five hundred open lists, for `seconds`."""
    cookies, received = directory / "cookies", directory / "received.jsonl"
    with stack_of(directory) as stack:
        generate(directory, 20)  # so that there is a list
        assert stack.console_url is not None
        port = int(stack.console_url.rpartition(":")[2])
        (console,) = stack.pids["console"]
        with psycopg.connect(stack.postgres_dsn, autocommit=True) as connection:
            made = cookies_of(connection, [_NAME] * (VIEWERS + 1), administrator=True)
            cookies.write_text("\n".join(made[1:]))
            load = Thread(target=generate, args=(directory, seconds + 20))
            load.start()
            sleep(5)
            watching = [
                sys.executable,
                "-m",
                "benchmarks.browsers.viewers",
                str(port),
                str(cookies),
                str(seconds),
                str(received),
            ]
            meanwhile = _Meanwhile(port, made[0], console)
            with subprocess.Popen(watching, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "all listen\n"
                with meanwhile:
                    assert process.wait() == 0
            load.join()
            lags = _lags(connection, received)
    yield Figure(
        what=f"lag of {VIEWERS} open lists at {RATE} updates/s",
        value=f"p50 {percentile(lags, 50) * 1000:,.0f} ms, p99 {percentile(lags, 99) * 1000:,.0f} ms",
        target=f"p99 at most {_LAG_P99_SECONDS * 1000:,.0f} ms",
        holds=percentile(lags, 99) <= _LAG_P99_SECONDS,
        meaning=f"{len(lags):,} changes of rows, from the commit until the list received the new row; one "
        f"process, {seconds:,.0f} s; the longest {lags[-1] * 1000:,.0f} ms",
    )
    times = sorted(meanwhile.pages)
    yield Figure(
        what="a page meanwhile",
        value=f"p50 {percentile(times, 50) * 1000:,.0f} ms, p99 {percentile(times, 99) * 1000:,.0f} ms",
        target=f"p99 at most {_PAGE_P99_MS:.0f} ms",
        holds=percentile(times, 99) * 1000 <= _PAGE_P99_MS,
        meaning=f"{len(times)} lists of 25 rows, opened one every half second",
    )
    early = fmean(size for at, size in meanwhile.sizes if _MINUTE <= at < 2 * _MINUTE)
    late = fmean(size for at, size in meanwhile.sizes if at >= seconds - _MINUTE)
    yield Figure(
        what=f"memory of the console with {VIEWERS} open lists",
        value=f"{early / 2**20:,.0f} MiB, then {late / 2**20:,.0f} MiB ({late / early - 1:+.1%})",
        target=f"at most {_GROWTH:+.0%}",
        holds=late <= early * (1 + _GROWTH),
        meaning=f"proportional set size, mean of the second and of the last of {seconds / _MINUTE:.0f} minutes",
    )


# clients


class PageClient:
    """A client with one persistent connection."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = HTTPConnection(LOOPBACK, port, timeout=30)
        self._headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}

    def get(self, path: str) -> bytes:
        """The body of a page, as it was sent."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, answer.status
        return content

    def seconds(self, path: str, how_many: int) -> float:
        """The mean time of a page."""
        began = monotonic()
        for _ in range(how_many):
            self.get(path)
        return (monotonic() - began) / how_many

    def close(self) -> None:
        self._connection.close()


class _Meanwhile:
    """Opens the list twice a second and measures the console's memory."""

    def __init__(self, port: int, cookie: str, pid: int) -> None:
        self.pages: list[float] = []
        self.sizes: list[tuple[float, int]] = []
        self._client = PageClient(port, cookie)
        self._pid = pid
        self._over = Flag()
        self._threads = [Thread(target=self._open), Thread(target=self._measure)]

    def _open(self) -> None:
        while not self._over.wait(0.5):
            self.pages.append(self._client.seconds("/unmanaged", 1))

    def _measure(self) -> None:
        began = monotonic()
        while not self._over.wait(5):
            self.sizes.append((monotonic() - began, pss_bytes(self._pid)))

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def _bare(log: Path) -> Iterator[int]:
    """Serves the empty page; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.ceilings.bare_page", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: answers(port, bare_page.PATH))
            yield port
        finally:
            process.terminate()


def answers(port: int, path: str) -> bool:
    """Whether a page is there."""
    with closing(HTTPConnection(LOOPBACK, port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False


# figures


def _ratio(times: Sequence[tuple[float, float]], conversations: int) -> Figure:
    ratios = sorted(ours / bare for ours, bare in times)
    ours, bare = (median(each) * 1000 for each in zip(*times, strict=True))
    return Figure(
        what="the list, 25 rows / an empty page",
        value=f"{median(ratios):.1f}",
        target=f"at most {_MOST:.1f}",
        holds=median(ratios) <= _MOST,
        meaning=f"{ours:.1f} ms by {bare:.1f} ms, among {conversations:,} conversations; median of {len(ratios)} pairs "
        f"of {PAGES} pages each, from {ratios[0]:.1f} to {ratios[-1]:.1f}",
    )


def _weight(client: PageClient, path: str) -> Figure:
    content = client.get(f"{path}?rows=100")
    assets = sum(len(client.get(path.decode())) for path in set(_ASSET.findall(gzip.decompress(content))))
    kilobytes = (len(content) + assets) / 1000
    client.get(f"{path}?rows=25")
    return Figure(
        what="weight of the list, 100 rows",
        value=f"{kilobytes:.0f} kB",
        target=f"at most {_HEAVIEST_KB} kB",
        holds=kilobytes <= _HEAVIEST_KB,
        meaning=f"everything that a browser loads, compressed: the page {len(content) / 1000:.0f} kB (it is "
        f"{len(gzip.decompress(content)) / 1000:.0f}), style, scripts and icon {assets / 1000:.0f}",
    )


def _first_paint(executable: str, port: int, cookie: str, path: str) -> Figure:
    name, _, value = cookie.partition("=")
    times = []
    with chromium(executable) as browser:
        context = browser.new_context(java_script_enabled=False, base_url=f"http://{LOOPBACK}:{port}")
        context.add_cookies([{"name": name, "value": value, "url": f"http://{LOOPBACK}:{port}"}])
        for _ in range(PAIRS):
            opened = context.new_page()
            opened.goto(path)
            wait_until(partial(opened.evaluate, _PAINTED))
            times.append(float(opened.evaluate(_PAINTED)))
            opened.close()
    return Figure(
        what="first paint without script",
        value=f"{median(times):.0f} ms",
        meaning=f"first contentful paint in Chromium with script turned off, median of {len(times)}, from "
        f"{min(times):.0f} to {max(times):.0f}; the same list, nothing cached the first time",
    )


def _searched(connection: Connection[Any], world: World, chance: Random) -> Iterator[UnmanagedFilter]:
    some = [chat.id for chat in world.any(SEARCHES, chance)]
    rows = connection.execute(
        "select customer_name, wa_id, last_text from conversations where id = any(%b)", [some]
    ).fetchall()
    for place, (name, wa_id, text) in enumerate(rows):
        words = (name or "maria").split(), [wa_id or "39"], [chance.choice((text or "order").split())]
        yield UnmanagedFilter(words=tuple(words[place % 3]))


def _searched_messages(connection: Connection[Any], world: World, chance: Random) -> Iterator[UnmanagedFilter]:
    some = [chat.id for chat in world.any(SEARCHES, chance)]
    rows = connection.execute(
        "select tsvector_to_array(words) from conversation_words where conversation_id = any(%b)", [some]
    ).fetchall()
    for place, (words,) in enumerate(rows):
        letters = [word for word in words if word.isalpha()]
        yield UnmanagedFilter(words=tuple(chance.sample(letters, min(len(letters), 1 + place % 2))))


def _lags(connection: Connection[Any], received: Path) -> list[float]:
    """The lags of all new messages of rows that viewers show, in ascending order."""
    committed: dict[str, list[float]] = {}
    for id_, at in connection.execute(
        "select conversation_id::text, pg_xact_commit_timestamp(xmin) from entries where conversation_id is not null"
    ):
        committed.setdefault(id_, []).append(at.timestamp())
    for times in committed.values():
        times.sort()
    lags: list[float] = []
    for line in received.read_text().splitlines():
        viewer = json.loads(line)
        lags += _of_viewer(viewer, committed)
    assert lags, "no list received a change"
    return sorted(lags)


def _of_viewer(viewer: Mapping[str, Any], committed: Mapping[str, Sequence[float]]) -> list[float]:
    lags = []
    known = dict(viewer["had"])
    for at, id_, entries in viewer["received"]:
        lags += [at - committed[id_][place] for place in range(known[id_], entries)]
        known[id_] = max(known[id_], entries)
    return lags
