"""What is wrong with what rules do, for `witiop doctor`. Raises psycopg errors."""

from datetime import timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection


class FailedActs(NamedTuple):
    """Actions that were refused, and those of which nothing is known."""

    refused: int
    unknown: int


def failed_acts(connection: Connection[Any], within: timedelta) -> FailedActs:
    """Returns how many actions of a time until now were not done. O(actions of that time)."""
    found = connection.execute(
        "select count(*) filter (where state = 'refused'), count(*) filter (where state = 'unknown') "
        "from rule_acts where at > now() - %s",
        [within],
    ).fetchone()
    assert found is not None
    return FailedActs(*found)


def unseen(connection: Connection[Any], late: timedelta) -> int:
    """Returns how many conversations on the list changed so long ago, or were due so long ago, and rules have not
    looked at them. O(active conversations on the list)."""
    found = connection.execute(_UNSEEN, {"late": late}).fetchone()
    return found[0] if found is not None else 0


_UNSEEN: LiteralString = """
select count(*) from conversations c left join rule_watch w on w.conversation_id = c.id
where c.unmanaged and c.status = 'a' and c.last_at < now() - %(late)s and (w.conversation_id is null
  or w.entries <> c.entries or w.due_at > '-infinity' and w.due_at < now() - %(late)s)
"""
