"""Changing the directory: what a removed user or skillset had, and nobody accepted, is unmanaged again, in the same
transaction. Accepted conversations stay as they are: somebody took care of them."""

from typing import Any

from psycopg import Connection

from consumers.changes.conversations import UnitOfWork
from domain.conversations.conversation import FactRef
from domain.conversations.fold import Cause, CustomerHistory
from domain.directory import Directory
from domain.ids import fact_id
from domain.routing.transfers import after_removal
from domain.topics import Topics
from infra.postgres import directory
from infra.postgres.conversations.queues import Queues
from infra.postgres.conversations.threads import CustomerHistories


def apply_directory(connection: Connection[Any], wanted: Directory, topics: Topics) -> directory.DirectoryChanges:
    """Makes the directory this one, all or nothing. Whoever gives conversations away waits meanwhile, so nothing is
    given to what is going. O(what the removed had). Raises psycopg errors."""
    with connection.transaction():
        directory.lock_exclusive(connection)
        version, current = directory.read(connection)
        _release(connection, current, wanted, topics, str(version))
        return directory.apply(connection, wanted)


def _release(connection: Connection[Any], current: Directory, wanted: Directory, topics: Topics, version: str) -> None:
    users, skillsets = current.users.keys() - wanted.users, current.skillsets.keys() - wanted.skillsets
    if not users and not skillsets:
        return
    queues, threads = Queues(connection), CustomerHistories(connection)
    threads.lock({customer for _, customer in queues.owned_by(users, skillsets)})
    now = queues.now()
    # nobody can be given anything now, but what was found may have ended before the locks were taken
    found = queues.read([conversation for conversation, _ in queues.owned_by(users, skillsets)])
    changes = UnitOfWork(
        {c.customer_id: CustomerHistory(c.customer_id, c.phone_number_id, (c,)) for c in found}, wanted
    )
    for conversation in found:
        here = FactRef(now, fact_id("directory", version, str(conversation.id)))
        cause = Cause((here.fact,), "directory")
        changes.decide(conversation.customer_id, conversation, after_removal(conversation, here), cause, now)
    changes.write(connection, topics.conversations)
    changes.count(connection)
