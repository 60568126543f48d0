"""The tables of rescue rules in a directory file."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from domain.alarms.channels import MAX_NAME, is_name
from domain.conversations.reasons import Reason
from domain.directory_file.tables import DirectoryId, DirectoryName, MailAddress, Table, quoted, suggestion, worded
from domain.directory_file.toml_lines import KeyPath
from domain.mail import MAX_SUBJECT, is_subject
from domain.messages.outgoing import MAX_PARAMETER, MAX_TEXT
from domain.rules.rule import (
    LANGUAGES,
    MARGIN,
    Rule,
    RuleCondition,
    RuleDismissal,
    RuleMail,
    RuleTemplate,
    RuleTransfer,
)
from domain.search import phrase

_MINUTE = timedelta(minutes=1)
_WINDOW_MINUTES = 24 * 60
_LEAST_LEFT = int(MARGIN / _MINUTE) + 1


def _reason(value: str) -> str:
    if value not in set(Reason):
        raise worded(f"there is no reason {quoted(value)}; {suggestion(value, list(Reason))}")
    return value


def _words(value: str) -> str:
    if not phrase(value) or len(value) > 200 or not value.isprintable():
        raise worded(f"{quoted(value)} is nothing that customers could write; use words, at the end also with a *")
    return value


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise worded(f'{quoted(value)} is no code of a language; use two letters like "it"')
    return value


def _said(value: str) -> str:
    if not 1 <= len(value.strip()) <= MAX_TEXT or "\x00" in value:
        raise worded(f"empty or too long; use 1 to {MAX_TEXT} characters")
    return value.strip()


def _short(most: int) -> AfterValidator:
    """Refuses what Meta or we would refuse when the rule acts, so that no rule waits for that moment to fail."""

    def check(value: str) -> str:
        if not 1 <= len(value) <= most or not value.strip() or "\x00" in value:
            raise worded(f"empty or too long; use 1 to {most} characters")
        return value

    return AfterValidator(check)


def _channel(value: str) -> str:
    if not is_name(value):
        raise worded(f"empty, too long or not printable; use 1 to {MAX_NAME} characters")
    return value


def _subject(value: str) -> str:
    if value and not is_subject(value):
        raise worded(f"empty, too long or not printable; use 1 to {MAX_SUBJECT} characters")
    return value


_Text = Annotated[str, AfterValidator(_said)]


class RuleTransferTable(Table):
    user: str | None = Field(None, description="a user id", examples=['"anna"'])
    skillset: str | None = Field(None, description="a skillset id", examples=['"sales"'])
    previous: bool = Field(False, description="true or false, without quotes", examples=["true"])
    mode: Literal["immediate", "exclusive"] = Field(
        "exclusive", description='"immediate" or "exclusive"', examples=['"exclusive"']
    )
    reserve_minutes: int | None = Field(
        None, ge=1, le=_WINDOW_MINUTES, description=f"a whole number from 1 to {_WINDOW_MINUTES}", examples=["30"]
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if sum((self.user is not None, self.skillset is not None, self.previous)) != 1:
            raise worded('write one of user = "..", skillset = "..", previous = true')
        return self


class RuleMailTable(Table):
    to: list[MailAddress] = Field(
        min_length=1, max_length=50, description="a list of 1 to 50 addresses", examples=['["night@example.com"]']
    )
    subject: Annotated[str, AfterValidator(_subject)] = Field(
        "", description="a text of one line", examples=['"Please call back"']
    )
    text: str = Field("", max_length=100_000, description="a text", examples=['"Please call this customer."'])


class RuleTemplateTable(Table):
    name: Annotated[str, _short(512)] = Field(description="the name of a template", examples=['"call_back"'])
    language: Annotated[str, _short(16)] = Field(description="the language of a template", examples=['"en"'])
    parameters: dict[str, Annotated[str, _short(MAX_PARAMETER)]] = Field(
        {}, description="a table of texts", examples=['{ "1" = "Bike Shop" }']
    )


class RuleTable(Table):
    id: DirectoryId = Field(description="a string", examples=['"evening"'])
    name: DirectoryName = Field(description="a string", examples=['"Evening rescue"'])
    on: bool = Field(False, description="true or false, without quotes", examples=["true"])
    stop: bool = Field(True, description="true or false, without quotes", examples=["false"])
    numbers: list[str] = Field([], description="a list of phone number ids", examples=['["106540352242922"]'])
    reasons: list[Annotated[str, AfterValidator(_reason)]] = Field(
        [], description="a list of reasons", examples=['["no_choice"]']
    )
    alone_minutes: int = Field(
        0, ge=0, lt=_WINDOW_MINUTES, description=f"a whole number from 0 to {_WINDOW_MINUTES - 1}", examples=["10"]
    )
    left_minutes: int | None = Field(
        None,
        ge=_LEAST_LEFT,
        le=_WINDOW_MINUTES,
        description=f"a whole number from {_LEAST_LEFT} to {_WINDOW_MINUTES}",
        examples=["240"],
    )
    hours: Literal["open", "closed"] | None = Field(None, description='"open" or "closed"', examples=['"closed"'])
    words: list[Annotated[str, AfterValidator(_words)]] = Field(
        [], description="a list of words", examples=['["refund", "money back"]']
    )
    languages: list[Annotated[str, AfterValidator(_language)]] = Field(
        [], description="a list of languages", examples=['["it"]']
    )
    returning: bool | None = Field(None, description="true or false, without quotes", examples=["true"])
    had_skillsets: list[str] = Field([], description="a list of skillset ids", examples=['["sales"]'])
    mail: RuleMailTable | None = Field(None, description="a table", examples=['{ to = ["night@example.com"] }'])
    text: _Text | None = Field(None, description="a text", examples=['"We will answer you at 9 o\'clock."'])
    template: RuleTemplateTable | None = Field(
        None, description="a table", examples=['{ name = "call_back", language = "en" }']
    )
    alarm: Annotated[str, AfterValidator(_channel)] | None = Field(
        None, description="the name of a channel", examples=['"night-team"']
    )
    transfer: RuleTransferTable | None = Field(None, description="a table", examples=['{ skillset = "sales" }'])
    dismiss: RuleDismissal | None = Field(
        None, description=f"one of {', '.join(get_args(RuleDismissal))}", examples=['"spam"']
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not any((self.mail, self.text, self.template, self.alarm, self.transfer, self.dismiss)):
            raise worded("does nothing; add one of mail, text, template, alarm, transfer, dismiss")
        for one, other in (("text", "template"), ("transfer", "dismiss")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise worded(f"{one} and {other} exclude each other; keep one of them")
        return self

    def to_rule(self) -> Rule:
        return _rule(self.model_dump())


def rules_document(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Returns rules as plain JSON, in their order."""
    return [rule_table(rule) for rule in rules]


