"""The process that runs campaigns dies in the middle of a step: another goes on behind the last commit, and the counts
add up (C1, C5)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.campaigns.campaign import Campaign
from domain.topics import Topics
from infra.process.crash_points import EXIT_CODE
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.system import System
from tests.support.waiting import wait_until

ROWS = 6_000
"""More than one transaction takes."""
_SETTINGS: dict[str, Any] = {"sending_enabled": True, "campaign_canary": 0, "campaign_us_marketing": True}


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


@pytest.fixture
def system(database: str, kafka: str, tmp_path: Path) -> Iterator[System]:
    with System(kafka, database, Topics("none."), tmp_path) as system:
        yield system


def dies_and_another_goes_on(
    room: CampaignRoom, system: System, point: str, campaign: Campaign, done: Callable[[], bool]
) -> None:
    (victim,) = system.start("campaigns", crash_at=f"campaigns.{point}", **_SETTINGS)
    assert EXIT_CODE == victim.wait_end()
    assert not done()
    room.counts(campaign)
    system.run("campaigns", **_SETTINGS)
    wait_until(done)


def phones(many: int) -> list[str]:
    return [f"39347{number:07}" for number in range(many)]


def test_a_plan_goes_on_where_it_stood(room: CampaignRoom, system: System) -> None:
    """Also with persons that the part before has already."""
    autumn = room.imported(*phones(ROWS), *phones(10))
    dies_and_another_goes_on(
        room, system, "before-plan-commit:2", autumn, lambda: room.campaign(autumn).state == "ready"
    )
    assert {"planned": ROWS, "skipped duplicate": 10} == room.counts(autumn)
    assert {"Europe/Rome": ROWS} == room.campaign(autumn).zones
    assert 1 == room.log(autumn).count("ready")


def test_customers_are_frozen_once(room: CampaignRoom, system: System) -> None:
    for phone in phones(3):
        room.office.customer_writes(phone=phone, hours_ago=30)
    autumn = room.imported(state="importing", source={"customers": {"values": {"1": "you"}}})
    dies_and_another_goes_on(
        room, system, "before-customers-commit", autumn, lambda: room.campaign(autumn).state == "ready"
    )
    assert {"planned": 3} == room.counts(autumn)


@pytest.mark.parametrize("step", [1, 2])
def test_a_wave_tries_everybody_again_once(room: CampaignRoom, system: System, step: int) -> None:
    autumn = room.planned(ROWS, state="paused")
    room.fail_all(autumn, 131000)
    assert ("applied", None) == room.command("wave", autumn)
    dies_and_another_goes_on(
        room, system, f"before-wave-commit:{step}", autumn, lambda: room.campaign(autumn).work is None
    )
    assert {"planned": ROWS} == room.counts(autumn)
    assert [{"wave": 2, "n": ROWS}] == room.office.rows("select wave, count(*) as n from recipients group by wave")


def test_a_cancellation_reaches_everybody(room: CampaignRoom, system: System) -> None:
    autumn = room.planned(ROWS)
    room.command("cancel", autumn)
    dies_and_another_goes_on(room, system, "before-cancel-commit:2", autumn, lambda: room.campaign(autumn).work is None)
    assert {"cancelled": ROWS} == room.counts(autumn)


def test_messages_are_handed_to_the_sender_once(room: CampaignRoom, system: System) -> None:
    autumn = room.planned(50)
    room.command("start", autumn)
    dies_and_another_goes_on(room, system, "before-feed-commit", autumn, lambda: room.counts(autumn) == {"claimed": 50})
    assert [{"n": 50}] == room.office.rows("select count(*) as n from sends")
