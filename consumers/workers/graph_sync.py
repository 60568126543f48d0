"""Keeps in step with what Meta says of our numbers and templates. Runs inside the `sender` process, which has
the access token."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event as Flag
from time import monotonic
from typing import Any

import structlog
from psycopg import Connection

from consumers.workers.sender import Wakeups
from consumers.workers.worker_loop import WorkerLoop
from infra.graph.reader import GraphReader, GraphUnread
from infra.postgres.connections.clock import database_now
from infra.postgres.sending.accounts import note_failed, note_synchronised, store_numbers
from infra.postgres.sending.library import store_templates

_INTERVAL_SECONDS = 600.0
_RETRY_SECONDS = 15.0
_LOOK_SECONDS = 1.0
"""How soon a stop is noticed."""

log = structlog.get_logger("sender")


class GraphSync:
    """Synchronises each account every ten minutes, when somebody asks for it, and soon again after a failure."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        reader: GraphReader,
        account_ids: Sequence[str],
        wakeups: Wakeups,
    ) -> None:
        self._transaction = transaction
        self._reader = reader
        self._account_ids = account_ids
        self._wakeups = wakeups
        self._failure: str | None = "Meta's templates have not been read yet" if account_ids else None
        self._loop = WorkerLoop("sync", self._work)

    def not_ready_reason(self) -> str | None:
        """Returns why templates and numbers may be out of date; None: they are not."""
        return self._failure

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set."""
        self._loop.run(stop)

    def _work(self, stop: Flag) -> float:
        """Synchronises, then waits until it is time again or somebody asks for it."""
        self._loop.reached()
        due = monotonic() + self.poll()
        while not stop.is_set() and monotonic() < due and not self._wakeups.wait(_LOOK_SECONDS):
            pass
        return 0.0

    def poll(self) -> float:
        """Synchronises all accounts; returns the seconds until the next time. Raises psycopg errors."""
        failures = [why for account_id in self._account_ids if (why := self._synchronise(account_id)) is not None]
        self._failure = failures[0] if failures else None
        return _RETRY_SECONDS if failures else _INTERVAL_SECONDS

    def _synchronise(self, account_id: str) -> str | None:
        """Reads an account outside of any transaction and stores what was read; returns why it could not."""
        with self._transaction() as connection:
            now = database_now(connection)
        try:
            templates, numbers = self._reader.templates(account_id), self._reader.numbers(account_id)
            apps = self._reader.subscribed_apps(account_id)
        except GraphUnread as error:
            with self._transaction() as connection:
                note_failed(connection, account_id, now, str(error))
            log.warning("sync.failed", account_id=account_id, reason=str(error))
            return f"templates of account {account_id} cannot be read: {error}"
        with self._transaction() as connection:
            store_templates(connection, account_id, templates, now)
            store_numbers(connection, account_id, numbers, now)
            note_synchronised(connection, account_id, now, apps, self._reader.clock_ahead)
        log.info("sync.done", account_id=account_id, templates=len(templates), numbers=len(numbers))
        return None
