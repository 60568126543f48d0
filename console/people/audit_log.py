"""The audit log: who did what, on whom or on which conversation, when, and what came of it. Without any text of a
customer: what is shown of an entry is chosen here, field by field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Self, get_args
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console import phrases
from console.campaigns.history_query import day, midnight
from console.campaigns.workbooks import download_file, within_bounds
from console.dependencies import Dependencies
from console.people.audit_words import KIND_WORDS, about_words, act_words, result_words
from console.request import person, translated, words
from console.table.query import ROWS, chosen_rows, cleaned
from console.table.spreadsheet import csv_file
from domain.commands import RULE_ISSUER
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.console import audit_log
from infra.postgres.console.audit_log import AuditCursor, AuditFilter, AuditKind, LoggedAct
from infra.sheets.workbook import Cell, Sheet, workbook

_COLUMNS = (
    (gettext_noop("When"), 20),
    (gettext_noop("UTC offset"), 12),
    (gettext_noop("Who"), 24),
    (gettext_noop("What"), 40),
    (gettext_noop("About"), 40),
    (gettext_noop("Result"), 40),
    (gettext_noop("Network address"), 18),
)
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The query of the address. `since`, `until`: days, both included; `rows` None: the person's preference."""

    person: str = ""
    kind: AuditKind | None = None
    since: date | None = None
    until: date | None = None
    conversation: UUID | None = None
    rows: int | None = None
    after: AuditCursor | None = None

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address. Invalid values are ignored."""
        kind = given.get("kind")
        return cls(
            person=cleaned(given.get("person")),
            kind=next((each for each in get_args(AuditKind) if each == kind), None),
            since=day(given.get("since")),
            until=day(given.get("until")),
            conversation=given.get("conversation", type=UUID),
            rows=chosen_rows(given.get("rows")),
            after=AuditCursor.parse(given.get("after", "")),
        )

    @property
    def filter(self) -> AuditFilter:
        """The filter for the database; days are those of the page's time zone."""
        until = self.until + timedelta(days=1) if self.until and self.until < date.max else None
        return AuditFilter(
            self.person or None,
            self.kind,
            midnight(self.since) if self.since else None,
            midnight(until) if until else None,
            self.conversation,
        )

    @property
    def narrowed(self) -> bool:
        return bool(self.person or self.kind or self.since or self.until or self.conversation)

    def args(self, **changes: object) -> dict[str, Any]:
        """Arguments for `url_for`, without defaults. Any change leads to the first page."""
        moved = replace(self, **({"after": None} | changes))  # type: ignore[arg-type]  # templates pass names of fields
        found = {
            "person": moved.person,
            "kind": moved.kind,
            "since": moved.since and moved.since.isoformat(),
            "until": moved.until and moved.until.isoformat(),
            "conversation": moved.conversation,
            "rows": moved.rows,
            "after": moved.after and str(moved.after),
        }
        return {name: value for name, value in found.items() if value}


class ShownAct(NamedTuple):
    """An entry in words."""

    at: datetime
    who: str
    what: str
    about: str
    conversation: UUID | None
    result: str
    address: str


def audit_log_pages(deps: Dependencies) -> Blueprint:
    """`/audit`, `/audit.xlsx`, `/audit.csv`. For administrators."""
    pages = Blueprint("audit", __name__)

    @pages.get("/audit")
    def show() -> ResponseReturnValue:
        query = AuditQuery.read(request.args)
        rows = query.rows or person().page_rows
        with deps.connection() as conn:
            found = audit_log.page(conn, query.filter, rows, query.after)
            directory = deps.directory(conn)
        return render_template(
            "people/audit.html",
            query=query,
            rows=rows,
            choices=ROWS,
            acts=[_shown(each, directory) for each in found.rows],
            next=found.next,
            kinds=[(value, translated(text)) for value, text in KIND_WORDS.items()],
        )

    @pages.get("/audit.<any(xlsx, csv):file>")
    def download(file: str) -> ResponseReturnValue:
        query = AuditQuery.read(request.args)
        with deps.connection() as conn:
            directory = deps.directory(conn)
        title = translated(gettext_noop("Audit log"))
        columns = [(translated(name), width) for name, width in _COLUMNS]
        about = f"{title}, {words().moment(words().now)} ({words().zone.key})"
        sheet = Sheet(title, about, words().now, columns)

        def rows_of(conn: Connection[Any]) -> Iterator[Sequence[Cell]]:
            return _cells(audit_log.acts(conn, query.filter, _ROWS_AT_ONCE), directory)

        def parts(conn: Connection[Any]) -> Iterator[bytes]:
            lines = within_bounds(rows_of, conn)
            return csv_file([name for name, _ in columns], lines) if file == "csv" else workbook(sheet, lines)

        audited = {name: str(value) for name, value in query.args(rows=None).items()}
        return download_file(deps, "audit", parts, file, what="audit", filters=audited)

    return pages


def _shown(act: LoggedAct, directory: Directory) -> ShownAct:
    return ShownAct(
        act.at,
        _who(directory, act.person) if act.person else "–",
        act_words(act, directory),
        about_words(act),
        act.conversation_id,
        result_words(act),
        act.address or "",
    )


def _cells(acts: Iterator[LoggedAct], directory: Directory) -> Iterator[Sequence[Cell]]:
    zone = words().zone
    for act in acts:
        shown = _shown(act, directory)
        local = shown.at.astimezone(zone)
        about = " ".join(each for each in (shown.about, str(shown.conversation or "")) if each)
        moment = local.replace(tzinfo=None, microsecond=0)
        yield [moment, f"UTC{local.isoformat()[-6:]}", shown.who, shown.what, about, shown.result, shown.address]


def _who(directory: Directory, person: str) -> str:
    """Who did it, at the beginning of a line."""
    return (phrases.user_name if person.startswith(RULE_ISSUER) else phrases.actor_name)(directory, person)
