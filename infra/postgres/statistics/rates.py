"""What was counted of the last days, by number. Raises psycopg errors."""

from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row


class NumberRates(NamedTuple):
    """What became of the conversations that began in the last 24 hours with a number."""

    phone_number_id: str
    opened: int
    unmanaged: int
    rescued: int
    lost: int


def of_last_day(connection: Connection[Any]) -> list[NumberRates]:
    """Returns the rates of each number to which somebody wrote; `other`: of all numbers together that are not in the
    directory. O(conversations of two days)."""
    with connection.cursor(row_factory=class_row(NumberRates)) as cursor:
        return cursor.execute(
            "select coalesce(n.phone_number_id, 'other') as phone_number_id, count(*) as opened, "
            "count(*) filter (where outcome <> 'never_listed') as unmanaged, "
            "count(*) filter (where outcome = 'rescued') as rescued, count(*) filter (where outcome = 'lost') as lost "
            "from stat_contributions s left join numbers n using (phone_number_id) "
            "where day >= current_date - 2 and opened_at > now() - interval '24 hours' group by 1 order by 1"
        ).fetchall()
