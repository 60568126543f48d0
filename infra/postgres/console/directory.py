"""What the pages of the directory tell of it: numbers that are missing in it, and what a removal does. Functions raise
psycopg errors."""

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from psycopg import Connection

from domain.setup.sightings import TEST_NUMBER


class SeenNumber(NamedTuple):
    """A number that is not in the directory and that customers wrote to, or that Meta named. `display`, `name`: as Meta
    says; `unmanaged`: conversations of it on the list, active and closed."""

    phone_number_id: str
    display: str | None
    name: str | None
    unmanaged: int


class OwnedConversations(NamedTuple):
    """Active conversations of a user or skillset. `returned`: those that a removal takes back to the list; `kept`:
    those in which somebody has written to the customer, which a removal leaves alone."""

    kind: Literal["user", "skillset"]
    id: str
    returned: int
    kept: int


def seen_numbers(conn: Connection[Any]) -> list[SeenNumber]:
    """The numbers that are not in the directory, those with most conversations first, without that of Meta's test
    button. Reads a row for each number, status and reason."""
    return [
        SeenNumber(*row)
        for row in conn.execute(
            """
            select k.phone_number_id, g.display, nullif(g.name, ''), coalesce(c.n, 0)
            from (
              select phone_number_id from unmanaged_counts union select phone_number_id from graph_numbers
              union select name from sightings where kind = 'message'
            ) k
            left join (select phone_number_id, sum(n)::bigint as n from unmanaged_counts group by 1) c
              using (phone_number_id)
            left join graph_numbers g using (phone_number_id)
            where k.phone_number_id <> %s
              and not exists (select from numbers n where n.phone_number_id = k.phone_number_id)
            order by 4 desc, 1
            """,
            [TEST_NUMBER],
        )
    ]


def shown_phones(conn: Connection[Any]) -> dict[str, str]:
    """Phone number id -> the phone, as Meta shows it."""
    return dict(conn.execute("select phone_number_id, display from graph_numbers").fetchall())


def owned_conversations(
    conn: Connection[Any], users: Collection[str], skillsets: Collection[str]
) -> list[OwnedConversations]:
    """What these users and skillsets have; those that have nothing are missing. O(their active conversations)."""
    return [
        OwnedConversations(*row)
        for row in conn.execute(
            """
            select 'user', owner_id, count(*) filter (where not managed), count(*) filter (where managed)
            from conversations where status = 'a' and owner_kind = 'u' and owner_id = any(%(users)s::text[])
            group by owner_id
            union all
            select 'skillset', owner_id, count(*), 0
            from conversations where status = 'a' and owner_kind = 's' and owner_id = any(%(skillsets)s::text[])
            group by owner_id
            order by 1 desc, 2
            """,
            {"users": list(users), "skillsets": list(skillsets)},
        )
    ]
