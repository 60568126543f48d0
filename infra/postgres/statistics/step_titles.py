"""The titles of the options that lead to the steps of a menu. Raises psycopg errors."""

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays


def note_titles(connection: Connection[Any], titles: Iterable[tuple[str, str, str]]) -> None:
    """Notes number, step and title; the latest title stays."""
    rows = sorted({(number, step): (number, step, title) for number, step, title in titles}.values())
    if rows:
        connection.execute(
            "insert into stat_step_titles as s (phone_number_id, step, title) "
            "select * from unnest(%b::text[], %b::text[], %b::text[]) on conflict (phone_number_id, step) "
            "do update set title = excluded.title where s.title <> excluded.title",
            column_arrays(rows),
        )
