"""When alarms begin and end: a condition has to hold for a while, and to be gone for a while."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from domain.alarms.kinds import JUDGING, AlarmKind


class AlarmSubject(NamedTuple):
    """What an alarm is about; at most one of a subject is open. `key`: what of its kind."""

    kind: AlarmKind
    key: str = ""


JUDGED = frozenset(AlarmKind) - {AlarmKind.RULES_STOPPED, AlarmKind.RULE_LIMIT, AlarmKind.TEST}
"""Kinds that end by themselves when their condition is gone. The others are ended by who raised them."""
_CALLED = frozenset({AlarmKind.RULE})
"""Kinds that are raised elsewhere, once, and only end by judgement."""


class SeenCondition(NamedTuple):
    """A condition as it was last seen. `since`: when it was first seen; `gone_since`: None while it holds."""

    since: datetime
    gone_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows: the alarms that begin and that end, and the conditions to be remembered."""

    begin: tuple[AlarmSubject, ...] = ()
    end: tuple[AlarmSubject, ...] = ()
    seen: Mapping[AlarmSubject, SeenCondition] = field(default_factory=dict)


def judge(
    holding: Collection[AlarmSubject],
    seen: Mapping[AlarmSubject, SeenCondition],
    opened: Collection[AlarmSubject],
    now: datetime,
) -> Judgement:
    """Returns what follows from the conditions that hold now. `seen`: what the last judgement remembered; `opened`: the
    alarms that are open. The same conditions at a later time never begin or end an alarm twice."""
    holds, is_open = set(holding), {subject for subject in opened if subject.kind in JUDGED}
    begin, end, after = [], [], dict[AlarmSubject, SeenCondition]()
    for subject in sorted(holds | is_open):
        terms = JUDGING[subject.kind]
        before = seen.get(subject, SeenCondition(now))
        if subject in holds:
            after[subject] = SeenCondition(before.since)
            if subject not in is_open and subject.kind not in _CALLED and now - before.since >= terms.after:
                begin.append(subject)
            continue
        gone_since = before.gone_since or now
        if now - gone_since >= terms.over_after:
            end.append(subject)
        else:
            after[subject] = SeenCondition(before.since, gone_since)
    return Judgement(tuple(begin), tuple(end), after)
