"""All that is needed to show a conversation as it was at a moment. Raises psycopg errors."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import TranscriptItem
from domain.facts import ConversationFact
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.conversations import entries
from infra.postgres.lists.conversation_page import history, read_conversation, read_transcript

MOST_FACTS = 2000
"""Facts of a conversation that are replayed, from the first on."""


class ReplayedConversation(NamedTuple):
    """A conversation with its facts, at most `MOST_FACTS`, their texts as they are today, and its history. `cut`:
    whether it has more."""

    conversation: Conversation
    facts: list[ConversationFact]
    transcript: list[TranscriptItem]
    history: list[HistoryEntry]
    cut: bool


def read_replay(connection: Connection[Any], conversation_id: UUID) -> ReplayedConversation | None:
    """Returns the conversation; None: there is none. O(its entries)."""
    with one_snapshot(connection):
        conversation = read_conversation(connection, conversation_id)
        if conversation is None:
            return None
        rows = connection.execute(
            f"select {entries.READ_BACK} from entries e where e.conversation_id = %s order by at, input_id limit %s",
            [conversation_id, MOST_FACTS + 1],
        ).fetchall()
        return ReplayedConversation(
            conversation,
            [entries.from_row(row) for row in rows[:MOST_FACTS]],
            read_transcript(connection, conversation),
            history(connection, conversation),
            len(rows) > MOST_FACTS,
        )
