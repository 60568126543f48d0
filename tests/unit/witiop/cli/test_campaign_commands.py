"""`witiop campaigns`, as far as it needs no server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from domain.campaigns import campaign, funnel, recipients
from tests.support.command_line import call
from witiop.cli.campaigns.reading import CELLS, RECIPIENT_STATES, STATES
from witiop.cli.campaigns.steering import instant

CAMPAIGN = "0b1f7c0e-5a0e-5c8b-9a51-2f7d3e9c4b60"


def test_a_time_without_an_offset_is_one_of_the_zone() -> None:
    at = datetime.fromisoformat("2026-12-01T10:00")
    assert datetime(2026, 12, 1, 9, tzinfo=UTC) == instant(at, ZoneInfo("Europe/Rome"))
    with_offset = at.replace(tzinfo=UTC) + timedelta(hours=2)
    assert with_offset == instant(with_offset, None)
    with pytest.raises(click.UsageError, match="in which time zone"):
        instant(at, None)
    with pytest.raises(click.UsageError, match="has an offset"):
        instant(with_offset, ZoneInfo("Europe/Rome"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("start", CAMPAIGN, "--at", "soon"), "not a time"),
        (("start", CAMPAIGN, "--at", "2026-12-01T10:00", "--zone", "Rome"), "not a time zone"),
        (("start", CAMPAIGN, "--own-time"), "--zone and --own-time need --at"),
        (("answers", CAMPAIGN), "use either --to or --nobody"),
        (("answers", CAMPAIGN, "--to", "anna"), "write user:ID or skillset:ID"),
        (("resolve", CAMPAIGN), "use either --assume-sent or --again"),
        (("test", CAMPAIGN, "--to", "hello"), "not a phone number"),
        (("test", CAMPAIGN, *(f"--to=+3933312345{n}" for n in range(10, 16))), "to: Tuple should have at most 5 items"),
        (("pause", CAMPAIGN, "--note", "x" * 201), "note: String should have at most 200 characters"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_published(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong usage ends with 2."""
    monkeypatch.chdir(tmp_path)
    finished = call("campaigns", *arguments)
    assert (2, "") == (finished.code, finished.out)
    assert says in finished.err


def test_lists_know_every_state_and_every_number_of_the_funnel() -> None:
    assert campaign.CAMPAIGN_STATES == STATES
    assert recipients.RECIPIENT_STATES == RECIPIENT_STATES
    assert funnel.FUNNEL_CELLS == CELLS
