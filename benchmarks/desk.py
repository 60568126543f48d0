"""Measures the agents' page: how soon an offer is seen, what 200 agents cost the console, and how soon an answer is
known to be sent.

The system is `witiop dev` with one console process. 200 agents have three conversations each. Each has the page open,
with one of the conversations and the stream, in a simulated browser, which does what the page's script does: it answers
the stream, and asks for the changes whenever the stream says so. Once all pages are current, conversations are
transferred to one agent after the other in an open loop, and nobody accepts. An offer is seen when its card has
arrived: later than the event on the stream. Its time goes from the commit of the offer, and from when the transfer was
due to be published.

The answer is written in Chromium, in one agent's page, while nobody else is there: from the key press to when the
bubble says that WhatsApp accepted the message, as the page itself measures it, without the seconds in which the message
can be undone. The next one is written when this one has been read. Without Chromium it is not measured.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from playwright.sync_api import Page
from psycopg import Connection

from benchmarks.figures import Figure, percentile
from benchmarks.load import stack_of
from benchmarks.setup.company import AGENTS
from benchmarks.setup.machine import ProcessorTime, bare_loop_ms
from benchmarks.setup.open_loop import send_at_rate
from benchmarks.setup.running import command, customers_come
from benchmarks.setup.sessions import cookies_of
from console.commands import MESSAGE_HOLD_SECONDS
from domain.command_bodies.parts import Target
from domain.commands import Transfer
from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig
from infra.local.ports import LOOPBACK
from tests.support.chromium import chromium, program
from tests.support.process_tree import pss_bytes
from tests.support.waiting import wait_until
from witiop.dev.stack_file import Stack

SECONDS = 60.0
OFFERS = 5
"""A second."""
_OWN = 3
"""Conversations of an agent."""
_SEEN_P99_SECONDS = 1.0
_MOST_MIB = 250
ANSWERS = 15
_WARMING = 2
_SENT_P50_MS = 300
_DRAIN_SECONDS = 60.0
_TAKES = 100
"""A second, before anything is measured."""


def measure(directory: Path, seconds: float) -> Iterator[Figure]:
    """Yields all figures of the agents' page."""
    offers = int(OFFERS * seconds)
    with stack_of(directory) as stack, psycopg.connect(stack.postgres_dsn, autocommit=True) as connection:
        conversations = customers_come(stack, connection, len(AGENTS) * _OWN + offers)
        own, rest = conversations[: len(AGENTS) * _OWN], conversations[len(AGENTS) * _OWN :]
        _take(stack, connection, own)
        cookies = cookies_of(connection, AGENTS, administrator=False)
        pages = [(cookie, own[place]) for place, cookie in enumerate(cookies)]
        yield from _offers(stack, connection, directory, pages, rest)
        if (executable := program()) is not None:
            yield _answers(stack, executable, *pages[0])


def _take(stack: Stack, connection: Connection[Any], conversations: Sequence[UUID]) -> None:
    """Lets the agents take the conversations, one after the other."""
    transfers = (_transfer(stack, id_, agent, agent) for id_, agent in zip(conversations, cycle(AGENTS), strict=False))
    send_at_rate(KafkaConfig((stack.kafka_bootstrap,)), transfers, _TAKES)
    taken = "select count(*) from conversations where owner_state = 'x'"
    wait_until(lambda: connection.execute(taken).fetchone() == (len(conversations),))


def _transfer(stack: Stack, conversation: UUID, agent: str, issuer: str) -> OutgoingRecord:
    target = Target(kind="user", id=agent)
    return command(stack, Transfer(conversation_id=conversation, target=target, mode="immediate"), issuer)


# offers


def _offers(
    stack: Stack,
    connection: Connection[Any],
    directory: Path,
    pages: Sequence[tuple[str, UUID]],
    conversations: Sequence[UUID],
) -> Iterator[Figure]:
    (console,) = stack.pids["console"]
    longest = len(conversations) / OFFERS + _DRAIN_SECONDS
    with _watching(stack, directory, pages, len(conversations), longest) as offers:
        ready = "select count(*) from agent_presence where state = 'ready'"
        wait_until(lambda: connection.execute(ready).fetchone() == (len(pages),))
        reference, spent = bare_loop_ms(), ProcessorTime(stack)
        transfers = (
            _transfer(stack, id_, agent, "administrator")
            for id_, agent in zip(conversations, cycle(AGENTS), strict=False)
        )
        published = send_at_rate(KafkaConfig((stack.kafka_bootstrap,)), transfers, OFFERS)
        seen = dict(islice(offers, len(conversations)))
        shares, size = spent.shares(), pss_bytes(console) / 2**20
    committed = _committed(connection, conversations)
    due = dict(zip(conversations, published.values(), strict=True))
    times, all_times = (sorted(seen[id_] - at for id_, at in since.items()) for since in (committed, due))
    yield Figure(
        what=f"offer seen by one of {len(pages)} agents, {OFFERS} offers/s",
        value=f"p50 {percentile(times, 50) * 1000:,.0f} ms, p99 {percentile(times, 99) * 1000:,.0f} ms",
        target=f"p99 at most {_SEEN_P99_SECONDS * 1000:,.0f} ms",
        holds=percentile(times, 99) <= _SEEN_P99_SECONDS,
        meaning=f"{len(times)} offers, from the commit to the card in the page; longest {times[-1] * 1000:,.0f} ms; "
        f"from when the transfer was due to be published p50 {percentile(all_times, 50) * 1000:,.0f} ms, p99 "
        f"{percentile(all_times, 99) * 1000:,.0f} ms; the console took {shares['console']:.0%} of a core; a loop of "
        f"`json` took {reference:.2f} ms",
    )
    yield Figure(
        what=f"memory of the console with {len(pages)} agents",
        value=f"{size:,.0f} MiB",
        target=f"at most {_MOST_MIB} MiB",
        holds=size <= _MOST_MIB,
        meaning=f"proportional set size of one process after {len(times)} offers; each agent has {_OWN} "
        "conversations, one of them open, and all streams are open",
    )


