"""What the database says of the steps of setting an installation up. Reads small tables, and an index for each number.
Raises psycopg errors."""

from typing import Any, LiteralString

from psycopg import Connection

from domain.setup.seen import SetupAccount, SetupNumber, SetupRecord
from infra.postgres.connections.clock import database_now
from infra.postgres.setup.sightings import sightings

_ADMINISTRATORS: LiteralString = (
    "select count(*) from sign_ins i left join users u on u.id = i.name "
    "where coalesce(i.level, u.level) = 'tenant_administrator' and i.disabled_at is null"
)
_NUMBERS: LiteralString = (
    "select phone_number_id, coalesce(nullif(n.name, ''), nullif(g.display, ''), ''), n.phone_number_id is not null, "
    "g.phone_number_id is not null, c.phone_number_id is not null "
    "from (select phone_number_id from numbers union select phone_number_id from graph_numbers "
    "union select phone_number_id from unmanaged_counts union select name from sightings where kind = 'message') k "
    "left join numbers n using (phone_number_id) left join graph_numbers g using (phone_number_id) "
    "left join (select distinct phone_number_id from unmanaged_counts) c using (phone_number_id) order by 1"
)
_ACCOUNTS: LiteralString = (
    "select account_id, synchronised_at, failure, case when subscribed is not null "
    "then coalesce(apps, case when subscribed then array['?'] else '{}' end) end, clock_ahead "
    "from graph_accounts order by account_id"
)
_REST: LiteralString = (
    "select (select max(version) from directory_version), (select count(*) from users), "
    "(select count(*) from templates), "
    "(select max(requested_at) from mails where state = 'sent'), "
    "(select settled_at from (select state, settled_at from media limit 1000) m where state = 'stored' limit 1)"
)
"""Of the files some of the first are looked at: there may be millions, and one that is stored shows that it works."""


def setup_record(connection: Connection[Any]) -> SetupRecord:
    """Returns what the database says now."""
    (administrators,) = connection.execute(_ADMINISTRATORS).fetchone() or (0,)
    version, users, templates, mailed_at, fetched_at = connection.execute(_REST).fetchone() or (None, 0, 0, None, None)
    return SetupRecord(
        now=database_now(connection),
        sightings=sightings(connection),
        administrators=administrators,
        version=version or 0,
        users=users,
        numbers=[SetupNumber(*row) for row in connection.execute(_NUMBERS).fetchall()],
        accounts=[SetupAccount(*row) for row in connection.execute(_ACCOUNTS).fetchall()],
        templates=templates,
        mailed_at=mailed_at,
        fetched_at=fetched_at,
    )
