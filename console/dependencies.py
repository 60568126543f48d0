"""What the console is made of: everything is handed to it, it opens nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import g
from psycopg import Connection
from psycopg_pool import ConnectionPool

from console.live.broadcast import Live
from console.live.watch import Now, Shown
from console.request import person
from console.table.snapshot_cache import Kept
from domain.directory import Directory
from domain.mail import Policy
from domain.mail_body.compose import Sender
from domain.ports import Publisher
from domain.routing.transfers import Terms
from infra.passwords import Passwords
from infra.postgres import directory
from infra.postgres.console.sign_ins import SessionTerms


@dataclass(frozen=True, slots=True)
class Post:
    """What mails are made of, for their preview."""

    policy: Policy
    sender: Sender


@dataclass(frozen=True, slots=True)
class Parts:
    """`secure`: people reach it by https only. `proxies`: how many before it add to X-Forwarded-For. `post` None: this
    installation sends no mails. `pool`: its connections commit by themselves."""

    pool: ConnectionPool[Connection[Any]]
    publisher: Publisher
    commands_topic: str
    command_secret: bytes = field(repr=False)
    clock: Callable[[], datetime]
    live: Live[Shown, Now]
    passwords: Passwords
    terms: Terms = field(default_factory=Terms)
    sessions: SessionTerms = field(default_factory=SessionTerms)
    post: Post | None = None
    organisation: str = ""
    secure: bool = False
    proxies: int = 0
    kept: Kept = field(default_factory=Kept)
    _known: directory.Current = field(default_factory=directory.Current)

    def connection(self) -> AbstractContextManager[Connection[Any]]:
        """One that commits by itself; of a request that only reads always the same, as taking one costs a question
        whether it is still there. Raises psycopg_pool.PoolTimeout, psycopg.OperationalError."""
        held: Connection[Any] | None = g.get("connection")
        return self.pool.connection() if held is None else nullcontext(held)

    def directory(self, conn: Connection[Any]) -> Directory:
        """As it is now."""
        return self._known.read(conn, person().directory)
