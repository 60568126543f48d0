"""The funnel of a campaign adds up to the file, whatever became of its rows."""

from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.funnel import Funnel, funnel_of, variants_of, waves_of
from domain.campaigns.recipients import HELD, QUIET, RECIPIENT_STATES, ROW_PROBLEMS, SKIP_REASONS
from infra.postgres.campaigns.answers import AnswerCount
from infra.postgres.campaigns.counts import RecipientCount

_REASONS = {
    "skipped": (*ROW_PROBLEMS, *SKIP_REASONS),
    "failed": ("131026", "131049", "not_delivered", ""),
    "accepted": (HELD, ""),
    "deferred": (QUIET,),
}
KEYS = [(state, reason) for state in RECIPIENT_STATES for reason in _REASONS.get(state, ("",))]
COUNTS = st.lists(
    st.builds(
        lambda key, wave, variant, n: RecipientCount(wave, variant, key[0], key[1], n),
        st.sampled_from(KEYS),
        st.integers(1, 3),
        st.integers(0, 3),
        st.integers(1, 1_000_000),
    ),
    max_size=30,
)
FILE = [
    RecipientCount(1, 0, "skipped", "phone_invalid", 30),
    RecipientCount(1, 0, "skipped", "duplicate", 20),
    RecipientCount(1, 0, "skipped", "opted_out", 10),
    RecipientCount(1, 0, "accepted", "", 5),
    RecipientCount(1, 0, "accepted", HELD, 4),
    RecipientCount(1, 1, "sent", "", 6),
    RecipientCount(1, 0, "delivered", "", 60),
    RecipientCount(1, 1, "read", "", 40),
    RecipientCount(1, 0, "failed", "131026", 8),
    RecipientCount(2, 0, "delivered", "", 2),
    RecipientCount(1, 0, "unknown", "", 1),
    RecipientCount(2, 1, "planned", "", 14),
]
ANSWERS = [
    AnswerCount(1, 0, "waiting", 1),
    AnswerCount(1, 0, "unmanaged", 5),
    AnswerCount(1, 1, "human", 3),
    AnswerCount(1, 1, "resolved", 7),
]


def _numbers(funnel: Funnel) -> dict[str, int]:
    return {each.which.cell: each.n for each in funnel.cells() if each.which.cell}


def test_the_funnel_leads_from_the_file_to_who_was_left_alone() -> None:
    expected = {
        **{"rows": 200, "good": 170, "unique": 150, "planned": 140, "accepted": 117, "sent": 108, "delivered": 102},
        **{"read": 40, "held": 4, "answered": 16, "human": 10, "resolved": 7, "unmanaged": 5},
        **{"bad": 30, "duplicate": 20, "skipped": 10, "to_come": 14},
    }
    assert expected == _numbers(funnel_of(FILE, ANSWERS))


def test_what_happened_is_counted_by_reason() -> None:
    found = [(each.which.state, each.which.reason, each.n) for each in funnel_of(FILE, ANSWERS).reasons]
    expected = [
        *(("accepted", "", 5), ("accepted", HELD, 4), ("failed", "131026", 8), ("skipped", "duplicate", 20)),
        *(("skipped", "opted_out", 10), ("skipped", "phone_invalid", 30)),
    ]
    assert expected == found


def test_templates_are_compared_by_the_answered_of_the_delivered() -> None:
    first, second = variants_of(FILE, ANSWERS).values()
    assert (6 / 62, 10 / 40) == (first.answered_share, second.answered_share)
    assert funnel_of([], []).answered_share is None


def test_each_wave_has_its_own_funnel() -> None:
    first, second = waves_of(FILE, ANSWERS).values()
    assert (184, 16) == (first.rows, second.rows)
    assert (16, 0) == (first.cell("answered").n, second.cell("answered").n)


@given(COUNTS)
def test_the_rows_are_the_sum_of_what_became_of_them(counts: list[RecipientCount]) -> None:
    """C5: each row is in exactly one of the parts."""
    funnel = funnel_of(counts, [])
    assert sum(each.n for each in counts) == funnel.rows == sum(part.n for part in funnel.parts)
    for count in counts:
        assert 1 == sum(part.which.takes(count) for part in funnel.parts)


@given(COUNTS)
def test_each_step_is_a_part_of_the_one_before(counts: list[RecipientCount]) -> None:
    steps = [step.n for step in funnel_of(counts, []).steps]
    assert sorted(steps, reverse=True) == steps


@given(COUNTS)
def test_waves_and_variants_add_up_to_the_file(counts: list[RecipientCount]) -> None:
    rows = funnel_of(counts, []).rows
    for funnels in (waves_of(counts, []), variants_of(counts, [])):
        assert rows == sum(funnel.rows for funnel in funnels.values())


def test_the_funnel_is_empty_until_the_file_is_read() -> None:
    assert {0} == {each.n for each in funnel_of([], []).cells()}
