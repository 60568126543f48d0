"""What the program's words mean in plain ones: reasons, refusals, events, kinds of messages."""

from dataclasses import dataclass

from console.request import translated, words
from console.words import catalogue
from domain.commands import Rejection
from domain.contract.texts import REASON_TEXTS, REJECTION_TEXTS, gettext_noop
from domain.conversations.conversation import Owner
from domain.conversations.history import HistoryEntry
from domain.conversations.reasons import Reason
from domain.conversations.transcript import TranscriptItem
from domain.directory import Directory
from infra.postgres.console.audit import RequestedCommand


def pgettext_noop(what: str, text: str) -> str:
    """Marks a text for translation in the context `what`: some languages need different words for a mail than for a
    message."""
    return f"{what}\x04{text}"  # gettext's own separator


MEDIA = {
    "image": ("📷", gettext_noop("Photo")),
    "video": ("🎬", gettext_noop("Video")),
    "audio": ("🎤", gettext_noop("Voice message")),
    "voice": ("🎤", gettext_noop("Voice message")),
    "document": ("📄", gettext_noop("Document")),
    "sticker": ("🏷️", gettext_noop("Sticker")),
    "location": ("📍", gettext_noop("Place")),
    "contacts": ("👤", gettext_noop("Contact")),
    "order": ("🛒", gettext_noop("Order")),
    "reaction": ("💬", gettext_noop("Reaction")),
    "edit": ("✏️", gettext_noop("Edited a message")),
    "revoke": ("🗑️", gettext_noop("Deleted a message")),
    "interactive": ("☑️", gettext_noop("Chosen")),
    "button": ("☑️", gettext_noop("Chosen")),
    "template": ("📨", gettext_noop("Template")),
    "unsupported": ("❔", gettext_noop("Something that WhatsApp does not pass on")),
}
"""Kind of message -> picture and name."""

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
    "bounced": pgettext_noop("mail", "came back"),
    "complained": pgettext_noop("mail", "reported as spam"),
    "failed": pgettext_noop("mail", "failed"),
    "unknown": pgettext_noop("mail", "nobody knows whether it was sent"),
    "recalled": pgettext_noop("mail", "taken back before it was sent"),
}

_MAIL_TROUBLES = {
    "too_large": REJECTION_TEXTS[Rejection.TOO_LARGE],
    "the letter cannot be written": gettext_noop("it could not be written: the log of the installation says why"),
    "MessageRejected": gettext_noop("Amazon SES refused it: the sender or a recipient is not verified there"),
    "MailFromDomainNotVerifiedException": gettext_noop("the sender's domain is not verified at Amazon SES"),
    "AccountSuspendedException": gettext_noop("Amazon SES has shut the account of this installation"),
    "Bad content": gettext_noop("Amazon SES found a virus in it"),
    "NoEmail": gettext_noop("there is no such address"),
    "Suppressed": gettext_noop("mails to this address came back before, so Amazon SES sends none there"),
    "OnAccountSuppressionList": gettext_noop("mails to this address came back before, so Amazon SES sends none there"),
    "MailboxFull": gettext_noop("the mailbox is full"),
    "MessageTooLarge": gettext_noop("it is too large for this mailbox"),
    "ContentRejected": gettext_noop("the recipient's server does not take what is in it"),
    "AttachmentRejected": gettext_noop("the recipient's server does not take what is in it"),
    "Permanent": gettext_noop("the recipient's server refuses mails to this address"),
    "Transient": gettext_noop("the recipient's server could not take it"),
}
"""What our sender, an answer of SES (`400 MessageRejected`) or a bounce (`Transient MailboxFull`) says."""

LEVELS = {
    "tenant_administrator": gettext_noop("Administrator"),
    "campaign_manager": gettext_noop("Campaign manager"),
    "agent": gettext_noop("Agent"),
}

_DONE_BY_BOT = {
    "session.started": gettext_noop("The bot began."),
    "session.ended": gettext_noop("The bot ended."),
    "menu.shown": gettext_noop("The bot showed its menu: {words}"),
    "choice.made": gettext_noop("Chosen from the bot's menu: {words}"),
    "handoff.requested": gettext_noop("The bot handed over to {words}."),
}
_DONE_BY_AGENT = {
    "conversation.accepted": gettext_noop("{who} accepted."),
    "conversation.declined": gettext_noop("{who} declined. {words}"),
    "conversation.closed": gettext_noop("{who} closed. {words}"),
}
_SYSTEM = {
    "identity.changed": gettext_noop("The customer's number or id changed. {words}"),
    "thread_control.passed": gettext_noop("The assistant gave the conversation up."),
    "system": "{words}",
}
_HISTORY = {
    "became_unmanaged": gettext_noop("Unmanaged: {reason}"),
    "queued": gettext_noop("Waits for {owner}."),
    "reserved": gettext_noop("{actor} reserved it for {owner}."),
    "assigned": gettext_noop("Offered to {owner}."),
    "managed": gettext_noop("{owner} takes care of it."),
    "released": gettext_noop("Free again ({actor})."),
    "closed": gettext_noop("Closed."),
    "reopened": gettext_noop("Open again: the customer had written."),
    "corrected": gettext_noop("Somebody had taken care of it after all."),
    "mail.sent": gettext_noop("Mail sent."),
    "mail.delivered": gettext_noop("Mail delivered."),
    "mail.bounced": gettext_noop("Mail came back."),
    "mail.complained": gettext_noop("Mail reported as spam."),
    "mail.failed": gettext_noop("Mail failed."),
    "mail.unknown": gettext_noop("Nobody knows whether the mail was sent."),
}
_ACTORS = {
    "customer": gettext_noop("the customer"),
    "bot": gettext_noop("the bot"),
    "app": gettext_noop("somebody on the phone"),
    "meta": "Meta",
    "clock": gettext_noop("time ran out"),
    "ses": "SES",
}


