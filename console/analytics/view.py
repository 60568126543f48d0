"""What the page *Analytics* shows of the numbers: figures with the addresses of the rows that they count."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask import url_for

from console.analytics.query import WEEKS, AnalyticsQuery, step_arg
from console.phrases import reason_short
from console.request import translated, words
from console.words import catalogue
from domain.contract.texts import gettext_noop
from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.statistics.buckets import quantile
from domain.statistics.steps import NOT_UNDERSTOOD, parent_of
from infra.postgres.statistics.campaigns import CampaignAnswers
from infra.postgres.statistics.numbers import PeriodNumbers, StepSums, Sums

STEPS_OF_COLOUR = 5
_IN_HOURS_FROM = 10 * 3600
"""Seconds from which working hours are shown without minutes."""
_HEIGHT = 125
"""Of the highest bar of the trend, in units of its picture."""


class TopNumber(NamedTuple):
    """A number above the page. `href`: the rows that it counts; `more`: what stands beside it; `look`: its colour."""

    name: str
    shown: str
    href: str
    more: str = ""
    look: str = ""


class HeatCell(NamedTuple):
    """A cell of the heat map. `level`: 0 to 5."""

    n: int
    level: int
    href: str
    label: str


_EMPTY = HeatCell(0, 0, "", "")


class WeekBar(NamedTuple):
    """A week of the trend; `y` and heights in units of the picture."""

    monday: date
    week: int
    sums: Sums
    x: int
    rescued_height: int
    lost_height: int
    href: Mapping[str, str]


class MenuStep(NamedTuple):
    """A row of the menu's tree. `depth`: how far it is indented; widths in per cent of the longest bar."""

    name: str
    depth: int
    shown: int
    left_here: int
    share: str
    is_high: bool
    width: int
    left_width: int
    shown_href: str
    left_href: str


