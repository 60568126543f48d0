"""Passwords: stored as argon2id hashes, and rejected if they are easy to guess."""

import re
import threading
import unicodedata
from collections.abc import Iterable
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

SHORTEST, LONGEST = 12, 128
"""In characters. Sign-in has no second factor, so NIST (SP 800-63B-4) requires more than eight."""

_LONGEST_TYPED = 4 * LONGEST
"""In characters as typed. Normalisation may shorten a text to a quarter; its time grows with the square of the length
of a run of combining marks, so a longer text is rejected before it."""
_CHECKED_CHARACTERS = 72
"""How many characters zxcvbn examines: its time grows with their square."""
_LOOKALIKES = frozenset("4@8({[<369!|1i07$5+%2")
"""Characters that zxcvbn also reads as letters. Its time grows with the number of combinations of them: 72 characters
with all of them would take minutes."""
_MANY_LOOKALIKES, _CHECKED_OF_LOOKALIKES = 8, 20
"""Of a text with more different lookalikes than this, only so many characters are examined."""
_ENOUGH_GUESSES = 10**10
"""zxcvbn's "very unguessable": safe even from an attacker who has the hashes."""
_HASHES_AT_ONCE = 4
"""Each hash needs 19 MiB while it is computed."""

Weakness = Literal["too_short", "too_long", "common"]


class Passwords:
    """Computes and verifies hashes, a few at a time; further calls wait. Thread-safe."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """`hasher`: argon2id with other parameters than OWASP's."""
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._slots = threading.BoundedSemaphore(_HASHES_AT_ONCE)
        self._dummy_hash = self._hasher.hash("nobody's")

    def hash(self, password: str) -> str:
        """Returns the hash to store. The password must have passed `weakness`."""
        with self._slots:
            return self._hasher.hash(_normalised(password))

    def verify(self, stored_hash: str | None, password: str) -> bool:
        """Whether the password has this hash. Without a hash (an unknown user), returns False after the same time;
        for a text that is too long to be a password, returns False at once."""
        if len(password) > _LONGEST_TYPED:
            return False
        with self._slots:
            try:
                self._hasher.verify(stored_hash or self._dummy_hash, _normalised(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored_hash is not None


def weakness(password: str, about: Iterable[str]) -> Weakness | None:
    """Returns why a password is not accepted, or None if it is. `about`: facts about the user that others know, e.g.
    names; a password built from them is easy to guess."""
    if len(password) > _LONGEST_TYPED:
        return "too_long"
    text = _normalised(password)
    if len(text) < SHORTEST:
        return "too_short"
    if len(text) > LONGEST:
        return "too_long"
    known = [word for each in (*about, "witiop", "whatsapp") for word in re.split(r"\W+", each) if word]
    lookalikes = len(_LOOKALIKES.intersection(text))
    checked = _CHECKED_OF_LOOKALIKES if lookalikes > _MANY_LOOKALIKES else _CHECKED_CHARACTERS
    guesses: int = zxcvbn(text[:checked], user_inputs=known)["guesses"]  # type: ignore[no-untyped-call]  # zxcvbn has no types
    return "common" if guesses < _ENOUGH_GUESSES else None


def _normalised(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
