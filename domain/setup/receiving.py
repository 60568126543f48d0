"""The steps from Meta's App Dashboard to the first real message."""

from collections.abc import Iterator
from datetime import datetime

from domain.contract.texts import gettext_noop
from domain.setup.fields import FIELDS, FieldNeed
from domain.setup.seen import SetupAccount, SetupNumber, SetupRecord, SetupTerms
from domain.setup.sightings import TEST_NUMBER, Sighting, SightingKind
from domain.setup.steps import SetupStep, SetupText, StepItem, StepState, worst

PATH = "/webhooks/whatsapp"
MOST_NUMBERS = 50
"""Numbers that are shown; what is wrong comes first."""
_UNKNOWN_URL = "https://YOUR-HOST"


def receiving_steps(record: SetupRecord, terms: SetupTerms) -> Iterator[SetupStep]:
    """Yields the steps."""
    yield _handshake(record, terms)
    yield _signature(record)
    yield _subscriptions(record)
    yield _fields(record, terms)
    yield _numbers(record)
    yield _client_certificate(record)


def last(record: SetupRecord, kind: SightingKind) -> datetime | None:
    """Returns when it was last seen, under whatever name."""
    return max((at for seen, at in record.sightings.items() if seen.kind == kind), default=None)


def _is_later(at: datetime | None, than: datetime | None) -> bool:
    return at is not None and (than is None or at > than)


def callback_url(terms: SetupTerms) -> str:
    """Returns the address that is entered at Meta."""
    return f"{terms.webhook_url.rstrip('/') or _UNKNOWN_URL}{PATH}"


def _handshake(record: SetupRecord, terms: SetupTerms) -> SetupStep:
    title = gettext_noop("Callback URL")
    shaken, refused, posted = last(record, "handshake"), last(record, "handshake_refused"), last(record, "whatsapp")
    url = callback_url(terms)
    if _is_later(refused, shaken) and not _is_later(posted, refused):
        seen = SetupText(gettext_noop("A handshake with another verify token was refused."))
        then = SetupText(gettext_noop("Enter the value of WITIOP_WHATSAPP_VERIFY_TOKEN as the verify token at Meta."))
        return SetupStep("handshake", "receiving", title, "trouble", seen, refused, then)
    if shaken is not None:
        seen = SetupText(gettext_noop("Meta has verified the callback URL %(url)s."), {"url": url})
        return SetupStep("handshake", "receiving", title, "done", seen, shaken)
    if posted is not None:
        seen = SetupText(gettext_noop("Meta posts to the callback URL; its handshake was not seen."))
        return SetupStep("handshake", "receiving", title, "done", seen, posted)
    seen = SetupText(gettext_noop("Meta has not called the callback URL yet."))
    then = SetupText(
        gettext_noop(
            "In the App Dashboard open WhatsApp, Configuration; enter %(url)s and the verify token of "
            "WITIOP_WHATSAPP_VERIFY_TOKEN, and press Verify and save."
        ),
        {"url": url},
    )
    return SetupStep("handshake", "receiving", title, "waiting", seen, next=then)


def _signature(record: SetupRecord) -> SetupStep:
    title = gettext_noop("Signed by your app")
    signed, refused, tested = last(record, "whatsapp"), last(record, "whatsapp_refused"), last(record, "test")
    if _is_later(refused, signed):
        seen = SetupText(gettext_noop("Meta posted something that was signed with another app secret; it was refused."))
        then = SetupText(
            gettext_noop(
                "Set WITIOP_WHATSAPP_APP_SECRETS to the app secret of App settings, Basic. Meta repeats what was "
                "refused."
            )
        )
        return SetupStep("signature", "receiving", title, "trouble", seen, refused, then)
    if signed is None:
        seen = SetupText(gettext_noop("Nothing signed has arrived yet."))
        then = SetupText(
            gettext_noop("Press Test beside the field messages in the App Dashboard, or write to a number.")
        )
        return SetupStep("signature", "receiving", title, "waiting", seen, next=then)
    seen = SetupText(gettext_noop("The signature of the last update was right."))
    items = (
        [StepItem("done", "Meta", SetupText(gettext_noop("the sample of the test button arrived")), tested)]
        if tested
        else []
    )
    return SetupStep("signature", "receiving", title, "done", seen, signed, items=items)


def _subscriptions(record: SetupRecord) -> SetupStep:
    title = gettext_noop("App subscribed to the account")
    if not record.accounts:
        seen = SetupText(gettext_noop("Nobody asks Meta: the sender has no access token, or no account."))
        then = SetupText(
            gettext_noop(
                "To have it checked, set WITIOP_WHATSAPP_ACCESS_TOKEN and WITIOP_WHATSAPP_ACCOUNTS for the sender. "
                "Without this subscription Meta stays silent."
            )
        )
        return SetupStep("subscribed", "receiving", title, "off", seen, next=then)
    items = [_account(account) for account in record.accounts]
    state = worst(items)
    seen = SetupText(gettext_noop("Accounts asked about: %(count)s."), {"count": len(items)})
    asked = min((account.asked_at for account in record.accounts if account.asked_at), default=None)
    return SetupStep("subscribed", "receiving", title, state, seen, asked, items=items)