@dataclass(frozen=True)
class AnalyticsView:
    """The numbers of a query, for the template."""

    query: AnalyticsQuery
    numbers: PeriodNumbers
    campaigns: Sequence[CampaignAnswers]
    directory: Directory

    def rows(self, **which: object) -> str:
        """The address of the rows of a cell."""
        return self._at({**self._of_all, **which})

    @cached_property
    def _of_all(self) -> dict[str, Any]:
        return self.query.args()

    @cached_property
    def _path(self) -> str:
        return url_for("analytics.rows")

    def _at(self, args: Mapping[str, Any]) -> str:
        # a page has hundreds that differ in a number: Flask takes its time for each, and so does `urlencode`
        return f"{self._path}?{'&'.join([f'{name}={_quoted(str(value))}' for name, value in args.items()])}"

    @property
    def title(self) -> str:
        """The days, e.g. 31 August to 29 November 2026."""
        first = format_date(self.query.first, "d MMMM y", locale=words().locale)
        last = format_date(self.query.last, "d MMMM y", locale=words().locale)
        return translated(gettext_noop("%(first)s to %(last)s")) % {"first": first, "last": last}

    @property
    def figures(self) -> list[TopNumber]:
        """The numbers above everything else."""
        total, percent = self.numbers.total, words().percent
        found = [
            TopNumber(
                catalogue(words().language).pgettext("conversations", "Opened"),
                words().number(total.opened),
                self._at(self._of_all_reasons(count="opened")),
            ),
            TopNumber(
                translated(gettext_noop("Left alone")),
                words().number(total.unmanaged),
                self.rows(count="unmanaged"),
                percent(total.unmanaged, total.opened),
            ),
            TopNumber(
                translated(gettext_noop("Rescued")),
                words().number(total.rescued),
                self.rows(count="rescued"),
                percent(total.rescued, total.unmanaged),
                "good",
            ),
            TopNumber(
                translated(gettext_noop("Lost")),
                words().number(total.lost),
                self.rows(count="lost"),
                percent(total.lost, total.unmanaged),
                "bad" if total.lost else "",
            ),
        ]
        if total.open:
            undecided = words().number(total.open)
            found.append(TopNumber(translated(gettext_noop("Not decided yet")), undecided, self.rows(count="open")))
        if total.dismissed:
            put_away = words().number(total.dismissed)
            found.append(TopNumber(translated(gettext_noop("Dismissed")), put_away, self.rows(count="dismissed")))
        names = {
            "assignment": gettext_noop("To assignment"),
            "first_word": gettext_noop("To the first human word"),
            "listed": gettext_noop("On the list"),
        }
        for kind, name in names.items():
            histogram = self.numbers.times.get(kind, {})
            middle, most = quantile(histogram, 0.5), quantile(histogram, 0.9)
            if middle is not None and most is not None:
                more = translated(gettext_noop("90 %% in %(time)s")) % {"time": duration(most)}
                href = self._at(self._of_all_reasons(time=kind))
                found.append(TopNumber(translated(name), duration(middle), href, more))
        return found

    def _of_all_reasons(self, **which: object) -> dict[str, Any]:
        return {name: value for name, value in {**self._of_all, **which}.items() if name != "reason"}

    # heat map

    @cached_property
    def bounds(self) -> list[int]:
        """The lowest number of each step of colour, those without a number of their own left out."""
        most = max((cell.unmanaged for cell in self.numbers.hours), default=0)
        return sorted({max(1, ceil(most * step / STEPS_OF_COLOUR)) for step in range(STEPS_OF_COLOUR) if most})

    @property
    def legend(self) -> list[tuple[int, str]]:
        """Level and figures of each step of colour."""
        ranges = [*pairwise(self.bounds), (self.bounds[-1], None)] if self.bounds else []
        found = []
        for low, high in ranges:
            text = f"{low}+" if high is None else f"{low}" if high - 1 == low else f"{low}–{high - 1}"
            found.append((self._level(low), text))
        return found

    def _level(self, n: int) -> int:
        passed = sum(n >= low for low in self.bounds)
        return passed + STEPS_OF_COLOUR - len(self.bounds) if passed else 0

    @property
    def heat(self) -> Iterator[tuple[str, list[HeatCell], HeatCell]]:
        """Of each weekday its name, its 24 cells, and all of it."""
        counted = {(cell.weekday, cell.hour): cell for cell in self.numbers.hours}
        days = words().locale.days["format"]
        for weekday in range(1, 8):
            cells, together = [], 0
            for hour in range(24):
                cell = counted.get((weekday, hour))
                if cell is None:
                    cells.append(_EMPTY)
                    continue
                n, lost = cell.unmanaged, cell.lost
                together += n
                of_them = words().ngettext("%(num)s of them lost", "%(num)s of them lost", lost) % {"num": lost}
                label = translated(gettext_noop("%(day)s, %(hour)s:00: %(alone)s, %(lost)s")) % {
                    "day": days["wide"][weekday - 1],
                    "hour": f"{hour:02}",
                    "alone": _left_alone(n),
                    "lost": of_them,
                }
                href = self.rows(count="unmanaged", weekday=weekday, hour=hour)
                cells.append(HeatCell(n, self._level(n), href, label))
            label = f"{days['wide'][weekday - 1]}: {_left_alone(together)}"
            href = self.rows(count="unmanaged", weekday=weekday) if together else ""
            yield days["abbreviated"][weekday - 1], cells, HeatCell(together, 0, href, label)

    @property
    def clock_changes(self) -> list[str]:
        """Sentences about the days of the period that have 23 or 25 hours at the place of a number."""
        chosen = self.query.number
        numbers = [self.directory.number(chosen)] if chosen else [*self.directory.numbers.values()]
        found: dict[tuple[date, bool], str] = {}
        for zone in {number.time_zone for number in numbers}:
            for day, hours in _odd_days(ZoneInfo(zone), self.query.first, self.query.last):
                text = (
                    gettext_noop("%(day)s had 25 hours: the hour that came twice has both.")
                    if hours > timedelta(days=1)
                    else gettext_noop("%(day)s had 23 hours: the hour that was skipped has none.")
                )
                shown = format_date(day, "d MMMM", locale=words().locale)
                found[day, hours > timedelta(days=1)] = translated(text) % {"day": shown}
        return [text for _, text in sorted(found.items())]

    # trend

    @property
    def weeks(self) -> list[WeekBar]:
        """The weeks of the period, at most the last `WEEKS`."""
        last = self.query.last - timedelta(days=self.query.last.weekday())
        mondays = [last - timedelta(weeks=n) for n in reversed(range(WEEKS))]
        shown = [monday for monday in mondays if monday + timedelta(days=6) >= self.query.first]
        sums = [self.numbers.weeks.get(monday, Sums()) for monday in shown]
        most = max((each.rescued + each.lost for each in sums), default=0) or 1
        found = []
        for place, (monday, each) in enumerate(zip(shown, sums, strict=True)):
            days = {
                "from": max(monday, self.query.first).isoformat(),
                "to": min(monday + timedelta(days=6), self.query.last).isoformat(),
            }
            href = {
                count: self._at({**self.query.args(count=count), **days}) for count in ("unmanaged", "rescued", "lost")
            }
            rescued, lost = (n and max(14, round(_HEIGHT * n / most)) for n in (each.rescued, each.lost))
            found.append(WeekBar(monday, monday.isocalendar().week, each, 8 + place * 33, rescued, lost, href))
        return found

    # why, and where in the menu

    @property
    def reasons(self) -> list[tuple[str, str, int]]:
        """Value, name and number of each reason, the most frequent first."""
        counted = sorted(self.numbers.reasons.items(), key=lambda each: -each[1])
        return [(value, reason_name(value), n) for value, n in counted]

    @property
    def menus(self) -> list[tuple[str, list[MenuStep]]]:
        """Of each number its name, and the steps of its menu as a tree."""
        numbers = sorted({step.phone_number_id for step in self.numbers.steps})
        return [(self.directory.number(number).name or number, self._tree(number)) for number in numbers]

    def _tree(self, number: str) -> list[MenuStep]:
        steps = {each.step: each for each in self.numbers.steps if each.phone_number_id == number}
        most = max((each.shown for each in steps.values()), default=0) or 1
        found: list[MenuStep] = []

        def add(step: StepSums, depth: int) -> None:
            which = self._of_all_reasons(step=step_arg(step.step)) | {"number": number}
            left = max(1, round(100 * step.left_here / most)) if step.left_here else 0
            found.append(
                MenuStep(
                    _step_name(step),
                    depth,
                    step.shown,
                    step.left_here,
                    words().percent(step.left_here, step.shown),
                    step.left_here >= 0.1 * step.shown and step.left_here > 1,
                    max(left, round(100 * step.shown / most)) - left,
                    left,
                    self._at(which),
                    self._at({**which, "left": 1}),
                )
            )
            below = [each for each in steps.values() if each.step != step.step and parent_of(each.step) == step.step]
            for each in sorted(below, key=lambda each: -each.shown):
                add(each, depth + 1)

        tops = [each for each in steps.values() if (above := parent_of(each.step)) is None or above not in steps]
        for each in sorted(tops, key=lambda each: (each.step == NOT_UNDERSTOOD, each.step)):
            add(each, 0)
        return found


