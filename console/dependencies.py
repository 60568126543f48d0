"""What the console is made of: everything is handed to it, it opens nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import g
from psycopg import Connection
from psycopg_pool import ConnectionPool

from console.live.broadcast import Broadcaster
from console.live.watch import ListState, WatchedList
from console.request import person
from console.table.snapshot_cache import SnapshotCache
from domain.directory import Directory
from domain.mail import MailPolicy
from domain.mail_body.compose import MailSender
from domain.ports import Publisher
from domain.routing.transfers import RoutingPolicy
from infra.passwords import Passwords
from infra.postgres import directory
from infra.postgres.console.sign_ins import SessionTerms


@dataclass(frozen=True, slots=True)
class MailComposition:
    """What mails are made of, for their preview."""

    policy: MailPolicy
    sender: MailSender


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`secure`: people reach it by https only. `proxies`: how many before it add to X-Forwarded-For. `post` None: this
    installation sends no mails. `pool`: its connections commit by themselves."""

    pool: ConnectionPool[Connection[Any]]
    publisher: Publisher
    commands_topic: str
    command_secret: bytes = field(repr=False)
    clock: Callable[[], datetime]
    live: Broadcaster[WatchedList, ListState]
    passwords: Passwords
    terms: RoutingPolicy = field(default_factory=RoutingPolicy)
    sessions: SessionTerms = field(default_factory=SessionTerms)
    post: MailComposition | None = None
    organisation: str = ""
    secure: bool = False
    proxies: int = 0
    kept: SnapshotCache = field(default_factory=SnapshotCache)
    _known: directory.DirectoryCache = field(default_factory=directory.DirectoryCache)

    def connection(self) -> AbstractContextManager[Connection[Any]]:
        """One that commits by itself; of a request that only reads always the same, as taking one costs a question
        whether it is still there. Raises psycopg_pool.PoolTimeout, psycopg.OperationalError."""
        held: Connection[Any] | None = g.get("connection")
        return self.pool.connection() if held is None else nullcontext(held)

    def directory(self, conn: Connection[Any]) -> Directory:
        """As it is now."""
        return self._known.read(conn, person().directory)
