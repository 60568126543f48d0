"""Codes of authenticator apps, recovery codes and one-time passwords."""

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from infra.one_time_codes import (
    RECOVERY_CODES,
    accepted_step,
    enrolment_svg,
    new_recovery_codes,
    new_secret,
    one_time_password,
    recovery_hash,
)
from infra.passwords import weakness

NOW = datetime(2026, 11, 30, 12, 0, 10, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(steps: int) -> str:
    return pyotp.TOTP(SECRET).at(NOW + timedelta(seconds=30 * steps))


def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, with the last six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert 1 == accepted_step(secret, "287082", datetime.fromtimestamp(59, UTC), 0)
    assert 1111111109 // 30 == accepted_step(secret, "081804", datetime.fromtimestamp(1111111109, UTC), 0)


@pytest.mark.parametrize(("steps", "step"), [(-2, None), (-1, STEP - 1), (0, STEP), (1, STEP + 1), (2, None)])
def test_a_clock_may_be_off_by_half_a_minute(steps: int, step: int | None) -> None:
    assert step == accepted_step(SECRET, code(steps), NOW, 0)


def test_a_code_counts_once_and_no_earlier_one_after_it() -> None:
    assert STEP == accepted_step(SECRET, code(0), NOW, STEP - 1)
    assert accepted_step(SECRET, code(0), NOW, STEP) is None
    assert accepted_step(SECRET, code(-1), NOW, STEP) is None
    assert STEP + 1 == accepted_step(SECRET, code(1), NOW, STEP)


@pytest.mark.parametrize("given", ["", "12345", "1234567", "abcdef", "٣٣٣٣٣٣", "-12345", "1e5"])
def test_what_is_no_code_is_wrong(given: str) -> None:
    assert accepted_step(SECRET, given, NOW, 0) is None


def test_a_code_may_be_typed_in_two_groups() -> None:
    assert STEP == accepted_step(SECRET, f"{code(0)[:3]} {code(0)[3:]} ", NOW, 0)


def test_each_secret_and_code_is_another() -> None:
    assert 100 == len({new_secret() for _ in range(100)})
    assert 10 * RECOVERY_CODES == len({each for _ in range(10) for each in new_recovery_codes()})
    assert 100 == len({one_time_password() for _ in range(100)})


def test_a_one_time_password_passes_as_a_password() -> None:
    assert weakness(one_time_password(), ["anna"]) is None


def test_a_recovery_code_is_the_same_however_it_is_typed() -> None:
    assert recovery_hash("abc234-def567") == recovery_hash(" ABC234 def567 ")
    assert recovery_hash("abc234-def567") != recovery_hash("abc234-def568")


def test_the_picture_has_no_style_and_the_secret_is_in_it_only_as_modules() -> None:
    svg = enrolment_svg(SECRET, "anna & co", 'The "shop"')
    assert svg.startswith("<svg")
    assert re.search(r"style=|<script|<text|<title|" + SECRET, svg) is None