def _left_alone(n: int) -> str:
    return words().ngettext("%(num)s left alone", "%(num)s left alone", n) % {"num": n}


@lru_cache(maxsize=1024)
def _quoted(value: str) -> str:
    return quote_plus(value)


def reason_name(value: str) -> str:
    """The label of a reason; the value of one that this version does not know."""
    return reason_short(Reason(value)) if value in {each.value for each in Reason} else value


def hours(seconds: int) -> str:
    """Working hours, e.g. 40 min, 7 h 5 min, 361 h."""
    if seconds < _IN_HOURS_FROM:
        return duration(seconds)
    return translated(gettext_noop("%(n)s h")) % {"n": words().number(round(seconds / 3600))}


def duration(seconds: float) -> str:
    """A duration in its two largest units, e.g. 6 min, 1 h 12 min."""
    whole = round(seconds)
    if whole < 60:
        return translated(gettext_noop("%(n)s s")) % {"n": whole}
    minutes = round(seconds / 60)
    if minutes < 60:
        return translated(gettext_noop("%(n)s min")) % {"n": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        days, hours = divmod(hours, 24)
        return translated(gettext_noop("%(days)s d %(hours)s h")) % {"days": days, "hours": hours}
    return translated(gettext_noop("%(hours)s h %(minutes)s min")) % {"hours": hours, "minutes": minutes}


def _step_name(step: StepSums) -> str:
    if step.step == NOT_UNDERSTOOD:
        return translated(gettext_noop("Choice not understood"))
    if not step.step:
        return translated(gettext_noop("Greeting and menu"))
    return step.title or step.step.rpartition("/")[2]


def _odd_days(zone: ZoneInfo, first: date, last: date) -> Iterator[tuple[date, timedelta]]:
    """Yields the days that are not 24 hours long, with their length."""
    day = first
    while day <= last:
        begins, ends = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
        length = timedelta(days=1) - ((ends.utcoffset() or timedelta()) - (begins.utcoffset() or timedelta()))
        if length != timedelta(days=1):
            yield day, length
        day += timedelta(days=1)
