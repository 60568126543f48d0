"""Passwords: kept as argon2id, and refused where others would guess them."""

import re
import threading
import unicodedata
from collections.abc import Iterable
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

SHORTEST, LONGEST = 12, 128
"""Characters. A sign-in has no second factor, so NIST (SP 800-63B-4) wants more than eight."""

_LOOKED_AT = 72
"""Characters that are looked at for words: the time grows with the square."""
_GUESSES = 10**10
"""zxcvbn's "very unguessable": also somebody who got hold of the hashes does not find it out."""
_AT_ONCE = 4
"""Each needs 19 MiB while it is computed."""

Weakness = Literal["too_short", "too_long", "common"]


class Passwords:
    """Computes hashes, a few at a time: others wait. Thread-safe."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """`hasher`: other than OWASP's parameters of argon2id."""
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._nobodys = self._hasher.hash("nobody's")

    def hash(self, password: str) -> str:
        """As it is kept."""
        with self._room:
            return self._hasher.hash(_normal(password))

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether it is the password. Without one to compare with it takes as long, and is not."""
        with self._room:
            try:
                self._hasher.verify(kept or self._nobodys, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None


def weakness(password: str, about: Iterable[str]) -> Weakness | None:
    """Why nobody may have this password, or None. `about`: names and such that others know of whose it is."""
    text = _normal(password)
    if len(text) < SHORTEST:
        return "too_short"
    if len(text) > LONGEST:
        return "too_long"
    known = [word for each in (*about, "witiop", "whatsapp") for word in re.split(r"\W+", each) if word]
    guesses: int = zxcvbn(text[:_LOOKED_AT], user_inputs=known)["guesses"]  # type: ignore[no-untyped-call]  # zxcvbn has no types
    return "common" if guesses < _GUESSES else None


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
