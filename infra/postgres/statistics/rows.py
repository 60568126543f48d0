"""The rows that a cell counts: exactly those conversations, or offers to agents. Raises psycopg errors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, LiteralString, NamedTuple, get_args
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.statistics.numbers import StatPeriod

StatCount = Literal["opened", "unmanaged", "rescued", "lost", "open", "dismissed"]
STAT_COUNTS: tuple[StatCount, ...] = get_args(StatCount)
TimeKind = Literal["assignment", "first_word", "listed"]
TIME_KINDS: tuple[TimeKind, ...] = get_args(TimeKind)
OfferCount = Literal["offered", "accepted", "declined", "lapsed"]
OFFER_COUNTS: tuple[OfferCount, ...] = get_args(OfferCount)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which conversations: those that one cell counts. `weekday` (1: Monday), `hour`: of the heat map; `time`: those
    that have such a duration; `step`: those that were shown it, with `left` those that were left there; `rule`: those
    on which it acted, with `saved` those that it rescued. The reason of the period counts for those left alone only."""

    period: StatPeriod
    count: StatCount = "opened"
    weekday: int | None = None
    hour: int | None = None
    time: TimeKind | None = None
    step: str | None = None
    left: bool = False
    rule: str | None = None
    saved: bool = False


class CountedConversation(NamedTuple):
    """A conversation that a cell counts."""

    conversation_id: UUID
    day: date
    hour: int
    opened_at: datetime
    phone_number_id: str
    customer_name: str | None
    wa_id: str | None
    user_id: str | None
    reason: str
    outcome: str
    assigned_s: int | None
    word_s: int | None
    listed_s: int | None
    saved_by: str | None


class CountedOfferRow(NamedTuple):
    """An offer to an agent that a cell counts."""

    conversation_id: UUID
    sequence: int
    day: date
    at: datetime
    phone_number_id: str
    customer_name: str | None
    wa_id: str | None
    user_id: str | None
    result: str


class RowPlace(NamedTuple):
    """Where a page ended: rows are listed from the latest day on."""

    day: date
    conversation_id: UUID
    sequence: int = 0

    def __str__(self) -> str:
        return f"{self.day.isoformat()}_{self.conversation_id}_{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> "RowPlace | None":
        """Returns the place of a text that `str` wrote; None for any other."""
        try:
            day, id_, sequence = text.split("_")
            return cls(date.fromisoformat(day), UUID(id_), int(sequence) % 2**31)
        except ValueError:
            return None


FIRST_PLACE = RowPlace(date.max, UUID(int=2**128 - 1), 2**31 - 1)


@dataclass(frozen=True, slots=True)
class OfferFilter:
    """Which offers: those of one agent on the days of the period, with one result or all."""

    period: StatPeriod
    agent: str
    count: OfferCount = "offered"


def counted_conversations(
    connection: Connection[Any], which: RowFilter, limit: int, after: RowPlace = FIRST_PLACE
) -> list[CountedConversation]:
    """Returns a page of the conversations behind `after`."""
    with connection.cursor(row_factory=class_row(CountedConversation)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from stat_contributions s left join conversations c on c.id = s.conversation_id "
            f"where {_condition(which)} and (day, conversation_id) < (%(after_day)s, %(after)s) "
            "order by day desc, conversation_id desc limit %(limit)s",
            {**_values(which), "after_day": after.day, "after": after.conversation_id, "limit": limit},
        ).fetchall()


def number_of_conversations(connection: Connection[Any], which: RowFilter) -> int:
    """Returns how many they are. O(conversations of the period, or of those left alone)."""
    row = connection.execute(
        f"select count(*) from stat_contributions s where {_condition(which)}", _values(which)
    ).fetchone()
    return row[0] if row else 0


def all_counted(connection: Connection[Any], which: RowFilter) -> Iterator[CountedConversation]:
    """Yields all of them, of one snapshot."""
    with one_snapshot(connection):
        after = FIRST_PLACE
        while page := counted_conversations(connection, which, 1000, after):
            yield from page
            after = RowPlace(page[-1].day, page[-1].conversation_id)


