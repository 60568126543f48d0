"""Passwords are kept so that they cannot be read, and refused where others would guess them."""

from typing import Literal

import pytest
from argon2 import PasswordHasher

from infra.passwords import LONGEST, Passwords, weakness

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("short", "too_short"),
        ("password1234", "common"),
        ("qwertyuiop12", "common"),
        ("aaaaaaaaaaaaaaaa", "common"),
        ("paolo.zefiro1", "common"),
        ("witiop-whatsapp", "common"),
        ("x" * (LONGEST + 1), "too_long"),
        ("correct horse battery staple", None),
        ("11UhSD2VUSOYcxwD", None),
        ("più-biciclette-verdi-domani", None),
        ("z7" * 60, "common"),
    ],
)
def test_a_password_that_others_would_guess_is_refused(password: str, expected: str | None) -> None:
    assert expected == weakness(password, ["paolo", "Paolo Zefiro"])


def test_what_is_kept_is_argon2id_with_its_own_salt_and_as_owasp_wants_it() -> None:
    passwords = Passwords()
    kept = passwords.hash("a password")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept != passwords.hash("a password")


def test_only_the_password_fits_however_its_letters_are_composed() -> None:
    passwords = Passwords(QUICK)
    kept = passwords.hash("caffè")
    assert [True, False, False] == [
        passwords.fits(kept, "caffe\N{COMBINING GRAVE ACCENT}"),
        passwords.fits(kept, "caffe"),
        passwords.fits(None, "nobody's"),
    ]
    assert not passwords.fits("not a hash", "x")


def test_somebody_unknown_costs_as_much_work_as_somebody_known() -> None:
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - the library's name
            verified.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    passwords.fits(None, "x")
    passwords.fits(passwords.hash("y"), "x")
    assert 2 == len(verified)
    assert 1 == len({each.rsplit("$", 2)[0] for each in verified})
