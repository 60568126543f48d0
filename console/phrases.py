"""What the program's words mean in plain ones: reasons, refusals, events, kinds of messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.request import translated, words
from console.words import catalogue, marked
from domain.conversations.conversation import Owner
from domain.conversations.reasons import Reason
from domain.directory import Directory
from infra.postgres.console.audit import Asked


def marked_of(what: str, text: str) -> str:
    """As `marked`, where the words for `what` differ from those for other things: a mail has another gender than a
    message in some languages."""
    return f"{what}\x04{text}"  # gettext's own separator


REASONS: Mapping[Reason, tuple[str, str]] = {
    Reason.NO_CHOICE: (marked("Nothing chosen"), marked("The customer chose nothing from the menu.")),
    Reason.INVALID_CHOICE: (marked("Choice not understood"), marked("What the customer chose is not on the menu.")),
    Reason.OUT_OF_HOURS: (
        marked("Out of hours"),
        marked("Everything the customer wrote came outside the working hours."),
    ),
    Reason.NUMBER_HAS_NO_MENU: (
        marked("No menu"),
        marked("The number has neither a menu nor a Softbot that would lead the customer to somebody."),
    ),
    Reason.NOBODY_TOOK_IT: (
        marked("Nobody took it"),
        marked("It was queued, reserved or offered, and nobody took it."),
    ),
    Reason.RESERVATION_EXPIRED: (
        marked("Reservation expired"),
        marked("It was reserved, and nobody took it in time."),
    ),
    Reason.BOT_CLOSED: (
        marked("Closed by the bot"),
        marked("The Softbot ended it before anybody of the company took part."),
    ),
}
"""Short, for the list; and as a sentence."""

_REFUSALS = {
    "not_authentic": marked("the signature of the command is not right: the installation needs a look"),
    "malformed": marked("the command could not be read"),
    "expired": marked("it was looked at too late, so nothing was done: try again"),
    "conversation_unknown": marked("there is no such conversation"),
    "conversation_closed": marked("the conversation is closed: Meta's 24 hours are over, or it was ended"),
    "version_conflict": marked("it changed while you were looking: see what it is now"),
    "already_managed": marked("somebody is taking care of it already"),
    "already_assigned": marked("somebody has it already: recall it first"),
    "user_unknown": marked("this user is not in the directory"),
    "skillset_unknown": marked("this skillset is not in the directory"),
    "user_not_ready": marked("this user is not ready"),
    "user_at_capacity": marked("this user has as many conversations as they may have"),
    "no_agent_ready": marked("nobody of this skillset is ready"),
    "window_closing": marked("the customer's window closes too soon to wait for anybody"),
    "nothing_to_recall": marked("there is nothing to take back any more"),
    "address_invalid": marked("one of the addresses is not right"),
    "recipient_not_allowed": marked("mails to one of these recipients are not allowed"),
    "too_many_recipients": marked("there are too many recipients: 50 at most"),
    "too_large": marked("the mail would be too large"),
    "subject_invalid": marked("the subject is empty, too long or has characters that a subject cannot have"),
}

MEDIA = {
    "image": ("📷", marked("Photo")),
    "video": ("🎬", marked("Video")),
    "audio": ("🎤", marked("Voice message")),
    "voice": ("🎤", marked("Voice message")),
    "document": ("📄", marked("Document")),
    "sticker": ("🏷️", marked("Sticker")),
    "location": ("📍", marked("Place")),
    "contacts": ("👤", marked("Contact")),
    "order": ("🛒", marked("Order")),
    "reaction": ("💬", marked("Reaction")),
    "edit": ("✏️", marked("Edited a message")),
    "revoke": ("🗑️", marked("Deleted a message")),
    "interactive": ("☑️", marked("Chosen")),
    "button": ("☑️", marked("Chosen")),
    "template": ("📨", marked("Template")),
    "unsupported": ("❔", marked("Something that WhatsApp does not pass on")),
}
"""Kind of message -> picture and name."""

DELIVERIES = {
    "sent": marked("sent"),
    "delivered": marked("delivered"),
    "read": marked("read"),
    "played": marked("played"),
    "failed": marked("failed"),
}

_MAIL_STATES = {
    "requested": marked_of("mail", "about to be sent"),
    "sending": marked_of("mail", "being sent"),
    "sent": marked_of("mail", "sent"),
    "delivered": marked_of("mail", "delivered"),
    "bounced": marked_of("mail", "came back"),
    "complained": marked_of("mail", "reported as spam"),
    "failed": marked_of("mail", "failed"),
    "unknown": marked_of("mail", "nobody knows whether it was sent"),
    "recalled": marked_of("mail", "taken back before it was sent"),
}

_MAIL_TROUBLES = {
    "too_large": _REFUSALS["too_large"],
    "the letter cannot be written": marked("it could not be written: the log of the installation says why"),
    "MessageRejected": marked("Amazon SES refused it: the sender or a recipient is not verified there"),
    "MailFromDomainNotVerifiedException": marked("the sender's domain is not verified at Amazon SES"),
    "AccountSuspendedException": marked("Amazon SES has shut the account of this installation"),
    "Bad content": marked("Amazon SES found a virus in it"),
    "NoEmail": marked("there is no such address"),
    "Suppressed": marked("mails to this address came back before, so Amazon SES sends none there"),
    "OnAccountSuppressionList": marked("mails to this address came back before, so Amazon SES sends none there"),
    "MailboxFull": marked("the mailbox is full"),
    "MessageTooLarge": marked("it is too large for this mailbox"),
    "ContentRejected": marked("the recipient's server does not take what is in it"),
    "AttachmentRejected": marked("the recipient's server does not take what is in it"),
    "Permanent": marked("the recipient's server refuses mails to this address"),
    "Transient": marked("the recipient's server could not take it"),
}
"""What our sender, an answer of SES (`400 MessageRejected`) or a bounce (`Transient MailboxFull`) says."""

LEVELS = {
    "tenant_administrator": marked("Administrator"),
    "campaign_manager": marked("Campaign manager"),
    "agent": marked("Agent"),
}

_DONE_BY_BOT = {
    "session.started": marked("The bot began."),
    "session.ended": marked("The bot ended."),
    "menu.shown": marked("The bot showed its menu: {words}"),
    "choice.made": marked("Chosen from the bot's menu: {words}"),
    "handoff.requested": marked("The bot handed over to {words}."),
}
_DONE_BY_AGENT = {
    "conversation.accepted": marked("{who} accepted."),
    "conversation.declined": marked("{who} declined. {words}"),
    "conversation.closed": marked("{who} closed. {words}"),
}
_SYSTEM = {
    "identity.changed": marked("The customer's number or id changed. {words}"),
    "thread_control.passed": marked("The assistant gave the conversation up."),
    "system": "{words}",
}
_HISTORY = {
    "became_unmanaged": marked("Unmanaged: {reason}"),
    "queued": marked("Waits for {owner}."),
    "reserved": marked("{actor} reserved it for {owner}."),
    "assigned": marked("Offered to {owner}."),
    "managed": marked("{owner} takes care of it."),
    "released": marked("Free again ({actor})."),
    "closed": marked("Closed."),
    "reopened": marked("Open again: the customer had written."),
    "corrected": marked("Somebody had taken care of it after all."),
    "mail.sent": marked("Mail sent."),
    "mail.delivered": marked("Mail delivered."),
    "mail.bounced": marked("Mail came back."),
    "mail.complained": marked("Mail reported as spam."),
    "mail.failed": marked("Mail failed."),
    "mail.unknown": marked("Nobody knows whether the mail was sent."),
}
_ACTORS = {
    "customer": marked("the customer"),
    "bot": marked("the bot"),
    "app": marked("somebody on the phone"),
    "meta": "Meta",
    "clock": marked("time ran out"),
    "ses": "SES",
}


def reason_short(reason: Reason | None) -> str:
    """For a row."""
    return translated(REASONS[reason][0]) if reason else ""


def reason_sentence(reason: Reason | None) -> str:
    """For the conversation."""
    return translated(REASONS[reason][1]) if reason else ""


def refusal(reason: str | None) -> str:
    """Why not."""
    return translated(_REFUSALS[reason]) if reason in _REFUSALS else translated(marked("no reason was told"))


def mail_state(state: str) -> str:
    """How a mail stands, or what became of it at one recipient."""
    what, text = _MAIL_STATES[state].split("\x04")
    return catalogue(words().language).pgettext(what, text)


def mail_trouble(reason: str | None) -> str:
    """Why a mail failed or came back: by the most that is known of the reason, else as SES says it."""
    if not reason:
        return refusal(None)
    first, _, last = reason.partition(" ")
    for known in (reason, last, first):
        if known in _MAIL_TROUBLES:
            return translated(_MAIL_TROUBLES[known])
    return _filled(marked("Amazon SES says: {reason}"), reason=reason)


def user_name(directory: Directory, user: str) -> str:
    """As people call them."""
    return directory.users[user].name if user in directory.users else user


def owner_name(directory: Directory, kind: str, owner: str) -> str:
    """A user's or a skillset's name."""
    if kind == "user":
        return user_name(directory, owner)
    return directory.skillsets[owner].name if owner in directory.skillsets else owner


def owner_now(directory: Directory, owner: Owner) -> str:
    """Who has it, and how."""
    name = owner_name(directory, owner.kind, owner.id)
    said = {
        "queued": marked("Waits for %(name)s"),
        "reserved": marked("Reserved for %(name)s"),
        "assigned": marked("Offered to %(name)s"),
        "accepted": marked("%(name)s takes care of it"),
    }[owner.state]
    return translated(said) % {"name": name}


def actor_name(directory: Directory, actor: str) -> str:
    """Who did something, of what the history keeps."""
    if actor in _ACTORS:
        return translated(_ACTORS[actor])
    return user_name(directory, actor.removeprefix("agent:"))


def happened(directory: Directory, event: Mapping[str, Any]) -> str | None:
    """A sentence about an entry of the history; None: it goes without saying."""
    if event["event"] not in _HISTORY:
        return None
    owner = event["owner"]
    return _filled(
        _HISTORY[event["event"]],
        reason=reason_sentence(Reason(event["reason"])) if event["reason"] else "",
        owner=owner_name(directory, owner["kind"], owner["id"]) if owner else translated(marked("Somebody")),
        actor=actor_name(directory, event["actor"] or ""),
    )


def done(directory: Directory, item: Mapping[str, Any]) -> str | None:
    """A sentence about an entry of the transcript that is an event; None: it is a message."""
    known = {"bot": _DONE_BY_BOT, "agent": _DONE_BY_AGENT, "system": _SYSTEM}.get(item["from"], {})
    text = item["text"] or ""
    if item["kind"] not in known:
        return text or item["kind"] if item["from"] == "system" else None
    if item["kind"] == "handoff.requested":
        text = owner_name(directory, "skillset", text)
    if item["kind"] == "menu.shown":
        text = " · ".join(text.splitlines())
    return _filled(known[item["kind"]], words=text, who=user_name(directory, item.get("agent_id", ""))).strip()


def media(kind: str) -> tuple[str, str]:
    """Picture and name of a kind of message."""
    picture, name = MEDIA.get(kind, ("❔", kind))
    return picture, translated(name)


def _filled(text: str, **names: str) -> str:
    said = translated(text)
    for name, value in names.items():
        said = said.replace(f"{{{name}}}", value)
    return said


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a command: what was asked, how it stands (`asked`, `done`, `refused`), and whether it can be
    undone: the path of what does so."""

    state: str
    text: str
    undo: str | None = None


