"""JSON from outside that passes Python and would break PostgreSQL (webhooks.md): read tolerantly, cleaned once.

What `parse` returns can be stored as it is: no U+0000, no lone surrogate, no infinite number, no integer beyond 64
bits, bounded depth. What comes after it need not think of them again.
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
"""Levels of nesting that are kept, counted from the body; what is deeper becomes the string `TOO_DEEP`."""
TOO_DEEP = "…"

MAX_SECONDS = 253_402_300_799
"""The last second of the year 9999: the end of Python's calendar."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SECONDS = re.compile(r"[0-9]{1,12}")
_LARGEST = 2**63 - 1


class InvalidJson(ValueError):
    """The bytes are no JSON in UTF-8 that we can read."""


def parse(body: bytes) -> Json:
    """The cleaned value of a JSON text in UTF-8: NUL and lone surrogates become U+FFFD, numbers beyond a double null,
    integers beyond 64 bits strings of their digits; of equal keys the last one counts. Raises NotJson, also for NaN,
    UTF-16, a byte order mark and nesting beyond the parser's limit (about 1,000)."""
    try:
        value: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        value = _second_try(body)
    return _clean(value, MAX_DEPTH)


def dump(value: Json) -> bytes:
    """A cleaned value as JSON in UTF-8; `parse` gives it back."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def digest(value: Json) -> str:
    """The same for the same content in whatever order its keys came; for ids of what has no id of its own."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def text(holder: JsonObject, key: str) -> str | None:
    """The text under `key`; None if there is none, it is empty or no text."""
    value = holder.get(key)
    return value if isinstance(value, str) and value else None


def identifier(holder: JsonObject, key: str) -> str | None:
    """The id under `key`, short enough for an index; None if there is none, it is blank or no text."""
    value = holder.get(key)
    return bounded_id(value) if isinstance(value, str) and value.strip() else None


def nested(holder: JsonObject, key: str) -> JsonObject:
    """The object under `key`; an empty one if there is none or it is something else."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def moment(value: Json) -> datetime | None:
    """Whole seconds since 1970, as Meta writes them: digits or an integer, 0 to MAX_SECONDS. None for all else."""
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_SECONDS:
        return None
    return datetime.fromtimestamp(value, UTC)


def _second_try(body: bytes) -> Json:
    """The quick parser refuses a body for one lone surrogate, one integer of 4,301 digits or 200 levels of nesting:
    not worth setting aside the other updates in it."""
    try:
        value: Json = json.loads(body.decode(), parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(str(error)) from error
    return value


def _integer(digits: str) -> int | str:
    return digits if len(digits) > 20 else int(digits)


def _refuse(constant: str) -> NoReturn:
    raise InvalidJson(constant)


def _clean(value: Json, depth: int) -> Json:
    """The value itself, changed in place: a body of three megabytes can hold a million objects, and once is enough."""
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
