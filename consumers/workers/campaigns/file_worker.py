"""The part of the `campaigns` process that reads files: in a thread and on a connection of its own, so that messages of
other campaigns go on while a million rows are read."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Event as Flag
from time import monotonic
from uuid import UUID

import psycopg
import structlog

from consumers.workers.campaigns.defects import note_defect, pause_campaign
from consumers.workers.campaigns.importing import RowImport
from consumers.workers.campaigns.reading import Transactions, read_file, refuse
from consumers.workers.worker_loop import WorkerLoop
from domain.campaigns.files.refusals import RefusedFile
from domain.topics import Topics
from infra.postgres.campaign_files import files
from infra.postgres.campaigns import campaigns
from infra.postgres.connections.faults import may_pass
from infra.sheets.child import ReaderKilled

_IDLE_SECONDS = 1.0
_DELETES_EVERY_SECONDS = 60.0
_TRIES = 3
"""So often a reader may be killed from outside before its file is thought to be the cause."""

log = structlog.get_logger("campaigns")


class CampaignFileWorker:
    """Reads files and imports their rows until stopped. `transaction`: always on one connection; `clock`: seconds that
    only increase."""

    def __init__(self, transaction: Transactions, topics: Topics, clock: Callable[[], float] = monotonic) -> None:
        self._transaction = transaction
        self._topics = topics
        self._clock = clock
        self._delete_at = clock()
        self._killed: Counter[UUID] = Counter()
        self._loop = WorkerLoop("campaign_files", self.poll)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps it from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def poll(self, stop: Flag) -> float:
        """Reads what waits and imports what was created; returns the seconds until the next poll. Raises psycopg
        errors."""
        self._delete_unused()
        with self._transaction() as connection:
            waiting = files.waiting(connection)
            importing = [each for each in campaigns.at_work(connection) if each.state == "importing"]
        self._loop.reached()  # a million rows may follow
        for file in waiting:
            if stop.is_set():
                return 0.0
            give_up = partial(refuse, self._transaction, file.id)
            self.attempt(file.id, partial(read_file, self._transaction, file), give_up, partial(_refuse, give_up))
        for campaign in importing:
            if "file" not in campaign.source:
                continue
            if stop.is_set():
                return 0.0
            rows = RowImport(self._transaction, self._topics, campaign.id)
            pause = partial(pause_campaign, self._transaction, self._topics, campaign.id)
            self.attempt(campaign.id, partial(rows.run, stop), rows.fail, pause)
        return _IDLE_SECONDS

    def attempt(
        self,
        subject: UUID,
        work: Callable[[], None],
        give_up: Callable[[RefusedFile], None],
        end_by_defect: Callable[[Exception], None],
    ) -> None:
        """Works on a file or campaign; gives it up if its reader was killed from outside too often. A defect ends the
        work on it alone. Raises psycopg errors that may pass."""
        try:
            work()
        except ReaderKilled:
            self._killed[subject] += 1
            log.warning("campaigns.reader_killed", subject=str(subject), times=self._killed[subject])
            if self._killed[subject] >= _TRIES:
                give_up(RefusedFile("too_much_memory", "killed"))
        except Exception as error:
            if isinstance(error, psycopg.Error) and may_pass(error):
                raise
            note_defect(error, subject=str(subject))
            end_by_defect(error)
        else:
            self._killed.pop(subject, None)

    def _delete_unused(self) -> None:
        if self._clock() >= self._delete_at:
            with self._transaction() as connection:
                deleted = files.delete_unused(connection)
            self._delete_at = self._clock() + _DELETES_EVERY_SECONDS
            if deleted:
                log.info("campaigns.files_deleted", files=deleted)


def _refuse(give_up: Callable[[RefusedFile], None], error: Exception) -> None:
    give_up(RefusedFile("damaged", type(error).__name__))
