"""Sends without an outcome: their sender ended during the post, nobody knows whether Meta took them, or Meta took them
and never reported that they arrived."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter
from psycopg import Connection

from consumers.changes.sends import SendChanges
from domain.sending.sends import Unanswered, after_post
from domain.sending.unknown import ResendPolicy, is_repeated_by_itself
from domain.topics import Topics
from infra.postgres.connections.clock import database_now
from infra.postgres.sending import sends
from infra.postgres.sending.sends import SendLogEntry
from infra.postgres.sending.unknown import long_unknown, silences, undelivered

_ABANDONED = Counter("witiop_sender_abandoned", "Sends whose sender ended during its post.")
_REPEATED = Counter("witiop_sender_repeated", "Unknown sends that were posted again without a person.")
_DROPPED = Counter("witiop_sender_dropped", "Sends that Meta accepted and gave up without a report.")
_ENDED = "the sender ended while it posted"

log = structlog.get_logger("sender")


def settle_abandoned(
    connection: Connection[Any], topics: Topics, abandoned_seconds: float, ours: Collection[UUID]
) -> None:
    """Makes sends *unknown* whose sender ended during its post. `ours`: those that this process is posting."""
    found = set(sends.abandoned(connection, abandoned_seconds)).difference(ours)
    if not found:
        return
    now = database_now(connection)
    changes = SendChanges(connection, topics, found)
    still = set(sends.abandoned(connection, abandoned_seconds))
    for id_ in sorted(found & still & changes.sends.keys()):
        send = changes.sends[id_]
        entry = SendLogEntry(now, send.attempt, "unanswered", "sender", None, _ENDED)
        changes.change(after_post(send, Unanswered(_ENDED), send.attempt), entry)
        _ABANDONED.inc()
        log.warning("send.abandoned", send_id=str(id_))
    changes.write()


def repeat_unknown(connection: Connection[Any], topics: Topics, policy: ResendPolicy) -> None:
    """Posts unknown sends once more that were probably not sent, where the setting allows it."""
    if policy == "never":
        return
    waiting = long_unknown(connection)
    silence = silences(connection, topics.inbound, waiting)
    chosen = [send.id for send in waiting if is_repeated_by_itself(send, silence[send.id], policy)]
    if not chosen:
        return
    now = database_now(connection)
    changes = SendChanges(connection, topics, chosen)
    for send in changes.sends.values():
        if is_repeated_by_itself(send, silence[send.id], policy):
            entry = SendLogEntry(now, send.attempt, "send_again", "sender", None, "probably not sent")
            changes.change(replace(send, state="queued", reason=None), entry, now)
            _REPEATED.inc()
            log.warning("send.repeated", send_id=str(send.id))
    changes.write()


def settle_dropped(connection: Connection[Any], topics: Topics) -> None:
    """Makes sends *dropped* that Meta has tried to deliver for as long as it does: it reports nothing when it gives
    up. Not while its reports may only be late."""
    found = undelivered(connection, topics.inbound)
    if not found:
        return
    now = database_now(connection)
    changes = SendChanges(connection, topics, found)
    for send in list(changes.sends.values()):
        if send.state in ("accepted", "sent"):
            entry = SendLogEntry(now, send.attempt, "dropped", "sender", None, "no report of its delivery")
            changes.change(replace(send, state="dropped"), entry)
            _DROPPED.inc()
    changes.write()
