"""Makes recipients of the rows of a campaign's file: a program reads and checks them, here they are copied to the
database, a few thousand in a transaction with how far that has come. After a crash it goes on there; every row is
counted in the transaction that stores it, so the counts always are the rows so far (C5)."""

from collections.abc import Mapping
from dataclasses import replace
from threading import Event as Flag
from typing import Any, cast
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from consumers.workers.campaigns.reading import Transactions, file_content
from domain.campaigns.campaign import BY_ITSELF, Campaign, cancel
from domain.campaigns.files.refusals import RefusedFile
from domain.topics import Topics
from infra.postgres.campaign_files import files, imports
from infra.postgres.campaign_files.files import StoredHeadings
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.connections import session_lock
from infra.postgres.connections.clock import database_now
from infra.process.crash_points import crash_point
from infra.sheets.checking import PROBLEM_FIELDS, RECIPIENT_FIELDS
from infra.sheets.child import ChildFrame, FileReader

log = structlog.get_logger("campaigns")


class _NotOurs(Exception):
    """The campaign was cancelled, or another process imports it."""


class RowImport:
    """Imports the rows of one campaign. `work` of the campaign has how far it has come: `row`, the last one; `rows`,
    how many there were; `of`, how many the file has."""

    def __init__(self, transaction: Transactions, topics: Topics, campaign: UUID) -> None:
        self._transaction = transaction
        self._topics = topics
        self._id = campaign

    def run(self, stop: Flag) -> None:
        """Imports what is left, unless another process does; returns earlier if `stop` is set. Raises ReaderKilled,
        psycopg errors."""
        with self._transaction() as connection:
            if not session_lock.take(connection, self._id):
                return
        try:
            self._import(stop)
        except _NotOurs:
            log.info("campaigns.import_left", campaign_id=str(self._id))
        except RefusedFile as refused:
            self.fail(refused)
        except psycopg.DataError as error:  # a value that the program should not have let through
            self.fail(RefusedFile("damaged", error.sqlstate))
        finally:
            with self._transaction() as connection:
                session_lock.release(connection, self._id)

    def fail(self, refused: RefusedFile) -> None:
        """Cancels a campaign whose rows cannot be read."""
        with self._transaction() as connection:
            campaign = campaigns.lock(connection, self._id)
            if campaign is None or campaign.state != "importing":
                return
            now = database_now(connection)
            failed = cast(Campaign, cancel(campaign, BY_ITSELF, now, "import_failed"))
            change_campaign(connection, self._topics, campaign, replace(failed, detail=refused.problem), now)
        log.error("campaigns.import_failed", campaign_id=str(self._id), problem=refused.problem, detail=refused.detail)

    def _import(self, stop: Flag) -> None:
        with self._transaction() as connection:
            campaign = campaigns.find(connection, self._id)
            if campaign is None or campaign.state != "importing":
                return
            read = files.headings_of(connection, file_of(campaign))
            if read is None:
                raise RefusedFile("damaged", "file deleted")
            work = dict(campaign.work or {"step": "rows", "row": read.headings["row"], "rows": 0, "of": read.rows})
            request = {**self._request(connection, campaign, work["row"]), "width": read.headings.get("width")}
        if not self._copy_rows(campaign, read, request, work, stop):
            return
        with self._transaction() as connection:
            moves = Moves()
            # before the campaign is locked: a command about it would wait so long, and agents' commands behind it
            duplicates = imports.skip_duplicates(connection, campaign, moves)
            campaign = self._lock(connection, work)
            now = database_now(connection)
            imported = replace(campaign, work=None).to("planning")
            change_campaign(connection, self._topics, campaign, imported, now)
            files.note_imported(connection, file_of(campaign))
            moves.write(connection)
            crash_point("campaigns.before-planning-commit")
        log.info("campaigns.imported", campaign_id=str(self._id), rows=work["rows"], duplicates=duplicates)

    def _copy_rows(
        self, campaign: Campaign, read: StoredHeadings, request: Mapping[str, Any], work: dict[str, Any], stop: Flag
    ) -> bool:
        """Returns whether all rows are stored."""
        content = file_content(self._transaction, file_of(campaign))
        with FileReader(read.size, content, request) as reader:
            for frame in reader.frames():
                if "end" in frame.head:
                    return True
                self._store(frame, work)
                if stop.is_set():
                    break
        return False

    def _store(self, frame: ChildFrame, work: dict[str, Any]) -> None:
        with self._transaction() as connection:
            campaign = self._lock(connection, work)
            work |= {"row": frame.head["row"], "rows": work["rows"] + frame.head["rows"]}
            campaigns.write(connection, replace(campaign, work=dict(work)))
            imports.copy_recipients(connection, campaign, RECIPIENT_FIELDS, frame.recipients)
            imports.copy_problems(connection, campaign, PROBLEM_FIELDS, frame.problems)
            moves = Moves()
            for name, n in frame.head["states"].items():
                state, _, reason = name.partition(" ")
                moves.add(CountKey(campaign.id, campaign.wave, 0, state, reason), n)
            moves.write(connection)
            crash_point("campaigns.before-import-commit")

    def _lock(self, connection: Connection[Any], work: Mapping[str, Any]) -> Campaign:
        """Locks the campaign. Raises _NotOurs unless it is as this process left it: after its connection broke, another
        one may have gone on."""
        campaign = campaigns.lock(connection, self._id)
        if campaign is None or campaign.state != "importing":
            raise _NotOurs
        if campaign.work is not None and campaign.work["row"] != work["row"]:
            raise _NotOurs
        if campaign.work is None and work["rows"]:
            raise _NotOurs
        return campaign

    def _request(self, connection: Connection[Any], campaign: Campaign, after: int) -> dict[str, Any]:
        return {
            "mapping": campaign.source["file"]["mapping"],
            "templates": [each.template for each in campaigns.templates_of(connection, campaign)],
            "phone": files.business_phone(connection, campaign.phone_number_id),
            "after": after,
        }


def file_of(campaign: Campaign) -> UUID:
    """Returns the file whose rows are the recipients of a campaign."""
    return UUID(campaign.source["file"]["file_id"])
