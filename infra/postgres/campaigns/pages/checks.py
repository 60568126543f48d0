"""What people look at before they start a campaign: the first row with each problem, and test messages. Raises psycopg
errors."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.sending.sends import Send
from infra.postgres.sending.sends import SEND_COLUMNS, read


class FirstProblem(NamedTuple):
    """The first row with a problem. `place`: of the column, from 0; `value`: what stands there; `repeats`: the row that
    it repeats."""

    row_no: int
    repeats: int | None
    place: int | None
    value: str | None


def first_problems(connection: Connection[Any], campaign: UUID, reasons: Collection[str]) -> dict[str, FirstProblem]:
    """Returns reason -> the first row that is skipped for it. O(reasons)."""
    rows = connection.execute(
        "select k.reason, r.row_no, r.repeats, p.place, p.value from unnest(%(reasons)b::text[]) as k (reason) "
        "cross join lateral (select row_no, repeats from recipients where campaign_id = %(campaign)b "
        "and state = 'skipped' and reason = k.reason order by row_no limit 1) r "
        "left join lateral (select place, value from import_problems where campaign_id = %(campaign)b "
        "and row_no = r.row_no and problem = k.reason order by place limit 1) p on true",
        {"campaign": campaign, "reasons": [*reasons]},
    ).fetchall()
    return {row[0]: FirstProblem(*row[1:]) for row in rows}


def tests_of(connection: Connection[Any], campaign: UUID, most: int = 20) -> list[Send]:
    """Returns the latest test messages of a campaign, the latest first."""
    return read(
        connection,
        f"select {SEND_COLUMNS} from sends where id in (select send_id from campaign_tests where campaign_id = %b) "
        "order by requested_at desc, id desc limit %b",
        [campaign, most],
    )


def shows_heading(connection: Connection[Any], upload: UUID) -> bool:
    """Returns whether an uploaded file stands above the text of a campaign's messages. O(campaigns)."""
    row = connection.execute(
        "select exists (select from campaigns where %(upload)b in "
        "(source #>> '{file,mapping,values,header}', source #>> '{customers,values,header}'))",
        {"upload": str(upload)},
    ).fetchone()
    return row is not None and bool(row[0])
