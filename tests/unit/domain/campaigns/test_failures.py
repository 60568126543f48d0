"""When too much of a running campaign fails, and what Meta says that pauses it."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.failures import (
    STEP,
    WINDOW,
    NumberNow,
    PauseReason,
    Seen,
    TemplateNow,
    noted,
    seen_from,
    seen_in,
    settled_thousands,
    too_many_failures,
    trouble_at_meta,
)
from infra.postgres.campaigns.counts import RecipientCount
from tests.unit.domain.campaigns.test_campaign import AUTUMN

GOOD = TemplateNow("autumn", "en", "APPROVED", "MARKETING", "MARKETING", True, "GREEN")


def played(*batches: tuple[int, int, int]) -> tuple[list[Seen], Seen]:
    """Returns what is noted after batches of messages: posted, failed with 131026, unknown."""
    kept: list[Seen] = noted([], Seen(0, 0, {}))
    now = Seen(0, 0, {})
    for posted, failed, unknown in batches:
        now = Seen(now.posted + posted, now.unknown + unknown, {"131026": now.failed.get("131026", 0) + failed})
        kept = noted(kept, now)
    return kept, now


def test_a_small_campaign_is_not_judged() -> None:
    before, now = played((199, 199, 0))
    assert too_many_failures(before, now) is None


def test_more_than_a_tenth_of_the_last_messages_for_one_reason() -> None:
    assert too_many_failures(*played((200, 20, 0))) is None
    assert PauseReason("failures", "21 of the last 200 messages failed with 131026") == too_many_failures(
        *played((200, 21, 0))
    )


def test_failures_of_long_ago_do_not_count() -> None:
    assert too_many_failures(*played((200, 20, 0), (200, 20, 0), (200, 20, 0))) is None
    assert too_many_failures(*played((1000, 0, 0), (200, 30, 0))) is not None


def test_more_than_a_hundredth_unknown() -> None:
    assert too_many_failures(*played((200, 0, 2))) is None
    assert "unknowns" == (too_many_failures(*played((200, 0, 3))) or PauseReason("canary", "")).reason


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 5)), max_size=60))
def test_little_is_kept_and_always_a_whole_window(batches: Sequence[tuple[int, int]]) -> None:
    before, now = played(*((posted, min(posted, failed), 0) for posted, failed in batches))
    assert len(before) <= WINDOW // STEP + 3
    assert [seen.posted for seen in before] == sorted({seen.posted for seen in before})
    if now.posted >= WINDOW + STEP + 120:
        assert any(seen.posted <= now.posted - WINDOW for seen in before)
    assert before == seen_from({"seen": [list(each) for each in before]})


@given(st.lists(st.integers(0, 200), min_size=1, max_size=30))
def test_a_campaign_of_which_nothing_fails_is_never_paused(batches: list[int]) -> None:
    before, now = played(*((posted, 0, 0) for posted in batches))
    assert too_many_failures(before, now) is None


def test_what_meta_says() -> None:
    assert trouble_at_meta(AUTUMN, [GOOD], NumberNow("GREEN", None)) is None
    assert trouble_at_meta(AUTUMN, [GOOD], None) is None
    for now, detail in (
        (GOOD._replace(status=None), "autumn (en): deleted"),
        (GOOD._replace(status="PAUSED"), "autumn (en): paused"),
        (GOOD._replace(category="UTILITY"), "autumn (en): category marketing became utility"),
        (GOOD._replace(is_as_planned=False), "autumn (en): its text was edited"),
    ):
        assert PauseReason("template_changed", detail) == trouble_at_meta(AUTUMN, [GOOD, now], None)
    assert PauseReason("number_paused", "spam") == trouble_at_meta(AUTUMN, [GOOD], NumberNow("GREEN", "spam"))


def test_a_quality_that_a_person_accepted_pauses_again_only_if_it_is_another_one() -> None:
    red = PauseReason("number_quality", "red")
    tolerant = replace(AUTUMN, tolerated={"number_quality": "red"})
    assert red == trouble_at_meta(AUTUMN, [GOOD], NumberNow("RED", None))
    assert trouble_at_meta(tolerant, [GOOD], NumberNow("RED", None)) is None
    assert "number_quality" == (trouble_at_meta(tolerant, [GOOD], NumberNow("FLAGGED", None)) or red).reason
    bad = GOOD._replace(quality="RED")
    assert "template_quality" == (trouble_at_meta(tolerant, [bad], None) or red).reason


def test_recipients_are_settled_once_their_message_was_posted_or_is_not_sent() -> None:
    counts = [RecipientCount(1, 0, "skipped", "duplicate", 999), RecipientCount(1, 0, "planned", "", 5000)]
    assert 0 == settled_thousands(counts)
    assert 1 == settled_thousands([*counts, RecipientCount(1, 0, "accepted", "", 1)])
    assert Seen(3, 0, {"1": 2}) == seen_in(
        [*counts, RecipientCount(1, 0, "failed", "1", 2), RecipientCount(2, 0, "read", "", 1)]
    )
