"""The recipients of a campaign as its funnel lists them."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from domain.campaigns.campaign import Campaign
from domain.campaigns.funnel import RecipientFilter, funnel_of
from infra.postgres.campaigns import listing
from infra.postgres.campaigns.answers import answer_counts_of
from infra.postgres.campaigns.counts import counts_of
from tests.support.campaign_room import CampaignRoom, open_campaign_room

STATES = [
    *(("skipped", "phone_invalid", 1, 0), ("skipped", "duplicate", 1, 0), ("skipped", "opted_out", 1, 0)),
    *(("accepted", None, 1, 0), ("accepted", "held", 1, 1), ("sent", None, 1, 1), ("delivered", None, 1, 0)),
    *(("delivered", None, 2, 1), ("read", None, 1, 1), ("failed", "131026", 1, 0), ("failed", "131049", 2, 1)),
    *(("unknown", None, 1, 0), ("planned", None, 1, 0), ("deferred", "quiet_hours", 1, 1), ("imported", None, 1, 0)),
]
OUTCOMES = ["waiting", "unmanaged", "human", "resolved", "unmanaged"]


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def _filled(room: CampaignRoom) -> Campaign:
    """Stores a campaign with 60 rows in all states, of which 25 are answered."""
    campaign = room.planned(60)
    for row in range(2, 62):
        room.connection.execute(
            "update recipients set state = %b, reason = %b, wave = %b, variant = %b "
            "where campaign_id = %b and row_no = %b",
            [*STATES[row % len(STATES)], campaign.id, row],
        )
    for row in range(2, 27):
        room.connection.execute(
            "insert into campaign_answers select campaign_id, row_no, wave, variant, %b, now(), 'likely', %b "
            "from recipients where campaign_id = %b and row_no = %b",
            [uuid4(), OUTCOMES[row % len(OUTCOMES)], campaign.id, row],
        )
    room.connection.execute("delete from campaign_counts")
    room.connection.execute(
        "insert into campaign_counts select campaign_id, wave, variant, state, coalesce(reason, ''), count(*) "
        "from recipients group by 1, 2, 3, 4, 5"
    )
    room.connection.execute(
        "insert into campaign_answer_counts select campaign_id, wave, variant, outcome, count(*) "
        "from campaign_answers group by 1, 2, 3, 4"
    )
    return campaign


def _all(room: CampaignRoom, campaign: UUID, which: RecipientFilter) -> list[int]:
    """Returns the rows that a filter lists, read in pages of ten."""
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = listing.page(room.connection, campaign, which, 10, after)
        found += [each.row_no for each in page.recipients]
        after = page.next
    return found


@pytest.mark.parametrize(
    "among", [{}, {"wave": 1}, {"wave": 2}, {"variant": 0}, {"variant": 1}], ids=["all", "1", "2", "A", "B"]
)
def test_every_number_of_the_funnel_lists_what_it_counts(room: CampaignRoom, among: dict[str, int]) -> None:
    campaign = _filled(room)
    counts, answers = counts_of(room.connection, campaign.id), answer_counts_of(room.connection, campaign.id)
    for counted in funnel_of(counts, answers, **among).cells():
        listed = _all(room, campaign.id, counted.which)
        assert (counted.which, counted.n) == (counted.which, len(listed))
        assert sorted(set(listed)) == listed


def test_a_recipient_is_listed_with_what_happened_and_the_answer(room: CampaignRoom) -> None:
    campaign = _filled(room)
    (first, *_) = listing.page(room.connection, campaign.id, RecipientFilter("unmanaged")).recipients
    assert (4, "16505550004", "accepted", "likely", "unmanaged") == (
        *(first.row_no, first.address, first.state),
        *(first.proof, first.outcome),
    )
    assert first.conversation_id is not None
    (failed, *_) = listing.page(
        room.connection, campaign.id, RecipientFilter(state="failed", reason="131026")
    ).recipients
    assert ("131026", "failed", None) == (failed.reason, failed.state, failed.repeats)


def test_another_campaign_is_not_listed(room: CampaignRoom) -> None:
    _filled(room)
    other = room.planned(1, "Winter")
    assert [2] == _all(room, other.id, RecipientFilter())
    assert [] == _all(room, other.id, RecipientFilter("answered"))
