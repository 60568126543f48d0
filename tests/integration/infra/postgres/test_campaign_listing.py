"""The recipients of a campaign as its funnel lists them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.campaigns.campaign import Campaign
from domain.campaigns.funnel import RecipientFilter, funnel_of
from domain.conversations.reasons import Reason
from infra.postgres.campaigns import listing
from infra.postgres.campaigns.answers import answer_counts_of
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.lists import console as console_list
from infra.postgres.lists import unmanaged
from infra.postgres.lists.last_messages import with_last_answers
from infra.postgres.lists.unmanaged import Order, UnmanagedFilter
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.stories import NUMBER

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


# on the list of unmanaged conversations


def _answered(room: CampaignRoom) -> Campaign:
    """Sends a campaign to 24 customers, of whom all but the last four answer; every third asks for a skillset, so that
    somebody has it."""
    campaign = room.planned(24)
    assert ("applied", None) == room.command("start", campaign)
    room.run()
    for row in range(2, 22):
        room.office.customer_writes("1" if row % 3 == 0 else f"hello {row}", f"1650555{row:04}", 0)
    room.office.customer_writes("hello", "16505559999", 0)  # answers nothing
    return campaign


@pytest.mark.parametrize("order", ["newest", "urgent"])
def test_the_list_shows_exactly_the_answers_that_are_counted_as_left_alone(room: CampaignRoom, order: Order) -> None:
    campaign = _answered(room)
    counted = funnel_of(counts_of(room.connection, campaign.id), answer_counts_of(room.connection, campaign.id))
    left_alone = counted.cell("unmanaged")
    expected = {
        each.conversation_id for each in listing.page(room.connection, campaign.id, left_alone.which, 100).recipients
    }
    which = UnmanagedFilter(campaign=campaign.id, order=order)
    pages = [*console_list.pages(room.connection, which, 5)]
    found = [row.id for page in pages for row in page.rows]
    assert (expected, left_alone.n) == ({*found}, len(found))
    assert {"active": left_alone.n, "closed": 0, "dismissed": 0} == console_list.list_totals(
        room.connection, which
    ).counts
    assert {"Autumn"} == {row.campaign for row in with_last_answers(room.connection, pages[0].rows)}


def test_the_answers_are_narrowed_and_searched_as_the_whole_list(room: CampaignRoom) -> None:
    campaign = _answered(room)

    def listed(**more: Any) -> int:
        which = UnmanagedFilter(campaign=campaign.id, **more)
        return len(console_list.page(room.connection, which, 100).rows)

    everything = listed()
    assert (everything, 0) == (listed(status="active"), listed(status="closed"))
    assert (everything, 0) == (listed(reason=Reason.NO_CHOICE), listed(reason=Reason.OUT_OF_HOURS))
    assert (everything, 0) == (listed(number=NUMBER), listed(number="2"))
    assert (everything, 1, 0) == (listed(words=("hello",)), listed(words=("20",)), listed(words=("9999",)))


def test_the_command_line_pages_through_the_answers(room: CampaignRoom) -> None:
    campaign = _answered(room)
    which = UnmanagedFilter(campaign=campaign.id)
    first = unmanaged.page(room.connection, which, 10)
    assert first.next is not None
    second = unmanaged.page(room.connection, which, 10, first.next)
    assert (13, 13) == (first.counts["active"], len({row.id for row in (*first.rows, *second.rows)}))


@pytest.mark.parametrize(
    "which", [RecipientFilter(), RecipientFilter(state="failed", reason="131049"), RecipientFilter(cell="delivered")]
)
def test_a_page_reads_only_its_recipients_also_with_a_plan_for_any_values(
    room: CampaignRoom, which: RecipientFilter
) -> None:
    """As the console's connections make them."""
    campaign = room.planned(0)
    room.connection.execute(
        "insert into recipients (campaign_id, row_no, phone_number_id, state, reason) select %b, n, 'x', "
        "case when n %% 10 = 0 then 'failed' else 'read' end, case when n %% 10 = 0 then '131049' end "
        "from generate_series(1, 30000) n",
        [campaign.id],
    )
    counts = "insert into campaign_counts values (%b, 1, 0, 'read', '', 27000), (%b, 1, 0, 'failed', '131049', 3000)"
    room.connection.execute(counts, [campaign.id, campaign.id])
    room.connection.execute("vacuum (analyze) recipients")
    room.connection.execute("set plan_cache_mode = force_generic_plan")
    read = "select seq_tup_read + idx_tup_fetch as n from pg_stat_xact_user_tables where relname = 'recipients'"
    with room.connection.transaction():
        assert 100 == len(listing.page(room.connection, campaign.id, which, 100, 500).recipients)
        (row,) = room.office.rows(read)
    assert row["n"] < 1000