def _account(account: SetupAccount) -> StepItem:
    again = SetupText(gettext_noop("Check the token, its permissions and the account's id."))
    if account.failure is not None:
        seen = SetupText(gettext_noop("cannot be asked: %(why)s"), {"why": account.failure})
        return StepItem("trouble", account.id, seen, account.asked_at, again)
    if account.apps is None:
        return StepItem("waiting", account.id, SetupText(gettext_noop("not asked yet")))
    if not account.apps:
        seen = SetupText(gettext_noop("no app is subscribed, so Meta reports nothing"))
        then = SetupText(
            gettext_noop("Send POST /%(account)s/subscribed_apps to Meta, as docs/whatsapp.md says."),
            {"account": account.id},
        )
        return StepItem("trouble", account.id, seen, account.asked_at, then)
    seen = SetupText(gettext_noop("subscribed: %(apps)s"), {"apps": ", ".join(account.apps)})
    return StepItem("done", account.id, seen, account.asked_at)


_NEEDS: dict[FieldNeed, str] = {
    "needed": gettext_noop("needed: %(says)s"),
    "sending": gettext_noop("where messages are sent: %(says)s"),
    "app": gettext_noop("where the phone app is used too: %(says)s"),
    "ai": gettext_noop("where Meta's AI agent answers: %(says)s"),
}


def _fields(record: SetupRecord, terms: SetupTerms) -> SetupStep:
    title = gettext_noop("Webhook fields")
    at = {name: record.sightings.get(Sighting("field", name)) for name in FIELDS}
    items = []
    for name, field in FIELDS.items():
        optional = field.need in ("app", "ai") or (field.need == "sending" and not terms.sends)
        state: StepState = "done" if at[name] else "off" if optional else "waiting"
        says = SetupText(_NEEDS[field.need], {"says": SetupText(field.says)})
        items.append(StepItem(state, name, says, at[name]))
    seen = SetupText(gettext_noop("Fields seen: %(count)s."), {"count": sum(each is not None for each in at.values())})
    if at["messages"] is None:
        then = SetupText(gettext_noop("Tick messages in the App Dashboard: WhatsApp, Configuration, Webhook fields."))
        return SetupStep("fields", "receiving", title, "waiting", seen, next=then, items=items)
    then = SetupText(
        gettext_noop(
            "Of the others Meta sends something only when it happens. Check in the App Dashboard that they are ticked."
        )
    )
    missing = any(item.state == "waiting" for item in items)
    return SetupStep("fields", "receiving", title, "done", seen, at["messages"], then if missing else None, items=items)


def _numbers(record: SetupRecord) -> SetupStep:
    title = gettext_noop("Messages by number")
    order: dict[StepState, int] = {"trouble": 0, "waiting": 1, "done": 2, "off": 3}
    items = sorted(
        (_number(record, number) for number in record.numbers if number.id != TEST_NUMBER),
        key=lambda item: (order[item.state], item.subject),
    )
    if not items:
        seen = SetupText(gettext_noop("No number is known, and nobody has written."))
        then = SetupText(gettext_noop("Write to one of your numbers from a phone: it appears here."))
        return SetupStep("numbers", "receiving", title, "waiting", seen, next=then)
    heard = last(record, "message")
    values = {"heard": sum(Sighting("message", number.id) in record.sightings for number in record.numbers)}
    seen = SetupText(gettext_noop("Numbers that customers have written to: %(heard)s."), values)
    state: StepState = "trouble" if items[0].state == "trouble" else "done" if heard else "waiting"
    then = SetupText(gettext_noop("Write to each of them from a phone."))
    waits = any(item.state == "waiting" for item in items)
    shown = items[:MOST_NUMBERS]
    return SetupStep(
        "numbers", "receiving", title, state, seen, heard, then if waits else None, "directory", items=shown
    )


def _number(record: SetupRecord, number: SetupNumber) -> StepItem:
    message = record.sightings.get(Sighting("message", number.id))
    echo = record.sightings.get(Sighting("echo", number.id))
    name = number.name or number.id
    if not number.listed:
        seen = SetupText(gettext_noop("Meta has it, the directory does not"))
        if message is not None or number.has_customers:
            seen = SetupText(gettext_noop("customers write to it, and the directory does not have it"))
            then = SetupText(gettext_noop("Add it; menu and opening hours can follow."))
            return StepItem("trouble", name, seen, message, then, add=number.id)
        return StepItem("waiting", name, seen, add=number.id)
    if message is None:
        return StepItem("waiting", name, SetupText(gettext_noop("no message yet")))
    if echo is not None:
        seen = SetupText(gettext_noop("last message; last answer from the phone app %(at)s"), {"at": echo})
        return StepItem("done", name, seen, message)
    return StepItem("done", name, SetupText(gettext_noop("last message; none from the phone app")), message)


def _client_certificate(record: SetupRecord) -> SetupStep:
    title = gettext_noop("Meta's client certificate (mTLS)")
    shown, missing = last(record, "client_certificate"), last(record, "client_certificate_missing")
    if _is_later(missing, shown):
        seen = SetupText(gettext_noop("Something signed came without Meta's client certificate and was refused."))
        then = SetupText(
            gettext_noop(
                "Switch mutual TLS on in the App Dashboard, or check that the proxy names the certificate's subject."
            )
        )
        return SetupStep("mtls", "receiving", title, "trouble", seen, missing, then)
    if shown is not None:
        seen = SetupText(gettext_noop("Meta shows its client certificate."))
        return SetupStep("mtls", "receiving", title, "done", seen, shown)
    seen = SetupText(gettext_noop("Not asked for. The signature alone says that an update comes from Meta."))
    return SetupStep("mtls", "receiving", title, "off", seen)
