"""The first messages of a large campaign, and when the others follow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.canary import CanaryOutcome, CanaryTerms, canary_outcome, canary_problem, canary_size
from infra.postgres.campaigns.counts import RecipientCount
from tests.unit.domain.campaigns.test_campaign import AUTUMN


@pytest.mark.parametrize(
    ("recipients", "wanted", "size"),
    [(999, None, 0), (1000, None, 200), (1000, 0, 0), (50, 10, 10), (10, 10, 0), (10, 500, 0)],
)
def test_how_many_are_sent_first(recipients: int, wanted: int | None, size: int) -> None:
    """What is not less than all is none."""
    campaign = replace(AUTUMN, zones={"UTC": recipients}, terms={"canary": wanted})
    assert size == canary_size(campaign, CanaryTerms())


def test_their_outcome_is_counted_without_those_that_were_not_posted() -> None:
    counts = [
        RecipientCount(1, 0, state, reason, n)
        for state, reason, n in (
            ("planned", "", 800),
            ("skipped", "opted_out", 5),
            ("claimed", "", 3),
            ("accepted", "", 90),
            ("failed", "131026", 4),
            ("failed", "131049", 2),
            ("unknown", "", 1),
        )
    ]
    assert CanaryOutcome(posted=97, failed=6, not_reached=4, unknown=1) == canary_outcome(counts)


@pytest.mark.parametrize(
    ("outcome", "is_good"),
    [
        ((200, 20, 10, 2), True),
        ((200, 21, 0, 0), False),
        ((200, 11, 11, 0), False),
        ((200, 0, 0, 3), False),
        ((0, 0, 0, 0), True),
    ],
)
def test_the_others_follow_up_to_a_tenth_failed_a_twentieth_out_of_reach_and_a_hundredth_unknown(
    outcome: tuple[int, int, int, int], is_good: bool
) -> None:
    assert is_good == (canary_problem(CanaryOutcome(*outcome)) is None)


@given(st.integers(1, 10_000), st.data())
def test_more_failures_never_make_it_good(posted: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, posted))
    not_reached, unknown = data.draw(st.integers(0, failed)), data.draw(st.integers(0, posted - failed))
    outcome = CanaryOutcome(posted, failed, not_reached, unknown)
    if canary_problem(outcome) is None:
        return
    if failed + unknown < posted:
        assert canary_problem(outcome._replace(failed=failed + 1)) is not None
        assert canary_problem(outcome._replace(unknown=unknown + 1)) is not None
