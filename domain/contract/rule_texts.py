"""Rules as sentences, and what they did in words: worded once for the console and the command line.

English here; these texts are the message ids of the catalogues."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

from domain.contract.texts import DISMISSAL_TEXTS, REASON_TEXTS, gettext_noop
from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.rescue.acts import RuleAct
from domain.rules.rule import ActionKind, Rule, RuleCondition, RuleTransfer

_Translate = Callable[[str], str]
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_BEFORE = gettext_noop("those who had them before")


def rule_sentence(rule: Rule, directory: Directory, translate: _Translate = str) -> str:
    """Returns a rule as a sentence."""
    conditions = [_filled(text, translate, values) for text, values in _conditions(rule.when, directory, translate)]
    actions = _and(action_words(rule, directory, translate), translate)
    when = _and(conditions, translate)
    return _filled(gettext_noop("When a customer {when}: {actions}."), translate, {"when": when, "actions": actions})


def action_words(rule: Rule, directory: Directory, translate: _Translate = str) -> list[str]:
    """Returns what a rule does, one text for each action."""
    return [_filled(*_action(rule, action, directory, translate)) for action in rule.actions]


def act_words(act: RuleAct, directory: Directory, translate: _Translate = str) -> str:
    """Returns what a rule did, with whom it concerned: `Reserved for Sales`."""
    detail, name = act.detail, ""
    if act.action == "transfer":
        name = target_name(directory, str(detail["kind"]), str(detail["id"]))
        text = _OFFERED if act.mode == "immediate" else _RESERVED
    elif act.action == "text":
        name, text = str(detail.get("template", "")), _TEMPLATE_SENT if "template" in detail else _TEXT_SENT
    elif act.action == "dismiss":
        kinds = {str(kind): label for kind, label in DISMISSAL_TEXTS.items()}
        name, text = translate(kinds.get(str(detail.get("why")), "–")), _DISMISSED
    elif act.action == "mail":
        name, text = ", ".join(detail.get("to", ())), _MAILED
    else:
        name, text = str(detail.get("channel", "")), _CALLED
    return _filled(text, translate, {"name": name})


def target_name(directory: Directory, kind: str, id_: str) -> str:
    """Returns the name of a user or a skillset; the id of one that the directory does not have."""
    found = (directory.users if kind == "user" else directory.skillsets).get(id_)
    return found.name if found is not None else id_


def length_words(length: timedelta, translate: _Translate = str) -> str:
    """Returns a length in whole hours where it has no minutes, else in minutes."""
    if length >= _HOUR and not length % _HOUR:
        return _filled(gettext_noop("{n} h"), translate, {"n": str(length // _HOUR)})
    return _filled(gettext_noop("{n} min"), translate, {"n": str(length // _MINUTE)})


_RESERVED = gettext_noop("Reserved for {name}")
_OFFERED = gettext_noop("Offered to {name}")
_TEMPLATE_SENT = gettext_noop("Sent the template {name}")
_TEXT_SENT = gettext_noop("Sent a text")
_DISMISSED = gettext_noop("Dismissed: {name}")
_MAILED = gettext_noop("Mailed to {name}")
_CALLED = gettext_noop("Alarm to {name}")


def _conditions(
    when: RuleCondition, directory: Directory, translate: _Translate
) -> Iterator[tuple[str, Mapping[str, str]]]:
    if when.numbers:
        names = (directory.number(number).name or number for number in when.numbers)
        yield gettext_noop("wrote to {names}"), {"names": _or(names, translate)}
    if when.reasons:
        reasons = (translate(REASON_TEXTS[Reason(reason)].label) for reason in when.reasons)
        yield gettext_noop("was left alone ({reasons})"), {"reasons": _or(reasons, translate)}
    else:
        yield gettext_noop("was left alone"), {}
    if when.alone:
        yield gettext_noop("has waited {length}"), {"length": length_words(when.alone, translate)}
    if when.left is not None:
        yield gettext_noop("{length} or less of the window are left"), {"length": length_words(when.left, translate)}
    if when.hours is not None:
        yield HOURS_TEXTS[when.hours], {}
    if when.words:
        yield gettext_noop("wrote {words}"), {"words": _or((f"“{each}”" for each in when.words), translate)}
    if when.languages:
        yield gettext_noop("wrote in {languages}"), {"languages": _or(when.languages, translate)}
    if when.returning is not None:
        yield RETURNING_TEXTS[when.returning], {}
    if when.had:
        names = (target_name(directory, "skillset", each) for each in when.had)
        yield gettext_noop("was with {names} before"), {"names": _or(names, translate)}


HOURS_TEXTS: Mapping[str, str] = {
    "closed": gettext_noop("it is outside working hours"),
    "open": gettext_noop("it is within working hours"),
}
RETURNING_TEXTS: Mapping[bool, str] = {
    True: gettext_noop("has written before"),
    False: gettext_noop("writes for the first time"),
}


def _action(
    rule: Rule, action: ActionKind, directory: Directory, translate: _Translate
) -> tuple[str, _Translate, Mapping[str, str]]:
    if action == "transfer" and rule.transfer is not None:
        text = gettext_noop("offer them to {name}")
        if rule.transfer.mode == "exclusive":
            text = gettext_noop("reserve them for {name}")
        name = _transfer_name(rule.transfer, directory, translate)
        if rule.transfer.mode == "exclusive" and rule.transfer.reserve is not None:
            text = gettext_noop("reserve them for {name} for {length}")
            return text, translate, {"name": name, "length": length_words(rule.transfer.reserve, translate)}
        return text, translate, {"name": name}
    if action == "dismiss" and rule.dismiss is not None:
        return gettext_noop("dismiss them ({name})"), translate, {"name": translate(DISMISSAL_TEXTS[rule.dismiss])}
    if action == "mail" and rule.mail is not None:
        return gettext_noop("mail it to {name}"), translate, {"name": ", ".join(rule.mail.to)}
    if rule.template is not None and action == "text":
        return gettext_noop("send the template {name}"), translate, {"name": rule.template.name}
    if action == "text":
        return gettext_noop("send a text"), translate, {}
    return gettext_noop("send an alarm to {name}"), translate, {"name": rule.alarm or ""}


def _transfer_name(transfer: RuleTransfer, directory: Directory, translate: _Translate) -> str:
    if transfer.user is not None:
        return target_name(directory, "user", transfer.user)
    if transfer.skillset is not None:
        return target_name(directory, "skillset", transfer.skillset)
    return translate(_BEFORE)


def _or(names: Iterable[str], translate: _Translate) -> str:
    return _joined(names, gettext_noop("{some} or {last}"), translate)


def _and(names: Iterable[str], translate: _Translate) -> str:
    return _joined(names, gettext_noop("{some} and {last}"), translate)


def _joined(names: Iterable[str], text: str, translate: _Translate) -> str:
    *some, last = names
    return _filled(text, translate, {"some": ", ".join(some), "last": last}) if some else last


def _filled(text: str, translate: _Translate, values: Mapping[str, str]) -> str:
    found = translate(text)
    for name, value in values.items():
        found = found.replace(f"{{{name}}}", value)
    return found