def counted_offers(
    connection: Connection[Any], which: OfferFilter, limit: int, after: RowPlace = FIRST_PLACE
) -> list[CountedOfferRow]:
    """Returns a page of the offers behind `after`."""
    with connection.cursor(row_factory=class_row(CountedOfferRow)) as cursor:
        return cursor.execute(
            "select conversation_id, s.sequence, day, at, s.phone_number_id, customer_name, wa_id, user_id, result "
            "from stat_offers s left join conversations c on c.id = s.conversation_id "
            f"where {_OFFERS} and (day, conversation_id, s.sequence) < (%(after_day)s, %(after)s, %(sequence)s) "
            "order by day desc, conversation_id desc, s.sequence desc limit %(limit)s",
            {
                **_offer_values(which),
                "after_day": after.day,
                "after": after.conversation_id,
                "sequence": after.sequence,
                "limit": limit,
            },
        ).fetchall()


def number_of_offers(connection: Connection[Any], which: OfferFilter) -> int:
    """Returns how many they are. O(offers to the agent)."""
    row = connection.execute(f"select count(*) from stat_offers s where {_OFFERS}", _offer_values(which)).fetchone()
    return row[0] if row else 0


_COLUMNS: LiteralString = (
    "conversation_id, day, hour, s.opened_at, s.phone_number_id, customer_name, wa_id, user_id, s.reason, s.outcome, "
    "assigned_s, word_s, listed_s, saved_by"
)
_COUNTS: dict[StatCount, LiteralString] = {
    "opened": "true",
    "unmanaged": "outcome <> 'never_listed'",
    "rescued": "outcome <> 'never_listed' and outcome = 'rescued'",
    "lost": "outcome <> 'never_listed' and outcome = 'lost'",
    "open": "outcome <> 'never_listed' and outcome = 'open'",
    "dismissed": "outcome <> 'never_listed' and outcome = 'dismissed'",
}
"""Each with the condition of the partial index."""
_TIMES: dict[TimeKind, LiteralString] = {
    "assignment": "assigned_s is not null",
    "first_word": "word_s is not null",
    "listed": "listed_s is not null",
}
_PERIOD: LiteralString = (
    "day between %(first)s and %(last)s and (%(number)s::text is null or s.phone_number_id = %(number)s)"
)
_OFFERS: LiteralString = f"{_PERIOD} and agent_id = %(agent)s and (%(result)s::text is null or result = %(result)s)"


def _condition(which: RowFilter) -> LiteralString:
    """Only what is asked for, so that the planner sees what an index has."""
    parts: list[LiteralString] = [_PERIOD, _COUNTS[which.count]]
    if which.count != "opened" and which.period.reason is not None:
        parts.append("s.reason = %(reason)s")
    if which.weekday is not None:
        parts.append("extract(isodow from day) = %(weekday)s")
    if which.hour is not None:
        parts.append("hour = %(hour)s")
    if which.time is not None:
        parts.append(_TIMES[which.time])
    if which.step is not None:
        parts.append("left_step = %(step)s" if which.left else "%(step)s = any(steps)")
    if which.rule is not None:
        parts.append("%(rule)s = any(rules)")
        if which.saved:
            parts.append("saved_by = 'rule:' || %(rule)s")
    return " and ".join(parts)


def _values(which: RowFilter) -> dict[str, object]:
    return {
        **which.period.parameters,
        "weekday": which.weekday,
        "hour": which.hour,
        "step": which.step,
        "rule": which.rule,
    }


def _offer_values(which: OfferFilter) -> dict[str, object]:
    result = None if which.count == "offered" else which.count
    return {**replace(which.period, reason=None).parameters, "agent": which.agent, "result": result}


class DayRow(NamedTuple):
    """What was counted on a day, of one number and reason."""

    day: date
    phone_number_id: str
    reason: str
    opened: int
    touched: int
    unmanaged: int
    rescued: int
    lost: int
    open: int
    dismissed: int


def day_rows(connection: Connection[Any], period: StatPeriod) -> Sequence[DayRow]:
    """Returns all cells of the days of a period, in order."""
    with connection.cursor(row_factory=class_row(DayRow)) as cursor:
        return cursor.execute(
            "select day, phone_number_id, reason, opened, touched, unmanaged, rescued, lost, open, dismissed "
            "from stat_hours where day between %(first)s and %(last)s and opened > 0 "
            "and phone_number_id <> '' and (%(number)s::text is null or phone_number_id = %(number)s) "
            "and (%(reason)s::text is null or reason = %(reason)s) order by day, phone_number_id, reason",
            period.parameters,
        ).fetchall()
