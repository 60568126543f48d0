"""Uploads the files that waiting sends show, before these are claimed: Meta's id of a file is needed to post it. An
upload shows a customer nothing, so it may be repeated after a crash; the post itself stays the sender's, once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from tempfile import TemporaryFile
from threading import Event as Flag
from typing import Any

import structlog
from psycopg import Connection

from consumers.changes.sends import SendChanges
from consumers.workers.media.fetching import FileStore, wait_after
from domain.topics import Topics
from infra.graph.media import GraphMedia, NotUploaded, Uploaded, UploadOutcome, UploadRefused
from infra.media.store import FileMissing, StoreUnavailable
from infra.postgres.connections.clock import database_now
from infra.postgres.media import uploads
from infra.postgres.media.uploads import DueUpload
from infra.postgres.sending.sends import SendLogEntry
from infra.process.crash_points import crash_point

_LONGEST_WAIT = timedelta(minutes=1)
"""Somebody waits for the answer."""

log = structlog.get_logger("media")


class MediaUploading:
    """The task of `MediaTransfers`."""

    def __init__(self, target: GraphMedia, store: FileStore, topics: Topics) -> None:
        self._target = target
        self._store = store
        self._topics = topics

    def claim(self, connection: Connection[Any], most: int) -> Sequence[DueUpload]:
        """See `TransferTask`."""
        return uploads.claim(connection, most)

    def carry_out(self, item: DueUpload, stopping: Flag) -> UploadOutcome:
        """See `TransferTask`."""
        with TemporaryFile() as file:
            try:
                for part in self._store.read(item.sha256):
                    if stopping.is_set():
                        return NotUploaded("the process was stopped", timedelta())
                    file.write(part)
            except FileMissing as error:
                return UploadRefused(0, str(error))
            except StoreUnavailable as error:
                return NotUploaded(str(error), timedelta())
            file.seek(0)
            outcome = self._target.upload(item.phone_number_id, item.file_name, item.mime_type, file, item.size)
        crash_point("media.after-upload")
        return outcome

    def record(self, connection: Connection[Any], item: DueUpload, outcome: UploadOutcome | None) -> str:
        """See `TransferTask`."""
        match outcome:
            case Uploaded(meta_id):
                uploads.keep_meta_id(connection, item, meta_id)
                return "uploaded"
            case UploadRefused(code, reason):
                self._fail_sends(connection, item, code, reason)
                return "refused"
            case NotUploaded(reason, wait):
                pass
            case _:
                reason, wait = "a defect of ours", timedelta()
        uploads.retry(connection, item, reason, max(wait, min(wait_after(item.attempts), _LONGEST_WAIT)))
        log.info("media.not_uploaded", upload_id=str(item.upload_id), reason=reason, attempts=item.attempts)
        return "again"

    def _fail_sends(self, connection: Connection[Any], item: DueUpload, code: int, reason: str) -> None:
        """Fails the sends that wait for a file that Meta refused."""
        changes = SendChanges(connection, self._topics, uploads.forget(connection, item))
        now = database_now(connection)
        words = f"the file could not be uploaded ({reason})"
        for send in list(changes.sends.values()):
            if send.state == "queued":
                entry = SendLogEntry(now, send.attempt, "refused", "media", code or None, words)
                changes.change(replace(send, state="failed", error=code or None, reason=words), entry)
        changes.write()
        log.warning("media.upload_refused", upload_id=str(item.upload_id), reason=reason)
