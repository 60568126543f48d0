"""Finds recipients of a campaign by their phone. Raises psycopg errors."""

from typing import Any, LiteralString

from psycopg import Connection

from domain.campaigns.campaign import Campaign
from infra.postgres.conversations.holders import HOLDERS

_HOLDERS: LiteralString = HOLDERS.format(number="%(number)b", kind="'w'", value="%(key)b")


def row_of_phone(connection: Connection[Any], campaign: Campaign, key: str) -> int | None:
    """Returns the row of the recipient with a phone, as a key; None: there is none, or the campaign is not planned yet.
    O(1): who is a recipient is a customer who has or had this phone, or the phone itself."""
    row = connection.execute(
        "select row_no from recipients where campaign_id = %(campaign)b and person = any(array[%(key)b::text] || array("
        f"select coalesce(m.merged_into, m.id)::text from {_HOLDERS} h join customers m on m.id = h.customer_id)) "
        "order by row_no limit 1",
        {"campaign": campaign.id, "key": key, "number": campaign.phone_number_id},
    ).fetchone()
    return row[0] if row is not None else None
