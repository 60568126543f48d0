"""What the outbound history shows, as its address says."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, Self, cast, get_args

from werkzeug.datastructures import MultiDict

from console.request import words
from console.table.query import chosen_rows, cleaned, cursor
from domain.campaigns.campaign import CAMPAIGN_STATES
from domain.sending.sends import SEND_STATES
from infra.postgres.campaigns.pages.history import HistoryFilter
from infra.postgres.lists.cursor import Cursor

HistoryOf = Literal["campaigns", "single"]
"""Campaigns, or templates that were sent to one customer."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """The query of the address. `since`, `until`: days, both included; `q`: a part of the name; `rows` None: the
    person's preference."""

    of: HistoryOf = "campaigns"
    state: str = ""
    number: str = ""
    q: str = ""
    since: date | None = None
    until: date | None = None
    rows: int | None = None
    after: Cursor | None = None

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address. Invalid values are ignored."""
        of, state = given.get("of"), given.get("state", "")
        which = cast(HistoryOf, of) if of in get_args(HistoryOf) else "campaigns"
        return cls(
            of=which,
            state=state if state in (CAMPAIGN_STATES if which == "campaigns" else SEND_STATES) else "",
            number=cleaned(given.get("number")),
            q=cleaned(given.get("q")),
            since=day(given.get("since")),
            until=day(given.get("until")),
            rows=chosen_rows(given.get("rows")),
            after=cursor(given.get("after")),
        )

    @property
    def filter(self) -> HistoryFilter:
        """The filter for the database; days are those of the page's time zone."""
        return HistoryFilter(
            (self.state,) if self.state else (),
            self.number or None,
            self.q,
            midnight(self.since) if self.since else None,
            midnight(self.until + timedelta(days=1)) if self.until and self.until < date.max else None,
        )

    @property
    def filters(self) -> int:
        """How many filters are set, without the search."""
        return sum(map(bool, (self.state, self.number, self.since, self.until)))

    def args(self, **changes: object) -> dict[str, Any]:
        """Arguments for `url_for`, without defaults. Any change leads to the first page."""
        moved = replace(self, **({"after": None} | changes))  # type: ignore[arg-type]  # templates pass names of fields
        found = {
            "of": moved.of if moved.of != "campaigns" else None,
            "state": moved.state,
            "number": moved.number,
            "q": moved.q,
            "since": moved.since and moved.since.isoformat(),
            "until": moved.until and moved.until.isoformat(),
            "rows": moved.rows,
            "after": moved.after and str(moved.after),
        }
        return {name: value for name, value in found.items() if value}


def day(text: str | None) -> date | None:
    """The day that an address names; None: it names none."""
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found and date(2000, 1, 1) <= found <= date(2200, 1, 1) else None


def midnight(day: date) -> datetime:
    """When a day begins in the time zone of the page."""
    return datetime.combine(day, time(), words().zone)
