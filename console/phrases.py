"""Texts for people: reasons, rejections, events, and the results of commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from console.request import translated, words
from console.words import catalogue
from domain.command_bodies.parts import DismissedAs
from domain.commands import RULE_ISSUER, Rejection
from domain.contract.row import Row
from domain.contract.texts import DISMISSAL_TEXTS, REASON_TEXTS, REJECTION_TEXTS, WEAKNESS_TEXTS, gettext_noop
from domain.conversations.conversation import Dismissed, Owner
from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import TranscriptItem
from domain.conversations.reasons import Reason
from domain.directory import Directory
from infra.postgres.console.audit import RequestedCommand


def pgettext_noop(context: str, text: str) -> str:
    """Marks a text for translation in a context: some languages need different words for a mail than for a message."""
    return f"{context}\x04{text}"  # gettext's own separator


DELIVERIES = {
    "sent": gettext_noop("sent"),
    "delivered": gettext_noop("delivered"),
    "read": gettext_noop("read"),
    "played": gettext_noop("played"),
    "failed": gettext_noop("failed"),
}

_MAIL_STATES = {
    "requested": pgettext_noop("mail", "about to be sent"),
    "sending": pgettext_noop("mail", "being sent"),
    "sent": pgettext_noop("mail", "sent"),
    "delivered": pgettext_noop("mail", "delivered"),
    "bounced": pgettext_noop("mail", "bounced"),
    "suppressed": pgettext_noop("mail", "not sent"),
    "complained": pgettext_noop("mail", "reported as spam"),
    "failed": pgettext_noop("mail", "failed"),
    "unknown": pgettext_noop("mail", "unknown whether it was sent"),
    "recalled": pgettext_noop("mail", "recalled before it was sent"),
    "held_after_restore": pgettext_noop("mail", "held after a restore of the database"),
}

_SUPPRESSED = gettext_noop(
    "the address is on Amazon SES's suppression list: earlier emails to it bounced or were reported as spam"
)
_MAIL_TROUBLES = {
    "too_large": REJECTION_TEXTS[Rejection.TOO_LARGE],
    "the mail could not be composed": gettext_noop("it could not be composed; see the log of the installation"),
    "the mail could not be composed in time": gettext_noop("it took too long to compose"),
    "the conversation no longer exists": gettext_noop("the conversation no longer exists"),
    "MessageRejected": gettext_noop("Amazon SES rejected it: the sender or a recipient is not verified there"),
    "MailFromDomainNotVerifiedException": gettext_noop("the sender's domain is not verified in Amazon SES"),
    "AccountSuspendedException": gettext_noop("Amazon SES has suspended this installation's account"),
    "Bad content": gettext_noop("Amazon SES found a virus in it"),
    "NoEmail": gettext_noop("the address does not exist"),
    "Suppressed": _SUPPRESSED,
    "OnAccountSuppressionList": _SUPPRESSED,
    "UnsubscribedRecipient": gettext_noop(
        "the recipient has unsubscribed, so Amazon SES sends no email to the address"
    ),
    "MailboxFull": gettext_noop("the mailbox is full"),
    "MessageTooLarge": gettext_noop("the email is too large for this mailbox"),
    "ContentRejected": gettext_noop("the recipient's server rejected its content"),
    "AttachmentRejected": gettext_noop("the recipient's server rejected its content"),
    "Permanent": gettext_noop("the recipient's server rejects emails to this address"),
    "Transient": gettext_noop("the recipient's server could not accept it"),
}
"""The reason that our mail worker, an SES response (`400 MessageRejected`) or a bounce (`Transient MailboxFull`) gives
-> a text."""

LEVELS = {
    "tenant_administrator": gettext_noop("Administrator"),
    "read_only": gettext_noop("Read-only"),
    "campaign_manager": gettext_noop("Campaign manager"),
    "supervisor": gettext_noop("Supervisor of skillsets"),
    "agent": gettext_noop("Agent"),
}

PROVIDER_WRONG = {
    "unreachable": gettext_noop("%(name)s does not answer. Try again in a moment, or ask who runs it."),
    "rejected": gettext_noop("%(name)s did not accept this sign-in. Try again; if it goes on, ask an administrator."),
    "invalid": gettext_noop("What %(name)s answered is not valid, so nobody was signed in. Tell an administrator."),
    "denied": gettext_noop("The sign-in was cancelled at %(name)s."),
    "other_browser": gettext_noop("This sign-in was begun in another window, or has expired. Begin again here."),
    "no_role": gettext_noop("%(name)s knows you, but you have no role here. Ask an administrator."),
    "no_name": gettext_noop("%(name)s did not say what you are called here. Tell an administrator."),
    "name_taken": gettext_noop("Somebody else has your name here already. Ask an administrator."),
    "disabled": gettext_noop("An administrator has disabled your sign-in."),
    "unknown": gettext_noop("You are not among the people who can sign in here. Ask an administrator."),
}
"""Why a sign-in at the OpenID provider let nobody in."""


def provider_wrong(why: str, provider: str) -> str:
    """Why a sign-in at the OpenID provider of this name let nobody in, as a sentence."""
    return translated(PROVIDER_WRONG[why]) % {"name": provider}


_BOT_EVENTS = {
    "session.started": gettext_noop("The bot started."),
    "session.ended": gettext_noop("The bot ended."),
    "menu.shown": gettext_noop("The bot showed its menu: {text}"),
    "choice.made": gettext_noop("Chosen from the bot's menu: {text}"),
    "handoff.requested": gettext_noop("The bot handed over to {text}."),
}
_ENDED_WITH = gettext_noop("The bot ended: {text}.")
_AGENT_EVENTS = {
    "conversation.accepted": gettext_noop("{who} accepted."),
    "conversation.declined": gettext_noop("{who} declined. {text}"),
    "conversation.closed": gettext_noop("{who} closed. {text}"),
}
_SYSTEM_EVENTS = {
    "identity.changed": gettext_noop("The customer's number or id changed. {text}"),
    "thread_control.passed": gettext_noop("The assistant released the conversation."),
    "system": "{text}",
}
_HISTORY = {
    "became_unmanaged": gettext_noop("Unmanaged: {reason}"),
    "queued": gettext_noop("Queued for {owner}."),
    "reserved": gettext_noop("{actor} reserved it for {owner}."),
    "assigned": gettext_noop("Offered to {owner}."),
    "accepted": gettext_noop("Accepted by {owner}."),
    "managed": gettext_noop("Handled by {owner}."),
    "released": gettext_noop("Back on the list ({actor})."),
    "closed": gettext_noop("Closed."),
    "reopened": gettext_noop("Reopened: the customer had written."),
    "corrected": gettext_noop("It had been handled after all."),
    "dismissed": gettext_noop("Dismissed by {actor}: {why}."),
    "customer_changed": gettext_noop("WhatsApp reported that the customer's number or user ID changed."),
    "mail.sent": gettext_noop("Email sent."),
    "mail.delivered": gettext_noop("Email delivered."),
    "mail.bounced": gettext_noop("Email bounced."),
    "mail.complained": gettext_noop("Email reported as spam."),
    "mail.failed": gettext_noop("Email failed."),
    "mail.unknown": gettext_noop("Unknown whether the email was sent."),
}
_EXPIRED = gettext_noop("Back on the list: nobody accepted in time.")
_NO_REPLY = gettext_noop("The customer wrote again and had no reply in time: it is back on the list.")
_UNANSWERED = gettext_noop("Back on the list: nobody answered in time.")
_BY_RULE = {
    "queued": gettext_noop("Queued for {owner} by {actor}."),
    "reserved": gettext_noop("Reserved for {owner} by {actor}."),
    "assigned": gettext_noop("Offered to {owner} by {actor}."),
}
"""What rules do is said with their name."""
_CONTESTED = gettext_noop("{actor} accepted too; {owner} has it.")
_ACTORS = {
    "customer": gettext_noop("the customer"),
    "bot": gettext_noop("the bot"),
    "app": gettext_noop("someone in the WhatsApp Business app"),
    "meta": "Meta",
    "clock": gettext_noop("timeout"),
    "ses": "SES",
}


def reason_short(reason: Reason | None) -> str:
    """The label of a reason, for a row."""
    return translated(REASON_TEXTS[reason].label) if reason else ""


def dismissals() -> list[tuple[DismissedAs, str]]:
    """The reasons for which conversations are dismissed, each with its label."""
    return [(why, translated(label)) for why, label in DISMISSAL_TEXTS.items()]


def outcome_of(directory: Directory, row: Row) -> str:
    """What became of a conversation: why it is unmanaged or dismissed, who has it, or that it was taken care of."""
    if row.dismissed is not None:
        return dismissed_now(directory, row.dismissed)
    if row.reason is not None:
        return reason_short(row.reason)
    if row.owner is not None:
        return owner_now(directory, row.owner)
    return translated(gettext_noop("Already handled"))


def dismissed_now(directory: Directory, dismissed: Dismissed) -> str:
    """Why a conversation is dismissed, and by whom."""
    return f"{translated(DISMISSAL_TEXTS[dismissed.why])} · {actor_name(directory, dismissed.by)}"


def reason_sentence(reason: Reason | None) -> str:
    """The reason as a sentence, for the conversation."""
    return f"{translated(REASON_TEXTS[reason].sentence)}." if reason else ""


def rejection(reason: str | None) -> str:
    """Why a command was rejected."""
    if reason in {each.value for each in Rejection}:
        return translated(REJECTION_TEXTS[Rejection(reason)])
    return translated(gettext_noop("no reason was given"))


def weakness(found: str, shortest: int, longest: int) -> str:
    """Why a new password is not accepted, as a sentence."""
    text = translated(WEAKNESS_TEXTS[found]) % {"shortest": shortest, "longest": longest}
    return f"{text[:1].upper()}{text[1:]}."


def mail_state(state: str) -> str:
    """The state of a mail, or of its delivery to one recipient."""
    context, text = _MAIL_STATES[state].split("\x04")
    return catalogue(words().language).pgettext(context, text)


def mail_trouble(reason: str | None) -> str:
    """Why a mail failed or bounced: the most specific known text, else the reason that SES gave."""
    if not reason:
        return rejection(None)
    first, _, last = reason.partition(" ")
    for known in (reason, last, first):
        if known in _MAIL_TROUBLES:
            return translated(_MAIL_TROUBLES[known])
    return _filled(gettext_noop("Amazon SES says: {reason}"), reason=reason)


def user_name(directory: Directory, user: str) -> str:
    """A user's name, or a rule's; the id of one that the directory does not have."""
    if user.startswith(RULE_ISSUER):
        return translated(gettext_noop("Rule %(name)s")) % {"name": rule_name(directory, user)}
    return directory.users[user].name if user in directory.users else user


def rule_name(directory: Directory, issuer: str) -> str:
    """The name of the rule that issued a command; the last one of a rule that the directory does not have any more."""
    id_ = issuer.removeprefix(RULE_ISSUER)
    return next((rule.name for rule in directory.rules if rule.id == id_), directory.former_rules.get(id_, id_))


def owner_name(directory: Directory, kind: str, owner: str) -> str:
    """The name of a user or a skillset."""
    if kind == "user":
        return user_name(directory, owner)
    return directory.skillsets[owner].name if owner in directory.skillsets else owner


def promised_to(directory: Directory, kind: str, target: str, until: datetime) -> str:
    """To whom the answer of a customer is promised, and until when."""
    text = translated(gettext_noop("Promised to %(name)s until %(time)s"))
    return text % {"name": owner_name(directory, kind, target), "time": words().day_and_clock(until)}


def answered_campaign(name: str) -> str:
    """Which campaign a customer answered."""
    return translated(gettext_noop("answered campaign %(name)s")) % {"name": name}


def owner_now(directory: Directory, owner: Owner) -> str:
    """The owner of a conversation and how they have it."""
    name = owner_name(directory, owner.kind, owner.id)
    text = {
        "queued": gettext_noop("Queued for %(name)s"),
        "reserved": gettext_noop("Reserved for %(name)s"),
        "assigned": gettext_noop("Offered to %(name)s"),
        "accepted": gettext_noop("Accepted by %(name)s") if owner.until else gettext_noop("Handled by %(name)s"),
    }[owner.state]
    owned = translated(text) % {"name": name}
    if owner.state == "reserved" and owner.until is not None:
        until = translated(gettext_noop("until %(time)s")) % {"time": words().clock(owner.until)}
        return f"{owned} {until}"
    return owned


def actor_name(directory: Directory, actor: str) -> str:
    """The name of the actor of an entry of the history."""
    if actor in _ACTORS:
        return translated(_ACTORS[actor])
    if actor.startswith("campaign:"):
        return translated(gettext_noop("the campaign %(name)s")) % {"name": actor.removeprefix("campaign:")}
    if actor.startswith(RULE_ISSUER):
        return translated(gettext_noop("the rule %(name)s")) % {"name": rule_name(directory, actor)}
    return user_name(directory, actor.removeprefix("agent:"))


def history_sentence(directory: Directory, event: HistoryEntry) -> str | None:
    """A sentence about an entry of the history, with its note; None: the page leaves it out."""
    if event.event not in _HISTORY:
        return None
    if event.event == "released" and event.actor == "clock":
        ends = {Reason.TAKEN_NOT_ANSWERED: _UNANSWERED, Reason.NO_REPLY: _NO_REPLY}
        return translated(ends.get(event.reason, _EXPIRED) if event.reason is not None else _EXPIRED)
    by_other = event.owner is not None and event.actor != f"agent:{event.owner[1]}"
    contested = event.event == "accepted" and event.actor.startswith("agent:") and by_other
    by_rule = _BY_RULE if (event.actor or "").startswith(RULE_ISSUER) else {}
    sentence = _filled(
        _CONTESTED if contested else by_rule.get(event.event, _HISTORY[event.event]),
        reason=reason_sentence(event.reason),
        owner=owner_name(directory, *event.owner) if event.owner else translated(gettext_noop("Someone")),
        actor=actor_name(directory, event.actor or ""),
        why=translated(DISMISSAL_TEXTS[event.dismissed_as]) if event.dismissed_as else "",
    )
    return f"{sentence} “{event.note}”" if event.note else sentence


def transcript_sentence(directory: Directory, item: TranscriptItem) -> str | None:
    """A sentence about a transcript item that is an event; None for a message."""
    known = {"bot": _BOT_EVENTS, "agent": _AGENT_EVENTS, "system": _SYSTEM_EVENTS}.get(item.speaker, {})
    text = item.text or ""
    if item.kind == "session.ended" and text:
        return _filled(_ENDED_WITH, text=text)
    if item.kind not in known:
        return text or item.kind if item.speaker == "system" else None
    if item.kind == "handoff.requested":
        text = owner_name(directory, "skillset", text)
    if item.kind == "menu.shown":
        text = " · ".join(text.splitlines())
    return _filled(known[item.kind], text=text, who=user_name(directory, item.agent_id or "")).strip()


def selected_texts() -> dict[str, str]:
    """The counter of ticked rows with {n} for their number, by plural category."""
    speech = words()
    return speech.by_plural_category(
        lambda n: speech.ngettext("%(num)s selected", "%(num)s selected", n) % {"num": "{n}"}
    )


def _filled(text: str, /, **names: str) -> str:
    found = translated(text)
    for name, value in names.items():
        found = found.replace(f"{{{name}}}", value)
    return found


Undo = Literal["mail", "message", "promise", "conversation", "opt_in"]
"""What a command asked for, and a recall takes back."""


@dataclass(frozen=True, slots=True)
class CommandNotice:
    """The notice about a command. `undo`: which kind of recall undoes it; None: nothing does."""

    state: Literal["pending", "done", "rejected"]
    text: str
    undo: Undo | None = None


def command_notice(directory: Directory, command: RequestedCommand, row: Row | None = None) -> CommandNotice:
    """What was requested, and the result once there is one. `row`: the conversation as it is now, to say which member
    of a skillset was offered it."""
    detail = command.detail
    target = owner_name(directory, detail["kind"], detail["target"]) if "target" in detail else ""
    names = {"target": target, "to": ", ".join(detail.get("to", ())), "until": detail.get("until", "")}
    if detail["what"] == "dismiss":
        label = DISMISSAL_TEXTS[detail["why"]]
        names["why"] = translated(label)
    request, result = _COMMANDS[detail["what"]]
    if command.outcome is None:
        return CommandNotice("pending", _filled(request, **names))
    if command.outcome in ("rejected", "held_back"):
        if detail["what"] == "take" and command.reason == "user_at_capacity":
            return CommandNotice("rejected", translated(gettext_noop("Not taken: you have no free slot.")))
        if detail["what"] in ("immediate", "exclusive") and command.reason in _NO_ROOM:
            return CommandNotice("rejected", _filled(_NO_ROOM[command.reason], **names))
        why = rejection(command.reason)
        if detail["what"].startswith("campaign_") and command.reason == Rejection.VERSION_CONFLICT:
            why = translated(gettext_noop("the campaign has changed in the meantime: look at it again"))
        return CommandNotice("rejected", f"{_filled(request, **names)} {why}.")
    owner = row.owner if row else None
    if detail["what"] == "immediate" and detail["kind"] == "skillset" and owner is not None and owner.kind == "user":
        result = gettext_noop("Offered to {owner} ({target}).")
        names["owner"] = user_name(directory, owner.id)
    return CommandNotice("done", _filled(result, **names), undo_of(command))


def command_request(directory: Directory, detail: Mapping[str, Any]) -> str:
    """What a command asked for, without its result. `detail`: of its entry in the audit log."""
    target = owner_name(directory, detail["kind"], detail["target"]) if "target" in detail else ""
    names = {"target": target, "to": ", ".join(detail.get("to", ())), "until": str(detail.get("until", ""))}
    request, _ = _COMMANDS.get(str(detail.get("what")), (str(detail.get("what", "")), ""))
    return _filled(request, **names).rstrip(":")


def undo_of(command: RequestedCommand) -> Undo | None:
    """Which kind of recall undoes a command; None: nothing does."""
    if command.detail["what"] in _UNDONE_BY_ITSELF:
        return _UNDONE_BY_ITSELF[command.detail["what"]]
    return "conversation" if command.detail["what"] in _RECALLABLE else None


_NO_ROOM = {
    "user_not_ready": gettext_noop("Not transferred: {target} is not ready."),
    "user_at_capacity": gettext_noop("Not transferred: {target} has no free slot."),
    "no_agent_ready": gettext_noop("Not transferred: nobody in {target} is ready with a free slot."),
}
_UNDONE_BY_ITSELF: dict[str, Undo] = {"email": "mail", "send": "message", "on_reply": "promise", "opt_in": "opt_in"}
_RECALLABLE = ("immediate", "exclusive", "take", "dismiss")
_COMMANDS = {
    "immediate": (gettext_noop("Transfer to {target}:"), gettext_noop("Offered to {target}.")),
    "exclusive": (gettext_noop("Reserve for {target}:"), gettext_noop("Reserved for {target}.")),
    "on_reply": (
        gettext_noop("Transfer to {target} when the customer answers:"),
        gettext_noop("Promised to {target}; the template will be sent in a moment."),
    ),
    "cancel_deferred": (
        gettext_noop("Cancel the transfer on reply:"),
        gettext_noop("Cancelled: an answer will not be transferred by itself."),
    ),
    "take": (gettext_noop("Take it:"), gettext_noop("It is yours.")),
    "hand_over": (gettext_noop("Hand over to {target}:"), gettext_noop("Handed over to {target}.")),
    "park": (gettext_noop("Park until {until}:"), gettext_noop("Parked until {until}.")),
    "give_back": (gettext_noop("Give back:"), gettext_noop("Given back: it is on the list.")),
    "take_over": (gettext_noop("Take over:"), gettext_noop("It is yours.")),
    "dismiss": (gettext_noop("Dismiss:"), gettext_noop("Dismissed: {why}.")),
    "put_back": (gettext_noop("Put back on the list:"), gettext_noop("It is back on the list.")),
    "recall": (gettext_noop("Recall:"), gettext_noop("Recalled: it is back on the list.")),
    "email": (gettext_noop("Email to {to}:"), gettext_noop("Email to {to} will be sent shortly.")),
    "send": (gettext_noop("Message:"), gettext_noop("The message will be sent in a moment.")),
    "recall_send": (gettext_noop("Recall the message:"), gettext_noop("Recalled: the message will not be sent.")),
    "assumed_sent": (gettext_noop("Assume it arrived:"), gettext_noop("The message counts as arrived.")),
    "send_again": (gettext_noop("Send it again:"), gettext_noop("The message will be sent again.")),
    "campaign_create": (gettext_noop("New campaign:"), gettext_noop("The campaign exists; its recipients are read.")),
    "campaign_start": (gettext_noop("Start the campaign:"), gettext_noop("The campaign starts as you said.")),
    "campaign_pause": (gettext_noop("Pause the campaign:"), gettext_noop("Paused: nothing more is sent.")),
    "campaign_resume": (
        gettext_noop("Resume the campaign:"),
        gettext_noop("It goes on where it stood; nobody gets it twice."),
    ),
    "campaign_cancel": (
        gettext_noop("Cancel the rest:"),
        gettext_noop("Cancelled: who has not got it does not get it."),
    ),
    "campaign_wave": (
        gettext_noop("Start a wave:"),
        gettext_noop("The wave starts: those whose message failed are tried again."),
    ),
    "campaign_test": (gettext_noop("Test message:"), gettext_noop("The test will be sent in a moment.")),
    "campaign_answers": (gettext_noop("Who gets the answers:"), gettext_noop("Changed for answers from now on.")),
    "campaign_assumed_sent": (gettext_noop("Assume they arrived:"), gettext_noop("They count as arrived.")),
    "campaign_send_again": (gettext_noop("Send them again:"), gettext_noop("They will be sent again.")),
    "erase": (gettext_noop("Erase a person:"), gettext_noop("The person is being erased.")),
    "opt_out": (gettext_noop("Add opt-outs:"), gettext_noop("Noted: they get no such messages any more.")),
    "opt_in": (gettext_noop("End the opt-out:"), gettext_noop("Ended: the customer may get messages again.")),
    "directory": (gettext_noop("Change the directory:"), gettext_noop("The directory is changed.")),
    "recall_mail": (gettext_noop("Recall the email:"), gettext_noop("Recalled: the email will not be sent.")),
}
"""The request, before its result or the reason of its rejection; and the result when it was applied."""
