"""The `mails` process: posts what is due to SES, each mail at most once (domain.md, *Mail*; reliability.md, I5).

Any number may run. A post has three steps: the mail is `sending` and that is committed; one post, never repeated by
itself; what came of it is committed. A process that dies in between leaves a mail that nobody knows about: once its
post must be over, anybody makes it `unknown`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event as Flag
from time import monotonic
from typing import Any

import structlog
from prometheus_client import Counter
from psycopg import Connection

from consumers.batches.batch_loop import RetryBatch
from consumers.changes.mails import MailChanges
from consumers.workers.worker_loop import WorkerLoop
from domain.conversations.fold import Cause
from domain.ids import fact_id
from domain.mail import (
    MAX_BYTES,
    Accepted,
    AttemptOutcome,
    Mail,
    Mailer,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
    after_attempt,
)
from domain.mail_body.compose import MailSender, compose
from domain.topics import Topics
from infra.postgres import directory, mails
from infra.postgres.conversations.threads import CustomerHistories
from infra.postgres.lists.conversation_page import read_transcript
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point

POST_WITHIN_SECONDS = 5.0
"""After its claim: later the mail may be `unknown` already, and somebody may have sent it again."""

_REST_SECONDS = 0.5

_POSTS = Counter("witiop_mails_posts", "Posts to SES, by how they ended.", ["outcome"])
_ABANDONED = Counter("witiop_mails_abandoned", "Mails whose sender died while it posted.")

log = structlog.get_logger("mails")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A mail that is ours to post, its post counted. `letter` None: it cannot be written; `at`: by the monotonic
    clock."""

    mail: Mail
    letter: bytes | None
    at: float


class Mails:
    """Sends until stopped. `transaction` as for the consumers; `per_second`: posts of this process;
    `post_within_seconds`: after its claim; `abandoned_seconds`: above that and what any post can take."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        mailer: Mailer,
        sender: MailSender,
        topics: Topics,
        per_second: float,
        post_within_seconds: float = POST_WITHIN_SECONDS,
        abandoned_seconds: float = mails.ABANDONED_SECONDS,
    ) -> None:
        self._transaction = transaction
        self._mailer = mailer
        self._sender = sender
        self._topics = topics
        self._interval = 1 / per_second
        self._post_within_seconds = post_within_seconds
        self._abandoned_seconds = abandoned_seconds
        self._directory = directory.DirectoryCache()
        self._throttled = Backoff(1.0, 30.0)
        self._unmarked: tuple[Mail, AttemptOutcome, timedelta] | None = None
        self._rounds = WorkerLoop("mails", lambda _: self.round())
        self._ses_trouble: str | None = None

    def not_ready_reason(self) -> str | None:
        """What keeps it from working, for /readyz; None: nothing."""
        return self._rounds.not_ready_reason() or self._ses_trouble

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set; a post that was begun is ended first. Raises what is our own defect."""
        self._rounds.run(stop)

    def round(self) -> float:
        """Gives up what dead senders left, posts the mail that is longest due, and keeps what came of it, if need be in
        a later round. Returns for how many seconds there is nothing to do."""
        began = monotonic()
        try:
            self._give_up()
            self._rounds.reached()
            if self._unmarked is None:
                claimed = self._claim()
                if claimed is None:
                    return _REST_SECONDS
                crash_point("mail.after-claim")
                how = self._post(claimed)
                crash_point("mail.after-ses-before-mark")
                pause = self._throttled.next() if isinstance(how, TransientFailure) else 0.0
                self._unmarked = claimed.mail, how, timedelta(seconds=pause)
            self._mark(*self._unmarked)
        except RetryBatch:
            return 0.0
        _, how, pause_of_mail = self._unmarked
        self._unmarked = None
        return max(pause_of_mail.total_seconds(), began + self._interval - monotonic(), 0.0)

    def _give_up(self) -> None:
        with self._transaction() as connection:
            found = mails.abandoned(connection, self._abandoned_seconds)
            if not found:
                return
            changes = MailChanges(connection, found, wait=True)
            left = set(mails.abandoned(connection, self._abandoned_seconds)) & changes.mails.keys()
            for mail in sorted(left):
                before, how = changes.mails[mail], OutcomeUnknown("the sender ended while it sent")
                changes.become(after_attempt(before, how, before.attempts), mails.now(connection), _cause(before))
            changes.write(self._topics.conversations)
        for mail in sorted(left):
            _ABANDONED.inc()
            log.warning("mail.abandoned", mail_id=str(mail))

    def _claim(self) -> _Claimed | None:
        """Commits the intent. The letter is written before: that may take longer than a post may wait."""
        with self._transaction() as connection:
            mail = mails.due(connection)
            if mail is None:
                return None
            current = self._directory.read(connection)
            (conversation,) = CustomerHistories(connection).read([mail.conversation_id])
            said = read_transcript(connection, conversation)
            now = mails.now(connection)
            letter: bytes | None = None
            try:
                letter = compose(mail, conversation, said, current, self._sender, now)
            except Exception:  # our defect, whatever it is: this mail fails, and the others do not wait behind it
                log.error("mail.not_written", mail_id=str(mail.id), exc_info=True)
            claimed_at = monotonic()
            return _Claimed(replace(mail, attempts=mails.claim(connection, mail.id)), letter, claimed_at)

    def _post(self, claimed: _Claimed) -> AttemptOutcome:
        mail, letter = claimed.mail, claimed.letter
        if letter is None:
            return PermanentFailure("the letter cannot be written")
        if len(letter) > MAX_BYTES:
            return PermanentFailure("too_large")
        if monotonic() - claimed.at > self._post_within_seconds:
            return TransientFailure("too late after its claim")
        how = self._mailer.post(mail.id, letter)
        _POSTS.labels(type(how).__name__.lower()).inc()
        self._ses_trouble = f"SES takes no mail ({how.reason})" if isinstance(how, TransientFailure) else None
        if isinstance(how, Accepted):
            self._throttled.reset()
        return how

    def _mark(self, mail: Mail, how: AttemptOutcome, pause: timedelta) -> None:
        with self._transaction() as connection:
            changes = MailChanges(connection, [mail.id], wait=True)
            now = mails.now(connection)
            changes.become(after_attempt(changes.mails[mail.id], how, mail.attempts), now, _cause(mail))
            reason = None if isinstance(how, Accepted) else how.reason
            mails.write_log(connection, mail.id, mails.MailLogEntry(now, _WORDS[type(how)], "mails", mail.to, reason))
            changes.write(self._topics.conversations, pause)
        log.info("mail.posted", mail_id=str(mail.id), outcome=_WORDS[type(how)], reason=reason)


_WORDS: dict[type[AttemptOutcome], str] = {
    Accepted: "accepted",
    TransientFailure: "not_sent",
    PermanentFailure: "refused",
    OutcomeUnknown: "unanswered",
}
"""How a post ended, in the mail's own log."""


def _cause(mail: Mail) -> Cause:
    return Cause((fact_id("command", mail.command_id),), mail.issuer)
