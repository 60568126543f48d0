"""What Meta charges for a campaign's messages, as its statuses say. Raises psycopg errors."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays


class ChargeKey(NamedTuple):
    """What is charged alike. `country`: of the phone, empty: unknown; `category`: as Meta charges it."""

    campaign_id: UUID
    country: str
    category: str
    billable: bool


class Charges:
    """Messages of campaigns whose price became known in a transaction; written once, last."""

    def __init__(self) -> None:
        self._found: dict[ChargeKey, int] = {}

    def add(self, campaign: UUID, country: str, pricing: Mapping[str, Any]) -> None:
        """Notes a message. `pricing`: as in Meta's first status that has one."""
        category = pricing.get("category")
        billable = pricing.get("billable") is not False and pricing.get("type") in (None, "regular")
        key = ChargeKey(campaign, country, category if isinstance(category, str) else "", billable)
        self._found[key] = self._found.get(key, 0) + 1

    def write(self, connection: Connection[Any]) -> None:
        """Adds them to the counters, sorted by key: many transactions update the same few rows."""
        rows = sorted((*key, n) for key, n in self._found.items())
        if rows:
            connection.execute(
                "insert into campaign_charges (campaign_id, country, category, billable, n) select * from "
                "unnest(%b::uuid[], %b::text[], %b::text[], %b::boolean[], %b::bigint[]) order by 1, 2, 3, 4 "
                "on conflict (campaign_id, country, category, billable) "
                "do update set n = campaign_charges.n + excluded.n",
                column_arrays(rows),
            )


def charges_of(connection: Connection[Any], campaign: UUID) -> list[tuple[ChargeKey, int]]:
    """Returns the counts of a campaign's charged and free messages. O(countries and categories)."""
    rows = connection.execute(
        "select campaign_id, country, category, billable, n from campaign_charges where campaign_id = %b "
        "order by country, category, billable",
        [campaign],
    ).fetchall()
    return [(ChargeKey(*row[:4]), row[4]) for row in rows]