def told(directory: Directory, asked: Asked) -> Told:
    """A command in words."""
    detail = asked.detail
    target = owner_name(directory, detail["kind"], detail["target"]) if "target" in detail else ""
    names = {"target": target, "to": ", ".join(detail.get("to", ()))}
    wish, done_text = _WISHES[detail["what"]]
    if asked.outcome is None:
        return Told("asked", _filled(wish, **names))
    if asked.outcome == "rejected":
        return Told("refused", f"{_filled(wish, **names)} {refusal(asked.reason)}.")
    return Told("done", _filled(done_text, **names), undo_of(asked))


def undo_of(asked: Asked) -> str | None:
    """What takes a command back once it is done: the recall of its `mail` or of its `conversation`; None: nothing."""
    if asked.detail["what"] == "email":
        return "mail"
    return "conversation" if asked.detail["what"] in _RECALLABLE else None


_RECALLABLE = ("immediate", "exclusive")
_WISHES = {
    "immediate": (marked("Transfer to {target}:"), marked("Offered to {target}.")),
    "exclusive": (marked("Reserve for {target}:"), marked("Reserved for {target}.")),
    "take": (marked("Take it:"), marked("It is yours.")),
    "recall": (marked("Take it back:"), marked("Taken back: it is on the list again.")),
    "email": (marked("Mail to {to}:"), marked("Mail to {to} goes out in a moment.")),
    "recall_mail": (marked("Take the mail back:"), marked("Taken back: the mail is not sent.")),
}
"""What was asked for, before its end is known or a reason why not; and once it is done."""
