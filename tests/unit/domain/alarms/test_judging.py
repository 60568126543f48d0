"""An alarm comes once, says when it is over, and does not flap."""

from datetime import UTC, datetime, timedelta

from domain.alarms.judging import AlarmSubject, SeenCondition, judge
from domain.alarms.kinds import JUDGING, AlarmKind

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
STUCK = AlarmSubject(AlarmKind.OUTBOX_STUCK)
AFTER = JUDGING[AlarmKind.OUTBOX_STUCK].after
OVER_AFTER = JUDGING[AlarmKind.OUTBOX_STUCK].over_after


class _Judge:
    """Judges at times that the test chooses, and remembers as the database does."""

    def __init__(self) -> None:
        self.seen: dict[AlarmSubject, SeenCondition] = {}
        self.opened: set[AlarmSubject] = set()
        self.events: list[tuple[float, str]] = []

    def at(self, seconds: float, *holding: AlarmSubject) -> None:
        found = judge(holding, self.seen, self.opened, START + timedelta(seconds=seconds))
        self.seen = dict(found.seen)
        self.opened = (self.opened | set(found.begin)) - set(found.end)
        self.events += [(seconds, "begins") for _ in found.begin] + [(seconds, "ends") for _ in found.end]


def test_an_alarm_begins_once_after_its_condition_has_lasted() -> None:
    judge_ = _Judge()
    for seconds in range(0, 600, 5):
        judge_.at(seconds, STUCK)
    assert judge_.events == [(AFTER.total_seconds(), "begins")]


def test_a_condition_that_comes_and_goes_too_fast_is_no_alarm() -> None:
    judge_ = _Judge()
    for seconds in range(0, 600, 5):
        judge_.at(seconds, *([STUCK] if seconds // 30 % 2 else []))
    assert judge_.events == []


def test_an_alarm_does_not_flap_while_its_condition_comes_and_goes() -> None:
    judge_ = _Judge()
    for seconds in range(0, 120, 5):
        judge_.at(seconds, STUCK)
    for seconds in range(120, 1200, 5):
        judge_.at(seconds, *([STUCK] if seconds // 60 % 2 else []))
    assert judge_.events == [(AFTER.total_seconds(), "begins")]


def test_an_alarm_is_over_once_when_its_condition_has_been_gone_for_long_enough() -> None:
    judge_ = _Judge()
    for seconds in range(0, 120, 5):
        judge_.at(seconds, STUCK)
    for seconds in range(120, 1200, 5):
        judge_.at(seconds)
    over_at = 120 + OVER_AFTER.total_seconds()
    assert judge_.events == [(AFTER.total_seconds(), "begins"), (over_at, "ends")]
    assert judge_.seen == {}


def test_a_condition_that_comes_back_later_is_another_alarm() -> None:
    judge_ = _Judge()
    for seconds in [*range(0, 120, 5), *range(1200, 1320, 5)]:
        if seconds == 1200:
            judge_.at(200)
            judge_.at(1000)
        judge_.at(seconds, STUCK)
    assert [what for _, what in judge_.events] == ["begins", "ends", "begins"]


def test_the_same_moment_judged_twice_changes_nothing() -> None:
    """A judge that ended before it could store what it saw is followed by another one."""
    seen = {STUCK: SeenCondition(START)}
    now = START + AFTER
    first = judge([STUCK], seen, [], now)
    assert first.begin == (STUCK,)
    assert judge([STUCK], first.seen, first.begin, now).begin == ()


def test_what_others_raise_and_end_is_left_alone() -> None:
    stopped, limit = AlarmSubject(AlarmKind.RULES_STOPPED), AlarmSubject(AlarmKind.RULE_LIMIT, "night")
    found = judge([], {}, [stopped, limit], START)
    assert (found.begin, found.end) == ((), ())


def test_a_call_of_a_rule_is_over_when_its_customer_waits_no_longer_and_never_begins_by_itself() -> None:
    call = AlarmSubject(AlarmKind.RULE, "night:1")
    assert judge([call], {}, [], START).begin == ()
    assert judge([call], {}, [call], START).end == ()
    assert judge([], {}, [call], START).end == (call,)
