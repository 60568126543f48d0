"""The steps of setting an installation up, for `witiop doctor`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import psycopg

from domain.setup.judging import judge
from domain.setup.steps import SetupStep, SetupText
from infra.postgres.connections.pool import connect
from infra.postgres.migrations import SchemaIsNewer, pending
from infra.postgres.setup.record import setup_record
from witiop.settings import Settings
from witiop.wiring.setup import look_at_servers, setup_terms


def setup_steps(settings: Settings) -> list[SetupStep]:
    """Returns the steps, judged by looking now; none without our schema. Blocks for about ten seconds at most. Raises
    psycopg.OperationalError."""
    with connect(settings.postgres_dsn.get_secret_value(), "doctor", autocommit=True) as database:
        try:
            if pending(database):
                return []
            record = setup_record(database)
        except SchemaIsNewer:
            return []
        except psycopg.errors.UndefinedTable:
            return []
    return judge(record, setup_terms(settings), look_at_servers(settings))


def step_lines(steps: Sequence[SetupStep]) -> Iterator[str]:
    """Yields the steps as lines, things to do below the step that they belong to."""
    for step in steps:
        yield f"[{step.state}] {step.title}: {said(step.seen)}{_when(step.at)}"
        if step.next is not None:
            yield f"    {said(step.next)}"
        for item in step.items:
            then = f"; {said(item.next)}" if item.next is not None else ""
            yield f"    [{item.state}] {item.subject}: {said(item.seen)}{_when(item.at)}{then}"


def step_documents(steps: Sequence[SetupStep]) -> list[dict[str, Any]]:
    """Returns the steps for JSON."""
    return [
        {
            "id": step.id,
            "state": step.state,
            "title": step.title,
            "seen": said(step.seen),
            "at": step.at.isoformat() if step.at else None,
            "next": said(step.next) if step.next else None,
            "items": [
                {
                    "state": item.state,
                    "subject": item.subject,
                    "seen": said(item.seen),
                    "at": item.at.isoformat() if item.at else None,
                    "next": said(item.next) if item.next else None,
                }
                for item in step.items
            ],
        }
        for step in steps
    ]


def said(text: SetupText) -> str:
    """Returns a sentence in English."""
    return text.said(str, _shown)


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return said(value) if isinstance(value, SetupText) else value


def _when(at: datetime | None) -> str:
    return f" ({at:%Y-%m-%d %H:%M:%S} UTC)" if at is not None else ""
