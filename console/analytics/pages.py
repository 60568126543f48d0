"""`/analytics`, the list of the rows that a number counts, and both as workbooks."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.analytics.query import PERIODS, AnalyticsQuery, CellQuery
from console.analytics.view import AnalyticsView, duration, hours, reason_name
from console.campaigns.workbooks import download_workbook
from console.dependencies import Dependencies
from console.phrases import actor_name, rule_name, user_name
from console.request import person, translated, words
from console.table.query import ROWS
from console.words import phone
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.statistics.campaigns import answers_to_campaigns
from infra.postgres.statistics.numbers import numbers_of
from infra.postgres.statistics.rows import (
    FIRST_PLACE,
    CountedConversation,
    RowPlace,
    all_counted,
    counted_conversations,
    counted_offers,
    day_rows,
    number_of_conversations,
    number_of_offers,
)
from infra.sheets.workbook import Cell

_OUTCOMES = {
    "never_listed": gettext_noop("not left alone"),
    "open": gettext_noop("not decided yet"),
    "rescued": gettext_noop("rescued"),
    "lost": gettext_noop("lost"),
    "dismissed": gettext_noop("dismissed"),
}
_OFFERS = {
    "open": gettext_noop("not answered yet"),
    "accepted": gettext_noop("accepted"),
    "declined": gettext_noop("declined"),
    "lapsed": gettext_noop("not answered in time"),
    "withdrawn": gettext_noop("withdrawn"),
}
_DAY_COLUMNS = (
    (gettext_noop("Day, at the number's place"), 26),
    (gettext_noop("Time zone"), 20),
    (gettext_noop("Number"), 20),
    (gettext_noop("Number id"), 20),
    (gettext_noop("Why"), 24),
    (gettext_noop("Opened"), 10),
    (gettext_noop("With a human word"), 18),
    (gettext_noop("Left alone"), 12),
    (gettext_noop("Rescued"), 10),
    (gettext_noop("Lost"), 10),
    (gettext_noop("Not decided yet"), 16),
    (gettext_noop("Dismissed"), 12),
)
_ROW_COLUMNS = (
    (gettext_noop("First message at"), 30),
    (gettext_noop("Customer"), 24),
    (gettext_noop("Phone"), 16),
    (gettext_noop("User id"), 24),
    (gettext_noop("Number"), 20),
    (gettext_noop("Why"), 24),
    (gettext_noop("What became of it"), 20),
    (gettext_noop("Seconds to assignment"), 20),
    (gettext_noop("Seconds to the first human word"), 26),
    (gettext_noop("Seconds on the list"), 20),
    (gettext_noop("Rescued by"), 24),
    (gettext_noop("Conversation"), 38),
)


def analytics_pages(deps: Dependencies) -> Blueprint:
    """`/analytics`, `/analytics/rows`, and their downloads."""
    pages = Blueprint("analytics", __name__)

    @pages.get("/analytics")
    @gate.open_to("overview")
    def show() -> ResponseReturnValue:
        query = AnalyticsQuery.read(request.args)
        with deps.connection() as conn:
            directory = deps.directory(conn)
            view = AnalyticsView(
                query, numbers_of(conn, query.period), answers_to_campaigns(conn, query.period), directory
            )
        return render_template(
            "analytics/page.html",
            page=view,
            query=query,
            directory=directory,
            periods=_periods(),
            duration=duration,
            hours=hours,
        )

    @pages.get("/analytics/rows")
    @gate.open_to("overview")
    def rows() -> ResponseReturnValue:
        query = CellQuery.read(request.args)
        per_page, after = query.per_page or person().page_rows, query.after or FIRST_PLACE
        with deps.connection() as conn:
            directory = deps.directory(conn)
            if query.offers is not None:
                total = number_of_offers(conn, query.offers)
                offers = counted_offers(conn, query.offers, per_page + 1, after)
                places = [RowPlace(each.day, each.conversation_id, each.sequence) for each in offers]
                found: Sequence[object] = offers[:per_page]
            else:
                total = number_of_conversations(conn, query.rows)
                conversations = counted_conversations(conn, query.rows, per_page + 1, after)
                places = [RowPlace(each.day, each.conversation_id) for each in conversations]
                found = conversations[:per_page]
        return render_template(
            "analytics/rows.html",
            query=query,
            found=found,
            total=total,
            next=str(places[per_page - 1]) if len(places) > per_page else None,
            what=_what(query, directory),
            directory=directory,
            choices=ROWS,
            rows=per_page,
            outcome=lambda value: _known(_OUTCOMES, value),
            result=lambda value: _known(_OFFERS, value),
            reason_name=reason_name,
            duration=duration,
        )

    @pages.get("/analytics.xlsx")
    @gate.open_to("overview")
    def days_file() -> ResponseReturnValue:
        query = AnalyticsQuery.read(request.args)
        with deps.connection() as conn:
            directory = deps.directory(conn)
        title = translated(gettext_noop("What was left alone"))
        columns = [(translated(name), width) for name, width in _DAY_COLUMNS]
        return download_workbook(
            deps, "analytics", title, columns, lambda conn: _days(conn, query, directory), what="analytics"
        )

    @pages.get("/analytics/rows.xlsx")
    @gate.open_to("overview")
    def rows_file() -> ResponseReturnValue:
        query = CellQuery.read(request.args)
        with deps.connection() as conn:
            directory = deps.directory(conn)
        columns = [(translated(name), width) for name, width in _ROW_COLUMNS]
        columns[0] = (f"{columns[0][0]} ({words().zone.key})", columns[0][1])
        return download_workbook(
            deps,
            "analytics-rows",
            translated(gettext_noop("Conversations")),
            columns,
            lambda conn: (_row(each, directory) for each in all_counted(conn, query.rows)),
            what="rows of analytics",
        )

    return pages


def _known(texts: Mapping[str, str], value: str) -> str:
    """The text of a value; the value itself if a later version wrote it."""
    return translated(texts[value]) if value in texts else value


def _periods() -> list[tuple[str, str]]:
    names = (gettext_noop("7 days"), gettext_noop("30 days"), gettext_noop("13 weeks"))
    return [(value, translated(name)) for value, name in zip(PERIODS, names, strict=True)]


def _what(query: CellQuery, directory: Directory) -> str:
    """What the rows have in common, in words."""
    rows, days = query.rows, words().locale.days["format"]["wide"]
    counts = {
        "opened": gettext_noop("opened"),
        "unmanaged": gettext_noop("left alone"),
        "offered": gettext_noop("offered"),
        **{name: text for name, text in (*_OUTCOMES.items(), *_OFFERS.items()) if name not in ("never_listed", "open")},
        "open": _OUTCOMES["open"],
    }
    times = {
        "assignment": gettext_noop("assigned to an agent"),
        "first_word": gettext_noop("with a human word"),
        "listed": gettext_noop("were on the list"),
    }
    parts = [translated(counts[query.offers.count if query.offers else rows.count])]
    if query.offers is not None:
        parts.append(user_name(directory, query.offers.agent))
    if rows.time is not None:
        parts = [translated(times[rows.time])]
    if query.of.reason and rows.count != "opened" and query.offers is None:
        parts.append(reason_name(query.of.reason))
    if rows.weekday is not None:
        parts.append(days[rows.weekday - 1])
    if rows.hour is not None:
        parts.append(f"{rows.hour:02}:00")
    if rows.step is not None:
        parts.append(
            translated(gettext_noop("left at this step of the menu") if rows.left else gettext_noop("shown this step"))
        )
    if rows.rule is not None:
        text = gettext_noop("rescued by the rule %(name)s") if rows.saved else gettext_noop("the rule %(name)s acted")
        parts.append(translated(text) % {"name": rule_name(directory, rows.rule)})
    if query.of.number:
        parts.append(directory.number(query.of.number).name or query.of.number)
    return ", ".join(parts)


def _days(conn: Connection[object], query: AnalyticsQuery, directory: Directory) -> Iterator[Sequence[Cell]]:
    for each in day_rows(conn, query.period):
        number = directory.number(each.phone_number_id)
        yield [
            datetime.combine(each.day, time()),
            number.time_zone,
            number.name or None,
            each.phone_number_id,
            reason_name(each.reason) if each.reason else None,
            *each[3:],
        ]


def _row(each: CountedConversation, directory: Directory) -> Sequence[Cell]:
    return [
        words().local(each.opened_at).replace(tzinfo=None, microsecond=0),
        each.customer_name,
        phone(each.wa_id) if each.wa_id else None,
        each.user_id,
        directory.number(each.phone_number_id).name or each.phone_number_id,
        reason_name(each.reason) if each.reason else None,
        _known(_OUTCOMES, each.outcome),
        each.assigned_s,
        each.word_s,
        each.listed_s,
        actor_name(directory, each.saved_by) if each.saved_by else None,
        str(each.conversation_id),
    ]
