"""Whom a campaign may still reach within Meta's limit, what it costs by the imported prices, and what Meta charges as
its statuses say. Raises psycopg errors."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.campaigns.budget import PeopleBudget, ReachEnd, goes_on_at, people_budget
from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.campaigns.prices import Cost, Price, cost
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.connections.clock import database_now
from infra.postgres.sending.reports import PEOPLE_PER_DAY

# what Meta charges


class ChargeKey(NamedTuple):
    """What is charged alike. `country`: of the phone, empty: unknown; `category`: as Meta charges it."""

    campaign_id: UUID
    country: str
    category: str
    billable: bool


class Charges:
    """Messages of campaigns whose price became known in a transaction; written once, last."""

    def __init__(self) -> None:
        self._found: dict[ChargeKey, int] = {}

    def add(self, campaign: UUID, country: str, pricing: Mapping[str, Any]) -> None:
        """Notes a message. `pricing`: as in Meta's first status that has one."""
        category = pricing.get("category")
        billable = pricing.get("billable") is not False and pricing.get("type") in (None, "regular")
        key = ChargeKey(campaign, country, category if isinstance(category, str) else "", billable)
        self._found[key] = self._found.get(key, 0) + 1

    def write(self, connection: Connection[Any]) -> None:
        """Adds them to the counters, sorted by key: many transactions update the same few rows."""
        rows = sorted((*key, n) for key, n in self._found.items())
        if rows:
            connection.execute(
                "insert into campaign_charges (campaign_id, country, category, billable, n) select * from "
                "unnest(%b::uuid[], %b::text[], %b::text[], %b::boolean[], %b::bigint[]) order by 1, 2, 3, 4 "
                "on conflict (campaign_id, country, category, billable) "
                "do update set n = campaign_charges.n + excluded.n",
                column_arrays(rows),
            )


def charges_of(connection: Connection[Any], campaign: UUID) -> list[tuple[ChargeKey, int]]:
    """Returns the counts of a campaign's charged and free messages. O(countries and categories)."""
    rows = connection.execute(
        "select campaign_id, country, category, billable, n from campaign_charges where campaign_id = %b "
        "order by country, category, billable",
        [campaign],
    ).fetchall()
    return [(ChargeKey(*row[:4]), row[4]) for row in rows]


# prices


def prices(connection: Connection[Any]) -> list[Price]:
    """Returns all imported prices, by country, category, currency and day."""
    rows = connection.execute(
        "select country, category, currency, price, valid_from from prices order by 1, 2, 3, 5"
    ).fetchall()
    return [Price(*row) for row in rows]


def import_prices(connection: Connection[Any], imported: Iterable[Price]) -> int:
    """Stores prices; those of the same country, category, currency and day are replaced. Returns how many."""
    rows = list({each[:3] + each[4:]: each for each in imported}.values())
    if rows:
        connection.execute(
            "insert into prices (country, category, currency, price, valid_from) select * from "
            "unnest(%b::text[], %b::text[], %b::text[], %b::numeric[], %b::date[]) "
            "on conflict (country, category, currency, valid_from) do update set price = excluded.price",
            column_arrays(rows),
        )
    return len(rows)


def cost_at_most(
    connection: Connection[Any], campaign: Campaign, templates: Sequence[CampaignTemplate], day: date
) -> Cost:
    """Returns what a planned campaign costs at most if it is sent on a day: some messages may be free. O(prices)."""
    categories = {str(each.variant): each.template.category.lower() for each in templates}
    messages = [
        (country, categories[variant], n)
        for variant, counted in (campaign.countries or {}).items()
        for country, n in counted.items()
        if variant in categories
    ]
    return cost(prices(connection), messages, day)


def cost_so_far(connection: Connection[Any], campaign: Campaign) -> Cost:
    """Returns what a campaign has cost so far, by the prices of the day on which it started. O(prices)."""
    messages = [
        (key.country, key.category.lower(), n) for key, n in charges_of(connection, campaign.id) if key.billable
    ]
    if not messages:
        return Cost({}, 0)
    day = (campaign.started_at or campaign.created_at).date()
    return cost(prices(connection), messages, day)


# people a day


def people_budget_of(connection: Connection[Any], campaign: Campaign) -> PeopleBudget:
    """Returns how the rest of a campaign fits into Meta's limit. O(customers with an active conversation, and people
    reached in the last 24 hours)."""
    limit = _limit(connection, campaign.phone_number_id)
    return people_budget(_people_needed(connection, campaign), limit, _reach_ends(connection), database_now(connection))


def waits_for_limit_until(connection: Connection[Any], campaign: Campaign) -> datetime | None:
    """Returns when a running campaign goes on, if it waits because campaigns have used up their share of Meta's limit;
    None: it does not. O(people reached in the last 24 hours), but O(its messages at the sender) while these go on."""
    if campaign.state != "running" or not _is_held_up(connection, campaign):
        return None
    limit = _limit(connection, campaign.phone_number_id)
    return goes_on_at(limit, _reach_ends(connection), database_now(connection)) if limit is not None else None


_HELD_UP_AFTER = timedelta(seconds=10)
"""Messages at the sender are posted in two seconds, if nothing holds them up."""


def _is_held_up(connection: Connection[Any], campaign: Campaign) -> bool:
    """Returns whether a message of a campaign waits at the sender for long: a cheap look before the people of a whole
    day are counted, as open pages of a running campaign ask each time that it changes."""
    row = connection.execute(
        "select min(requested_at) < clock_timestamp() - %b from sends where campaign_id = %b and state = 'queued'",
        [_HELD_UP_AFTER, campaign.id],
    ).fetchone()
    return row is not None and row[0] is True


def _limit(connection: Connection[Any], number: str) -> int | None:
    row = connection.execute(
        f"select {PEOPLE_PER_DAY} from graph_numbers g where g.phone_number_id = %b", [number]
    ).fetchone()
    return row[0] if row is not None else None


def _reach_ends(connection: Connection[Any]) -> list[ReachEnd]:
    """Returns when the people that templates reached in the last 24 hours, from all numbers, do not count any more: so
    many at the end of each quarter of an hour."""
    rows = connection.execute(_REACH_ENDS).fetchall()
    return [ReachEnd(*row) for row in rows]


_REACH_ENDS: LiteralString = (
    "select date_bin('15 minutes', last, 'epoch') + interval '24 hours 15 minutes', count(*)::integer from ("
    "select r.recipient, max(r.claimed_at) as last from sends r where r.reaches_person "
    "and r.claimed_at > clock_timestamp() - interval '24 hours' and r.state in ('sending', 'accepted', 'sent', "
    "'delivered', 'read', 'played', 'unknown', 'assumed_sent') group by 1) p group by 1 order by 1"
)


def _people_needed(connection: Connection[Any], campaign: Campaign) -> int:
    """Returns how many recipients are still to be reached who are outside a window."""
    row = connection.execute(
        "select (select coalesce(sum(n), 0) from campaign_counts where campaign_id = %(campaign)b "
        "and state in ('planned', 'deferred', 'claimed'))::integer - (select count(*) from ("
        "select distinct coalesce(m.merged_into, m.id)::text as person from conversations c "
        "join customers m on m.id = c.customer_id where c.phone_number_id = %(number)b and c.status = 'a' "
        "and c.window_ends_at > clock_timestamp()) w join recipients r on r.campaign_id = %(campaign)b "
        "and r.person = w.person where r.state in ('planned', 'deferred', 'claimed'))::integer",
        {"campaign": campaign.id, "number": campaign.phone_number_id},
    ).fetchone()
    return max(0, row[0]) if row is not None else 0
