"""What the form of a rule offers, and a rule in a line."""

from typing import Any, NamedTuple

from psycopg import Connection

from console.phrases import owner_name
from console.request import translated, words
from console.rules.form import RuleFields
from domain.contract.rule_texts import action_words
from domain.contract.texts import DISMISSAL_TEXTS, REASON_TEXTS, gettext_noop
from domain.directory import Directory
from domain.rules.rule import Rule
from infra.languages.detection import FREQUENT
from infra.postgres.alarms.channels import channels
from infra.postgres.rules.listing import ActCount
from infra.postgres.sending.library import templates

CONDITION_NAMES = {
    "alone": gettext_noop("time on the list"),
    "left": gettext_noop("time left in the window"),
    "hours": gettext_noop("working hours"),
    "words": gettext_noop("what the customer wrote"),
    "languages": gettext_noop("language"),
    "returning": gettext_noop("new or returning customer"),
    "had": gettext_noop("skillset they had before"),
}
ACTION_NAMES = {
    "transfer": gettext_noop("reserve or offer it"),
    "alarm": gettext_noop("send an alarm"),
    "text": gettext_noop("send a text"),
    "template": gettext_noop("send a template"),
    "mail": gettext_noop("mail it to a department"),
    "dismiss": gettext_noop("dismiss it"),
}


class Option(NamedTuple):
    """A choice of a form."""

    value: str
    name: str


class RuleOptions(NamedTuple):
    """What the form of a rule offers. `template_text`: of the template that is chosen, '' if none is."""

    numbers: list[Option]
    reasons: list[Option]
    languages: list[Option]
    skillsets: list[Option]
    targets: list[Option]
    channels: list[Option]
    templates: list[Option]
    template_text: str
    dismissals: list[Option]
    conditions: list[Option]
    actions: list[Option]


def options(conn: Connection[Any], directory: Directory, fields: RuleFields) -> RuleOptions:
    """Returns what the form offers, and besides what the rule has and nobody knows any more."""
    users = [Option(f"user {user.id}", user.name) for user in directory.users.values()]
    skillsets = [Option(each.id, each.name) for each in directory.skillsets.values()]
    targets = [
        *(Option(f"skillset {each.value}", each.name) for each in skillsets),
        *users,
        Option("previous", translated(gettext_noop("the skillset they had before"))),
    ]
    numbers = [Option(id_, number.name or id_) for id_, number in directory.numbers.items()]
    sendable = {
        f"{each.name} {each.language}": each
        for each in templates(conn)
        if each.is_sendable and not each.header_needs_parameter
    }
    offered = [Option(key, f"{each.name} · {each.language}") for key, each in sendable.items()]
    chosen = sendable.get(next(iter(fields.get("template", ())), ""))
    alarms = [Option(each.name, each.name) for each in channels(conn)]
    return RuleOptions(
        numbers=_with(numbers, fields, "numbers"),
        reasons=[Option(reason.value, translated(text.label)) for reason, text in REASON_TEXTS.items()],
        languages=_with(_languages(), fields, "languages"),
        skillsets=_with(skillsets, fields, "had"),
        targets=_with(targets, fields, "to"),
        channels=_with(alarms, fields, "alarm"),
        templates=_with(offered, fields, "template") if offered else [],
        template_text=chosen.body if chosen is not None else "",
        dismissals=[Option(kind, translated(label)) for kind, label in DISMISSAL_TEXTS.items()],
        conditions=[Option(key, translated(name)) for key, name in CONDITION_NAMES.items()],
        actions=[Option(key, translated(name)) for key, name in ACTION_NAMES.items()],
    )


def _languages() -> list[Option]:
    names = words().locale.languages
    return sorted((Option(code, names.get(code, code)) for code in FREQUENT), key=lambda each: each.name)


def _with(known: list[Option], fields: RuleFields, name: str) -> list[Option]:
    values = {each.value for each in known}
    return [*known, *(Option(value, value) for value in fields.get(name, ()) if value and value not in values)]


def standing(rule: Rule, count: ActCount, directory: Directory) -> str:
    """Returns what a rule does and how often it acted, in a line."""
    does = ", ".join(action_words(rule, directory, translated))
    does = does[:1].upper() + does[1:]
    if not count.conversations:
        never = gettext_noop("never yet in 30 days") if rule.on else gettext_noop("off: nothing happens")
        often = translated(never)
    else:
        text = words().ngettext("acted on %(num)s in 30 days", "acted on %(num)s in 30 days", count.conversations)
        often = text % {"num": f"{words().number(count.conversations)}{'+' if count.is_more else ''}"}
    return f"{does} · {often}"


def stopped_by(directory: Directory, name: str) -> str:
    """Returns who stopped the rules."""
    return owner_name(directory, "user", name)
