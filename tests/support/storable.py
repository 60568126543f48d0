"""A check that facts can be stored: the counterpart of the hostile corpus."""

import re
from collections.abc import Iterator
from typing import Any

from domain.facts import FACT, Fact
from domain.ids import MAX_ID_LENGTH

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_INDEXED = (
    "phone_number_id",
    "wamid",
    "wa_id",
    "user_id",
    "group_id",
    "option_id",
    "recipient",
    "session_id",
    "agent_id",
    "account_id",
    "field",
    "type",
    "status",
    "marks",
    "skillset",
)


def unstorable(fact: Fact) -> list[object]:
    """Returns everything in a fact that PostgreSQL, Kafka or an index would reject; an empty list for a good fact."""
    if FACT.validate_json(FACT.dump_json(fact)) != fact:
        return ["not the same after serialising and parsing"]
    dumped = fact.model_dump()
    return [*_wrong(dumped), *_too_long(dumped)]


def _wrong(value: Any, depth: int = 0) -> Iterator[object]:
    if isinstance(value, str):
        if _NOT_TEXT.search(value):
            yield value
    elif isinstance(value, float):
        if value - value != 0:
            yield value
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            yield value
    elif isinstance(value, dict | list | tuple):
        if depth > 100:
            yield "too deep"
            return
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for part in inner:
            yield from _wrong(part, depth + 1)


def _too_long(dumped: dict[str, Any]) -> Iterator[object]:
    holders = [dumped, dumped.get("customer"), dumped.get("becomes")]
    for holder in holders:
        for key in _INDEXED:
            value = holder.get(key) if holder else None
            if value is not None and len(value.encode()) > MAX_ID_LENGTH:
                yield key
