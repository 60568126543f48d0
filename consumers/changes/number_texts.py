"""What numbers say by themselves to customers who have just written."""

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.directory import Directory
from domain.facts import CustomerTurn
from domain.sending.acceptance import SendingPolicy
from domain.sending.callback import SECRET_BYTES
from domain.sending.number_texts import number_text, text_due
from domain.sending.sends import Send
from infra.postgres.connections.clock import database_now
from infra.postgres.sending import sends


def texts_due(
    connection: Connection[Any],
    turns: Iterable[tuple[CustomerTurn, Conversation]],
    directory: Directory,
    policy: SendingPolicy,
    changing: Collection[UUID] = (),
) -> list[Send]:
    """Returns the texts that are due to new turns and were not asked for before. `changing`: the turns by which
    customers opt out or in. The caller holds the customers' locks, and stores them in the same transaction as the
    turns."""
    speaking = {number.phone_number_id for number in directory.numbers.values() if number.texts}
    if not speaking or not policy.enabled:
        return []
    answered = [(turn, c) for turn, c in turns if c.phone_number_id in speaking]
    if not answered:
        return []
    now = database_now(connection)
    found: dict[UUID, Send] = {}
    for turn, conversation in sorted(answered, key=lambda each: (each[0].at, each[0].arrival)):
        send = _due(turn, conversation, directory, policy, now, turn.id in changing)
        if send is not None:
            found.setdefault(send.id, send)
    known = sends.existing(connection, found) if found else frozenset[UUID]()
    return [send for id_, send in sorted(found.items()) if id_ not in known]


def _due(
    turn: CustomerTurn,
    conversation: Conversation,
    directory: Directory,
    policy: SendingPolicy,
    now: datetime,
    changes_opt_out: bool,
) -> Send | None:
    kind = text_due(turn, conversation, directory, policy, now, changes_opt_out=changes_opt_out)
    if kind is None:
        return None
    return number_text(kind, turn, conversation, directory, now, secrets.token_bytes(SECRET_BYTES))
