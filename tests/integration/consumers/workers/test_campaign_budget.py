"""What a campaign on a real database needs of Meta's limit, and what it costs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from domain.campaigns.prices import Cost, Price
from infra.postgres.campaigns import budget, campaigns
from tests.support.campaign_room import CampaignRoom, open_campaign_room

ROME, MILAN, BERLIN = "393471234567", "393481234567", "4915112345678"
LONG_AGO = date(2020, 1, 1)


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def limit(room: CampaignRoom, people: int | None) -> None:
    room.connection.execute("update graph_numbers set people_per_day = %s", [people])


def test_the_budget_counts_people_outside_a_window_and_says_when_the_others_follow(room: CampaignRoom) -> None:
    """Campaigns leave a twentieth of the limit to agents."""
    limit(room, 100)
    first = room.planned(20, "First")
    room.command("start", first)
    room.run()
    room.connection.execute("update sends set claimed_at = now() - interval '20 hours' where row_no < 12")
    room.office.customer_writes(phone=ROME, hours_ago=1)
    autumn = room.imported(ROME, *(f"39333{n:07}" for n in range(90)), into_active=True)
    room.run_worker()
    found = budget.people_budget_of(room.connection, room.campaign(autumn))
    assert (90, 100, 20, 75) == (found.needed, found.limit, found.used, found.now)
    assert [10, 5] == [share.people for share in found.later]
    assert timedelta(hours=4) < found.later[0].at - datetime.now(UTC) < timedelta(hours=4, minutes=20)
    limit(room, None)
    assert 90 == budget.people_budget_of(room.connection, room.campaign(autumn)).now


def test_a_campaign_that_waits_for_the_limit_says_until_when(room: CampaignRoom) -> None:
    """It is not paused: its messages wait, and it goes on by itself."""
    limit(room, 20)
    autumn = room.planned(25)
    room.command("start", autumn)
    assert budget.waits_for_limit_until(room.connection, room.campaign(autumn)) is None
    room.run()
    assert ({"accepted": 19, "claimed": 6}, "running") == (room.counts(autumn), room.campaign(autumn).state)
    assert budget.waits_for_limit_until(room.connection, room.campaign(autumn)) is None
    room.connection.execute("update sends set requested_at = now() - interval '11 s'")
    until = budget.waits_for_limit_until(room.connection, room.campaign(autumn))
    assert until is not None
    assert timedelta(hours=24) < until - datetime.now(UTC) < timedelta(hours=24, minutes=16)
    room.connection.execute("update sends set claimed_at = now() - interval '25 hours' where state = 'accepted'")
    assert budget.waits_for_limit_until(room.connection, room.campaign(autumn)) is None


def test_a_campaign_costs_at_most_what_its_countries_cost_and_so_far_what_meta_charged(room: CampaignRoom) -> None:
    budget.import_prices(
        room.connection,
        [
            Price("IT", "marketing", "EUR", Decimal("0.05"), LONG_AGO),
            Price("US", "marketing", "EUR", Decimal("0.02"), LONG_AGO),
            Price("US", "utility", "EUR", Decimal("0.01"), LONG_AGO),
        ],
    )
    autumn = room.imported(ROME, MILAN, BERLIN, name="Europe")
    room.run_worker()
    planned = room.campaign(autumn)
    templates = campaigns.templates_of(room.connection, planned)
    today = datetime.now(UTC).date()
    assert Cost({"EUR": Decimal("0.10")}, 1) == budget.cost_at_most(room.connection, planned, templates, today)
    american = room.planned(3)
    room.command("start", american)
    room.run()
    room.status(2, "sent", {"billable": True, "category": "marketing", "type": "regular"})
    room.status(3, "sent", {"billable": True, "category": "utility", "type": "regular"})
    room.status(4, "sent", {"billable": False, "category": "utility", "type": "free_customer_service"})
    assert Cost({"EUR": Decimal("0.03")}, 0) == budget.cost_so_far(room.connection, room.campaign(american))
