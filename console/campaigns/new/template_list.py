"""The first step of a new campaign: the templates of a number, those that can be sent first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from werkzeug.datastructures import MultiDict

from console.table.query import chosen_rows, cleaned
from console.words import folded
from domain.sending.templates import Template, preview
from infra.sheets.workbook import Cell


class TemplateChoices(NamedTuple):
    """What the templates of a number can be filtered by."""

    status: Sequence[str]
    quality: Sequence[str]
    category: Sequence[str]
    language: Sequence[str]


@dataclass(frozen=True, slots=True)
class TemplateQuery:
    """The query of the address. `skip`: how many rows stand before this page."""

    number: str = ""
    q: str = ""
    status: str = ""
    quality: str = ""
    category: str = ""
    language: str = ""
    rows: int | None = None
    skip: int = 0

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address. Invalid values are ignored."""
        skip = given.get("skip", "")
        texts = {
            name: cleaned(given.get(name)) for name in ("number", "q", "status", "quality", "category", "language")
        }
        return cls(
            **texts,
            rows=chosen_rows(given.get("rows")),
            skip=int(skip) if skip.isascii() and skip.isdecimal() and len(skip) < 7 else 0,
        )

    @property
    def filters(self) -> int:
        """How many filters are set, without the search."""
        return sum(map(bool, (self.status, self.quality, self.category, self.language)))

    def args(self, **changes: object) -> dict[str, Any]:
        """Arguments for `url_for`, without defaults. Any change leads to the first page."""
        moved = replace(self, **({"skip": 0} | changes))  # type: ignore[arg-type]  # templates pass names of fields
        names = ("number", "q", "status", "quality", "category", "language", "rows", "skip")
        return {name: value for name in names if (value := getattr(moved, name))}


def matching(templates: Iterable[Template], query: TemplateQuery) -> list[Template]:
    """The templates that match, those that can be sent first, then by name and language."""
    words = folded(query.q).split()
    found = [
        each
        for each in templates
        if query.status in ("", each.status)
        and query.quality in ("", each.quality)
        and query.category in ("", each.category)
        and query.language in ("", each.language)
        and all(word in folded(f"{each.name} {preview(each)}") for word in words)
    ]
    return sorted(found, key=lambda each: (not each.is_sendable, each.name, each.language))


def choices_of(templates: Iterable[Template]) -> TemplateChoices:
    """What there is to filter by."""
    of = list(templates)
    return TemplateChoices(
        sorted({each.status for each in of}),
        sorted({each.quality for each in of}),
        sorted({each.category for each in of}),
        sorted({each.language for each in of}),
    )


def template_rows(templates: Iterable[Template]) -> Iterator[Sequence[Cell]]:
    """The rows of the workbook."""
    for each in templates:
        buttons = ", ".join(str(button.get("text", "")) for button in each.buttons)
        yield [each.name, each.language, each.category, each.status, each.quality, preview(each), buttons]