def rules_of(document: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Returns the rules of a document. What it says was valid when it was stored."""
    return tuple(map(_rule, document))


def _rule(table: Mapping[str, Any]) -> Rule:
    """Returns the rule of a valid table."""
    mail, template, transfer = (table.get(key) for key in ("mail", "template", "transfer"))
    when = RuleCondition(
        **{key: tuple(table.get(key, ())) for key in ("numbers", "reasons", "words", "languages")},
        alone=table.get("alone_minutes", 0) * _MINUTE,
        left=_length(table.get("left_minutes")),
        hours=table.get("hours"),
        returning=table.get("returning"),
        had=tuple(table.get("had_skillsets", ())),
    )
    return Rule(
        **{key: table.get(key) for key in ("text", "alarm", "dismiss")},
        id=table["id"],
        name=table["name"],
        on=table.get("on", False),
        stop=table.get("stop", True),
        when=when,
        mail=RuleMail(tuple(mail["to"]), mail.get("subject", ""), mail.get("text", "")) if mail else None,
        template=RuleTemplate(**{"name": "", **template}) if template else None,
        transfer=_transfer(transfer) if transfer else None,
    )


def _transfer(table: Mapping[str, Any]) -> RuleTransfer:
    named = {key: value for key, value in table.items() if key != "reserve_minutes"}
    return RuleTransfer(**named, reserve=_length(table.get("reserve_minutes")))


def _length(minutes: int | None) -> timedelta | None:
    return None if minutes is None else minutes * _MINUTE


def rule_table(rule: Rule) -> dict[str, Any]:
    """Returns a rule as its table, without what is not said."""
    when, mail, template, transfer = rule.when, rule.mail, rule.template, rule.transfer
    said = {
        "numbers": list(when.numbers),
        "reasons": list(when.reasons),
        "alone_minutes": _minutes(when.alone),
        "left_minutes": _minutes(when.left),
        "hours": when.hours,
        "words": list(when.words),
        "languages": list(when.languages),
        "had_skillsets": list(when.had),
        "mail": mail and _said_of({"to": list(mail.to), "subject": mail.subject, "text": mail.text}),
        "text": rule.text,
        "template": template
        and _said_of({"name": template.name, "language": template.language, "parameters": template.parameters}),
        "alarm": rule.alarm,
        "transfer": transfer
        and _said_of(
            {
                "user": transfer.user,
                "skillset": transfer.skillset,
                "previous": transfer.previous,
                "mode": transfer.mode,
                "reserve_minutes": _minutes(transfer.reserve),
            }
        ),
        "dismiss": rule.dismiss,
    }
    stop = {} if rule.stop else {"stop": False}
    returning = {} if when.returning is None else {"returning": when.returning}
    return {"id": rule.id, "name": rule.name, "on": rule.on, **stop, **returning, **_said_of(said)}


def unknown_in_rules(
    rules: Iterator[tuple[int, Mapping[str, Any]]], known: Mapping[str, set[str]]
) -> Iterator[tuple[KeyPath, str]]:
    """Yields the numbers, skillsets and users that rules name and that do not exist. `rules`: the tables with their
    places; `known`: kind -> ids."""
    for index, table in rules:
        transfer = table.get("transfer")
        transfer = transfer if isinstance(transfer, dict) else {}
        named: tuple[tuple[KeyPath, str, object], ...] = (
            *((("numbers", place), "number", each) for place, each in _listed(table, "numbers")),
            *((("had_skillsets", place), "skillset", each) for place, each in _listed(table, "had_skillsets")),
            (("transfer", "skillset"), "skillset", transfer.get("skillset")),
            (("transfer", "user"), "user", transfer.get("user")),
        )
        for path, kind, each in named:
            if isinstance(each, str) and each not in known[kind]:
                shown = ".".join(str(part) for part in path if not isinstance(part, int))
                others = f", or {suggestion(each, sorted(known[kind]))}" if known[kind] else ""
                yield (
                    ("rule", index, *path),
                    f"{shown}: there is no {kind} {quoted(each)}; add it as a [[{kind}]]{others}",
                )


def _listed(table: Mapping[str, Any], key: str) -> Iterator[tuple[int, object]]:
    value = table.get(key)
    yield from enumerate(value if isinstance(value, list) else ())


def _minutes(length: timedelta | None) -> int | None:
    return None if length is None else int(length / _MINUTE)


def _said_of(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value}
