"""Counts the hours of agents. Public events say nothing about presence, so it is looked at once a minute, as the page
*Who is ready* shows it. While nothing looks, nothing is counted."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event as Flag
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection

from consumers.workers.worker_loop import WorkerLoop
from domain.routing.agents import PRESENCE_TIMEOUT
from domain.statistics.hours import LOOK_EVERY, place_of_most, seen_hours
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.agents import Agents
from infra.postgres.directory import DirectoryCache
from infra.postgres.statistics.agent_hours import add_look, lock_last_look

_TOO_SOON = LOOK_EVERY / 2
"""Another process looked so lately."""


class AgentHoursLook:
    """Looks once a minute; of several processes one. `transaction`: as for the batch loop."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        presence_timeout: timedelta = PRESENCE_TIMEOUT,
    ) -> None:
        self._transaction = transaction
        self._presence_timeout = presence_timeout
        self._directories = DirectoryCache()
        self._loop = WorkerLoop("agent_hours", self._look)
        self.not_ready_reason = self._loop.not_ready_reason
        self.run = self._loop.run

    def _look(self, _: Flag) -> float:
        self.look()
        return LOOK_EVERY.total_seconds()

    def look(self) -> None:
        """Looks once. Raises psycopg errors."""
        with self._transaction() as connection:
            before, now = lock_last_look(connection), database_now(connection)
            if before is None or now - before < _TOO_SOON:
                return
            zone = ZoneInfo(place_of_most(self._directories.read(connection)))
            members = Agents(connection).all_with_presence().values()
            seen = seen_hours(members, now, self._presence_timeout, now - before)
            add_look(connection, now, now.astimezone(zone).date(), [*seen])
