"""What is said about files with recipients, their rows, and campaigns that stop by themselves."""

from typing import get_args

from domain.campaigns.campaign import CampaignReason
from domain.campaigns.files.refusals import FILE_PROBLEMS
from domain.campaigns.recipients import ROW_PROBLEMS, SKIP_REASONS
from domain.contract.campaign_texts import (
    CAMPAIGN_REASON_TEXTS,
    ROW_PROBLEM_TEXTS,
    SKIP_TEXTS,
    file_problem_text,
    skipped_text,
)


def test_every_reason_has_words() -> None:
    assert {*ROW_PROBLEMS, "duplicate"} == {*ROW_PROBLEM_TEXTS}
    assert {*SKIP_REASONS} == {*SKIP_TEXTS, "duplicate"}
    assert {*get_args(CampaignReason)} == {*CAMPAIGN_REASON_TEXTS}
    assert ("Not a phone number", "Opted out") == (skipped_text("phone_invalid").name, skipped_text("opted_out").name)
    assert ("of_tomorrow", "") == skipped_text("of_tomorrow")


def test_a_refused_file_is_told_with_its_cure_and_where() -> None:
    words = [file_problem_text(problem, None) for problem in FILE_PROBLEMS]
    assert len(words) == len({*words, file_problem_text("of_tomorrow", None)}) - 1
    quote = "A quotation mark of this line has no partner. Put it right in a text editor. (line 7)"
    assert quote == file_problem_text("open_quote", "line 7")
    assert "(" not in file_problem_text("damaged", "binary")
