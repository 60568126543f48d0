"""Tells channels and people about alarms: at least once, with the id of the delivery in each repeat.

A webhook's address and secret are read when they are used, and are in no log.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event as Flag
from typing import Any, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter
from psycopg import Connection
from pydantic_core import to_json

from consumers.workers.worker_loop import WorkerLoop
from domain.alarms.channels import AlarmChannel, ChannelSecrets
from domain.alarms.kinds import AlarmKind
from domain.alarms.notices import (
    REPEAT_HEADER,
    SIGNATURE_HEADER,
    AlarmNotice,
    card_body,
    mail_body,
    signature,
    text_body,
)
from domain.alarms.texts import Translate
from domain.attempts import Accepted, PermanentFailure
from domain.directory import Language
from domain.mail import Mailer
from domain.mail_body.compose import MailSender
from infra.hooks.poster import HookOutcome
from infra.postgres.alarms import deliveries
from infra.postgres.alarms.deliveries import ClaimedDelivery
from infra.postgres.alarms.receivers import customer_of, person_of, receiver_of
from infra.postgres.connections.clock import database_now
from infra.process.crash_points import crash_point
from infra.process.metrics import count_from_zero

_IDLE_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=24)
"""After this a delivery fails for good: so late it says nothing new."""
_TOLD = Counter("witiop_alarms_told", "Attempts to tell a channel or a person, by outcome.", ["outcome"])
count_from_zero(_TOLD, ("delivered", "failed", "again"))

log = structlog.get_logger("alarms")


class HookSender(Protocol):
    """Posts to webhooks."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HookOutcome:
        """Posts once. Raises nothing; blocks for less than a claim lasts."""
        ...


@dataclass(frozen=True, slots=True)
class TellingMeans:
    """What is told with. `mailer`: opens what sends mails when the first one is sent, because its library is large;
    `mailer`, `mail_sender` None: this installation sends no mails. `translations`: the texts of alarms in a language;
    `console_url`: the console's public address, None if it has none."""

    hooks: HookSender
    translations: Callable[[Language], Translate]
    mailer: Callable[[], Mailer] | None = None
    mail_sender: MailSender | None = None
    console_url: str | None = None


def pause_after(attempts: int, retry_seconds: float | None) -> timedelta:
    """Returns how long to wait after so many attempts that failed; longer if the receiver said so."""
    pause: timedelta = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 10), _LONGEST_PAUSE)
    return max(pause, timedelta(seconds=retry_seconds or 0))


class AlarmTelling:
    """Tells one receiver after the other. Several loops run in a process, each with a `transaction` of its own."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection[Any]]], means: TellingMeans) -> None:
        self._transaction = transaction
        self._means = means
        self._loop = WorkerLoop("alarms", lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the loop from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set, after the post in hand. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def poll(self) -> float:
        """Tells at most one receiver; returns the seconds until the next poll. Raises psycopg errors."""
        with self._transaction() as connection:
            claim = deliveries.claim_delivery(connection)
            receiver = receiver_of(connection, claim.channel_id) if claim and claim.channel_id else None
            person = person_of(connection, claim.person) if claim and claim.person else None
            shows = receiver is not None and receiver[0].shows_customer
            customer = (
                customer_of(connection, claim.conversation_id) if claim and claim.conversation_id and shows else ""
            )
            now = database_now(connection)
        if claim is None:
            return _IDLE_SECONDS
        self._loop.reached()
        crash_point("alarms.after-claim")
        notice = self._notice(claim, customer)
        if receiver is not None:
            outcome = self._tell_channel(notice, *receiver, now)
        elif person is not None and person.address is not None:
            outcome = self._mail(notice, [person.address], person.language, now)
        else:
            outcome = HookOutcome("no_address", is_final=True)
        crash_point("alarms.after-telling")
        self._settle(claim, outcome, now)
        return 0.0

    def _tell_channel(
        self, notice: AlarmNotice, channel: AlarmChannel, secrets: ChannelSecrets, now: datetime
    ) -> HookOutcome:
        if channel.form == "mail":
            return self._mail(notice, secrets.address.split(","), channel.language, now)
        translate = self._means.translations(channel.language)
        body = to_json((card_body if channel.form == "card" else text_body)(notice, translate))
        headers = {SIGNATURE_HEADER: signature(secrets.secret.encode(), body), REPEAT_HEADER: str(notice.id)}
        return self._means.hooks.post(secrets.address, body, headers)

    def _mail(self, notice: AlarmNotice, to: list[str], language: Language, now: datetime) -> HookOutcome:
        """A mail of which it is unknown whether it was sent is sent again: an alarm that comes twice is better than one
        that does not come."""
        mailer, sender = self._means.mailer, self._means.mail_sender
        if mailer is None or sender is None:
            return HookOutcome("no_mails", is_final=True)
        translate = self._means.translations(language)
        shown = (sender.name or sender.organisation, sender.address)
        outcome = mailer().post(notice.id, mail_body(notice, shown, to, now, language, translate))
        if isinstance(outcome, Accepted):
            return HookOutcome()
        return HookOutcome("mail_refused", is_final=isinstance(outcome, PermanentFailure))

    def _notice(self, claim: ClaimedDelivery, customer: str) -> AlarmNotice:
        at = claim.ended_at if claim.change == "ended" and claim.ended_at is not None else claim.began_at
        return AlarmNotice(claim.id, claim.kind, claim.key, claim.details, claim.change, at, customer, self._url(claim))

    def _url(self, claim: ClaimedDelivery) -> str:
        if self._means.console_url is None:
            return ""
        base = self._means.console_url.rstrip("/")
        if claim.kind is AlarmKind.RUNNING_OUT:
            return f"{base}/unmanaged"
        return f"{base}/conversations/{claim.conversation_id}" if claim.conversation_id else f"{base}/alarms"

    def _settle(self, claim: ClaimedDelivery, outcome: HookOutcome, now: datetime) -> None:
        gives_up = outcome.is_final or now - claim.created_at > GIVE_UP_AFTER
        again = None if outcome.problem is None or gives_up else pause_after(claim.attempts, outcome.retry_seconds)
        with self._transaction() as connection:
            deliveries.settle_delivery(connection, claim, outcome.problem, again)
        word = "delivered" if outcome.problem is None else "failed" if again is None else "again"
        _TOLD.labels(word).inc()
        told = log.info if outcome.problem is None else log.warning
        told(
            "alarm.told",
            delivery_id=str(claim.id),
            channel_id=_text(claim.channel_id),
            outcome=word,
            reason=outcome.problem,
        )


def _text(id_: UUID | None) -> str | None:
    return str(id_) if id_ is not None else None
