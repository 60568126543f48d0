"""The optional parts: sending, the Softbot, where agents answer, mails and files. An absent part is off, and nothing is
demanded for it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.contract.texts import gettext_noop
from domain.setup.receiving import last
from domain.setup.seen import SetupRecord, SetupTerms
from domain.setup.steps import SetupStep, SetupText

OUT_OF_DATE = timedelta(hours=1)
"""Templates are read every ten minutes."""
REFUSED_FOR = timedelta(days=1)
"""How long a refused event is shown of a sender of whom none was ever accepted: strangers try addresses."""


def more_steps(record: SetupRecord, terms: SetupTerms) -> Iterator[SetupStep]:
    """Yields the steps."""
    yield _templates(record, terms)
    yield _sending(terms)
    yield _softbot(record)
    yield _desk(record)
    yield _mails(record, terms)
    yield _files(record, terms)


def _templates(record: SetupRecord, terms: SetupTerms) -> SetupStep:
    title = gettext_noop("Templates and numbers of Meta")
    if not record.accounts:
        seen = SetupText(gettext_noop("Off: no access token is set, so Meta is not asked."))
        return SetupStep("templates", "more", title, "off", seen)
    failed = [account for account in record.accounts if account.failure is not None]
    asked = min((account.asked_at for account in record.accounts if account.asked_at), default=None)
    if failed:
        seen = SetupText(gettext_noop("They cannot be read: %(why)s."), {"why": failed[0].failure})
        then = SetupText(gettext_noop("Check the token, its permissions and the account's id."))
        return SetupStep("templates", "more", title, "trouble", seen, asked, then)
    if asked is None:
        seen = SetupText(gettext_noop("They have not been read yet."))
        then = SetupText(gettext_noop("Check that the process sender is running."))
        return SetupStep("templates", "more", title, "waiting", seen, next=then)
    seen = SetupText(gettext_noop("Templates read: %(count)s."), {"count": record.templates})
    if record.now - asked > OUT_OF_DATE:
        then = SetupText(gettext_noop("Nobody has read them for long: check that the process sender is running."))
        return SetupStep("templates", "more", title, "trouble", seen, asked, then)
    return SetupStep("templates", "more", title, "done", seen, asked, place="numbers")


def _sending(terms: SetupTerms) -> SetupStep:
    title = gettext_noop("Sending")
    if not terms.sends:
        seen = SetupText(gettext_noop("Off: customers can be read and transferred, not answered from here."))
        then = SetupText(gettext_noop("WITIOP_SENDING_ENABLED=true switches it on."))
        return SetupStep("sending", "more", title, "off", seen, next=then)
    seen = SetupText(gettext_noop("On. The page Numbers says what holds a number back."))
    return SetupStep("sending", "more", title, "done", seen, place="numbers")


def _softbot(record: SetupRecord) -> SetupStep:
    title = gettext_noop("Softbot")
    seen_at, refused = last(record, "softbot"), last(record, "softbot_refused")
    if _is_refused(record, refused, seen_at):
        return _refused("softbot", title, refused, "WITIOP_SOFTBOT_SECRETS")
    if seen_at is None:
        seen = SetupText(gettext_noop("Off: no bot reports here. Numbers can show their menu by themselves."))
        return SetupStep("softbot", "more", title, "off", seen)
    seen = SetupText(gettext_noop("It reports what it says and what customers choose."))
    return SetupStep("softbot", "more", title, "done", seen, seen_at)


def _desk(record: SetupRecord) -> SetupStep:
    title = gettext_noop("Where agents answer")
    other, own, refused = last(record, "desktop"), last(record, "desk"), last(record, "agents_refused")
    if _is_refused(record, refused, other):
        return _refused("desk", title, refused, "WITIOP_AGENTS_SECRETS")
    if other is not None and own is not None:
        seen = SetupText(gettext_noop("An agent desktop reports, and agents use the page My desk."))
        return SetupStep("desk", "more", title, "done", seen, max(other, own))
    if other is not None:
        seen = SetupText(gettext_noop("An agent desktop reports who is ready and who answers."))
        return SetupStep("desk", "more", title, "done", seen, other)
    if own is not None:
        return SetupStep("desk", "more", title, "done", SetupText(gettext_noop("Agents use the page My desk.")), own)
    seen = SetupText(gettext_noop("Off: nobody has been ready, neither in an agent desktop nor on the page My desk."))
    then = SetupText(
        gettext_noop("Until somebody is, transfers wait; customers are listed, and people answer elsewhere.")
    )
    return SetupStep("desk", "more", title, "off", seen, next=then)


def _mails(record: SetupRecord, terms: SetupTerms) -> SetupStep:
    title = gettext_noop("Mails (Amazon SES and SNS)")
    if not terms.mails:
        seen = SetupText(gettext_noop("Off: WITIOP_SES_SENDER is not set, so this installation sends no mails."))
        return SetupStep("mails", "more", title, "off", seen)
    confirmed, events, refused = last(record, "sns_confirmed"), last(record, "ses"), last(record, "sns_refused")
    accepted = max((at for at in (confirmed, events) if at is not None), default=None)
    if _is_refused(record, refused, accepted):
        seen = SetupText(gettext_noop("SNS posted from a topic that is not accepted."))
        then = SetupText(gettext_noop("Add the topic's ARN to WITIOP_SES_TOPIC_ARNS."))
        return SetupStep("mails", "more", title, "trouble", seen, refused, then)
    if events is not None:
        seen = SetupText(gettext_noop("SES reports what becomes of mails."))
        return SetupStep("mails", "more", title, "done", seen, events)
    if confirmed is not None:
        seen = SetupText(gettext_noop("The subscription of SNS is confirmed; no event has arrived yet."))
        then = SetupText(gettext_noop("Send a mail: forward a conversation to yourself."))
        return SetupStep("mails", "more", title, "waiting", seen, confirmed, then)
    if record.mailed_at is not None:
        seen = SetupText(gettext_noop("SES accepts mails, and nothing says what becomes of them."))
        then = SetupText(
            gettext_noop("Subscribe %(path)s to the SNS topic of the configuration set."), {"path": "/webhooks/ses"}
        )
        return SetupStep("mails", "more", title, "trouble", seen, record.mailed_at, then)
    seen = SetupText(gettext_noop("No mail was sent yet, and no subscription of SNS was confirmed."))
    then = SetupText(gettext_noop("Follow docs/deploy.md, Mails; witiop doctor asks SES about the rest."))
    return SetupStep("mails", "more", title, "waiting", seen, next=then)


def _files(record: SetupRecord, terms: SetupTerms) -> SetupStep:
    title = gettext_noop("Customers' files (S3)")
    if not terms.files:
        seen = SetupText(gettext_noop("Off: there is no bucket. Meta deletes customers' files after seven days."))
        return SetupStep("files", "more", title, "off", seen)
    if record.fetched_at is None:
        seen = SetupText(gettext_noop("No file was stored yet."))
        then = SetupText(gettext_noop("Send a photo to one of your numbers."))
        return SetupStep("files", "more", title, "waiting", seen, next=then)
    seen = SetupText(gettext_noop("Files are stored."))
    return SetupStep("files", "more", title, "done", seen, record.fetched_at)


def _is_refused(record: SetupRecord, refused: datetime | None, accepted: datetime | None) -> bool:
    if refused is None:
        return False
    return refused > accepted if accepted is not None else record.now - refused < REFUSED_FOR


def _refused(id_: str, title: str, at: datetime | None, setting: str) -> SetupStep:
    seen = SetupText(gettext_noop("Something that was signed with another secret was refused."))
    then = SetupText(gettext_noop("Both sides need the same secret: %(setting)s."), {"setting": setting})
    return SetupStep(id_, "more", title, "trouble", seen, at, then)
