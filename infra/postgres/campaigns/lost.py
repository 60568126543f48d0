"""Recipients of campaigns whose sends a restore of the database lost. Raises psycopg errors."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import kwargs_row

from domain.campaigns.recipients import CampaignRecipient
from infra.postgres.campaigns.recipients import COLUMNS
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.holders import HOLDERS

_PHONES: LiteralString = HOLDERS.format(number="t.number", kind="'w'", value="t.key")
_USERS: LiteralString = HOLDERS.format(number="t.number", kind="'u'", value="t.key")


class PostedThen(NamedTuple):
    """A post of a send that is not known any more. `attempt`: its number; `at`: when it was reported first."""

    attempt: int
    at: datetime


def possible_recipients(connection: Connection[Any], addresses: Collection[tuple[str, str]]) -> list[CampaignRecipient]:
    """Locks and returns recipients at these numbers and addresses (phone or user id) who are not known to have got
    their campaign's last message. Those that another process works on are left out. O(addresses * campaigns)."""
    if not addresses:
        return []
    columns = ", ".join(f"r.{column}" for column in COLUMNS.split(", "))
    with connection.cursor(row_factory=kwargs_row(CampaignRecipient)) as cursor:
        return cursor.execute(
            f"select {columns} from unnest(%b::text[], %b::text[]) as t (number, key) "
            "join campaigns k on k.phone_number_id = t.number and k.state not in ('importing', 'planning') "
            "cross join lateral (select t.key as person union select coalesce(m.merged_into, m.id)::text "
            f"from ({_PHONES} union {_USERS}) h join customers m on m.id = h.customer_id) p "
            "join recipients r on r.campaign_id = k.id and r.person = p.person "
            "where r.state in ('planned', 'deferred', 'failed', 'cancelled') and r.parameters is not null "
            "order by r.campaign_id, r.row_no for update of r skip locked",
            column_arrays(sorted(addresses)),
        ).fetchall()


def note_posted(connection: Connection[Any], posted: Mapping[UUID, PostedThen]) -> None:
    """Notes that sends, which were just stored again, had been posted, and that nobody knows with which outcome."""
    rows = [(send, *then) for send, then in posted.items()]
    if rows:
        connection.execute(
            "update sends s set state = 'unknown', attempt = t.attempt, claimed_at = t.at "
            "from unnest(%b::uuid[], %b::integer[], %b::timestamptz[]) as t (id, attempt, at) where s.id = t.id",
            column_arrays(rows),
        )
