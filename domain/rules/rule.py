"""Rescue rules, as people write them in the directory file or on their page: when, and what then.

Plain data. `domain.rescue.judging` says when a rule fits, `domain.rescue.acts` what it does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

MARGIN = timedelta(minutes=5)
"""No rule acts when the window has less time left than this: nobody could answer any more."""

_CODES = """
af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga gd gl gu ha he hi hr ht hu hy
id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv mg mk ml mn mr ms mt my ne nl nn no oc om or pa pl ps pt qu
ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vi vo wa xh yo zh zu
"""
LANGUAGES = frozenset(_CODES.split())
"""The languages that can be told from what customers write (ISO 639-1)."""

ActionKind = Literal["mail", "text", "alarm", "transfer", "dismiss"]
"""What a rule can do, in the order in which it does it: what takes the conversation from the list comes last."""


@dataclass(frozen=True, slots=True)
class RuleCondition:
    """When a rule fits: everything that is given must be so. `alone`: so long or longer on the list; `left`: so much of
    the window left, or less; `hours`: whether the number is open; `words`: one of them is in what the customer wrote or
    chose (a final `*` stands for any ending); `languages`: of what the customer wrote (ISO 639-1); `returning`: whether
    they had a conversation before; `had`: one of these skillsets had them before."""

    numbers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    alone: timedelta = timedelta()
    left: timedelta | None = None
    hours: Literal["open", "closed"] | None = None
    words: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    returning: bool | None = None
    had: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTransfer:
    """Reserves a conversation for a user, a skillset, or the skillset that had the customer before (`previous`), or
    offers it at once (`immediate`; if nobody can take it, it is reserved). `reserve`: for how long, by default as the
    installation's settings say."""

    user: str | None = None
    skillset: str | None = None
    previous: bool = False
    mode: Literal["immediate", "exclusive"] = "exclusive"
    reserve: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RuleMail:
    """Forwards a conversation. Empty `subject` and `text`: worded in the number's language."""

    to: tuple[str, ...]
    subject: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class RuleTemplate:
    """A template to send, with its parameters by number or name."""

    name: str
    language: str
    parameters: dict[str, str] = field(default_factory=dict)


RuleDismissal = Literal["no_answer_needed", "spam", "duplicate"]
"""As what a rule dismisses conversations."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `on`: it acts; otherwise it is only written down. `stop`: of rules that fit at the same moment, those
    after it do not act. Has at least one of the actions; `alarm` names the channel that is called."""

    id: str
    name: str
    on: bool = False
    stop: bool = True
    when: RuleCondition = RuleCondition()
    mail: RuleMail | None = None
    text: str | None = None
    template: RuleTemplate | None = None
    alarm: str | None = None
    transfer: RuleTransfer | None = None
    dismiss: RuleDismissal | None = None

    @property
    def actions(self) -> Iterator[ActionKind]:
        """What the rule does, in that order."""
        if self.mail is not None:
            yield "mail"
        if self.text is not None or self.template is not None:
            yield "text"
        if self.alarm is not None:
            yield "alarm"
        if self.transfer is not None:
            yield "transfer"
        if self.dismiss is not None:
            yield "dismiss"

    @property
    def takes_it(self) -> bool:
        """Whether the rule takes a conversation from the list."""
        return self.transfer is not None or self.dismiss is not None
