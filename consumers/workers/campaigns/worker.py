"""The `campaigns` process: takes each campaign a step further (docs/design/campaigns.md). Any number may run: a
campaign is worked on under its lock, by one of them at a time.

Its time is the database's. Nothing is kept in memory: after a crash another process goes on where the last commit
stands.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event as Flag
from typing import Any

import structlog
from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from consumers.changes.sends import SendChanges
from consumers.workers.campaigns.feeding import feed
from consumers.workers.worker_loop import WorkerLoop
from domain.campaigns.campaign import Campaign, start_when_due
from domain.topics import Topics
from infra.postgres.campaigns import campaigns
from infra.postgres.connections.clock import database_now
from infra.postgres.sending import claims, sends
from infra.postgres.sending.sends import SendLogEntry

_IDLE_SECONDS = 1.0
_BUSY_SECONDS = 0.25

log = structlog.get_logger("campaigns")


class CampaignWorker:
    """Works on campaigns until stopped. `transaction`: as for the consumers."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection[Any]]], topics: Topics) -> None:
        self._transaction = transaction
        self._topics = topics
        self._loop = WorkerLoop("campaigns", lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the process from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def poll(self) -> float:
        """Takes each campaign a step further; returns the seconds until the next poll. Raises psycopg errors."""
        with self._transaction() as connection:
            found = campaigns.at_work(connection)
        sharing = Counter(each.phone_number_id for each in found if each.state == "running")
        for campaign in found:
            match campaign.state:
                case "scheduled":
                    self._start(campaign)
                case "running":
                    self._feed(campaign, sharing[campaign.phone_number_id])
                case "paused" | "cancelled":
                    self._withdraw(campaign)
                case _:
                    pass
        return _BUSY_SECONDS if sharing else _IDLE_SECONDS

    def _start(self, found: Campaign) -> None:
        with self._transaction() as connection:
            now = database_now(connection)
            if start_when_due(found, now) is found:
                return
            campaign = campaigns.lock_free(connection, found.id)
            if campaign is not None:
                change_campaign(connection, self._topics, campaign, start_when_due(campaign, now), now)

    def _feed(self, found: Campaign, sharing: int) -> None:
        with self._transaction() as connection:
            campaign = campaigns.lock_free(connection, found.id)
            if campaign is None or campaign.state != "running":
                return
            templates = campaigns.templates_of(connection, campaign)
            per_second = claims.rate_of(connection, campaign.phone_number_id)
            feed(connection, campaign, templates, database_now(connection), per_second, sharing)

    def _withdraw(self, found: Campaign) -> None:
        """Takes back what waits at the sender of a campaign that is not running."""
        with self._transaction() as connection:
            waiting = sends.to_withdraw(connection, found.id)
            if not waiting:
                return
            changes = SendChanges(connection, self._topics, waiting)
            now = database_now(connection)
            for send in list(changes.sends.values()):
                if send.state == "queued":
                    entry = SendLogEntry(now, send.attempt, "recalled", "campaigns")
                    changes.change(replace(send, state="recalled"), entry)
            changes.write()
