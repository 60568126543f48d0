"""Texts about campaigns: states, reasons, what is wrong with rows, and what happened."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from console.phrases import user_name
from console.request import translated
from domain.campaigns.campaign import BY_ITSELF, CampaignState
from domain.campaigns.recipients import HELD, NOT_DELIVERED, QUIET, RETRY_LATER, RecipientState
from domain.contract.campaign_texts import (
    CAMPAIGN_REASON_TEXTS,
    ROW_PROBLEM_TEXTS,
    SKIP_TEXTS,
    ProblemText,
    file_problem_text,
)
from domain.contract.texts import SEND_HELP_TEXTS, gettext_noop
from domain.directory import Directory
from domain.sending.graph_errors import status_error

Tone = Literal["runs", "waits", "good", "over"]
"""How a state looks: in the accent, in amber, in green, or muted."""

_STATES: Mapping[CampaignState, tuple[Tone, str]] = {
    "importing": ("runs", gettext_noop("Reading the recipients")),
    "planning": ("runs", gettext_noop("Planning")),
    "ready": ("waits", gettext_noop("Ready, not started")),
    "unconfirmed": ("waits", gettext_noop("Waits for a second person")),
    "scheduled": ("runs", gettext_noop("Scheduled")),
    "missed": ("waits", gettext_noop("Start missed")),
    "running": ("runs", gettext_noop("Running")),
    "paused": ("waits", gettext_noop("Paused")),
    "finishing": ("runs", gettext_noop("Everything is sent; statuses still come")),
    "finished": ("good", gettext_noop("Finished")),
    "cancelled": ("over", gettext_noop("Cancelled")),
}
_RECIPIENTS: Mapping[RecipientState, str] = {
    "imported": gettext_noop("read, not planned yet"),
    "planned": gettext_noop("planned"),
    "deferred": gettext_noop("waits for a better time"),
    "claimed": gettext_noop("being sent"),
    "accepted": gettext_noop("accepted by WhatsApp"),
    "sent": gettext_noop("sent"),
    "delivered": gettext_noop("delivered"),
    "read": gettext_noop("read"),
    "failed": gettext_noop("failed"),
    "unknown": gettext_noop("not confirmed"),
    "assumed_sent": gettext_noop("counts as arrived"),
    "skipped": gettext_noop("nothing was sent"),
    "cancelled": gettext_noop("cancelled before it was sent"),
}


_OTHERS = {
    HELD: gettext_noop("held back by Meta, which looks at the template's quality first"),
    QUIET: gettext_noop("quiet hours"),
    RETRY_LATER: gettext_noop("tried again when it can succeed"),
    NOT_DELIVERED: gettext_noop("not delivered in time; the phone may be out of use"),
}
_EVENTS = {
    "created": gettext_noop("Created by {who}"),
    "importing": gettext_noop("The recipients are read"),
    "planning": gettext_noop("The recipients are planned"),
    "ready": gettext_noop("Ready to be started"),
    "unconfirmed": gettext_noop("{who} wants to start it; a second person has to confirm"),
    "scheduled": gettext_noop("Scheduled by {who}"),
    "running": gettext_noop("Started by {who}"),
    "again": gettext_noop("Resumed by {who}: it goes on where it stood, nobody gets it twice"),
    "missed": gettext_noop("The start was missed: nothing was running at that time"),
    "paused": gettext_noop("Paused by {who}"),
    "finishing": gettext_noop("Everybody was sent it; statuses still come"),
    "finished": gettext_noop("Finished"),
    "cancelled": gettext_noop("Cancelled by {who}: who has not got it does not get it"),
    "wave": gettext_noop("Another wave, started by {who}"),
    "answers": gettext_noop("{who} changed who gets the answers"),
    "resolved": gettext_noop("{who} settled messages that Meta did not confirm"),
    "canary": gettext_noop("The first messages are sent; their outcome is awaited"),
    "canary_passed": gettext_noop("The first messages went well: it went on by itself"),
    "rows_removed": gettext_noop("The recipients' names and values were removed: their retention period is over"),
    "addresses_removed": gettext_noop("The recipients' addresses were removed: their retention period is over"),
}
_EVENTS_BY_ITSELF = {
    "running": gettext_noop("Started as planned"),
    "again": gettext_noop("Resumed by itself"),
    "paused": gettext_noop("Paused by itself"),
    "cancelled": gettext_noop("Cancelled by itself"),
}


def state(of: str) -> str:
    """A campaign's state."""
    return translated(_STATES[of][1]) if of in _STATES else of  # type: ignore[index]  # one of another version


def states() -> list[tuple[str, str]]:
    """All states of campaigns, with their names."""
    return [(name, translated(text)) for name, (_, text) in _STATES.items()]


def tone(of: str) -> Tone:
    """How a campaign's state looks."""
    return _STATES[of][0] if of in _STATES else "over"  # type: ignore[index]  # one of another version


