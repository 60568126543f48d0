"""When things outside were last seen. Raises psycopg errors."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from psycopg import Connection

from domain.setup.sightings import Sighting, SightingKind
from infra.postgres.connections.arrays import column_arrays

_KINDS = frozenset(
    kind
    for part in get_args(SightingKind)
    for kind in (get_args(part) or (part,))  # a union of literals
)


def note_sightings(connection: Connection[Any], seen: Mapping[Sighting, datetime]) -> None:
    """Notes when things were seen. An earlier time changes nothing."""
    if not seen:
        return
    rows = [(*sighting, at) for sighting, at in sorted(seen.items())]
    connection.execute(
        "insert into sightings as s (kind, name, at) "
        "select * from unnest(%b::text[], %b::text[], %b::timestamptz[]) as t "
        "on conflict (kind, name) do update set at = excluded.at where excluded.at > s.at",
        column_arrays(rows),
    )


def sightings(connection: Connection[Any]) -> dict[Sighting, datetime]:
    """Returns when each thing was last seen. Reads a row for each number and field."""
    rows = connection.execute("select kind, name, at from sightings").fetchall()
    return {Sighting(kind, name): at for kind, name, at in rows if kind in _KINDS}
