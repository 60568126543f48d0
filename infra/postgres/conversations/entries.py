"""Entries: the facts of the conversations, each stored once, read back when one that waited finds its conversation."""

from collections.abc import Sequence
from typing import Any

from domain.facts import FACT, ConversationFact

_OWN_COLUMNS = {"id", "sent_at", "at", "kind", "wamid", "text"}


def to_row(fact: ConversationFact) -> tuple[Any, ...]:
    """`input_id, sent_at, at, kind, wamid, body, detail`."""
    return (
        fact.id,
        fact.sent_at,
        fact.at,
        fact.kind,
        getattr(fact, "wamid", None),
        getattr(fact, "text", None),
        fact.model_dump_json(exclude=_OWN_COLUMNS, exclude_none=True, exclude_defaults=True),
    )


def from_row(row: Sequence[Any]) -> ConversationFact:
    """The fact that `to_row` took, from the same columns, `detail` parsed."""
    input_id, sent_at, at, kind, wamid, body, detail = row
    own = {"id": input_id, "sent_at": sent_at, "at": at, "kind": kind, "wamid": wamid, "text": body}
    fact = FACT.validate_python({**detail, **{name: value for name, value in own.items() if value is not None}})
    assert isinstance(fact, ConversationFact)
    return fact
