"""How many people a campaign may reach now, and how many when."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.budget import DayShare, ReachEnd, goes_on_at, people_budget

NOW = datetime(2026, 12, 1, 9, 14, tzinfo=UTC)
DAY = timedelta(days=1)


def after(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def test_a_campaign_is_split_over_days() -> None:
    """Campaigns leave a twentieth of the limit to agents: 9,500 of 10,000."""
    found = people_budget(12_400, 10_000, [ReachEnd(after(5), 1_000), ReachEnd(after(9), 200)], NOW)
    assert (8_300, 1_200, 0) == (found.now, found.used, found.rest)
    assert [DayShare(after(5), after(9), 1_200), DayShare(NOW + DAY, NOW + DAY, 2_900)] == found.later


def test_without_a_limit_all_are_reached_now() -> None:
    assert (5, []) == people_budget(5, None, [], NOW)[3:5]
    assert (0, []) == people_budget(0, 10, [], NOW)[3:5]


def test_a_limit_that_is_used_up_says_when_it_goes_on() -> None:
    """More may have been reached than campaigns may: agents go on up to the whole limit."""
    ends = [ReachEnd(after(2), 30), ReachEnd(after(3), 70)]
    assert after(3) == goes_on_at(70, ends, NOW)
    assert after(2) == goes_on_at(100, ends, NOW)
    assert goes_on_at(200, ends, NOW) is None
    assert goes_on_at(None, ends, NOW) is None
    assert 0 == people_budget(10, 70, ends, NOW).now


@given(
    st.integers(0, 5000),
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(1, 24), st.integers(1, 400)), max_size=8),
)
def test_shares_add_up_and_never_go_beyond_the_limit(needed: int, limit: int, ends: list[tuple[int, int]]) -> None:
    releases = [ReachEnd(after(hours), people) for hours, people in ends]
    found = people_budget(needed, limit, releases, NOW)
    assert needed == found.now + sum(share.people for share in found.later) + found.rest
    assert all(share.people > 0 and NOW < share.at <= share.until for share in found.later)
    assert [share.at for share in found.later] == sorted(share.at for share in found.later)
    assert found.now <= max(0, limit - found.used)
    assert all(share.people <= limit for share in found.later)
