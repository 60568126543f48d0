"""Finds recipients of a campaign by their phone. Raises psycopg errors."""

from typing import Any

from psycopg import Connection

from domain.campaigns.campaign import Campaign


def row_of_phone(connection: Connection[Any], campaign: Campaign, key: str) -> int | None:
    """Returns the row of the recipient with a phone, as a key; None: there is none, or the campaign is not planned yet.
    O(1): who is a recipient is a customer with this phone, or the phone itself."""
    row = connection.execute(
        "select row_no from recipients where campaign_id = %(campaign)b and person = any(array["
        "%(key)b, (select coalesce(m.merged_into, m.id)::text from identities i "
        "join customers m on m.id = i.customer_id where i.phone_number_id = %(number)b and i.kind = 'w' "
        "and i.value = %(key)b)]) order by row_no limit 1",
        {"campaign": campaign.id, "key": key, "number": campaign.phone_number_id},
    ).fetchone()
    return row[0] if row is not None else None
