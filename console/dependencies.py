"""What the console needs from outside; it opens nothing itself."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from psycopg import Connection
from psycopg_pool import ConnectionPool

from console.downloads import Downloads
from console.health.cache import HealthCache
from console.health.servers import ServersCache
from console.live.broadcast import Broadcaster
from console.live.campaigns import OpenCampaignsState, WatchedCampaign
from console.live.desk import OpenDesksState, WatchedDesk
from console.live.directory import OpenDirectoryState, WatchedDirectory
from console.live.watch import ListState
from console.live.watched_list import WatchedList
from console.metrics import ConsoleMetrics
from console.request import person
from console.table.snapshot_cache import SnapshotCache
from domain.directory import Directory, Level
from domain.mail import MailPolicy
from domain.mail_body.compose import MailSender
from domain.ports import Publisher
from domain.routing.transfers import RoutingPolicy
from domain.sending.acceptance import SendingPolicy
from domain.setup.seen import SetupTerms
from infra.media.streams import FileStreams
from infra.openid.provider import OpenIdProvider
from infra.passwords import Passwords
from infra.postgres import directory
from infra.postgres.console.sign_ins import SessionTerms
from infra.postgres.rules.listing import with_former_rules
from infra.process.traces import Traces


@dataclass(frozen=True, slots=True)
class MailComposition:
    """What the preview needs to compose a mail. `preview_seconds`: the most processor time for it, as other pages of
    this process wait meanwhile; the largest mail takes about two. `attach_bytes`: how much of customers' files a mail
    carries; None: mails name no files."""

    policy: MailPolicy
    sender: MailSender
    attach_bytes: int | None = None
    preview_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`pool`: connections in autocommit mode; `download_connection`: opens one more like them. `clock`: for pages of
    people who are not signed in; all others show the database's time, and commands bear it. `mailing` None: this
    installation sends no mails; `files` None: it keeps no files; `is_typing_due`: whether the customer of a
    conversation is to be shown now that somebody writes to them; None: nobody is. `local_sign_in`: people sign in with
    passwords; `provider`: where else they sign in; `factor_levels`: on these levels they need a second factor.
    `rules_per_minute`: actions of all rescue rules in a minute, at most. `secure`: browsers reach the console by https
    only. `proxies`: the number of reverse proxies that add to X-Forwarded-For. `alarm_hosts`: hosts in a private
    network that alarms may be posted to. `set_up`: how the installation is set; `servers`: what its servers show."""

    pool: ConnectionPool[Connection[Any]]
    download_connection: Callable[[], Connection[Any]]
    publisher: Publisher
    commands_topic: str
    inbound_topic: str
    command_secret: bytes = field(repr=False)
    clock: Callable[[], datetime]
    live: Broadcaster[WatchedList, ListState]
    desks: Broadcaster[WatchedDesk, OpenDesksState]
    campaigns: Broadcaster[WatchedCampaign, OpenCampaignsState]
    directories: Broadcaster[WatchedDirectory, OpenDirectoryState]
    passwords: Passwords
    terms: RoutingPolicy = field(default_factory=RoutingPolicy)
    sessions: SessionTerms = field(default_factory=SessionTerms)
    mailing: MailComposition | None = None
    files: FileStreams | None = None
    sending: SendingPolicy = field(default_factory=SendingPolicy)
    is_typing_due: Callable[[UUID, datetime], bool] | None = None
    local_sign_in: bool = True
    provider: OpenIdProvider | None = None
    factor_levels: Collection[Level] = ()
    rules_per_minute: int = 20
    organisation: str = ""
    secure: bool = False
    proxies: int = 0
    downloads: Downloads = field(default_factory=Downloads)
    health: HealthCache = field(default_factory=HealthCache)
    set_up: SetupTerms = field(default_factory=SetupTerms)
    servers: ServersCache = field(default_factory=ServersCache)
    alarm_hosts: Collection[str] = ()
    traces: Traces | None = None
    metrics: ConsoleMetrics = field(default_factory=lambda: ConsoleMetrics(CollectorRegistry()))
    snapshots: SnapshotCache = field(default_factory=SnapshotCache)
    _directories: directory.DirectoryCache = field(default_factory=lambda: directory.DirectoryCache(with_former_rules))

    def connection(self) -> AbstractContextManager[Connection[Any]]:
        """A connection in autocommit mode, to be given back as soon as the rows are read: the pool has few, and taking
        one costs no round trip. Raises psycopg_pool.PoolTimeout and psycopg.OperationalError."""
        return self.pool.connection()

    def directory(self, conn: Connection[Any], *, after: bool = False) -> Directory:
        """The directory as it was when the request began; `after`: as it is now, because a change of it was seen."""
        return self._directories.read(conn, None if after else person().directory)
