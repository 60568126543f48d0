"""Locking the customers of conversations that a caller names by their ids."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.batches.poison import RetryBatch
from domain.conversations.conversation import Conversation
from domain.ids import CustomerId
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.histories import CustomerHistories


def lock_conversations(
    connection: Connection[Any], named: Collection[UUID], *, wait: bool = True
) -> list[tuple[CustomerId, Conversation]]:
    """Locks the customers of those of the conversations that exist. Returns each conversation, read under the locks,
    with its customer after joining.

    Raises RetryBatch if a conversation was moved to another customer meanwhile and, with `wait` False, where another
    writer holds one of the locks. Raises psycopg errors."""
    if not named:
        return []
    customers = Customers(connection)
    wanted = {customer for customer, _ in customers.of_conversations(named).values()}
    locked = customers.lock(wanted) if wait else customers.lock_free(wanted)
    conversations = CustomerHistories(connection).read(named)
    if not locked.holds(conversation.customer_id for conversation in conversations):
        raise RetryBatch
    return [(locked.root_of[conversation.customer_id], conversation) for conversation in conversations]
