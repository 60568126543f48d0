"""Carries out erasures (docs/design/retention.md, *Erasure*).

The first step excludes everybody who folds facts, for the tenth of a second that it takes: a batch of facts is either
committed before it, and erased with the rest, or sees its marks. So the outcome does not depend on the order in which
erasure and facts come (decision 62).
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from psycopg import Connection

from consumers.changes.public_events import public_event_record
from domain.conversations.erasure import erased
from domain.topics import Topics
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.messaging.outbox import Outbox
from infra.postgres.retention import erasures
from infra.postgres.retention.erasures import Erasure
from infra.postgres.retention.files import note_unneeded
from infra.postgres.retention.marks import mark, mark_swept
from infra.postgres.retention.people import Subject, allow_long, customers_of, direct_sends, subject_of
from infra.postgres.sending.accounts import known_numbers
from infra.postgres.statistics.contributions import lock_exclusive as lock_statistics
from infra.postgres.words.progress import wait_for_lock as lock_words
from infra.process.crash_points import crash_point

SETTLED = timedelta(seconds=60)
"""After this time nobody writes any more what they read of a person before the erasure."""

_DONE = Counter("witiop_erasures", "Steps of erasures of people that are done.", ["step"])
_HELD = Histogram(
    "witiop_erasure_seconds",
    "How long an erasure kept facts from being folded.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

log = structlog.get_logger("retention")


def erase_next(connection: Connection[Any], topics: Topics) -> bool:
    """Does the next step of the oldest erasure, in the caller's transaction; returns whether there was one. `topics`:
    on which the events of conversations are published. Raises psycopg errors."""
    erasure = erasures.next_erasure(connection, database_now(connection) - SETTLED)
    if erasure is None:
        return False
    if erasure.state == "asked":
        _erase(connection, erasure, topics)
    else:
        (_sweep if erasure.state == "erased" else _settle)(connection, erasure)
    crash_point("retention.before-commit")
    _DONE.labels(erasure.state).inc()
    log.info("retention.erasure_step", erasure=str(erasure.id), after=erasure.state)
    return True


def _erase(connection: Connection[Any], erasure: Erasure, topics: Topics) -> None:
    # looked for before anybody has to wait: this may take longer than the rest
    direct = direct_sends(connection, customers_of(connection, erasure.phone, erasure.customer_id), erasure.phone)
    lock_words(connection)
    lock_statistics(connection)
    directory.lock_exclusive(connection)
    with _HELD.time():
        until = database_now(connection)
        customers = customers_of(connection, erasure.phone, erasure.customer_id)
        if customers:
            Customers(connection).lock(customers)
        subject = subject_of(connection, customers, erasure.phone, direct)
        # who is erased at one number alone still writes to the others
        everywhere = {*directory.read(connection)[1].numbers, *known_numbers(connection)}
        numbers = sorted(everywhere) if erasure.phone is not None else []
        keys = erasures.keys_of_subject(connection, subject, numbers)
        mark(connection, subject, keys, until)
        erasures.spread_opt_outs(connection, keys)
        known = CustomerHistories(connection).read(subject.conversations)
        removed = erasures.remove(connection, subject, until, "conversation", "person")
        last_events = (erased(conversation, until, erasure.asked_by) for conversation in known)
        Outbox(connection).add(public_event_record(event, topics.conversations) for event in last_events)
        note_unneeded(connection, subject.files)
        erasures.note_step(connection, erasure, "erased", subject, until, removed)


def _sweep(connection: Connection[Any], erasure: Erasure) -> None:
    subject, until = _stored(erasure)
    allow_long(connection)
    mark_swept(connection, subject, until)
    removed = erasures.remove(connection, subject, until, "sweep")
    erasures.note_step(connection, erasure, "swept", subject, until, removed)


def _settle(connection: Connection[Any], erasure: Erasure) -> None:
    subject, until = _stored(erasure)
    # not by customer or address: the person may have written again, and is a new customer with the same id then
    removed = erasures.remove(connection, subject.without_person(), until, "conversation")
    erasures.note_step(connection, erasure, "done", None, until, removed)


def _stored(erasure: Erasure) -> tuple[Subject, datetime]:
    assert erasure.subject is not None and erasure.until is not None  # written with the first step
    return Subject.of_json(erasure.subject), erasure.until
