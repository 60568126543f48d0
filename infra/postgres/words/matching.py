"""Which message it was that a search found. Raises psycopg errors."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.search import PassagePiece, asked, missing, passage, searched
from infra.postgres.lists.conversation_parts import EntryCursor
from infra.postgres.lists.unmanaged import FoundMessage, ListedConversation
from infra.postgres.words.filling import WRITTEN

_MOST_READ = 200
"""Of a conversation so many latest messages are looked at to show the one that was found."""
MOST_SEARCHED = 10_000
"""The most messages of a conversation that are searched, and how many of these are found at most."""
MOST_FOUND = 500


class MessageMatch(NamedTuple):
    """A message of a conversation that has what was searched. `pieces`: the part of its text that shows it."""

    place: EntryCursor
    by_customer: bool
    pieces: Sequence[PassagePiece]


def with_found_messages(
    conn: Connection[Any], rows: Sequence[ListedConversation], words: Sequence[str]
) -> list[ListedConversation]:
    """The rows, each that does not show all that was searched with the message that has most of the rest, the latest of
    such. One statement; each row is read from the index of its entries."""
    wanted = asked(" ".join(words))
    hidden = {row.id: lacking for row in rows if (lacking := missing(_shown(row), wanted))}
    if not hidden:
        return [*rows]
    found: dict[UUID, tuple[int, FoundMessage]] = {}
    for of, id_, at, _, kind, text in conn.execute(_WRITTEN_IN, {"ids": [*hidden], "most": _MOST_READ}, prepare=True):
        seen = passage(text, wanted)
        adds = len(seen.words & hidden[of]) if seen is not None else 0
        if seen is not None and adds > (found[of][0] if of in found else 0):
            found[of] = adds, FoundMessage(id_, at, kind == "customer_turn", seen.pieces)
    return [replace(row, found=found[row.id][1]) if row.id in found else row for row in rows]


def found_in(conn: Connection[Any], conversation: UUID, words: Sequence[str]) -> list[MessageMatch]:
    """Returns the messages of a conversation that have all words of a search, the latest `MOST_FOUND` and one more, in
    reading order; if there is none, those that have some of the words. O(messages of the conversation)."""
    wanted = asked(" ".join(words))
    some: list[MessageMatch] = []
    whole: list[MessageMatch] = []
    values = {"ids": [conversation], "most": MOST_SEARCHED}
    for _, id_, at, arrival, kind, text in conn.execute(_WRITTEN_IN, values):
        if (seen := passage(text, wanted)) is None:
            continue
        match = MessageMatch(EntryCursor(at, arrival, id_), kind == "customer_turn", seen.pieces)
        some.append(match)
        if not missing(searched([text], (), ()).split(" "), wanted):
            whole.append(match)
    return sorted((whole or some)[: MOST_FOUND + 1], key=lambda each: each.place)


def _shown(row: ListedConversation) -> Sequence[str]:
    ids = [row.user_id, row.group_id, str(row.id)]
    return searched([row.customer_name, row.last_text], [row.wa_id], ids).split(" ")


_WRITTEN_IN: LiteralString = f"""
select t.id, w.input_id, w.at, w.arrival, w.kind, w.text
from unnest(%(ids)s::uuid[]) as t (id) cross join lateral ({WRITTEN}) as w where w.text is not null
"""
