"""The commands that rules issue."""

from datetime import timedelta
from typing import Any, NamedTuple, assert_never

from domain.command_bodies.parts import Target, TransferMode
from domain.commands import CommandBody, Dismiss, Email, SendMessage, Transfer
from domain.conversations.conversation import Conversation
from domain.directory import Directory, Language
from domain.messages.outgoing import OutgoingMessage, TemplateMessage, TextMessage
from domain.rules.rule import ActionKind, Rule, RuleTemplate, RuleTransfer

MAIL_HOLD = timedelta(seconds=10)
"""A rule's mail can be recalled so long, as a person's."""
TEXT_HOLD = timedelta(seconds=5)
"""Likewise its message to the customer."""


class _MailWords(NamedTuple):
    """What a rule's mail says in a language, if the rule does not say it itself."""

    subject: str
    text: str


_MAIL_WORDS: dict[Language, _MailWords] = {
    "en": _MailWords(
        "A customer on WhatsApp is waiting for an answer",
        "This conversation was forwarded by the rule “{rule}”, because nobody has answered it yet.",
    ),
    "it": _MailWords(
        "Un cliente su WhatsApp attende una risposta",
        "Questa conversazione è stata inoltrata dalla regola “{rule}”, perché nessuno ha ancora risposto.",
    ),
}


def mode_of(rule: Rule, action: ActionKind, known: TransferMode | None) -> TransferMode | None:
    """Returns the mode of a rule's next transfer; None: the action is none. `known`: as the last attempt left it."""
    if action != "transfer" or rule.transfer is None:
        return None
    return known or rule.transfer.mode


def command_of(
    rule: Rule,
    action: ActionKind,
    conversation: Conversation,
    directory: Directory,
    had: str | None,
    mode: TransferMode | None = None,
) -> CommandBody | None:
    """Returns the body of the command by which a rule acts on a conversation as it is now; None for an alarm, which
    needs none. `had`: the skillset that had the customer before; `mode`: of a transfer."""
    about: dict[str, Any] = {"conversation_id": conversation.id, "expected_version": conversation.version}
    match action:
        case "mail":
            assert rule.mail is not None
            words = _MAIL_WORDS[directory.number(conversation.phone_number_id).language]
            subject, text = rule.mail.subject or words.subject, rule.mail.text or words.text.format(rule=rule.name)
            hold = int(MAIL_HOLD.total_seconds())
            return Email(**about, to=rule.mail.to, subject=subject, body=text, hold_seconds=hold)
        case "text":
            last = conversation.evidence.last_turn
            hold = int(TEXT_HOLD.total_seconds())
            seen = str(last.fact) if last else None
            return SendMessage(**about, message=_message(rule), expected_last=seen, hold_seconds=hold)
        case "alarm":
            return None
        case "transfer":
            assert rule.transfer is not None and mode is not None
            minutes = rule.transfer.reserve / timedelta(minutes=1) if rule.transfer.reserve else None
            return Transfer(
                **about,
                target=target_of(rule.transfer, had),
                mode=mode,
                reserve_minutes=int(minutes) if minutes and mode == "exclusive" else None,
            )
        case "dismiss":
            assert rule.dismiss is not None
            return Dismiss(**about, why=rule.dismiss, expected_entries=conversation.entries)
        case other:
            assert_never(other)


def target_of(wanted: RuleTransfer, had: str | None) -> Target:
    """Returns to whom a rule transfers. `had`: the skillset that had the customer before."""
    if wanted.user is not None:
        return Target(kind="user", id=wanted.user)
    skillset = had if wanted.previous else wanted.skillset
    assert skillset is not None
    return Target(kind="skillset", id=skillset)


def detail_of(rule: Rule, action: ActionKind, had: str | None) -> dict[str, Any]:
    """Returns to whom an action goes, for those who read what rules did."""
    match action:
        case "mail":
            return {"to": list(rule.mail.to) if rule.mail else []}
        case "text":
            return {"template": rule.template.name} if rule.template else {}
        case "alarm":
            return {"channel": rule.alarm}
        case "transfer":
            assert rule.transfer is not None
            target = target_of(rule.transfer, had)
            return {"kind": target.kind, "id": target.id}
        case "dismiss":
            return {"why": rule.dismiss}
        case other:
            assert_never(other)


def _message(rule: Rule) -> OutgoingMessage:
    if rule.template is None:
        return OutgoingMessage(text=TextMessage(body=rule.text or ""))
    return OutgoingMessage(template=_template(rule.template))


def _template(wanted: RuleTemplate) -> TemplateMessage:
    """Parameters that are numbered stand in their order."""
    numbered = all(name.isdecimal() for name in wanted.parameters)
    parameters: Any = wanted.parameters
    if numbered:
        parameters = tuple(wanted.parameters[name] for name in sorted(wanted.parameters, key=int))
    return TemplateMessage(name=wanted.name, language=wanted.language, parameters=parameters)