def reason_short(reason: Reason | None) -> str:
    """For a row."""
    return translated(REASON_TEXTS[reason].label) if reason else ""


def reason_sentence(reason: Reason | None) -> str:
    """For the conversation."""
    return f"{translated(REASON_TEXTS[reason].sentence)}." if reason else ""


def refusal(reason: str | None) -> str:
    """Why not."""
    if reason in {each.value for each in Rejection}:
        return translated(REJECTION_TEXTS[Rejection(reason)])
    return translated(gettext_noop("no reason was given"))


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
    return _filled(gettext_noop("Amazon SES says: {reason}"), reason=reason)


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
        "queued": gettext_noop("Waits for %(name)s"),
        "reserved": gettext_noop("Reserved for %(name)s"),
        "assigned": gettext_noop("Offered to %(name)s"),
        "accepted": gettext_noop("%(name)s takes care of it"),
    }[owner.state]
    return translated(said) % {"name": name}


def actor_name(directory: Directory, actor: str) -> str:
    """Who did something, of what the history keeps."""
    if actor in _ACTORS:
        return translated(_ACTORS[actor])
    return user_name(directory, actor.removeprefix("agent:"))


def happened(directory: Directory, event: HistoryEntry) -> str | None:
    """A sentence about an entry of the history; None: it goes without saying."""
    if event.event not in _HISTORY:
        return None
    return _filled(
        _HISTORY[event.event],
        reason=reason_sentence(event.reason),
        owner=owner_name(directory, *event.owner) if event.owner else translated(gettext_noop("Somebody")),
        actor=actor_name(directory, event.actor or ""),
    )


def done(directory: Directory, item: TranscriptItem) -> str | None:
    """A sentence about an entry of the transcript that is an event; None: it is a message."""
    known = {"bot": _DONE_BY_BOT, "agent": _DONE_BY_AGENT, "system": _SYSTEM}.get(item.speaker, {})
    text = item.text or ""
    if item.kind not in known:
        return text or item.kind if item.speaker == "system" else None
    if item.kind == "handoff.requested":
        text = owner_name(directory, "skillset", text)
    if item.kind == "menu.shown":
        text = " · ".join(text.splitlines())
    return _filled(known[item.kind], words=text, who=user_name(directory, item.agent_id or "")).strip()


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
class CommandNotice:
    """What is said of a command: what was asked, how it stands (`asked`, `done`, `refused`), and whether it can be
    undone: the path of what does so."""

    state: str
    text: str
    undo: str | None = None


def command_notice(directory: Directory, asked: RequestedCommand) -> CommandNotice:
    """A command in words."""
    detail = asked.detail
    target = owner_name(directory, detail["kind"], detail["target"]) if "target" in detail else ""
    names = {"target": target, "to": ", ".join(detail.get("to", ()))}
    wish, done_text = _WISHES[detail["what"]]
    if asked.outcome is None:
        return CommandNotice("asked", _filled(wish, **names))
    if asked.outcome == "rejected":
        return CommandNotice("refused", f"{_filled(wish, **names)} {refusal(asked.reason)}.")
    return CommandNotice("done", _filled(done_text, **names), undo_of(asked))


def undo_of(asked: RequestedCommand) -> str | None:
    """What takes a command back once it is done: the recall of its `mail` or of its `conversation`; None: nothing."""
    if asked.detail["what"] == "email":
        return "mail"
    return "conversation" if asked.detail["what"] in _RECALLABLE else None


_RECALLABLE = ("immediate", "exclusive")
_WISHES = {
    "immediate": (gettext_noop("Transfer to {target}:"), gettext_noop("Offered to {target}.")),
    "exclusive": (gettext_noop("Reserve for {target}:"), gettext_noop("Reserved for {target}.")),
    "take": (gettext_noop("Take it:"), gettext_noop("It is yours.")),
    "recall": (gettext_noop("Take it back:"), gettext_noop("Taken back: it is on the list again.")),
    "email": (gettext_noop("Mail to {to}:"), gettext_noop("Mail to {to} goes out in a moment.")),
    "recall_mail": (gettext_noop("Take the mail back:"), gettext_noop("Taken back: the mail is not sent.")),
}
"""What was asked for, before its end is known or a reason why not; and once it is done."""
