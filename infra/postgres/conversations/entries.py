"""Entries: the facts of conversations, each stored once. They are read back when a fact that waited finds its
conversation, and for the transcript."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from domain.facts import FACT, ConversationFact


class _Stored(NamedTuple):
    """The columns of an entry that hold its fact. `detail`: the fields without a column of their own."""

    input_id: UUID
    sent_at: datetime
    at: datetime
    arrival: int
    kind: str
    wamid: str | None
    body: str | None
    detail: Any


READ_BACK: LiteralString = ", ".join(f"e.{name}" for name in _Stored._fields)
"""The select list for `from_row`, of a table called `e`."""

_OWN_COLUMNS = {"id", "sent_at", "at", "arrival", "kind", "wamid", "text"}


def to_row(fact: ConversationFact) -> tuple[Any, ...]:
    """Returns the values of `input_id`, `sent_at`, `at`, `arrival`, `kind`, `wamid`, `body`, and `detail` (JSON)."""
    return _Stored(
        fact.id,
        fact.sent_at,
        fact.at,
        fact.arrival,
        fact.kind,
        getattr(fact, "wamid", None),
        getattr(fact, "text", None),
        fact.model_dump_json(exclude=_OWN_COLUMNS, exclude_none=True, exclude_defaults=True),
    )


def from_row(row: Sequence[Any]) -> ConversationFact:
    """Returns the fact of a row selected with `READ_BACK`."""
    stored = _Stored._make(row)
    own = {
        "id": stored.input_id,
        "sent_at": stored.sent_at,
        "at": stored.at,
        "arrival": stored.arrival,
        "kind": stored.kind,
        "wamid": stored.wamid,
        "text": stored.body,
    }
    present = {name: value for name, value in own.items() if value is not None}
    fact = FACT.validate_python({**stored.detail, **present})
    assert isinstance(fact, ConversationFact)
    return fact
