"""How many messages come in, which count for what a number may send. Each partition of the inbound topic has rows of
its own, so consumers never wait for each other. Raises psycopg errors."""

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays

MEAN_SECONDS = 10.0
"""What came in is forgotten within about this time."""

_FADED: LiteralString = (
    f"r.rate * exp(-least(extract(epoch from clock_timestamp() - r.at), 600)::float / {MEAN_SECONDS})"
)
"""A rate as it is now; exp of less than about -700 would be an error."""

INBOUND_RATE: LiteralString = (
    f"(select coalesce(sum({_FADED}), 0) from inbound_rates r where r.phone_number_id = l.phone_number_id)"
)
"""Messages a second that come in to the number of a lane `l`."""


def note_inbound(connection: Connection[Any], arrived: Mapping[tuple[str, int], int]) -> None:
    """Notes that messages have arrived just now. `arrived`: number and partition -> how many."""
    if not arrived:
        return
    rows = [(number, partition, messages / MEAN_SECONDS) for (number, partition), messages in sorted(arrived.items())]
    connection.execute(
        "insert into inbound_rates as r (phone_number_id, partition, rate, at) "
        "select t.*, clock_timestamp() from unnest(%b::text[], %b::integer[], %b::float[]) as t "
        f"on conflict (phone_number_id, partition) do update set rate = {_FADED} + excluded.rate, at = excluded.at",
        column_arrays(rows),
    )
