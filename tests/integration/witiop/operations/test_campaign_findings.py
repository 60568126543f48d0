"""`witiop doctor` about campaigns: silent while they run as they should, one line with a fix when they do not."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.campaigns.campaign import BY_ITSELF, Campaign
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from witiop.operations.campaign_findings import campaign_findings


def long_ago() -> datetime:
    """Two hours ago."""
    return datetime.now(UTC) - timedelta(hours=2)


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def findings(room: CampaignRoom) -> list[str]:
    return [each.what for each in campaign_findings(room.connection)]


def made_long_ago(room: CampaignRoom, campaign: Campaign) -> None:
    """As if nothing had happened to the campaign for two hours."""
    room.connection.execute(
        "update campaigns set created_at = %b, started_at = %b where id = %b", [long_ago(), long_ago(), campaign.id]
    )
    room.connection.execute("update campaign_log set at = %b where campaign_id = %b", [long_ago(), campaign.id])


def test_a_campaign_that_runs_as_it_should_is_no_finding(room: CampaignRoom) -> None:
    """Neither before its start, nor while it is sent, nor once it is paused by a person."""
    autumn = room.planned(3)
    assert [] == findings(room)
    room.command("start", autumn)
    room.worker.poll()
    assert [] == findings(room)
    room.run()
    assert [] == findings(room)
    winter = room.planned(1, "Winter")
    room.command("start", winter)
    room.command("pause", winter)
    assert [] == findings(room)


def test_a_campaign_on_which_nobody_works_is_found(room: CampaignRoom) -> None:
    """The process `campaigns` is down: at the start, while it is read, and while it runs."""
    late = long_ago().replace(microsecond=0)
    room.planned(1, "late", state="scheduled", start_at=late, created_at=late)
    made_long_ago(room, room.planned(1, "stuck", state="importing"))
    running = room.planned(2, "running")
    room.command("start", running)
    made_long_ago(room, running)
    assert {
        "it has been importing for 7### s",
        "its start was due 7### s ago",
        "recipients have been due for 7### s, and none is at the sender",
    } == {re.sub(r"(?<=7)\d{3}", "###", each) for each in findings(room)}


def test_messages_that_a_pause_did_not_take_back_are_found(room: CampaignRoom) -> None:
    autumn = room.planned(2)
    room.command("start", autumn)
    room.worker.poll()
    room.command("pause", autumn)
    assert [] == findings(room)
    made_long_ago(room, autumn)
    assert ["it is paused, and messages of it still wait at the sender"] == findings(room)
    room.worker.poll()
    assert [] == findings(room)


def test_what_waits_for_a_person_is_found_with_the_reason(room: CampaignRoom) -> None:
    missed = room.planned(1, "missed", state="missed")
    paused = room.planned(1, "paused", state="paused", changed_by=BY_ITSELF, reason="failures", detail="131049")
    told = {each.where: (each.what, each.fix) for each in campaign_findings(room.connection)}
    assert {
        f"campaign {missed.id}": (
            "it was to start while nothing ran; nobody gets it before a person decides",
            f"run witiop campaigns start {missed.id}, or cancel it",
        ),
        f"campaign {paused.id}": (
            "it paused itself (failures: 131049)",
            f"mend the cause, then run witiop campaigns resume {paused.id}",
        ),
    } == told


def test_a_file_that_nobody_reads_is_found(room: CampaignRoom) -> None:
    room.connection.execute(
        "insert into campaign_files (id, name, size, sha256, actor, state, at) "
        "values (%b, 'a.csv', 1, '', 'paola', 'waiting', clock_timestamp() - interval '5 minutes')",
        [UUID(int=3)],
    )
    (found,) = findings(room)
    assert "a file with recipients has been waiting to be read for 300 s" == found


def test_wrong_counters_are_found_and_the_fix_corrects_them(room: CampaignRoom) -> None:
    autumn = room.planned(3)
    room.connection.execute("update campaign_counts set n = 5")
    (found,) = campaign_findings(room.connection)
    assert "its counters are not the number of its recipients" == found.what
    room.connection.execute(found.fix.removeprefix("run in the database: ").encode())
    assert ([], {"planned": 3}) == (findings(room), room.counts(autumn))
