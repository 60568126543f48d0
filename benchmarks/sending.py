"""Measures the `sender`: how much it posts compared with a bare loop of its HTTP client, what a steady stream of
messages costs, and how long an answer takes from its command to Meta.

Meta is the stand-in, which answers after 150 ms, as Meta does. One number sends; its limit is 1,000 messages a second,
so that the limit does not hold back what is measured.

The ceiling is a loop that posts one body again and again with the same client (`infra.graph.access`), with as many
posts at the same time: no database, no claim, no record. The two run alternately, each in a process of its own, against
the same stand-in, whose ledger has the times. The sender's messages are agents' answers, each to another customer.

The stream and the times are measured on `witiop dev`, with the statuses that the stand-in reports for every message. An
answer's time goes from when its command was due to be published, in an open loop, to when the stand-in accepted it.
A campaign then runs beside the answers, on a number whose limit leaves it 80 messages a second.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import time
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection
from pydantic_core import to_json

from benchmarks.campaigns.rows import planned_campaign
from benchmarks.figures import Figure, percentile
from benchmarks.load import stack_of
from benchmarks.setup.company import AGENTS, company, customers_write
from benchmarks.setup.machine import ProcessorTime, bare_loop_ms
from benchmarks.setup.open_loop import send_at_rate
from benchmarks.setup.running import NUMBER, command, control_of, customers_come
from domain.commands import SendMessage
from domain.ports import OutgoingRecord
from domain.sending.callback import SECRET_BYTES, Callback, read_callback
from domain.sending.pacing import SHARE
from domain.sending.sends import Lane, Send, letter, send_id
from infra.kafka.config import KafkaConfig
from infra.local.graph.accounts import ACCOUNT
from infra.local.graph.control import GraphControl
from infra.local.graph.process import LocalGraph
from infra.local.graph.server import GraphOptions
from infra.local.postgres import LocalPostgres
from infra.postgres.connections.hints import SYNC
from infra.postgres.sending import sends
from infra.postgres.sending.library import templates
from infra.process.clock import utc_now
from tests.support.kafka_topics import new_topics
from tests.support.system import System
from tests.support.waiting import wait_until
from witiop.dev.stack_file import Stack

SECONDS = 60.0
PAIRS = 7
IN_FLIGHT = 64
_TURN_SECONDS = 6
_POSTS = IN_FLIGHT * 1000 // 150 * _TURN_SECONDS
"""Of one turn."""
_LEAST = 0.6

STREAM, ANSWERS = 80, 20
"""Messages a second of the stream and of the campaign, and agents' answers a second beside the campaign."""
_MOST_OF_A_CORE = 0.25
_P50_MS, _P99_MS = 120, 400
_CUSTOMERS = 500
_WARMING_SECONDS = 10.0
_DRAIN_SECONDS = 60.0

_TEXT = "Your order arrives tomorrow morning."
_FAULTS = ("latency=150", "throughput=1000")


