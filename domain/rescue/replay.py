"""What a rule would have done: the dry run. It replays what was known of a conversation, and when, and asks the same
questions as the process that acts.

What people did stays as it was: a dry run tells which customers a rule would have found left alone and when, not who
would have taken them. Who was ready then was not kept, and is not simulated."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from domain.conversations.placement.window import WINDOW
from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.rescue.judging import LeftAlone, RuleJudgement, judge
from domain.rescue.seeing import OnList, Questions, TellLanguage, left_alone
from domain.rules.rule import Rule

ReplayedOutcome = Literal["lost", "answered", "dismissed", "open"]
"""What became of a conversation without the rule. `lost`: its window ended, and nobody had answered."""

_ON = "became_unmanaged"
OFF = ("queued", "reserved", "assigned", "accepted", "managed", "dismissed", "closed")
"""Events after which a conversation is not on the list."""


class KnownEvent(NamedTuple):
    """A public event of a conversation. `at`: when it was known."""

    at: datetime
    event: str
    reason: Reason | None


class KnownTurn(NamedTuple):
    """A message of the customer. `known_at`: when it had arrived; `at`: when they wrote it."""

    known_at: datetime
    at: datetime
    text: str | None


class Replayed(NamedTuple):
    """A conversation as it went. `events` and `turns`: in the order in which they were known; `had`: the skillset that
    had the customer before."""

    phone_number_id: str
    opened_at: datetime
    returning: bool
    had: str | None
    events: Sequence[KnownEvent]
    turns: Sequence[KnownTurn]


class _Stretch(NamedTuple):
    """A time in which nothing changed and the conversation was on the list. `until` None: it still is."""

    begins: datetime
    until: datetime | None
    listed: OnList
    texts: Sequence[str]


def acted_at(
    rule: Rule,
    rules: Sequence[Rule],
    of: Replayed,
    directory: Directory,
    questions: Questions,
    tell: TellLanguage,
    now: datetime,
) -> datetime | None:
    """Returns when a rule would have acted on a conversation until `now`; None: it would not have. `rules`: all, in
    their order, with the one that is tried; those that are off do nothing. A rule before it that would have taken the
    conversation from the list ends the replay: nobody knows what would have come then."""
    done: set[str] = set()
    passed: set[str] = set()
    since = None
    for stretch in _stretches(of):
        if stretch.listed.since != since:
            passed, since = set(), stretch.listed.since
        seen = left_alone(stretch.listed, stretch.texts, of.had, questions, tell)
        for at, judgement in _moments(rules, seen, directory, stretch.begins, stretch.until or now, done, passed):
            if rule in judgement.act:
                return at
            if any(each.takes_it for each in judgement.act):
                return None
    return None


def would_act_at(
    rule: Rule,
    rules: Sequence[Rule],
    seen: LeftAlone,
    directory: Directory,
    now: datetime,
    done: Collection[str],
) -> datetime | None:
    """Returns when a rule would act on a conversation on the list if nothing changed but what rules do; None: it would
    not. `rules`: as for `acted_at`; `done`: as for `judge`."""
    for at, judgement in _moments(rules, seen, directory, now, None, set(done), set()):
        if rule in judgement.act:
            return at
        if any(each.takes_it for each in judgement.act):
            return None
    return None


def _moments(
    rules: Sequence[Rule],
    seen: LeftAlone,
    directory: Directory,
    begins: datetime,
    until: datetime | None,
    done: set[str],
    passed: set[str],
) -> Iterator[tuple[datetime, RuleJudgement]]:
    """Yields the moments at which rules look at a conversation that does not change, and what they do then. Adds the
    rules that acted to `done`, and those that were passed over to `passed`."""
    at: datetime | None = begins
    while at is not None and (until is None or at < until):
        judgement = judge(rules, seen, directory, at, done | passed)
        yield at, judgement
        done |= {each.id for each in judgement.act}
        passed |= {each.id for each in judgement.passed}
        at = judgement.again_at


def _stretches(of: Replayed) -> Iterator[_Stretch]:
    """Yields the times on the list, each as long as nothing was learned."""
    moments = sorted({*(event.at for event in of.events), *(turn.known_at for turn in of.turns)})
    since: datetime | None = None
    reason: Reason | None = None
    was_off = False
    events, turns = list(of.events), list(of.turns)
    window = of.opened_at + WINDOW  # of a message that WhatsApp did not pass on, which is no turn
    texts: list[str] = []
    for place, moment in enumerate(moments):
        while turns and turns[0].known_at <= moment:
            turn = turns.pop(0)
            window = max(window, turn.at + WINDOW)
            texts += [turn.text] if turn.text else []
        while events and events[0].at <= moment:
            event = events.pop(0)
            if event.event == _ON:
                since = since or (moment if was_off else of.opened_at)
                reason = event.reason
            elif event.event in OFF:
                since, was_off = None, True
        if since is not None and reason is not None:
            until = moments[place + 1] if place + 1 < len(moments) else None
            listed = OnList(of.phone_number_id, reason, since, window, of.returning)
            yield _Stretch(moment, until, listed, tuple(texts))
