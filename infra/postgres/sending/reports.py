"""What Meta's webhooks report about templates, numbers and accounts. A report counts until a later synchronisation, so
templates and numbers are read with what was reported since. Raises psycopg errors."""

from collections.abc import Iterable
from typing import Any, LiteralString

from psycopg import Connection

from domain.sending.reports import Report
from infra.postgres.connections.arrays import column_arrays

_SINCE: LiteralString = (
    "(select r.value from meta_reports r where r.account_id = {0}.account_id and r.kind = '{1}' and r.name = {2} "
    "and r.language = {3} and r.aspect = '{4}' and r.at + interval '1 second' > {0}.synchronised_at)"
)
"""What was reported since the synchronisation; null: nothing. Meta's times are cut to whole seconds."""


def _template(aspect: LiteralString) -> LiteralString:
    return _SINCE.format("t", "template", "t.name", "t.language", aspect)


def _number(aspect: LiteralString) -> LiteralString:
    return _SINCE.format("g", "number", "g.phone", "''", aspect)


TEMPLATES: LiteralString = (
    "(select t.account_id, t.name, t.language, coalesce("
    + _template("status")
    + ", t.status) as status, coalesce("
    + _template("category")
    + ", t.category) as category, t.parameter_format, t.components, coalesce("
    + _template("quality")
    + ", t.quality, 'UNKNOWN') as quality, t.ttl_seconds from templates t)"
)
"""Subquery for the templates as Meta last said."""

THROUGHPUT: LiteralString = "coalesce(" + _number("throughput") + "::integer, g.throughput, 80)"
"""Messages a second of a number `g` of `graph_numbers`."""

PEOPLE_PER_DAY: LiteralString = (
    "nullif(coalesce((select r.value from meta_reports r "
    "where r.account_id = g.account_id and (r.kind, r.name) in (('number', g.phone), ('account', '')) "
    "and r.language = '' and r.aspect = 'people_per_day' and r.at + interval '1 second' > g.synchronised_at "
    "order by r.at desc limit 1), g.people_per_day::text), 'unlimited')::integer"
)
"""Whom templates may reach in 24 hours from a number `g` of `graph_numbers`; null: no limit is known."""

NUMBERS: LiteralString = (
    "(select g.phone_number_id, g.account_id, g.display, g.name, coalesce("
    + _number("quality")
    + ", g.quality) as quality, "
    + THROUGHPUT
    + " as throughput, "
    + PEOPLE_PER_DAY
    + " as people_per_day from graph_numbers g)"
)
"""Subquery for the numbers as Meta last said."""


def write_reports(connection: Connection[Any], reports: Iterable[Report]) -> None:
    """Stores what was reported, unless something later was: neither the order nor the repetition of reports matters."""
    latest: dict[tuple[str, ...], Report] = {}
    for report in reports:
        known = latest.get(report[:5])
        if known is None or (report.at, report.id) > (known.at, known.id):
            latest[report[:5]] = report
    rows = [latest[key] for key in sorted(latest)]
    if rows:
        connection.execute(
            "insert into meta_reports as r (account_id, kind, name, language, aspect, value, at, input_id) "
            "select * from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], "
            "%b::timestamptz[], %b::uuid[]) on conflict (account_id, kind, name, language, aspect) do update set "
            "value = excluded.value, at = excluded.at, input_id = excluded.input_id "
            "where (excluded.at, excluded.input_id) > (r.at, r.input_id)",
            column_arrays(rows),
        )
