"""How many recipients of a campaign are in which state. Every change of recipients is counted in its own transaction,
so a page never counts them. Raises psycopg errors."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.connections.arrays import column_arrays


class CountKey(NamedTuple):
    """What is counted. `reason`: empty for none."""

    campaign_id: UUID
    wave: int
    variant: int
    state: str
    reason: str


class RecipientCount(NamedTuple):
    """So many recipients of a campaign are in a state."""

    wave: int
    variant: int
    state: str
    reason: str
    n: int


class Moves:
    """How many recipients enter and leave states in a transaction; written once, last."""

    def __init__(self) -> None:
        self._moved: dict[CountKey, int] = {}

    def add(self, key: CountKey, n: int = 1) -> None:
        """Notes that `n` recipients enter a state, or leave it if `n` is negative."""
        self._moved[key] = self._moved.get(key, 0) + n

    def write(self, connection: Connection[Any]) -> None:
        """Adds them to the counters, sorted by key: many transactions update the same few rows."""
        rows = sorted((*key, n) for key, n in self._moved.items() if n)
        if rows:
            connection.execute(
                "insert into campaign_counts (campaign_id, wave, variant, state, reason, n) "
                "select * from unnest(%b::uuid[], %b::smallint[], %b::smallint[], %b::text[], %b::text[], %b::bigint[])"
                " order by 1, 2, 3, 4, 5 "
                "on conflict (campaign_id, wave, variant, state, reason) "
                "do update set n = campaign_counts.n + excluded.n",
                column_arrays(rows),
            )


def counts_of(connection: Connection[Any], campaign: UUID) -> list[RecipientCount]:
    """Returns the counts of a campaign's recipients, those above 0. O(states and reasons)."""
    with connection.cursor(row_factory=class_row(RecipientCount)) as cursor:
        return cursor.execute(
            "select wave, variant, state, reason, n from campaign_counts where campaign_id = %b and n > 0 "
            "order by wave, variant, state, reason",
            [campaign],
        ).fetchall()


def wrong_counts(connection: Connection[Any], campaigns: Iterable[UUID]) -> list[UUID]:
    """Returns those of the campaigns whose counters differ from their recipients. O(recipients): for `witiop doctor`
    and tests."""
    rows = connection.execute(
        "with counted as (select campaign_id, wave, variant, state, coalesce(reason, '') as reason, count(*) as n "
        "from recipients where campaign_id = any(%(campaigns)b::uuid[]) group by 1, 2, 3, 4, 5) "
        "select distinct coalesce(c.campaign_id, k.campaign_id) from counted c full join "
        "(select * from campaign_counts where campaign_id = any(%(campaigns)b::uuid[]) and n <> 0) k "
        "using (campaign_id, wave, variant, state, reason) where c.n is distinct from k.n",
        {"campaigns": [*campaigns]},
    ).fetchall()
    return [row[0] for row in rows]
