"""What the list of opt-outs shows, as its address says."""

from dataclasses import dataclass, replace
from typing import Any, Self

from werkzeug.datastructures import MultiDict

from console.table.query import chosen_rows, cleaned, cursor
from domain.opt_outs.opt_out import ALL_NUMBERS, OPT_OUT_SOURCES, OptOutSource
from infra.postgres.lists.cursor import Cursor
from infra.postgres.opt_outs.listed import OptOutFilter

EVERY_NUMBER = "all"
"""In an address: only opt-outs that concern all numbers."""


@dataclass(frozen=True, slots=True)
class OptOutQuery:
    """The query of the address. `q`: a phone or user id; `rows` None: the person's preference."""

    number: str = ""
    source: OptOutSource | None = None
    q: str = ""
    ended: bool = False
    rows: int | None = None
    after: Cursor | None = None

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address. Invalid values are ignored."""
        source = given.get("source")
        return cls(
            number=cleaned(given.get("number")),
            source=next((each for each in OPT_OUT_SOURCES if each == source), None),
            q=cleaned(given.get("q")),
            ended=given.get("ended") == "1",
            rows=chosen_rows(given.get("rows")),
            after=cursor(given.get("after")),
        )

    @property
    def filter(self) -> OptOutFilter:
        """The filter for the database."""
        number = ALL_NUMBERS if self.number == EVERY_NUMBER else self.number or None
        return OptOutFilter(number, self.source, self.q or None, self.ended)

    @property
    def narrowed(self) -> bool:
        """Whether a filter is set or something is searched for."""
        return bool(self.number or self.source or self.q)

    def args(self, **changes: object) -> dict[str, Any]:
        """Arguments for `url_for`, without defaults. Any change leads to the first page."""
        moved = replace(self, **({"after": None} | changes))  # type: ignore[arg-type]  # templates pass names of fields
        found = {
            "number": moved.number,
            "source": moved.source,
            "q": moved.q,
            "ended": "1" if moved.ended else None,
            "rows": moved.rows,
            "after": moved.after and str(moved.after),
        }
        return {name: value for name, value in found.items() if value}
