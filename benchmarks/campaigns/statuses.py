"""Measures how fast Meta's statuses of a campaign's messages are processed.

A campaign's messages were accepted; for each Meta reports sent, delivered and read. The `conversations` consumer
processes them in batches of 500, without the broker: from reading a record to the commit, with the sends, their
recipients and the counters.
"""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from benchmarks.campaigns.rows import planned_campaign
from benchmarks.figures import Figure
from benchmarks.setup.company import company
from benchmarks.setup.running import NUMBER
from consumers.handlers.conversations import Conversations
from consumers.workers.campaigns.feeding import feed
from domain.facts import FACT, MessageStatus
from domain.ids import fact_id
from domain.sending.callback import Callback
from domain.sending.templates import Template
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.local.graph.accounts import ACCOUNT
from infra.local.postgres import LocalPostgres
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import wrong_counts
from infra.postgres.sending.library import store_templates
from infra.process.clock import utc_now

_PEOPLE = 20_000
_BATCH = 500
_LEAST = 3_300
"""Statuses a second: three for each message of a number that sends 1,000 a second, and some more."""
_TEMPLATE = Template(
    ACCOUNT, "bench_statuses", "en", "APPROVED", "MARKETING", "POSITIONAL", [{"type": "BODY", "text": "Hi {{1}}"}]
)


def measure(server: LocalPostgres) -> Iterator[Figure]:
    """Yields how many statuses a second one consumer folds in."""
    with company(server) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        store_templates(connection, ACCOUNT, [_TEMPLATE], utc_now())
        campaign = planned_campaign(connection, NUMBER, _PEOPLE, _TEMPLATE)
        with connection.transaction():
            templates = campaigns.templates_of(connection, campaign)
            feed(connection, campaign, templates, utc_now(), per_second=_PEOPLE)
        _accept_all(connection)
        sent = connection.execute("select id, secret, row_no, address from sends order by ordinal").fetchall()
        batches = [records for status in ("sent", "delivered", "read") for records in _records(sent, status)]
        handler = Conversations(Topics())
        began = perf_counter()
        for records in batches:
            with connection.transaction():
                handler.apply(connection, records)
        rate = sum(map(len, batches)) / (perf_counter() - began)
        assert wrong_counts(connection, [campaign.id]) == []
    yield Figure(
        what="statuses of a campaign's messages",
        value=f"{rate:,.0f} a second",
        target=f"at least {_LEAST:,}",
        holds=rate >= _LEAST,
        meaning=f"{3 * len(sent):,} statuses of {len(sent):,} messages in batches of {_BATCH}, one consumer, with "
        "sends, recipients and counters",
    )


def _accept_all(connection: Connection[Any]) -> None:
    """Makes all sends accepted, as the sender leaves them."""
    connection.execute("update sends set state = 'accepted', attempt = 1, claimed_at = now(), wamid = 'w' || row_no")
    connection.execute("update recipients set state = 'accepted', accepted_at = now() where state = 'claimed'")
    connection.execute("update campaign_counts set state = 'accepted' where state = 'claimed'")
    connection.execute("analyze")


def _records(sent: Sequence[tuple[UUID, bytes, int, str]], status: str) -> Iterator[list[IncomingRecord]]:
    """Yields batches of records with a status of every message."""
    topics, now = Topics(), utc_now()
    for first in range(0, len(sent), _BATCH):
        yield [
            IncomingRecord(
                topic=topics.inbound,
                partition=0,
                offset=first + place,
                value=FACT.dump_json(
                    MessageStatus(
                        id=fact_id("bench status", status, str(send)),
                        phone_number_id=NUMBER,
                        at=now,
                        sent_at=now,
                        wamid=f"w{row_no}",
                        recipient=address,
                        status=status,
                        callback=Callback(send, 1, bytes(secret)).text(),
                    )
                ),
                raw_headers=(),
                at=now,
            )
            for place, (send, secret, row_no, address) in enumerate(sent[first : first + _BATCH])
        ]
