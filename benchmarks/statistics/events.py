"""Measures how many public events the process `analytics` counts a second.

Each conversation has five events, as the topic has them: it opens and is unmanaged, is reserved, assigned and
answered. The conversations begin within an hour on twenty numbers; their events are mixed, as on a topic. One batch
loop counts in batches of 500, each in one transaction of a durable database. Kafka is left out.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from time import monotonic
from uuid import UUID

import psycopg
from pydantic_core import to_json

from benchmarks.figures import Figure
from benchmarks.setup.company import company
from benchmarks.setup.stories import number_id
from consumers.analytics.handler import Analytics
from domain.event_headers import event_headers
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.local.postgres import LocalPostgres
from infra.process.clock import utc_now
from infra.process.memory import collect_rarely

CONVERSATIONS = 100_000
_BATCH = 500
_A_SECOND = 5_000
_NUMBERS = 20
_STEPS = (
    ("opened", 0, "no_choice", None, "customer"),
    ("became_unmanaged", 0, "no_choice", None, "customer"),
    ("reserved", 40, None, "reserved", "rule:Last hour"),
    ("assigned", 41, None, "assigned", "clock"),
    ("managed", 45, None, "accepted", "agent:agent-007"),
)
"""Event, minute, reason, state of the owner, actor."""


def measure(server: LocalPostgres, conversations: int | None = None) -> Iterator[Figure]:
    """Yields the events a second."""
    records = _records(conversations or CONVERSATIONS)
    with company(server) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        handler = Analytics()
        collect_rarely()  # as the process does
        began = monotonic()
        for begin in range(0, len(records), _BATCH):
            with connection.transaction():
                handler.apply(connection, records[begin : begin + _BATCH])
        seconds = monotonic() - began
    yield Figure(
        what=f"{len(records):,} public events counted by one loop",
        value=f"{len(records) / seconds:,.0f} events/s",
        target=f"at least {_A_SECOND:,}",
        holds=len(records) / seconds >= _A_SECOND,
        meaning=f"of {len(records) // len(_STEPS):,} conversations, mixed, in batches of {_BATCH}; every batch one "
        "durable transaction",
    )


def _records(conversations: int) -> Sequence[IncomingRecord]:
    begin, chance = utc_now() - timedelta(hours=2), Random(7)
    waiting = [
        (chance.random() * 3600 + 60 * minute, n, place)
        for n in range(conversations)
        for place, (_, minute, *_) in enumerate(_STEPS)
    ]
    topic = Topics().conversations
    return [
        IncomingRecord(topic, 0, offset, begin + timedelta(seconds=at), *_event(n, place, begin))
        for offset, (at, n, place) in enumerate(sorted(waiting))
    ]


def _event(n: int, place: int, begin: datetime) -> tuple[bytes, list[tuple[str, bytes]]]:
    name, minute, reason, state, actor = _STEPS[place]
    opened_at = begin + timedelta(seconds=n * 3600 / 100_000)
    id_, at = UUID(int=n << 64 | 1 << 63), opened_at + timedelta(minutes=minute)
    owner = state and {"kind": "user", "id": "agent-007", "state": state, "until": None}
    value = {
        "id": id_,
        "phone_number_id": number_id(n % _NUMBERS),
        "customer": {"wa_id": f"39{n:010}", "user_id": None, "name": "Customer", "group_id": None},
        "status": "active",
        "reason": reason,
        "last_text": "Is anybody there?",
        "last_at": opened_at,
        "opened_at": opened_at,
        "window_ends_at": opened_at + timedelta(days=1),
        "closed_at": None,
        "owner": owner,
        "entries": place + 1,
        "version": place + 1,
        "sequence": place + 1,
        "because": [id_],
        "actor": actor,
        "first_word_at": at if name == "managed" else None,
    }
    headers = event_headers(f"{id_}-{place}", f"witiop.conversation.{name}.v1", "/witiop/unmanaged", at)
    return to_json(value), [(key, text.encode()) for key, text in headers.items()]
