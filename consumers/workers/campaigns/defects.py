"""Defects of the product in the work on a campaign or file: that one waits for a person, and no other for it. The log
and the campaign name the kind of the error: its text may have customers' data in it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter
from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from domain.campaigns.campaign import pause_for_defect
from domain.topics import Topics
from infra.postgres.campaigns import campaigns
from infra.postgres.connections.clock import database_now

_DEFECTS = Counter("witiop_campaigns_defects", "Steps of campaigns that failed by a defect.")

log = structlog.get_logger("campaigns")


def note_defect(error: Exception, **subject: str) -> None:
    """Counts and logs a defect. `subject`: what was worked on."""
    _DEFECTS.inc()
    log.error("campaign.defect", error=type(error).__name__, where=_where(error), **subject)


def pause_campaign(
    transaction: Callable[[], AbstractContextManager[Connection[Any]]], topics: Topics, of: UUID, error: Exception
) -> None:
    """Pauses a campaign whose step failed, unless another process has it."""
    with transaction() as connection:
        campaign = campaigns.lock_free(connection, of)
        if campaign is not None:
            now = database_now(connection)
            paused = pause_for_defect(campaign, type(error).__name__)
            change_campaign(connection, topics, campaign, paused, now)


def _where(error: Exception) -> str | None:
    """Returns the module and line in which an error was raised."""
    trace, place = error.__traceback__, None
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
