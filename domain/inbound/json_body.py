"""Parses JSON from outside: tolerantly, and cleaned of everything that Python accepts but PostgreSQL does not
(webhooks.md).

The result of `parse` can be stored without further checks: it has no U+0000, no lone surrogates, no infinite numbers,
no integers beyond 64 bits, and a limited depth.
"""

import hashlib
import json
import re
from datetime import UTC, datetime
from math import isfinite
from typing import NoReturn, TypeAlias

from pydantic_core import from_json

from domain.ids import bounded_id

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]

MAX_DEPTH = 64
"""Levels of nesting that are preserved, counted from the body. Deeper values become the string `TOO_DEEP`."""
TOO_DEEP = "…"

MAX_NODES = 100_000
"""The largest number of objects and arrays in a body: twice what three megabytes of messages hold. Three megabytes of
`{},` would be a million objects, which take seconds to read and 25 times their bytes in memory."""

MAX_SECONDS = 253_402_300_799
"""The last second of the year 9999: the end of Python's calendar."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SECONDS = re.compile(r"[0-9]{1,12}")
_LARGEST = 2**63 - 1
_SUSPECT = re.compile(rb"\\u0000|(?:^|[:,[])[ \t\r\n]*-?[0-9.]{19}|[0-9][eE]\+?[0-9]{3}")
"""What a body with a NUL, an integer beyond 64 bits or a number beyond a double contains. Some valid ones do too."""
_KINDS = bytes(
    0x30 if byte in b"0123456789." else 0x65 if byte in b"eE" else byte if byte in b"+\\u" else 0x20
    for byte in range(256)
)
"""A table for `bytes.translate`: all digits and the dot become 0, e and E become e, and most other bytes a blank."""
_MANY_DIGITS = b"0" * 19


class InvalidJson(ValueError):
    """The bytes are not JSON in UTF-8, or JSON that cannot be parsed."""


class TooManyNodes(InvalidJson):
    """The bytes hold more than `MAX_NODES` objects and arrays. They are not parsed."""


def parse(body: bytes) -> Json:
    """Returns the cleaned value of a JSON text in UTF-8. NUL and lone surrogates become U+FFFD, numbers beyond a double
    become null, and integers beyond 64 bits become strings of their digits. Of duplicate keys the last one is used.
    Raises TooManyNodes, and InvalidJson, also for NaN, UTF-16, a byte order mark and nesting beyond the parser's limit
    (about 1,000)."""
    nodes = body.count(b"{") + body.count(b"[")  # an upper bound: brackets in texts count too
    if nodes > MAX_NODES:
        raise TooManyNodes(f"more than {MAX_NODES} objects and arrays")
    try:
        value: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        return _clean(_parse_slowly(body), MAX_DEPTH)
    # Nearly all bodies have nothing to clean, and looking at their bytes once is ten times as fast as looking at every
    # value.
    return _clean(value, MAX_DEPTH) if nodes > MAX_DEPTH or _is_suspect(body) else value


def _is_suspect(body: bytes) -> bool:
    """Returns whether `_SUSPECT` matches. Nearly all bodies need no expression, which takes 15 times as long as these
    searches for fixed bytes: they find all that it finds, and more."""
    kinds = body.translate(_KINDS)
    is_possible = _MANY_DIGITS in kinds or b"e000" in kinds or b"e+000" in kinds or rb"\u0000" in kinds
    return is_possible and _SUSPECT.search(body) is not None


def dump(value: Json) -> bytes:
    """Returns a cleaned value as JSON in UTF-8. `parse` returns the same value for it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def digest(value: Json) -> str:
    """Returns a SHA-256 of the content that does not depend on the order of keys; for ids of content without an id."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def text(holder: JsonObject, key: str) -> str | None:
    """Returns the string under `key`; None if it is missing, empty or not a string."""
    value = holder.get(key)
    return value if isinstance(value, str) and value else None


def identifier(holder: JsonObject, key: str) -> str | None:
    """Returns the id under `key`, shortened if it is too long for an index; None if it is missing, blank or not a
    string."""
    value = holder.get(key)
    return bounded_id(value) if isinstance(value, str) and value.strip() else None


def nested(holder: JsonObject, key: str) -> JsonObject:
    """Returns the object under `key`; an empty one if it is missing or not an object."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def moment(value: Json) -> datetime | None:
    """Returns the time for whole seconds since 1970, written as digits or as an integer, 0 to MAX_SECONDS. None for any
    other value."""
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_SECONDS:
        return None
    return datetime.fromtimestamp(value, UTC)


def _parse_slowly(body: bytes) -> Json:
    """Parses with the standard library."""
    # The fast parser rejects a body for one lone surrogate, one integer of 4,301 digits or 200 levels of nesting. That
    # would make all other updates in it unreadable too.
    try:
        value: Json = json.loads(body.decode(), parse_int=_integer, parse_constant=_reject)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(str(error)) from error
    return value


def _integer(digits: str) -> int | str:
    return digits if len(digits) > 20 else int(digits)


def _reject(constant: str) -> NoReturn:
    raise InvalidJson(constant)


def _clean(value: Json, depth: int) -> Json:
    """Cleans the value in place and returns it. A copy would double the memory of a body with a million objects."""
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        if not depth:
            return TOO_DEEP
        renamed = [key for key in value if _storable(key) is not key]
        for key, inner in value.items():
            value[key] = _clean(inner, depth - 1)
        for key in renamed:
            value[_storable(key)] = value.pop(key)
    elif isinstance(value, list):
        if not depth:
            return TOO_DEEP
        for index, inner in enumerate(value):
            value[index] = _clean(inner, depth - 1)
    elif isinstance(value, float):
        return value if isfinite(value) else None
    elif isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST:
        return str(value)
    return value


def _storable(string: str) -> str:
    if string.isascii() and "\0" not in string:
        return string
    return _UNSTORABLE.sub("\ufffd", string)
