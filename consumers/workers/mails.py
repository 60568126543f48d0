"""The `mails` process: sends what is due through SES, each mail at most once (domain.md, *Mail*).

Any number may run. The protocol is that of `consumers.workers.attempt_loop`; this module says what it means for mails.
A mail is composed outside of any transaction and within a limit, so one that takes long keeps nobody waiting.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event as Flag
from time import monotonic
from typing import Any, get_args
from uuid import UUID

import psycopg
import structlog
from prometheus_client import Counter
from psycopg import Connection

from consumers.batches.poison import PoisonPolicy, RetryBatch
from consumers.changes.mails import MailChanges
from consumers.changes.unit_of_work import UnitOfWork
from consumers.workers.attempt_loop import ATTEMPT_WITHIN_SECONDS, AttemptLoop
from consumers.workers.isolation import Isolation
from consumers.workers.worker_loop import WorkerLoop
from domain.attempts import Accepted, AttemptOutcome, OutcomeUnknown, PermanentFailure, TransientFailure
from domain.conversations.events import Cause
from domain.directory import Directory
from domain.ids import fact_id
from domain.mail import Mail, Mailer, after_attempt
from domain.mail_body.compose import ComposingTooSlow, MailSender, compose
from domain.mail_body.files import MailFile, attachable
from domain.topics import Topics
from infra.media.store import StoreUnavailable
from infra.postgres import directory, mails
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.faults import may_pass
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.kept.notes import mail_notes
from infra.postgres.lists.conversation_page import read_transcript
from infra.postgres.media import received
from infra.postgres.messaging.parked import ParkedItems
from infra.process.cpu_limit import CpuLimit
from infra.process.crash_points import crash_point
from infra.process.metrics import count_from_zero
from infra.process.readiness import every_reason

_POSTS = Counter("witiop_mails_posts", "Posts to SES, by outcome.", ["outcome"])
count_from_zero(_POSTS, (each.__name__.lower() for each in get_args(AttemptOutcome)))
_ABANDONED = Counter("witiop_mails_abandoned", "Mails whose sender ended during its post.")

log = structlog.get_logger("mails")


_COMPOSE_SECONDS = 5.0
"""Processor time for one mail; the largest takes about two seconds."""


@dataclass(frozen=True, slots=True)
class _ClaimedMail:
    """A mail that is ours to post, this post counted. `body`: a failure if there is none."""

    mail: Mail
    body: bytes | PermanentFailure
    claimed_at: float


_FILES_SECONDS = 20.0
"""Longest time for reading the files of one mail: what was not read by then is not attached."""


@dataclass(frozen=True, slots=True)
class MailAttaching:
    """Reads the files that are attached. `read`: a file of the store, in parts; raises `StoreUnavailable`.
    `most_bytes`: of all files of a mail."""

    read: Callable[[str], Iterator[bytes]]
    most_bytes: int

    def with_contents(self, mail: Mail, files: Sequence[MailFile]) -> dict[UUID, MailFile]:
        """Returns the files by message, those that are to be attached with what they hold. One that cannot be read in
        time is not attached."""
        found = {file.message: file for file in files}
        until = monotonic() + _FILES_SECONDS
        for file in attachable(mail, files, self.most_bytes):
            try:
                content = self._content(file, until)
            except StoreUnavailable as error:
                log.warning("mail.not_attached", mail_id=str(mail.id), reason=str(error))
                continue
            found[file.message] = replace(file, is_attached=True, content=content)
        return found

    def _content(self, file: MailFile, until: float) -> bytes:
        content = b""
        if monotonic() < until:
            for part in self.read(file.key):
                content += part
                if len(content) > file.size or monotonic() > until:
                    break
        if len(content) != file.size:
            raise StoreUnavailable("the file was not read in time")
        return content


class Mails:
    """Sends until stopped. `transaction`: as for the consumers. `per_second`: posts of this process.
    `post_within_seconds`: after the claim. `abandoned_seconds`: more than that and the longest post together.
    `compose_seconds`: processor time for one mail; one that needs more fails. `attaching`: None: no file is attached or
    named. `clock`: seconds that only increase, for what is parked."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        mailer: Mailer,
        sender: MailSender,
        topics: Topics,
        per_second: float,
        post_within_seconds: float = ATTEMPT_WITHIN_SECONDS,
        abandoned_seconds: float = mails.ABANDONED_SECONDS,
        compose_seconds: float = _COMPOSE_SECONDS,
        poison: PoisonPolicy | None = None,
        attaching: MailAttaching | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._transaction = transaction
        self._mailer = mailer
        self._sender = sender
        self._topics = topics
        self._abandoned_seconds = abandoned_seconds
        self._compose_seconds = compose_seconds
        self._attaching = attaching
        self._directories = directory.DirectoryCache()
        self._isolation = Isolation[UUID](ParkedItems(transaction, "mails"), lambda mail: mail, poison, clock)
        self._attempts = AttemptLoop(self, per_second, post_within_seconds)
        self._loop = WorkerLoop("mails", lambda _: self.poll())
        self._ses_not_ready: str | None = None

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the process from working, for /readyz; None: nothing."""
        return every_reason(self._loop.not_ready_reason(), self._ses_not_ready, self._isolation.not_ready_reason())

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set, after the post in hand. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def poll(self) -> float:
        """Sends at most one mail; returns the seconds until the next poll. Raises psycopg errors."""
        wait_seconds = self._attempts.poll()
        self._loop.reached()
        return wait_seconds

    # the steps of the protocol

    def settle_abandoned(self) -> None:
        """Makes mails *unknown* whose sender ended during its post."""
        with self._transaction() as connection:
            found = mails.abandoned(connection, self._abandoned_seconds, self._isolation.parked())
        if not found:
            return
        left = set[UUID]()

        def settle(wanted: Sequence[UUID]) -> None:
            with self._transaction() as connection, self._unit_of_work(connection) as work:
                changes = MailChanges(work, wanted, wait=True)
                still = mails.abandoned(connection, self._abandoned_seconds, self._isolation.parked())
                settled = set(still) & changes.mails.keys()
                for mail in sorted(settled):
                    before, outcome = changes.mails[mail], OutcomeUnknown("the sender ended while it sent")
                    after = after_attempt(before, outcome, before.attempts)
                    changes.change(after, database_now(connection), _cause(before))
            left.update(settled)

        self._isolation.process(found, settle)
        for mail in sorted(left):
            _ABANDONED.inc()
            log.warning("mail.abandoned", mail_id=str(mail))

    def claim(self) -> _ClaimedMail | None:
        """Claims the mail that is longest due, after composing it: that may take longer than a post may wait. Raises
        RetryBatch if the mail is no longer due then, or is parked because the database was too slow for it."""
        with self._transaction() as connection:
            mail = mails.reserve(connection, self._isolation.parked())
        if mail is None:
            return None
        claimed: list[_ClaimedMail] = []

        def claim(_: Sequence[UUID]) -> None:
            body = self._composed(mail)
            with self._transaction() as connection:
                claimed_at = monotonic()
                attempt = mails.claim(connection, mail.id)
            if attempt is not None:
                claimed.append(_ClaimedMail(replace(mail, attempts=attempt), body, claimed_at))

        self._isolation.process([mail.id], claim)
        if not claimed:
            raise RetryBatch
        return claimed[0]

    def _composed(self, mail: Mail) -> bytes | PermanentFailure:
        """Returns what is to be posted, or why there is nothing to post. Raises psycopg errors that may pass."""
        try:
            files = self._files(mail)  # first: what is deleted meanwhile is seen in the transcript and left out
            with self._transaction() as connection:
                current = self._directories.read(connection)
                found = CustomerHistories(connection).read([mail.conversation_id])
                if not found:
                    return PermanentFailure("the conversation no longer exists")
                transcript = read_transcript(connection, found[0])
                notes = mail_notes(connection, mail.conversation_id) if mail.with_notes else []
                now = database_now(connection)
            within = CpuLimit(self._compose_seconds)
            written = compose(mail, found[0], transcript, current, self._sender, within.is_reached, files, notes)
            return written.to_bytes(now)
        except ComposingTooSlow:
            log.error("mail.too_slow", mail_id=str(mail.id))
            return PermanentFailure("the mail could not be composed in time")
        except Exception as error:  # a defect of ours: this mail fails, and the others do not wait for it
            if isinstance(error, psycopg.Error) and may_pass(error):
                raise
            log.error("mail.not_composed", mail_id=str(mail.id), exc_info=True)
            return PermanentFailure("the mail could not be composed")

    def _files(self, mail: Mail) -> dict[UUID, MailFile]:
        """Returns the files of the conversation by message. They are read while no connection is held."""
        if self._attaching is None:
            return {}
        with self._transaction() as connection:
            files = received.mail_files(connection, mail.conversation_id)
        return self._attaching.with_contents(mail, files)

    def attempt(self, claim: _ClaimedMail) -> AttemptOutcome:
        """Posts the mail to SES."""
        crash_point("mail.after-claim")
        if isinstance(claim.body, PermanentFailure):
            return claim.body
        outcome = self._mailer.post(claim.mail.id, claim.body)
        _POSTS.labels(type(outcome).__name__.lower()).inc()
        self._ses_not_ready = (
            f"SES accepts no mail ({outcome.reason})" if isinstance(outcome, TransientFailure) else None
        )
        crash_point("mail.after-ses-before-mark")
        return outcome

    def record(self, claim: _ClaimedMail, outcome: AttemptOutcome, pause: timedelta) -> None:
        """Stores the outcome of a post, in the mail and in its log. If that is impossible, the mail is parked and then
        *unknown*: it is not sent again."""
        mail, word = claim.mail, _OUTCOMES[type(outcome)]
        reason = None if isinstance(outcome, Accepted) else outcome.reason

        def store(_: Sequence[UUID]) -> None:
            with self._transaction() as connection, self._unit_of_work(connection) as work:
                changes = MailChanges(work, [mail.id], wait=True)
                now = database_now(connection)
                work.mail_pause = pause
                if mail.id in changes.mails:  # it may have been deleted with its conversation
                    changes.change(after_attempt(changes.mails[mail.id], outcome, mail.attempts), now, _cause(mail))
                    work.mail_log.append((mail.id, mails.MailLogEntry(now, word, "mails", mail.to, reason)))

        self._isolation.process([mail.id], store)
        log.info("mail.posted", mail_id=str(mail.id), outcome=word, reason=reason)

    def _unit_of_work(self, connection: Connection[Any]) -> UnitOfWork:
        # events about mails ask no rule, so the directory is not read for them
        return UnitOfWork(connection, self._topics.conversations, {}, Directory())


_OUTCOMES: dict[type[AttemptOutcome], str] = {
    Accepted: "accepted",
    TransientFailure: "not_sent",
    PermanentFailure: "refused",
    OutcomeUnknown: "unanswered",
}
"""How a post ended, in the mail's own log."""


def _cause(mail: Mail) -> Cause:
    return Cause((fact_id("command", mail.command_id),), mail.issuer)
