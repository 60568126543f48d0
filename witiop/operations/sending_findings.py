"""What `witiop doctor` finds about sending to WhatsApp."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from psycopg import Connection

from domain.alarms.conditions import OUT_OF_DATE, SEND_SECONDS
from infra.postgres.connections.clock import database_now
from infra.postgres.sending import accounts, sends
from witiop.operations.findings import Finding
from witiop.settings import Settings


def sending_findings(database: Connection[Any], settings: Settings) -> Iterator[Finding]:
    """Yields the findings; those about Meta only where sending is on. Raises psycopg errors."""
    standing = sends.standing(database)
    if standing.unknown:
        fix = "see witiop messages list --state unknown, and decide with witiop messages resolve"
        yield Finding("messages", f"it is unknown whether {standing.unknown:,} of them were sent", fix)
    if not settings.sending_enabled:
        if standing.queued:
            fix = "set WITIOP_SENDING_ENABLED for the sender too, or recall them"
            yield Finding("messages", f"sending is off, and {standing.queued:,} wait", fix)
        return
    if standing.waited_seconds > SEND_SECONDS:
        fix = "check that `witiop run sender` is running, and see witiop numbers list for pauses"
        yield Finding("messages", f"the oldest one due has been waiting for {standing.waited_seconds:.0f} s", fix)
    if not settings.whatsapp_access_token.get_secret_value():
        fix = "set WITIOP_WHATSAPP_ACCESS_TOKEN, as docs/whatsapp.md says"
        yield Finding("whatsapp", "sending is on, and there is no access token", fix)
    yield from _accounts(database, settings, database_now(database))
    yield from _numbers(database)


def _accounts(database: Connection[Any], settings: Settings, now: datetime) -> Iterator[Finding]:
    known = {account.account_id: account for account in accounts.accounts(database)}
    for id_ in settings.whatsapp_accounts:
        account = known.get(id_)
        if account is None or account.synchronised_at is None:
            what = account.failure if account is not None and account.failure else "they were never read"
            fix = "check that `witiop run sender` is running, and that the token may read the account"
            yield Finding(f"whatsapp account {id_}", f"no templates: {what}", fix)
            continue
        if account.failure is not None or now - account.synchronised_at > OUT_OF_DATE:
            what = account.failure or "nobody read them since"
            fix = "run witiop templates sync, and check the token"
            yield Finding(f"whatsapp account {id_}", f"templates are out of date: {what}", fix)
        if account.subscribed is False:
            what = "Meta reports nothing about this account: no app is subscribed to its webhooks"
            yield Finding(f"whatsapp account {id_}", what, "subscribe the app, as docs/whatsapp.md says")


def _numbers(database: Connection[Any]) -> Iterator[Finding]:
    now = database_now(database)
    for number in accounts.numbers(database):
        for until, what in ((number.paused_until, "it"), (number.templates_paused_until, "its templates")):
            if until is not None and until > now and number.reason is not None:
                fix = "mend it at Meta, or set a new token: docs/runbook.md says more"
                yield Finding(f"number {number.phone_number_id}", f"{what} may not send now: {number.reason}", fix)
