"""Lists that people saved under a name: their own, and those that are shared. Functions raise psycopg errors."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

MAX_NAME = 60
"""Maximum length of a name, in characters."""
MAX_SAVED = 50
"""The most lists of one person."""
MAX_SHARED = 50
"""More shared lists than this are not shown."""


class SavedList(NamedTuple):
    """A saved list. `query`: the query of its address; `owner`: who saved it; `shared`: everybody sees it."""

    id: UUID
    owner: str
    name: str
    query: str
    shared: bool


def saved_lists(conn: Connection[Any], person: str) -> list[SavedList]:
    """Returns a person's own lists, and those that others share, each by name."""
    found = conn.execute(
        "(select id, owner, name, query, shared from saved_lists where owner = %(me)s order by name limit %(own)s) "
        "union all (select id, owner, name, query, shared from saved_lists where shared and owner <> %(me)s "
        "order by name, id limit %(shared)s)",
        {"me": person, "own": MAX_SAVED, "shared": MAX_SHARED},
    )
    return [SavedList(*row) for row in found]


def save_list(conn: Connection[Any], id_: UUID, person: str, name: str, query: str, *, shared: bool) -> bool:
    """Saves a list; one of the person with this name is replaced. False: they have `MAX_SAVED`."""
    return bool(
        conn.execute(
            "insert into saved_lists (id, owner, name, query, shared) "
            "select %(id)s, %(me)s, %(name)s, %(query)s, %(shared)s where %(most)s > "
            "(select count(*) from saved_lists where owner = %(me)s and name <> %(name)s) "
            "on conflict (owner, name) do update set query = excluded.query, shared = excluded.shared",
            {"id": id_, "me": person, "name": name, "query": query, "shared": shared, "most": MAX_SAVED},
        ).rowcount
    )


def delete_list(conn: Connection[Any], id_: UUID, person: str, *, others: bool) -> str | None:
    """Deletes a list of the person, and with `others` also one that somebody else shares. Returns its name; None: there
    is none."""
    found = conn.execute(
        "delete from saved_lists where id = %s and (owner = %s or (%s and shared)) returning name",
        (id_, person, others),
    ).fetchone()
    return str(found[0]) if found is not None else None
