"""Ids and names of ours that other systems write: the same name in another spelling is found, and what cannot be a name
is recognised.

People and programs copy ids with blanks, invisible characters, another case, or the full-width forms of an input
method. None of these distinguishes two ids.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from unicodedata import normalize

INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)
"""Characters without a picture of their own: soft hyphen, joiners, direction marks, fillers, variation selectors, byte
order mark."""
_PHONE_NUMBER_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def trimmed(name: str) -> str:
    """Returns a name without invisible characters, and without blanks around it. Empty if nothing else was in it."""
    if not name.isascii():
        name = INVISIBLE.sub("", name)
    return name.strip()


def is_phone_number_id(name: str) -> bool:
    """Returns whether a text can be the id of a business number, which is not its phone."""
    return _PHONE_NUMBER_ID.fullmatch(name) is not None


def known_name(name: str, known: Collection[str]) -> str:
    """Returns the one of the `known` ids that `name` writes: itself, or else the only one that differs in case, blanks
    or character forms alone. Returns `name` if there is none, or more than one. For a name that is not spelled
    as it is known, as fast as `known` is copied."""
    if name in known:
        return name
    return _by_form(tuple(known)).get(_folded(name)) or name


@lru_cache(maxsize=16)
def _by_form(known: tuple[str, ...]) -> dict[str, str | None]:
    """Returns the names by what is left of them without these differences; None: of several names the same is left."""
    found: dict[str, str | None] = {}
    for each in known:
        form = _folded(each)
        found[form] = None if form in found else each
    return found


def _folded(name: str) -> str:
    return "".join(normalize("NFKC", INVISIBLE.sub("", name)).casefold().split())