def posts(bootstrap: str, server: LocalPostgres, directory: Path) -> Iterator[Figure]:
    """Yields the ratio to the bare loop. Logs are written to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    options = GraphOptions(secrets.token_urlsafe(32), numbers=[(NUMBER, "+999 0000000000", ACCOUNT)], faults=_FAULTS)
    topics = new_topics(bootstrap)
    with (
        company(server) as dsn,
        LocalGraph(directory / "graph", options) as graph,
        System(bootstrap, dsn, topics, directory) as system,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        customers_write(dsn, _POSTS, "1", "2")
        control = GraphControl(graph.url)
        settings = {"graph_url": graph.url, "whatsapp_access_token": options.token, "whatsapp_accounts": ACCOUNT}
        system.run("sender", sending_enabled=True, sending_in_flight=IN_FLIGHT, **settings)
        _answer_all(connection, control)  # untimed: query plans and connections
        pairs = [
            (_answer_all(connection, control), _bare(connection, options.token, control, graph.url))
            for _ in range(PAIRS)
        ]
    ratios = sorted(ours / bare for ours, bare in pairs)
    ours, bare = (median(each) for each in zip(*pairs, strict=True))
    yield Figure(
        what=f"sender / bare loop, {IN_FLIGHT} posts at the same time",
        value=f"{median(ratios):.2f}",
        target=f"at least {_LEAST:.2f}",
        holds=median(ratios) >= _LEAST,
        meaning=f"sender {ours:,.0f} posts/s, bare loop {bare:,.0f}, each answered after 150 ms; median of "
        f"{PAIRS} pairs of {_POSTS:,} posts, from {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )


def load(directory: Path, seconds: float) -> Iterator[Figure]:
    """Yields what a stream costs the sender, and the time from command to post: of the stream, and beside a
    campaign."""
    with (
        stack_of(directory, WITIOP_SENDING_IN_FLIGHT=str(IN_FLIGHT)) as stack,
        psycopg.connect(stack.postgres_dsn, autocommit=True) as connection,
    ):
        answers = _answers(stack, connection)
        _sent_at_rate(stack, answers, STREAM, _WARMING_SECONDS)
        reference = bare_loop_ms()
        spent = ProcessorTime(stack)
        began = time()
        times = _sent_at_rate(stack, answers, STREAM, seconds)
        rate, shares = len(times) / (time() - began), spent.shares()
        yield Figure(
            what=f"a core's share of the sender at {STREAM} messages/s of one number",
            value=f"{shares['sender']:.0%}",
            target=f"at most {_MOST_OF_A_CORE:.0%}",
            holds=shares["sender"] <= _MOST_OF_A_CORE,
            meaning=f"{len(times):,} answers of agents, {rate:.0f} a second accepted; the others: "
            + ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if name != "sender" and share >= 0.01)
            + f"; a loop of `json` took {reference:.2f} ms",
        )
        yield _times(f"command to post at {STREAM} answers/s", times)
        limit = int((STREAM + ANSWERS) / SHARE)
        connection.execute("update graph_numbers set throughput = %s", [limit])
        control_of(stack).change(f"throughput={limit}")  # Meta is asked again every ten minutes
        _sent_at_rate(stack, answers, ANSWERS, _WARMING_SECONDS / 2)
        yield _times(f"command to post at {ANSWERS} answers/s", _sent_at_rate(stack, answers, ANSWERS, seconds))
        (template,) = [each for each in templates(connection, "order_update") if each.language == "en"]
        planned_campaign(connection, NUMBER, int(2 * STREAM * seconds), template)
        _sent_at_rate(stack, answers, ANSWERS, _WARMING_SECONDS / 2)
        seen, _ = control_of(stack).accepted_since(0)
        times = _sent_at_rate(stack, answers, ANSWERS, seconds)
        rate = _rate(control_of(stack), seen) - ANSWERS
        yield _times(f"command to post at {ANSWERS} answers/s beside a campaign at {rate:.0f} messages/s", times)


def _times(what: str, times: Sequence[float]) -> Figure:
    p50, p99 = (percentile(times, percent) * 1000 for percent in (50, 99))
    return Figure(
        what=what,
        value=f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms",
        target=f"p50 at most {_P50_MS} ms, p99 at most {_P99_MS} ms",
        holds=p50 <= _P50_MS and p99 <= _P99_MS,
        meaning=f"{len(times):,} answers in an open loop, from when each command was due to be published to when the "
        f"stand-in accepted the message; longest {times[-1] * 1000:,.0f} ms; a loop of `json` took "
        f"{bare_loop_ms():.2f} ms",
    )


# the turns of sender and bare loop


def _answer_all(connection: Connection[Any], control: GraphControl) -> float:
    """Lets agents answer every customer at once; returns the posts per second."""
    rows = connection.execute("select id, customer_id, wa_id from conversations order by id limit %s", [_POSTS])
    now = utc_now()
    sample = _template(now)
    waiting = [
        replace(
            sample,
            id=uuid4(),
            command_id=uuid4().hex,
            phone_number_id=NUMBER,
            address=wa_id,
            conversation_id=conversation,
            customer_id=customer,
            kind="text",
            lane=Lane.AGENT,
            content={"type": "text", "text": {"body": _TEXT}},
            text=_TEXT,
            actor=AGENTS[0],
            is_word=True,
            is_claim=True,
        )
        for conversation, customer, wa_id in rows
    ]
    seen, _ = control.accepted_since(0)
    with connection.transaction():
        for send in waiting:
            sends.request(connection, send, timedelta())
    wait_until(lambda: control.accepted_since(seen)[0] == seen + _POSTS, _DRAIN_SECONDS, step=0.2)
    recorded = "select not exists (select from sends where state in ('queued', 'sending'))"
    wait_until(lambda: connection.execute(recorded).fetchone() == (True,), _DRAIN_SECONDS)
    return _rate(control, seen)


def _bare(connection: Connection[Any], token: str, control: GraphControl, url: str) -> float:
    """Returns the posts per second of the bare loop."""
    seen, _ = control.accepted_since(0)
    (send,) = sends.read(connection, f"select {sends.SEND_COLUMNS} from sends limit 1")
    body = to_json(letter(send, Callback(send.id, 1, send.secret).text())).decode()
    program = [sys.executable, "-m", "benchmarks.ceilings.bare_posts", url, str(IN_FLIGHT), str(_POSTS)]
    subprocess.run(program, input=f"{token}\n{NUMBER}\n{body}", text=True, check=True)
    return _rate(control, seen)


def _rate(control: GraphControl, seen: int) -> float:
    """Returns the posts per second since so many were accepted, without the first and the last tenth."""
    at = sorted(row["at"] for row in control.ledger(seen))
    first, last = len(at) // 10, len(at) * 9 // 10
    return float((last - first) / (at[last] - at[first]))


# streams of messages


def _answers(stack: Stack, connection: Connection[Any]) -> Iterator[OutgoingRecord]:
    """Lets customers write, waits until the number's limit is known, and returns endless commands of agents, signed
    when they are requested; customers take turns."""
    control_of(stack).change(*_FAULTS)
    conversations = customers_come(stack, connection, _CUSTOMERS)
    connection.execute(f"notify {SYNC}")
    limit = "select throughput from graph_numbers where phone_number_id = %s"
    wait_until(lambda: connection.execute(limit, [NUMBER]).fetchone() == (1000,))
    message = {"text": {"body": _TEXT}}
    bodies = [SendMessage.model_validate({"conversation_id": id_, "message": message}) for id_ in conversations]
    return (command(stack, body, AGENTS[place % len(AGENTS)]) for place, body in cycle([*enumerate(bodies)]))


def _sent_at_rate(stack: Stack, answers: Iterator[OutgoingRecord], rate: int, seconds: float) -> list[float]:
    """Publishes commands for so long; returns the seconds from when each was due to when the stand-in accepted the
    message, in ascending order. Raises AssertionError if one is not accepted."""
    control = control_of(stack)
    seen, _ = control.accepted_since(0)
    due = send_at_rate(KafkaConfig((stack.kafka_bootstrap,)), islice(answers, int(rate * seconds)), rate)
    wanted = {send_id(id_): at for id_, at in due.items()}
    accepted: dict[UUID, float] = {}

    def complete() -> bool:
        for row in control.ledger(seen):
            callback = read_callback(row["callback"] or "")
            if callback is not None and callback.send in wanted:
                accepted[callback.send] = row["at"]
        return accepted.keys() == wanted.keys()

    wait_until(complete, _DRAIN_SECONDS, step=0.5)
    return sorted(accepted[send] - at for send, at in wanted.items())


def _template(at: datetime) -> Send:
    """Returns a template message that a campaign sends."""
    parameters = [{"type": "text", "text": "Ada"}]
    content = {
        "name": "order_update",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    return Send(
        id=UUID(int=0),
        command_id="",
        phone_number_id=NUMBER,
        address="",
        address_kind="phone",
        kind="template",
        lane=Lane.CAMPAIGN,
        content={"type": "template", "template": content},
        text="Hello Ada",
        actor="campaign",
        is_word=False,
        is_claim=False,
        needs_window=False,
        requested_at=at,
        secret=secrets.token_bytes(SECRET_BYTES),
    )
