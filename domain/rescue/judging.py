"""When a rule fits a conversation that was left alone. Pure functions, for the process that acts and for the dry run
alike."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.conversations.evidence.opening_hours import is_open, next_change
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number
from domain.rules.rule import MARGIN, Rule, RuleCondition
from domain.search import has_phrase


class LeftAlone(NamedTuple):
    """What rules see of a conversation on the list. `since`: when it came to the list; `said`: what the customer wrote
    or chose, as words (`domain.search.phrase`); `language`: in which they wrote, None: not known; `had`: the skillset
    that had them before."""

    phone_number_id: str
    reason: Reason
    since: datetime
    window_ends_at: datetime
    said: tuple[str, ...] = ()
    language: str | None = None
    returning: bool = False
    had: str | None = None


class RuleJudgement(NamedTuple):
    """Which rules act on a conversation now, which fit as well but come after them, and when it is to be looked at
    again if nothing changes until then; None: not at all."""

    act: tuple[Rule, ...] = ()
    passed: tuple[Rule, ...] = ()
    again_at: datetime | None = None


def judge(
    rules: Sequence[Rule],
    seen: LeftAlone,
    directory: Directory,
    now: datetime,
    done: Collection[str] = (),
    known_at: datetime | None = None,
) -> RuleJudgement:
    """Returns what rules do about a conversation at `now` (aware UTC). `rules`: in their order; those that are off do
    nothing. `done`: ids of rules that have acted on it, or were passed over while it has been on the list. `known_at`:
    since when all that is seen, and the rules, have been so; None: since now. A look that comes late so acts as looks
    in time would have: of rules that began to fit at the same moment the first acts, not of all that fit by now."""
    number = directory.number(seen.phone_number_id)
    if seen.had not in directory.skillsets:
        seen = seen._replace(had=None)
    moments = [(rule, fits_at(rule, seen, number, now)) for rule in rules if rule.on and rule.id not in done]
    begun: dict[datetime, list[Rule]] = {}
    for rule, at in moments:
        if at is not None and at <= now:
            began = fits_at(rule, seen, number, min(now, known_at)) if known_at is not None else None
            begun.setdefault(began or now, []).append(rule)
    act: list[Rule] = []
    passed: list[Rule] = []
    for _, fitting in sorted(begun.items()):
        most = next((place for place, rule in enumerate(fitting, 1) if rule.stop), len(fitting))
        most = 0 if any(rule.takes_it for rule in act) else most
        act += fitting[:most]
        passed += fitting[most:]
    later = [at for _, at in moments if at is not None and at > now]
    return RuleJudgement(tuple(act), tuple(passed), min(later, default=None))


def fits_at(rule: Rule, seen: LeftAlone, number: Number, now: datetime) -> datetime | None:
    """Returns the first moment from `now` on at which a rule fits if nothing changes until then; None: there is none
    before the last minutes of the window (`MARGIN`). A rule that transfers back to those who had the customer before
    fits only if somebody had, whom the directory still has (`judge`)."""
    when = rule.when
    if not _fits_ever(when, seen) or (rule.transfer is not None and rule.transfer.previous and seen.had is None):
        return None
    at = max(now, seen.since + when.alone)
    if when.left is not None:
        at = max(at, seen.window_ends_at - when.left)
    if when.hours is not None and is_open(number, at) != (when.hours == "open"):
        changes_at = next_change(number, at)
        if changes_at is None:
            return None
        at = changes_at
    return at if at < seen.window_ends_at - MARGIN else None


def _fits_ever(when: RuleCondition, seen: LeftAlone) -> bool:
    """Returns whether what does not depend on the time is so."""
    return (
        _among(seen.phone_number_id, when.numbers)
        and _among(seen.reason, when.reasons)
        and _among(seen.language, when.languages)
        and _among(seen.had, when.had)
        and when.returning in (None, seen.returning)
        and (not when.words or any(has_phrase(said, words) for words in when.words for said in seen.said))
    )


def _among(value: str | None, wanted: Iterable[str]) -> bool:
    wanted = tuple(wanted)
    return not wanted or value in wanted
