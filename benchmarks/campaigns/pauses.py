"""Measures how long after a pause the last message of a campaign is posted.

A pause is one commit. Messages of a running campaign are posted at 80 a second to the stand-in for Meta, which answers
after 150 ms; the campaign is paused and resumed again and again. The time goes from the commit of the pause until the
stand-in accepted the last message.
"""

import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from time import sleep, time
from typing import Any

import psycopg
from psycopg import Connection

from benchmarks.campaigns.rows import imported_campaign
from benchmarks.figures import Figure, percentile
from benchmarks.setup.company import company
from benchmarks.setup.running import NUMBER
from domain.campaigns.campaign import Campaign
from infra.local.graph.accounts import ACCOUNT
from infra.local.graph.control import GraphControl
from infra.local.graph.process import LocalGraph
from infra.local.graph.server import GraphOptions
from infra.local.postgres import LocalPostgres
from infra.postgres.sending.library import templates
from tests.support.kafka_topics import new_topics
from tests.support.system import System
from tests.support.waiting import wait_until

_TEMPLATE = "order_update"
"""One of the stand-in's."""
_PAUSES = 20
_PAUSE_SECONDS = 1.0
_BETWEEN_SECONDS = 2.0
_RATE = 80


def measure(bootstrap: str, server: LocalPostgres, directory: Path) -> Iterator[Figure]:
    """Yields the time from a pause to the last post. Logs are written to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    faults = ("latency=150", f"throughput={_RATE * 10 // 8}")
    options = GraphOptions(secrets.token_urlsafe(32), numbers=[(NUMBER, "+999 0000000000", ACCOUNT)], faults=faults)
    topics = new_topics(bootstrap)
    with (
        company(server) as dsn,
        LocalGraph(directory / "graph", options) as graph,
        System(bootstrap, dsn, topics, directory) as system,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        control = GraphControl(graph.url)
        settings = {"graph_url": graph.url, "whatsapp_access_token": options.token, "whatsapp_accounts": ACCOUNT}
        system.run("sender", sending_enabled=True, **settings)
        wait_until(lambda: templates(connection, _TEMPLATE) != [])
        (template,) = [each for each in templates(connection, _TEMPLATE) if each.language == "en"]
        campaign = imported_campaign(connection, NUMBER, int(_RATE * _PAUSES * (_BETWEEN_SECONDS + 3)), template)
        system.run("campaigns", sending_enabled=True, campaign_canary=0)
        ready = "select state from campaigns where id = %s"
        wait_until(lambda: connection.execute(ready, [campaign.id]).fetchone() == ("ready",))
        times = sorted(_until_last_post(connection, control, campaign) for _ in range(_PAUSES))
    p99 = percentile(times, 99)
    yield Figure(
        what=f"pause to the last post at {_RATE} messages/s",
        value=f"p50 {percentile(times, 50) * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms",
        target=f"p99 at most {_PAUSE_SECONDS * 1000:,.0f} ms",
        holds=p99 <= _PAUSE_SECONDS,
        meaning=f"{_PAUSES} pauses, from the commit to when the stand-in accepted the last message; 0: nothing was "
        "posted any more",
    )


def _until_last_post(connection: Connection[Any], control: GraphControl, campaign: Campaign) -> float:
    """Lets the campaign run for a while and pauses it; returns the seconds until its last post."""
    seen, _ = control.accepted_since(0)
    _to(connection, campaign, "running")
    wait_until(lambda: control.accepted_since(0)[0] > seen + _RATE)
    sleep(random.random() * _BETWEEN_SECONDS)  # pauses come at any moment
    _to(connection, campaign, "paused")
    paused = time()
    before = -1
    while (now := control.accepted_since(0)[0]) != before:
        before = now
        sleep(2 * _PAUSE_SECONDS)
    last: float = max(row["at"] for row in control.ledger(seen))
    return max(0.0, last - paused)


def _to(connection: Connection[Any], campaign: Campaign, state: str) -> None:
    connection.execute("update campaigns set state = %s, version = version + 1 where id = %s", [state, campaign.id])
