"""The steps about the installation itself: who administers it, its directory, clocks and certificates."""

from collections.abc import Iterator
from datetime import timedelta

from domain.contract.texts import gettext_noop
from domain.setup.seen import CertificateSeen, ServersSeen, SetupRecord, SetupTerms
from domain.setup.steps import SetupStep, SetupText, StepItem, worst

SKEW_SECONDS = 2.0
"""Clocks may differ this much. The webhook compares senders' times with its own clock, the timer closes windows by the
database's."""
ENDS_SOON = timedelta(days=21)
"""A certificate that is renewed by itself usually has thirty days left."""


def installation_steps(record: SetupRecord, terms: SetupTerms, servers: ServersSeen | None) -> Iterator[SetupStep]:
    """Yields the steps."""
    yield _administrators(record, terms)
    yield _directory(record)
    yield _clocks(record, servers)
    yield _certificates(record, servers)


def _administrators(record: SetupRecord, terms: SetupTerms) -> SetupStep:
    title = gettext_noop("First administrator")
    if record.administrators:
        seen = SetupText(gettext_noop("Administrators who can sign in: %(count)s."), {"count": record.administrators})
        return SetupStep("administrator", "installation", title, "done", seen, place="people")
    if terms.provider:
        seen = SetupText(gettext_noop("People sign in at the OpenID provider; no administrator has done so yet."))
        then = SetupText(gettext_noop("Sign in with a role that WITIOP_OPENID_ROLES makes an administrator."))
        return SetupStep("administrator", "installation", title, "waiting", seen, next=then)
    seen = SetupText(gettext_noop("Nobody can sign in as an administrator."))
    then = SetupText(gettext_noop("Run witiop users create NAME --administrator, choose a password, and sign in."))
    return SetupStep("administrator", "installation", title, "waiting", seen, next=then)


def _directory(record: SetupRecord) -> SetupStep:
    title = gettext_noop("Directory")
    listed = sum(number.listed for number in record.numbers)
    values = {"version": record.version, "numbers": listed, "users": record.users}
    seen = SetupText(gettext_noop("Version %(version)s. Numbers: %(numbers)s. Users: %(users)s."), values)
    if listed:
        return SetupStep("directory", "installation", title, "done", seen, place="directory")
    if not record.version:
        seen = SetupText(gettext_noop("It is empty."))
    then = SetupText(gettext_noop("Add your numbers here below as soon as they are seen, or on the page Directory."))
    return SetupStep("directory", "installation", title, "waiting", seen, next=then, place="directory")


def _clocks(record: SetupRecord, servers: ServersSeen | None) -> SetupStep:
    title = gettext_noop("Clocks")
    if servers is None:
        return SetupStep("clocks", "installation", title, "waiting", _LOOKING)
    ahead = {clock.name: clock.ahead for clock in servers.clocks}
    asked = [account for account in record.accounts if account.clock_ahead is not None]
    if asked:
        ahead["Meta"] = max((account.clock_ahead or 0.0 for account in asked), key=abs)
    items = []
    for name, seconds in ahead.items():
        wrong = abs(seconds) > SKEW_SECONDS
        if not wrong:
            seen = SetupText(gettext_noop("agrees with this machine"))
        elif seconds > 0:
            seen = SetupText(gettext_noop("%(seconds)s seconds ahead of this machine"), {"seconds": round(seconds)})
        else:
            seen = SetupText(gettext_noop("%(seconds)s seconds behind this machine"), {"seconds": round(-seconds)})
        items.append(StepItem("trouble" if wrong else "done", name, seen))
    items += [StepItem("trouble", name, SetupText(gettext_noop("does not answer"))) for name in servers.unreachable]
    state = worst(items)
    seen = SetupText(gettext_noop("Windows of 24 hours, signatures and codes depend on them."))
    then = SetupText(gettext_noop("Synchronise the clocks with NTP, and check that the servers run."))
    return SetupStep(
        "clocks", "installation", title, state, seen, servers.at, then if state == "trouble" else None, items=items
    )


def _certificates(record: SetupRecord, servers: ServersSeen | None) -> SetupStep:
    title = gettext_noop("Certificates")
    if servers is None:
        return SetupStep("certificates", "installation", title, "waiting", _LOOKING)
    items = [_certificate(record, each) for each in servers.certificates]
    if not items:
        seen = SetupText(gettext_noop("Nothing that this installation connects to uses TLS."))
        then = SetupText(gettext_noop("Fine on one machine behind a proxy with TLS; see docs/deploy.md."))
        return SetupStep("certificates", "installation", title, "off", seen, servers.at, then)
    state = worst(items)
    seen = SetupText(gettext_noop("Certificates looked at: %(count)s."), {"count": len(items)})
    then = SetupText(
        gettext_noop(
            "Renew what ends soon, and check name and chain of what is not trusted: Meta accepts no such certificate."
        )
    )
    return SetupStep(
        "certificates",
        "installation",
        title,
        state,
        seen,
        servers.at,
        then if state == "trouble" else None,
        items=items,
    )


def _certificate(record: SetupRecord, found: CertificateSeen) -> StepItem:
    if found.ends_at is None:
        seen = SetupText(gettext_noop("cannot be read: %(problem)s"), {"problem": found.problem})
        return StepItem("trouble", found.name, seen)
    if found.ends_at <= record.now:
        return StepItem("trouble", found.name, SetupText(gettext_noop("ended %(at)s"), {"at": found.ends_at}))
    seen = SetupText(gettext_noop("ends %(at)s"), {"at": found.ends_at})
    if found.problem:
        values = {"at": found.ends_at, "problem": found.problem}
        seen = SetupText(gettext_noop("ends %(at)s, but is not trusted: %(problem)s"), values)
    wrong = bool(found.problem) or found.ends_at - record.now < ENDS_SOON
    return StepItem("trouble" if wrong else "done", found.name, seen)


_LOOKING = SetupText(gettext_noop("Being looked at …"))
