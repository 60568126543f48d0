"""The numbers of a period, as the page Analytics and `witiop stats show` show them: sums of cells. Raises psycopg
errors. O(cells of the period), whatever the number of conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.statistics.cells import BUCKETS, LEFT_ALONE, LOST


@dataclass(frozen=True, slots=True)
class StatPeriod:
    """What is counted: the conversations that began on these days (both included, at the place of their number), with
    one number (None: all), and of those that were left alone, those with one reason (None: all)."""

    first: date
    last: date
    number: str | None = None
    reason: str | None = None

    @property
    def parameters(self) -> dict[str, object]:
        """The values of the statements."""
        return {"first": self.first, "last": self.last, "number": self.number, "reason": self.reason}

    @property
    def whole_weeks(self) -> tuple[date, date]:
        """The first and the last day of the whole weeks of the period; days after all others if it has none."""
        monday = self.first + timedelta(days=-self.first.weekday() % 7)
        sunday = self.last - timedelta(days=(self.last.weekday() + 1) % 7)
        return (monday, sunday) if monday < sunday else (date.max, date.max)


class Sums(NamedTuple):
    """What became of conversations. `opened` and `touched` are of all reasons."""

    opened: int = 0
    touched: int = 0
    unmanaged: int = 0
    rescued: int = 0
    lost: int = 0
    open: int = 0
    dismissed: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Returns the sums of both."""
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))


class HourCell(NamedTuple):
    """How many were left alone on a weekday (1: Monday) in an hour, and how many of them were lost."""

    weekday: int
    hour: int
    unmanaged: int
    lost: int


class StepSums(NamedTuple):
    """A step of the menu of a number. `title`: of the option that leads to it; None: it is a first one."""

    phone_number_id: str
    step: str
    title: str | None
    shown: int
    left_here: int


class AgentSums(NamedTuple):
    """What an agent was offered, and what became of it; for how many seconds they were ready and paused, whatever the
    number."""

    agent_id: str
    offered: int
    accepted: int
    declined: int
    lapsed: int
    ready_s: int = 0
    paused_s: int = 0


class RuleSums(NamedTuple):
    """On how many conversations a rule acted, and how many of them it rescued."""

    rule: str
    acted: int
    rescued: int


@dataclass(frozen=True, slots=True)
class PeriodNumbers:
    """All numbers of a period. `weeks`: by their Monday; `reasons`: of all reasons, also where the period has one;
    `times`: kind -> bucket -> number of conversations; `counted_to`: events up to then are counted, None: none is."""

    total: Sums
    hours: Sequence[HourCell]
    weeks: dict[date, Sums]
    reasons: dict[str, int]
    times: dict[str, dict[int, int]]
    steps: Sequence[StepSums]
    agents: Sequence[AgentSums]
    rules: Sequence[RuleSums]
    counted_to: datetime | None


MOST_STEPS = 40
"""Steps of menus that are shown, those at which most customers were left."""


def numbers_of(connection: Connection[Any], period: StatPeriod) -> PeriodNumbers:
    """Returns the numbers of a period, of one snapshot. `connection`: not in a transaction."""
    with one_snapshot(connection), connection.pipeline():
        hours = connection.execute(_HOURS, period.parameters)
        weeks = connection.execute(_WEEKS, period.parameters)
        times = connection.execute(_TIMES, period.parameters)
        steps = connection.cursor(row_factory=class_row(StepSums))
        monday, sunday = period.whole_weeks
        steps.execute(_STEPS, {**period.parameters, "monday": monday, "sunday": sunday, "most": MOST_STEPS})
        agents = connection.cursor(row_factory=class_row(AgentSums)).execute(_AGENTS, period.parameters)
        rules = connection.cursor(row_factory=class_row(RuleSums)).execute(_RULES, period.parameters)
        counted_to = connection.execute(_COUNTED_TO)
        return PeriodNumbers(
            hours=_by_weekday(hours.fetchall()),
            times=_histograms(times.fetchall()),
            steps=steps.fetchall(),
            agents=agents.fetchall(),
            rules=rules.fetchall(),
            counted_to=(counted_to.fetchone() or (None,))[0],
            **_by_week(weeks.fetchall(), period.reason),
        )


def _histograms(rows: Sequence[tuple[Any, ...]]) -> dict[str, dict[int, int]]:
    return {kind: {bucket: n for bucket, n in enumerate(buckets) if n} for kind, *buckets in rows}


