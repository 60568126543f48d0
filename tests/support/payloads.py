"""Bodies in the shapes that Meta sends, one file per shape in tests/payloads; every id and text is invented."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.facts import Fact
from tests.support.paths import ROOT

_FOLDER = ROOT / "tests" / "payloads"

ACCOUNT = "330000000000001"
NUMBER = "440000000000001"
SHOWN = "442079460001"
PHONE = "447700900001"
NEW_PHONE = "447700900002"
NAME = "Anna Rossi"
USER_ID = "IT.70000000000000000001"
NEW_USER_ID = "IT.70000000000000000002"
SENT = datetime(2026, 1, 1, 10, tzinfo=UTC)
"""The time of the first update in every body; the second one happens a second later."""
RECEIVED = SENT + timedelta(seconds=2)

NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))


def without_arrival(facts: Iterable[Fact]) -> list[Fact]:
    """Returns the facts with no arrival, to compare them with those of another body."""
    return [fact.model_copy(update={"arrival": 0}) if "arrival" in type(fact).model_fields else fact for fact in facts]


def raw(name: str) -> bytes:
    """Returns the body as bytes."""
    return (_FOLDER / f"{name}.json").read_bytes()


def body(name: str) -> dict[str, Any]:
    """Returns the body as an object that the test may change."""
    document: dict[str, Any] = json.loads(raw(name))
    return document


def value_of(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the value of a body's first change."""
    value: dict[str, Any] = document["entry"][0]["changes"][0]["value"]
    return value
