"""Passwords are stored as hashes, and rejected if they are easy to guess."""

from time import process_time
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
def test_a_password_that_is_easy_to_guess_is_rejected(password: str, expected: str | None) -> None:
    assert expected == weakness(password, ["paolo", "Paolo Zefiro"])


@pytest.mark.parametrize(
    "password",
    [
        "a" + "\u0301\u0316" * 125_000,
        "x" * 1_000_000,
        "4@8({[<369!|1i07$5+72%" * 5,
        "{[<!|17$" * 16,
        "0123456789" * 12,
    ],
)
def test_no_password_takes_long_to_judge(password: str) -> None:
    began = process_time()
    weakness(password, ["paolo"])
    assert not Passwords(QUICK).verify(None, password)
    assert process_time() - began < 3


def test_the_stored_hash_is_argon2id_with_its_own_salt_and_owasps_parameters() -> None:
    passwords = Passwords()
    stored = passwords.hash("a password")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != passwords.hash("a password")


def test_only_the_password_is_accepted_in_any_unicode_normalisation() -> None:
    passwords = Passwords(QUICK)
    stored = passwords.hash("caffè")
    assert [True, False, False] == [
        passwords.verify(stored, "caffe\N{COMBINING GRAVE ACCENT}"),
        passwords.verify(stored, "caffe"),
        passwords.verify(None, "nobody's"),
    ]
    assert not passwords.verify("not a hash", "x")


def test_verifying_an_unknown_user_takes_as_much_work_as_a_known_one() -> None:
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - the library's name
            verified.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    passwords.verify(None, "x")
    passwords.verify(passwords.hash("y"), "x")
    assert 2 == len(verified)
    assert 1 == len({each.rsplit("$", 2)[0] for each in verified})