@contextmanager
def _watching(
    stack: Stack, directory: Path, pages: Sequence[tuple[str, UUID]], offers: int, seconds: float
) -> Iterator[Iterator[tuple[UUID, float]]]:
    """Opens the agents' pages and yields what they receive: the conversation of each offer, and when. Raises
    AssertionError at the end if a stream ended before."""
    cookies = directory / "agents"
    cookies.write_text("\n".join(f"{cookie} /desk/{id_}" for cookie, id_ in pages))
    watching = [
        sys.executable,
        "-m",
        "benchmarks.browsers.agents",
        str(_port(stack)),
        str(cookies),
        str(offers),
        str(seconds),
    ]
    with subprocess.Popen(watching, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "all listen\n"
        yield (_offer(line) for line in process.stdout)
        process.stdin.close()
        assert process.wait() == 0


def _offer(line: str) -> tuple[UUID, float]:
    at, _, id_ = line.strip().partition(" ")
    return UUID(id_), float(at)


def _committed(connection: Connection[Any], conversations: Sequence[UUID]) -> dict[UUID, float]:
    """Returns when the first offer of each conversation was committed, in seconds since 1970."""
    rows = connection.execute(
        "select conversation_id, extract(epoch from min(pg_xact_commit_timestamp(xmin)))::float from history "
        "where event = 'assigned' and conversation_id = any(%s) group by 1",
        [list(conversations)],
    )
    return dict(rows.fetchall())


# answers

_MEASURE = """
text => {
  window.shownAfter = null;
  let pressed;
  const press = (event) => { if (event.key === "Enter") pressed = performance.now(); };
  document.addEventListener("keydown", press, { capture: true });
  const observer = new MutationObserver(() => {
    const bubble = [...document.querySelectorAll(".msg")].find((each) => each.textContent.includes(text));
    if (!bubble?.querySelector(".sent.tick, .sent.ticks, .sent.read")) return;
    window.shownAfter = performance.now() - pressed;
    observer.disconnect();
    document.removeEventListener("keydown", press, { capture: true });
  });
  observer.observe(document.body, { childList: true, subtree: true });
}
"""


def _answers(stack: Stack, executable: str, cookie: str, conversation: UUID) -> Figure:
    name, _, value = cookie.partition("=")
    url = f"http://{LOOPBACK}:{_port(stack)}"
    reference = bare_loop_ms()
    with chromium(executable) as browser:
        context = browser.new_context(base_url=url)
        context.add_cookies([{"name": name, "value": value, "url": url}])
        page = context.new_page()
        page.goto(f"/desk/{conversation}")
        times = [_answer(page, f"Answer number {place}.") for place in range(_WARMING + ANSWERS)]
    times = sorted(times[_WARMING:])
    return Figure(
        what=f"key press to the bubble of an accepted message, without the {MESSAGE_HOLD_SECONDS} s for undoing it",
        value=f"p50 {percentile(times, 50):,.0f} ms, from {times[0]:,.0f} to {times[-1]:,.0f}",
        target=f"p50 at most {_SENT_P50_MS} ms",
        holds=percentile(times, 50) <= _SENT_P50_MS,
        meaning=f"{len(times)} answers in Chromium, one after the other, through Kafka, sender and stand-in, which "
        f"answers at once; a loop of `json` took {reference:.2f} ms",
    )


def _answer(page: Page, text: str) -> float:
    """Writes an answer and waits until it has been read; returns the milliseconds, without its hold, until its bubble
    said that it was accepted."""
    box = page.get_by_label("Your answer")
    box.fill(text)
    page.evaluate(_MEASURE, text)
    box.press("Control+Enter")
    page.wait_for_function("() => window.shownAfter !== null")
    page.locator(".msg", has_text=text).locator(".sent.read").wait_for()
    return float(page.evaluate("window.shownAfter")) - MESSAGE_HOLD_SECONDS * 1000


def _port(stack: Stack) -> int:
    assert stack.console_url is not None
    return int(stack.console_url.rpartition(":")[2])
