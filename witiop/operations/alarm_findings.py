"""What `witiop doctor` finds about alarms."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from domain.alarms.kinds import AlarmKind
from domain.alarms.texts import say
from infra.postgres.alarms.judgements import judged_at
from infra.postgres.alarms.listing import latest_deliveries, listed_open
from infra.postgres.connections.clock import database_now
from witiop.operations.findings import Finding

_UNJUDGED_SECONDS = 60
"""The process `alarms` judges every five seconds."""
_ALARMS_ONLY = frozenset(
    {
        AlarmKind.RULES_STOPPED,
        AlarmKind.RULE_LIMIT,
        AlarmKind.SILENT_WHATSAPP,
        AlarmKind.NOBODY_READY,
        AlarmKind.TIMER_HELD,
        AlarmKind.ROUTING_HELD,
        AlarmKind.NUMBER_QUALITY,
        AlarmKind.TEMPLATE_PAUSED,
        AlarmKind.ACCOUNT_RESTRICTED,
    }
)
"""Alarms whose condition no other finding reports."""


def alarm_findings(database: Connection[Any]) -> Iterator[Finding]:
    """Yields open alarms that only the alarms know of, and what keeps them from being raised or told. Raises psycopg
    errors."""
    judged, now = judged_at(database), database_now(database)
    if judged is None or (now - judged).total_seconds() > _UNJUDGED_SECONDS:
        since = "ever looked" if judged is None else "looked for a minute or longer"
        fix = "check that `witiop run alarms` is running, and read its log"
        yield Finding("alarms", f"nobody has {since} for troubles of this installation", fix)
    for alarm in listed_open(database):
        if alarm.kind in _ALARMS_ONLY:
            words = say(alarm.kind, alarm.details)
            yield Finding("alarms", words.what, words.cure)
    for told in latest_deliveries(database).values():
        if told.problem is not None:
            what = f"a channel could not be told ({told.problem})"
            yield Finding("alarms", what, "see witiop alarms channels, and try witiop alarms test NAME")