def reason(code: str | None) -> str:
    """Why the product itself changed a campaign's state; empty: it did not."""
    known = CAMPAIGN_REASON_TEXTS.get(code or "")  # type: ignore[call-overload]  # one of another version
    return translated(known) if known else code or ""


def recipient_state(of: str) -> str:
    """A recipient's state."""
    return translated(_RECIPIENTS[of]) if of in _RECIPIENTS else of  # type: ignore[index]  # one of another version


def problem(code: str) -> ProblemText:
    """What is wrong with rows, and what helps."""
    known = ROW_PROBLEM_TEXTS.get(code)  # type: ignore[call-overload]  # one of another version
    return ProblemText(*map(translated, known)) if known else ProblemText(code, "")


def is_problem(code: str) -> bool:
    """Whether a reason of skipped rows is a problem of the file, and not a reason why nothing is sent to a good row."""
    return code in ROW_PROBLEM_TEXTS


def skipped(code: str) -> ProblemText:
    """Why nothing is sent to a good row, and a word about it."""
    known = SKIP_TEXTS.get(code)  # type: ignore[call-overload]  # a problem of the row, or one of another version
    if known is None:
        return problem(code)
    return ProblemText(translated(known.name), translated(known.help) if known.help else "")


def failure(code: str | None) -> str:
    """Why a message failed."""
    if code in _OTHERS:
        return translated(_OTHERS[code])
    return translated(SEND_HELP_TEXTS[status_error(int(code) if code and code.isdecimal() else None).help])


def recipient_reason(of: str, code: str | None) -> str:
    """Why a recipient is in a state; empty: no reason is known."""
    if not code:
        return ""
    if of == "skipped":
        return skipped(code).name
    return failure(code) if of == "failed" or code in _OTHERS else code


def happened(directory: Directory, event: str, actor: str, why: str | None, *, again: bool) -> str:
    """A sentence about an entry of a campaign's log. `again`: it was paused before."""
    key = "again" if event == "running" and again else event
    if (event, why) == ("rows_removed", "whole"):
        key = "addresses_removed"
    text = _EVENTS.get(key, key)
    if actor == BY_ITSELF:
        text = _EVENTS_BY_ITSELF.get(key, text)
    who = user_name(directory, actor) if actor != BY_ITSELF else translated(_ITSELF)
    sentence = translated(text).replace("{who}", who)
    return f"{sentence}: {reason(why)}" if why in CAMPAIGN_REASON_TEXTS else sentence


_ITSELF = gettext_noop("the product itself")


class FailureText(NamedTuple):
    """Why messages failed, in a few words, and when another attempt can succeed."""

    name: str
    when: str


_NEVER, _NOW = gettext_noop("never"), gettext_noop("can succeed now")
_FAILED = {
    "undeliverable": (gettext_noop("Not reachable on WhatsApp"), _NEVER),
    "opted_out": (gettext_noop("Stopped marketing"), gettext_noop("never; opted out now")),
    "experiment": (gettext_noop("Part of an experiment of Meta's"), _NEVER),
    "marketing_limit": (gettext_noop("Gets too much advertising"), gettext_noop("can succeed a day later")),
    "rate": (gettext_noop("Too many at once"), _NOW),
    "template": (gettext_noop("Meta paused the template"), gettext_noop("when Meta sends it again")),
    "parameters": (gettext_noop("Meta refused the content"), _NEVER),
    "unknown": (gettext_noop("Meta had trouble of its own"), _NOW),
    "spam": (gettext_noop("Too many reported the number"), gettext_noop("when Meta lets it")),
    "account": (gettext_noop("Meta restricted the account"), gettext_noop("when Meta lets it")),
    "token": (gettext_noop("Meta did not accept the access token"), _NOW),
    "window_closed": (gettext_noop("The 24-hour window was over"), _NEVER),
    "marketing_off": (gettext_noop("Marketing is switched off"), _NEVER),
    "media": (gettext_noop("Meta could not read the file"), _NOW),
}
"""What helps (`domain.sending.graph_errors.GraphError.help`) -> why, in a few words, and when it can succeed."""


def failed(code: str) -> FailureText:
    """Why messages failed with Meta's code or a word of ours, in a few words."""
    if code == NOT_DELIVERED:
        return FailureText(translated(gettext_noop("Not delivered in time")), translated(_NOW))
    if not code:
        return FailureText(translated(gettext_noop("Meta gave no reason")), translated(_NOW))
    number = int(code) if code.isdecimal() else None
    name, when = _FAILED.get(status_error(number).help, (gettext_noop("Meta refused it"), _NOW))
    return FailureText(translated(name), translated(when))


def file_problem(problem: str | None, detail: str | None) -> str:
    """Why a file with recipients was refused, and what helps."""
    return file_problem_text(problem, detail, translated)
