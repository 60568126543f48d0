"""Whose message can succeed in another wave, and when."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.waves import codes_to_retry, retry_of, retry_preview
from infra.postgres.campaigns.counts import RecipientCount

TOMORROW = datetime(2026, 12, 2, 10, 12, tzinfo=UTC)
CODES = ("131026", "131049", "131050", "130472", "132000", "132015", "131053", "131000", "not_delivered", "", "987654")


@pytest.mark.parametrize(
    ("code", "when"),
    [
        ("131026", "never"),
        ("131050", "never"),
        ("130472", "never"),
        ("132000", "never"),  # the same parameters
        ("131049", "later"),
        ("132015", "now"),  # a template that was paused
        ("not_delivered", "now"),
        ("", "now"),
    ],
)
def test_when_another_attempt_can_succeed(code: str, when: str) -> None:
    assert when == retry_of(code)


def test_the_preview_adds_up() -> None:
    counts = [
        RecipientCount(1, 0, "failed", "131049", 40),
        RecipientCount(1, 1, "failed", "131049", 2),
        RecipientCount(1, 0, "failed", "131026", 7),
        RecipientCount(1, 0, "failed", "132015", 3),
        RecipientCount(1, 0, "unknown", "", 2),
        RecipientCount(1, 0, "read", "", 100),
    ]
    found = retry_preview(counts, {"131049": 30}, TOMORROW, TOMORROW)
    assert (15, 30, 7, 2, TOMORROW) == (found.now, found.later, found.never, found.unknown, found.later_from)
    assert (42, "later") == found.codes["131049"]
    assert 45 == found.total
    named = retry_preview(counts, {"131049": 30}, TOMORROW, TOMORROW, ["131026"])
    assert (7, 0, 45, None) == (named.now, named.later, named.never, named.later_from)


def test_those_that_failed_without_a_code_can_be_named_too() -> None:
    assert [""] == codes_to_retry(["", "131026", "131049"], ["no_code"])
    assert ["131049"] == codes_to_retry(["", "131049"], ["131049"])
    counts = [RecipientCount(1, 0, "failed", "", 3), RecipientCount(1, 0, "failed", "131026", 4)]
    assert 3 == retry_preview(counts, {}, None, None, ["no_code"]).total


@given(st.lists(st.tuples(st.sampled_from(CODES), st.integers(1, 50)), max_size=12), st.data())
def test_everybody_is_tried_now_or_later_or_never(failed: list[tuple[str, int]], data: st.DataObject) -> None:
    counts = [RecipientCount(wave, 0, "failed", code, n) for wave, (code, n) in enumerate(failed, 1)]
    totals: dict[str, int] = {}
    for code, n in failed:
        totals[code] = totals.get(code, 0) + n
    waiting = {code: data.draw(st.integers(0, n)) for code, n in totals.items() if retry_of(code) == "later"}
    named = data.draw(st.none() | st.lists(st.sampled_from(CODES), min_size=1))
    found = retry_preview(counts, waiting, TOMORROW, TOMORROW, named)
    assert sum(totals.values()) == found.now + found.later + found.never
    assert found.total == sum(totals[code] for code in codes_to_retry(totals, named))
    if named is None:
        assert not {"131026", "131050", "130472"} & set(codes_to_retry(totals, None))