def _by_weekday(rows: Sequence[tuple[Any, ...]]) -> list[HourCell]:
    return [
        HourCell(weekday, hour, unmanaged, lost)
        for weekday, *values in sorted(rows)
        for hour, (unmanaged, lost) in enumerate(zip(values[:24], values[24:], strict=True))
        if unmanaged
    ]


def _by_week(rows: Sequence[tuple[Any, ...]], reason: str | None) -> dict[str, Any]:
    weeks: dict[date, Sums] = {}
    reasons: dict[str, int] = {}
    for week, why, *values in rows:
        sums = Sums(*values)
        if why:
            reasons[why] = reasons.get(why, 0) + sums.unmanaged
        if reason is not None and why != reason:
            sums = Sums(sums.opened, sums.touched)
        weeks[week] = weeks.get(week, Sums()).plus(sums)
    total = Sums()
    for each in weeks.values():
        total = total.plus(each)
    return {"weeks": weeks, "reasons": reasons, "total": total}


def _sums(columns: Sequence[LiteralString]) -> LiteralString:
    return ", ".join(f"sum({column})::integer" for column in columns)


_WHICH: LiteralString = "day between %(first)s and %(last)s and phone_number_id = coalesce(%(number)s::text, '')"
_OF_NUMBER: LiteralString = "(%(number)s::text is null or phone_number_id = %(number)s)"
_HOURS: LiteralString = f"""
select extract(isodow from day)::integer, {_sums((*LEFT_ALONE, *LOST))} from stat_hours
where {_WHICH} and reason <> '' and (%(reason)s::text is null or reason = %(reason)s) group by 1
"""
_FIELDS: tuple[LiteralString, ...] = (*("opened", "touched", "unmanaged", "rescued", "lost", "open", "dismissed"),)
_WEEKS: LiteralString = f"""
select date_trunc('week', day)::date, reason, {_sums(_FIELDS)} from stat_hours where {_WHICH} group by 1, 2
"""
_TIMES: LiteralString = f"select kind, {_sums(BUCKETS)} from stat_times where {_WHICH} group by kind"
_STEPS: LiteralString = f"""
select s.phone_number_id, s.step, t.title, s.shown, s.left_here from (
  select phone_number_id, step, sum(shown)::integer as shown, sum(left_here)::integer as left_here from (
    select phone_number_id, step, shown, left_here from stat_step_weeks
    where day >= %(monday)s and day <= %(sunday)s and {_OF_NUMBER}
    union all select phone_number_id, step, shown, left_here from stat_steps
    where day >= %(first)s and day < least(%(monday)s, %(last)s::date + 1) and {_OF_NUMBER}
    union all select phone_number_id, step, shown, left_here from stat_steps
    where day > %(sunday)s and day <= %(last)s and {_OF_NUMBER}
  ) as counted group by 1, 2 having sum(shown) > 0
  order by 4 desc, 3 desc, 1, 2 limit %(most)s
) as s left join stat_step_titles t using (phone_number_id, step) order by 1, 2
"""
_AGENTS: LiteralString = f"""
select agent_id, coalesce(offered, 0) as offered, coalesce(accepted, 0) as accepted, coalesce(declined, 0) as declined,
  coalesce(lapsed, 0) as lapsed, coalesce(ready_s, 0) as ready_s, coalesce(paused_s, 0) as paused_s
from (
  select agent_id, sum(offered)::integer as offered, sum(accepted)::integer as accepted,
    sum(declined)::integer as declined, sum(lapsed)::integer as lapsed
  from stat_agents where {_WHICH} group by 1 having sum(offered) > 0
) as o full join (
  select agent_id, sum(ready_s)::integer as ready_s, sum(paused_s)::integer as paused_s
  from stat_agent_hours where day between %(first)s and %(last)s group by 1
) as h using (agent_id) order by 2 desc, 6 desc, 1
"""
_RULES: LiteralString = f"""
select rule, sum(acted)::integer as acted, sum(rescued)::integer as rescued
from stat_rules where {_WHICH} group by 1 having sum(acted) > 0 order by 2 desc, 1
"""
_COUNTED_TO: LiteralString = """
select min(caught_up_to) from consumer_offsets
where group_name like '%witiop.analytics' and caught_up_to > 'epoch'
"""
