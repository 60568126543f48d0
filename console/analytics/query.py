"""What the page *Analytics* and the lists behind it show, as their addresses say."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Self

from werkzeug.datastructures import MultiDict

from console.request import words
from console.table.query import chosen_rows, cleaned
from domain.conversations.reasons import Reason
from infra.postgres.statistics.numbers import StatPeriod
from infra.postgres.statistics.rows import (
    OFFER_COUNTS,
    STAT_COUNTS,
    TIME_KINDS,
    OfferFilter,
    RowFilter,
    RowPlace,
)

LONGEST = timedelta(days=400)
WEEKS = 13
PERIODS = ("7", "30", "13w")
"""The periods that the page offers, up to today: days, and 13 weeks from a Monday on."""


def period_until(today: date, name: str) -> tuple[date, date]:
    """The first and the last day of a period of `PERIODS`."""
    if name == "13w":
        monday = today - timedelta(days=today.weekday())
        return monday - timedelta(weeks=WEEKS - 1), today
    return today - timedelta(days=int(name) - 1), today


@dataclass(frozen=True, slots=True)
class AnalyticsQuery:
    """`first`, `last`: days, both included; `number`, `reason`: empty for all."""

    first: date
    last: date
    number: str = ""
    reason: str = ""

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address. Invalid values are ignored; without days, the last 13 weeks."""
        first, last = _day(given.get("from")), _day(given.get("to"))
        if first is None or last is None or not first <= last <= first + LONGEST:
            first, last = period_until(today(), "13w")
        reason = given.get("reason", "")
        return cls(
            first,
            last,
            cleaned(given.get("number")),
            reason if reason in {each.value for each in Reason} else "",
        )

    @property
    def period(self) -> StatPeriod:
        """The period for the database."""
        return StatPeriod(self.first, self.last, self.number or None, self.reason or None)

    @property
    def named(self) -> str | None:
        """Which of `PERIODS` it is; None: another one."""
        return next((name for name in PERIODS if period_until(today(), name) == (self.first, self.last)), None)

    def of_period(self, name: str) -> dict[str, Any]:
        """Arguments for `url_for` with another of `PERIODS`."""
        first, last = period_until(today(), name)
        return replace(self, first=first, last=last).args()

    def args(self, **more: object) -> dict[str, Any]:
        """Arguments for `url_for`, without those that are empty."""
        found: dict[str, object] = {"from": self.first.isoformat(), "to": self.last.isoformat(), "number": self.number}
        found |= {"reason": self.reason, **more}
        return {name: value for name, value in found.items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class CellQuery:
    """Which rows a list behind a number shows. `agent`: its offers, otherwise conversations."""

    of: AnalyticsQuery
    rows: RowFilter
    offers: OfferFilter | None
    per_page: int | None
    after: RowPlace | None

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address. Invalid values are ignored."""
        of = AnalyticsQuery.read(given)
        count, time, agent = given.get("count", ""), given.get("time"), cleaned(given.get("agent"))
        rule, step = cleaned(given.get("rule")) or None, given.get("step")
        rows = RowFilter(
            of.period,
            count if count in STAT_COUNTS else "opened",
            _number(given.get("weekday"), 1, 7),
            _number(given.get("hour"), 0, 23),
            time if time in TIME_KINDS else None,
            None if step is None else step.removeprefix("."),
            "left" in given,
            rule,
            "saved" in given,
        )
        offered = count if count in OFFER_COUNTS else "offered"
        after = given.get("after")
        return cls(
            of,
            rows,
            OfferFilter(of.period, agent, offered) if agent else None,
            chosen_rows(given.get("rows")),
            RowPlace.parse(after) if after else None,
        )

    def args(self, **more: object) -> dict[str, Any]:
        """Arguments for `url_for`; any change leads to the first page."""
        rows = self.rows
        count = self.offers.count if self.offers else rows.count
        return self.of.args(
            count=count,
            weekday=rows.weekday,
            hour=rows.hour,
            time=rows.time,
            step=step_arg(rows.step),
            left=rows.left or None,
            rule=rows.rule,
            saved=rows.saved or None,
            agent=self.offers and self.offers.agent,
            rows=self.per_page,
            **more,
        )


def step_arg(step: str | None) -> str | None:
    """A step in an address: the first one is empty."""
    return None if step is None else f".{step}"


def today() -> date:
    """The day of the page."""
    return words().local(words().now).date()


def _day(text: str | None) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found and date(2000, 1, 1) <= found <= date(2200, 1, 1) else None


def _number(text: str | None, lowest: int, highest: int) -> int | None:
    is_short = text is not None and text.isascii() and text.isdigit() and len(text) < 3
    return int(text) if text and is_short and lowest <= int(text) <= highest else None
