"""What a supervisor's lists are restricted to (`domain.routing.supervision`). Raises psycopg errors."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.sql import SQL

from domain.routing.supervision import Supervision

SUPERVISED = SQL(
    "and ((owner_kind = 's' and owner_id = any(%(skillsets)s::text[])) "
    "or (owner_kind = 'u' and owner_id = any(%(users)s::text[])) "
    "or ((unmanaged or dismissed_as is not null) and phone_number_id = any(%(of_menus)s::text[])))"
)
"""The condition for any conversation, as `Supervision.covers`."""
WITHIN = {True: SUPERVISED, False: SQL("")}
"""By whether a list belongs to a supervisor."""


def values_within(within: Supervision | None) -> dict[str, object]:
    """The parameters of `SUPERVISED`."""
    if within is None:
        return {}
    return {
        "skillsets": list(within.skillsets),
        "users": list(within.users),
        "of_menus": list(within.numbers),
    }


def supervised_among(conn: Connection[Any], ids: Collection[UUID], within: Supervision) -> set[UUID]:
    """Those of these conversations that are supervised."""
    found = conn.execute(
        SQL("select id from conversations where id = any(%(ids)s) {}").format(SUPERVISED),
        {"ids": list(ids), **values_within(within)},
    )
    return {id_ for (id_,) in found}
