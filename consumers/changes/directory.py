"""Changing the directory. Conversations that a removed user or skillset had are unmanaged again, in the same
transaction, also if the user had accepted them: a removed user cannot answer. Managed conversations stay as they are:
somebody has written to the customer."""

from typing import Any, NamedTuple

from psycopg import Connection

from consumers.changes.unit_of_work import UnitOfWork, active_histories
from domain.conversations.conversation import decision_ref
from domain.conversations.events import Cause
from domain.directory import Directory
from domain.ids import fact_id
from domain.routing.transfers import after_removal
from domain.topics import Topics
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.queues import Queues
from infra.postgres.directory_versions import VersionOrigin
from infra.postgres.messaging.offsets import inbound_watermark


class DirectoryConflict(NamedTuple):
    """The directory has another version than the one that an edit began with."""

    version: int


def apply_directory(
    connection: Connection[Any],
    wanted: Directory,
    topics: Topics,
    origin: VersionOrigin = directory.UNNAMED,
    expected_version: int | None = None,
) -> directory.DirectoryChanges | DirectoryConflict:
    """Replaces the directory, all or nothing, and returns the changes, or a conflict: then nothing is changed. Routing
    and commands wait meanwhile, so nothing is assigned to a removed user. O(conversations of removed users and
    skillsets). Raises psycopg errors."""
    with connection.transaction():
        directory.lock_exclusive(connection)
        version, current = directory.read(connection)
        if expected_version is not None and expected_version != version:
            return DirectoryConflict(version)
        _release(connection, current, wanted, topics, str(version))
        return directory.apply(connection, wanted, origin)


def _release(connection: Connection[Any], current: Directory, wanted: Directory, topics: Topics, version: str) -> None:
    users, skillsets = current.users.keys() - wanted.users, current.skillsets.keys() - wanted.skillsets
    if not users and not skillsets:
        return
    queues = Queues(connection)
    Customers(connection).lock({customer for _, customer in queues.owned_by(users, skillsets)})
    now, watermark = database_now(connection), inbound_watermark(connection, topics.inbound)
    # nothing can be assigned now, but a conversation may have ended before its lock was taken
    found = queues.read([conversation for conversation, _ in queues.owned_by(users, skillsets)])
    with UnitOfWork(connection, topics.conversations, active_histories(found), wanted) as work:
        for conversation in found:
            ref = decision_ref(now, fact_id("directory", version, str(conversation.id)))
            cause = Cause((ref.fact,), "directory")
            decided = after_removal(conversation, ref)
            work.decide(conversation.customer_id, conversation, decided, cause, now, watermark)
