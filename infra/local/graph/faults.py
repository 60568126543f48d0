"""The switches of the stand-in: faults, limits and settings, each with rules that say to which posts it applies.

A switch is written `NAME[=VALUE][,CONDITION=VALUE]...`, e.g. `error=131056,to=+393005550110,next=3`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.errors import LocalServerError

_CONDITIONS = ("next", "every", "skip", "to", "number", "template", "after")
_CONDITION = re.compile(rf",({'|'.join(_CONDITIONS)})=([^,]*)$")


class FaultSyntaxError(LocalServerError):
    """A switch that is not known or cannot be read. The message names it and says what is expected."""


def _nothing(text: str) -> None:
    if text:
        raise ValueError


@dataclass(frozen=True, slots=True)
class FaultKind:
    """`read` turns the text of a value into the value, or raises ValueError; `value`: what the text must be. `default`:
    the text if none is given; None if one is required. `effect`: in a sentence."""

    effect: str
    default: str | None = ""
    value: str = "no value"
    read: Callable[[str], Any] = _nothing


def _seconds(text: str) -> float:
    return _at_least(float(text), 0)


def _whole(text: str) -> int:
    return int(_at_least(int(text), 1))


def _server_error(text: str) -> int:
    if not 500 <= int(text) <= 599:
        raise ValueError
    return int(text)


def _code(text: str) -> tuple[int, int | None]:
    code, slash, status = text.partition("/")
    if slash and not 400 <= int(status) <= 599:
        raise ValueError
    return int(code), int(status) if slash else None


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return read


def _delays(text: str) -> tuple[float, float, float]:
    sent, delivered, read = (_seconds(part) for part in text.split("/"))
    return sent, delivered, read


def _edit(text: str) -> tuple[str, str]:
    name, slash, body = text.partition("/")
    if not (name and slash and body.strip()):
        raise ValueError
    return name, body


def _digits(text: str) -> str:
    if text and not text.isdecimal():
        raise ValueError
    return text


def _at_least(number: float, least: float) -> float:
    if not number >= least:
        raise ValueError
    return number


_STATUS = ("an HTTP status from 500 to 599", _server_error)
_CODE = ("CODE or CODE/HTTP_STATUS", _code)
FAULTS: Mapping[str, FaultKind] = {
    "drop-request": FaultKind("closes the connection without an answer; the message is not accepted"),
    "drop-answer": FaultKind("accepts the message and closes the connection without an answer"),
    "late-answer": FaultKind("accepts the message and answers this much later", "30", "seconds", _seconds),
    "unreadable-answer": FaultKind("accepts the message and answers 200 with a body that is not JSON"),
    "error-before": FaultKind("answers with a server error; the message is not accepted", "500", *_STATUS),
    "error-after": FaultKind("accepts the message and answers with a server error", "500", *_STATUS),
    "error": FaultKind("answers with this error of Meta; the message is not accepted", None, *_CODE),
    "other-wa-id": FaultKind("answers with another wa_id: this one, or one more 9 inside", "", "digits", _digits),
    "token-expired": FaultKind("answers every call with error 190"),
    "pause": FaultKind("answers nothing and reports nothing for this long", "10", "seconds", _seconds),
    "latency": FaultKind("answers every call after this time", None, "milliseconds", _seconds),
    "people": FaultKind(
        "refuses templates to more people than this in 24 hours (131048)", None, "a number from 1", _whole
    ),
    "throughput": FaultKind(
        "refuses more messages than this per second and number (130429)", None, "a number from 1", _whole
    ),
    "template-paused": FaultKind("pauses this template (132015)", "order_update", "a template's name", str),
    "template-text": FaultKind("edits the text of a template", None, "NAME/NEW TEXT", _edit),
    "status-first": FaultKind("reports sent and delivered this long before the answer", "2", "seconds", _seconds),
    "statuses-reversed": FaultKind("reports the statuses in reverse order"),
    "statuses-twice": FaultKind("reports every status twice"),
    "no-statuses": FaultKind("reports no status"),
    "no-callback": FaultKind("reports the statuses without biz_opaque_callback_data"),
    "failed-later": FaultKind("reports failed with this error instead of delivered", "131026", *_CODE),
    "pacing": FaultKind(
        "holds templates, and then releases or drops them", "release", "release or drop", _one_of("release", "drop")
    ),
    "status-delays": FaultKind(
        "reports sent, delivered and read this long after accepting", None, "SECONDS/SECONDS/SECONDS", _delays
    ),
    "replies": FaultKind(
        "customers answer what they get: with a text, or by the first button if there is one",
        "text",
        "text or button",
        _one_of("text", "button"),
    ),
}
"""All switches by name."""


@dataclass(frozen=True, slots=True)
class FaultSubject:
    """What the conditions of a rule look at. `to`: digits of a phone, or a business-scoped user id."""

    number: str
    to: str
    template: str | None = None


@dataclass(slots=True)
class FaultRule:
    """A switch that is on. `next`: applies to as many posts; `every`: to each k-th; `skip`: not to the first n; `to`,
    `number`, `template`: only to posts with this recipient, phone number id, template. `after`: seconds until what the
    switch announces. `seen`: posts that fit so far; `hits`: those that it applied to. `began`: when a pause began, in
    seconds since 1970."""

    text: str
    name: str
    value: Any
    next: int | None = None
    every: int = 1
    skip: int = 0
    to: str | None = None
    number: str | None = None
    template: str | None = None
    after: float | None = None
    seen: int = 0
    hits: int = 0
    began: float | None = None

    def hit(self, subject: FaultSubject) -> bool:
        """Counts a post and returns whether the switch applies to it."""
        if not self._fits(subject):
            return False
        self.seen += 1
        if not self.is_on or (self.seen - self.skip) % self.every:
            return False
        self.hits += 1
        return True

    @property
    def is_on(self) -> bool:
        """Whether the switch, as a state of the whole stand-in, has begun and is not used up."""
        begun = self.skip == 0 or self.seen > self.skip
        return begun and (self.next is None or self.hits < self.next)

    def _fits(self, subject: FaultSubject) -> bool:
        return (
            self.to in (None, subject.to)
            and self.number in (None, subject.number)
            and self.template in (None, subject.template)
        )


class FaultBoard:
    """The rules that are in force. The first rule of a name that applies to a post wins."""

    def __init__(self) -> None:
        self._rules: dict[str, list[FaultRule]] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def change(self, *, clear: bool = False, off: Iterable[str] = (), on: Iterable[str] = ()) -> None:
        """Removes all rules or those of some names, and then adds rules. A new rule replaces the one of the same name
        for the same recipient, number and template. Raises FaultSyntaxError, and then changes nothing."""
        rules = [parse_fault(text) for text in on]
        names = [_known(name) for name in off]
        if clear:
            self._rules.clear()
        for name in names:
            self._rules.pop(name, None)
        for rule in rules:
            self._add(rule)

    def _add(self, rule: FaultRule) -> None:
        target = (rule.to, rule.number, rule.template)
        rules = self._rules.setdefault(rule.name, [])
        rules[:] = [each for each in rules if (each.to, each.number, each.template) != target]
        # Rules for one recipient win over rules for all.
        rules.insert(0 if any(target) else len(rules), rule)

    def hit(self, name: str, subject: FaultSubject) -> FaultRule | None:
        """Counts a post and returns the rule of this name that applies to it."""
        return next((rule for rule in self._rules.get(name, ()) if rule.hit(subject)), None)

    def state(self, name: str) -> FaultRule | None:
        """Returns a rule of this name that is on, for switches that concern more than one post."""
        return next((rule for rule in self._rules.get(name, ()) if rule.is_on), None)

    def states(self, name: str) -> Iterator[FaultRule]:
        """Yields all rules of this name that are on."""
        return (rule for rule in self._rules.get(name, ()) if rule.is_on)

    def listing(self) -> list[dict[str, Any]]:
        """Returns the rules as JSON objects."""
        return [
            {"fault": rule.text, "name": rule.name, "seen": rule.seen, "hits": rule.hits}
            for rules in self._rules.values()
            for rule in rules
        ]


def parse_fault(text: str) -> FaultRule:
    """Reads `NAME[=VALUE][,CONDITION=VALUE]...`. Raises FaultSyntaxError."""
    rest, conditions = text.strip(), dict[str, str]()
    while found := _CONDITION.search(rest):
        conditions[found[1]] = found[2]
        rest = rest[: found.start()]
    name, _, value = rest.partition("=")
    kind = FAULTS[_known(name)]
    if "=" not in rest:
        if kind.default is None:
            raise FaultSyntaxError(f"{name}: the value is missing; write {name}={kind.value}")
        value = kind.default
    try:
        read = kind.read(value)
    except ValueError:
        raise FaultSyntaxError(f"{name}={value}: the value must be {kind.value}") from None
    rule = FaultRule(text.strip(), name, read, number=conditions.get("number"), template=conditions.get("template"))
    if name == "template-paused":
        rule.template = rule.value
    rule.next, rule.skip = _count(conditions, "next", 1), _count(conditions, "skip", 0) or 0
    rule.every = _count(conditions, "every", 1) or 1
    if "to" in conditions:
        rule.to = recipient_key(conditions["to"])
    if "after" in conditions:
        rule.after = float(_count(conditions, "after", 0, float))
    return rule


def recipient_key(to: str) -> str:
    """Returns a recipient as rules compare it: the digits of a phone, a business-scoped user id as it is."""
    return to if to[:2].isalpha() else "".join(filter(str.isdigit, to))


def _known(name: str) -> str:
    if name not in FAULTS:
        raise FaultSyntaxError(f"{name!r} is not a fault; choose one of {', '.join(FAULTS)}")
    return name


def _count(conditions: Mapping[str, str], name: str, least: int, kind: Callable[[str], Any] = int) -> Any:  # noqa: ANN401
    if name not in conditions:
        return None
    try:
        return _at_least(kind(conditions[name]), least)
    except ValueError:
        raise FaultSyntaxError(f"{name}={conditions[name]}: must be a number from {least}") from None
