"""Campaigns with many recipients, as their plan leaves them."""

from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from domain.campaigns.campaign import Campaign, CampaignState
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.connections.clock import database_now
from infra.postgres.sending.library import StoredLibrary

TEMPLATE, LANGUAGE = "order_update", "en"


def store_campaign(
    connection: Connection[Any], number: str, people: int, state: CampaignState = "running", first: int = 0
) -> Campaign:
    """Stores a campaign of a number with so many planned recipients, strangers whose phones are counted from `first`.
    Its template must have been read from Meta before."""
    template = StoredLibrary(connection).template(number, TEMPLATE, LANGUAGE)
    assert template is not None
    now = database_now(connection)
    campaign = Campaign(
        id=uuid4(),
        name="Autumn",
        phone_number_id=number,
        account_id=template.account_id,
        source={"file": {"file_id": str(UUID(int=0)), "mapping": {"phone": 0}}},
        into_active=False,
        terms={"canary": 0},
        actor="bench",
        created_at=now,
        state=state,
        started_at=now,
        zones={"UTC": people},
    )
    with connection.transaction():
        campaigns.create(connection, campaign, [template])
        connection.execute(
            "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, person, "
            "parameters, zone, state) select %(id)s, n + 2, %(number)s, phone, 'phone', phone, phone, %(parameters)s, "
            "'UTC', 'planned' from (select n, '39344' || lpad((n + %(first)s)::text, 7, '0') as phone "
            "from generate_series(0, %(people)s - 1) n) p",
            {
                "id": campaign.id,
                "number": number,
                "parameters": Jsonb(dict.fromkeys(template.variables, "Ada")),
                "people": people,
                "first": first,
            },
        )
        moves = Moves()
        moves.add(CountKey(campaign.id, 1, 0, "planned", ""), people)
        moves.write(connection)
    return campaign
