"""Campaigns as an import leaves them, and as their plan does."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from domain.campaigns.campaign import Campaign, CampaignState
from domain.campaigns.content import variables_of
from domain.sending.templates import Template
from infra.local.graph.accounts import ACCOUNT
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.sending.library import store_templates
from infra.process.clock import utc_now

_TEMPLATE = Template(
    ACCOUNT,
    "bench_campaign",
    "en",
    "APPROVED",
    "MARKETING",
    "POSITIONAL",
    [{"type": "BODY", "text": "Hi {{1}}, your bike is due for its service."}],
)


def planned_campaign(connection: Connection[Any], number: str, people: int, template: Template) -> Campaign:
    """Stores a running campaign with so many planned recipients, strangers."""
    campaign = replace(_campaign(number, people, "running"), started_at=utc_now(), zones={"UTC": people})
    with connection.transaction():
        campaigns.create(connection, campaign, [template])
        connection.execute(
            "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, person, "
            "parameters, zone, state) select %(id)s, n, %(number)s, phone, 'phone', phone, phone, %(values)s, 'UTC', "
            "'planned' from (select n, '39344' || lpad(n::text, 7, '0') as phone "
            "from generate_series(2, %(people)s + 1) n) t",
            {
                "id": campaign.id,
                "number": number,
                "people": people,
                "values": Jsonb(dict.fromkeys(variables_of(template), "Ada")),
            },
        )
        moves = Moves()
        moves.add(CountKey(campaign.id, 1, 0, "planned", ""), people)
        moves.write(connection)
    return campaign


def _campaign(number: str, rows: int, state: CampaignState) -> Campaign:
    return Campaign(
        id=uuid4(),
        name=f"{rows:,} rows",
        phone_number_id=number,
        account_id=ACCOUNT,
        source={"file": {"file_id": str(UUID(int=1)), "mapping": {"phone": 0}}},
        into_active=False,
        terms={"cap_days": 7, "zone": "Europe/Rome", "canary": 0},
        actor="bench",
        created_at=utc_now(),
        state=state,
    )


def imported_campaign(
    connection: Connection[Any], number: str, rows: int, template: Template | None = None
) -> Campaign:
    """Stores a campaign whose rows were read, and who of them opted out. `template`: one of Meta's; None: one that is
    stored as such."""
    if template is None:
        template = _TEMPLATE
        store_templates(connection, ACCOUNT, [template], utc_now())
    campaign = _campaign(number, rows, "planning")
    with connection.transaction():
        campaigns.create(connection, campaign, [template])
        connection.execute(
            "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, name, "
            "parameters, state) select %(id)s, n, %(number)s, phone, 'phone', phone, 'Ada', %(values)s, 'imported' "
            "from (select n, '39' || lpad((case when n %% 100 = 50 then n - 1 else n end)::text, 10, '0') as phone "
            "from generate_series(2, %(rows)s + 1) n) t",
            {
                "id": campaign.id,
                "number": number,
                "rows": rows,
                "values": Jsonb(dict.fromkeys(variables_of(template), "Ada")),
            },
        )
        connection.execute(_OPTED_OUT, {"number": number, "rows": rows})
        moves = Moves()
        moves.add(CountKey(campaign.id, 1, 0, "imported", ""), rows)
        moves.write(connection)
    return campaign


_OPTED_OUT = (
    "insert into opt_outs (phone_number_id, kind, value, source, scope, address, at, input_id, actor) "
    "select %(number)s, 'w', '39' || lpad(n::text, 10, '0'), 'admin', 'all', '', now(), gen_random_uuid(), 'bench' "
    "from generate_series(75, %(rows)s, 100) n on conflict do nothing"
)
