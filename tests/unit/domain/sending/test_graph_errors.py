"""What Meta's error codes mean for a message."""

from datetime import timedelta

import pytest

from domain.contract.send_help import pause_help, pause_help_key
from domain.contract.texts import SEND_HELP_TEXTS
from domain.sending.graph_errors import answer_error, pair_wait, status_error

WAIT = [4, 80007, 130429, 131057, 131056, 131048, 131064, 133016, 0, 190, 3, 10, 200, 299, 131005]
ACCOUNT = [368, 131031, 130497, 131042, 131044, 131045, 131037]
FAILED = [132001, 132015, 132016, 132007, 132000, 132005, 132008, 132012, 131008, 131009, 100, 132068]
FAILED += [131047, 131026, 131050, 130472, 131021, 131030, 131051, 131062, 137000, 131063]
UNKNOWN = [131000, 135000, 131016, 1, 2]


@pytest.mark.parametrize("code", WAIT + ACCOUNT)
def test_what_was_certainly_not_sent_waits(code: int) -> None:
    assert "wait" == answer_error(code, 400).kind


@pytest.mark.parametrize("code", FAILED)
def test_what_would_be_refused_again_fails(code: int) -> None:
    assert "failed" == answer_error(code, 400).kind


@pytest.mark.parametrize("code", UNKNOWN)
def test_what_meta_does_not_say_is_unknown_and_never_repeated(code: int) -> None:
    assert "unknown" == answer_error(code, 400).kind


@pytest.mark.parametrize("code", WAIT + ACCOUNT + UNKNOWN)
def test_a_failure_that_meta_reports_later_is_not_repeated_by_itself(code: int) -> None:
    """Meta had accepted the message, so a person decides whether it is sent again."""
    assert "later" == status_error(code).kind


def test_only_some_failures_may_succeed_if_a_person_sends_again_later() -> None:
    assert ("later", "failed") == (status_error(131049).kind, status_error(131026).kind)


def test_an_unknown_code_is_a_failure_unless_the_server_failed_or_throttles() -> None:
    assert ("failed", "unknown", "wait") == tuple(answer_error(999_999, status).kind for status in (400, 500, 429))
    assert ("failed", "failed") == (status_error(999_999).kind, status_error(None).kind)


def test_a_customer_who_was_written_to_too_fast_waits_longer_each_time() -> None:
    assert [4, 16, 64, 256, 256] == [pair_wait(n) // timedelta(seconds=1) for n in (1, 2, 3, 4, 9)]


@pytest.mark.parametrize(
    ("code", "scope"),
    [(131056, "recipient"), (131048, "templates"), (130429, "number"), (132015, "template"), (131026, "message")],
)
def test_an_error_holds_back_what_it_is_about(code: int, scope: str) -> None:
    assert scope == answer_error(code, 400).scope


def test_only_what_a_person_must_mend_says_so() -> None:
    assert [True, True, False] == [answer_error(code, 400).needs_person for code in (190, 131042, 130429)]


def test_every_error_has_a_text_that_helps_and_every_text_an_error() -> None:
    """What people read beside a message that failed or was not sent in time."""
    named = {answer_error(code, status).help for code in range(140_000) for status in (200, 429, 500)}
    assert named | {"not_allowed", "unconfirmed", "dropped", "expired"} == set(SEND_HELP_TEXTS)


def test_what_helps_a_number_follows_from_the_error_that_paused_it() -> None:
    assert ["token", "spam", None, None] == [
        pause_help_key(reason)
        for reason in ("Meta's error 190", "Meta's error 131048", "Meta could not be reached (timeout)", None)
    ]
    assert SEND_HELP_TEXTS["token"] == pause_help("Meta's error 190")
