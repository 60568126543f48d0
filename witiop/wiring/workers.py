"""Builds and runs the worker processes: `timer`, `routing`, `mails`, `sender`, `media`, `campaigns`, `alarms`, `rules`,
`retention` and `relay`."""

from contextlib import ExitStack, closing
from functools import cache, partial
from threading import Event
from typing import TYPE_CHECKING, Any

import structlog

from infra.process.readiness import every_reason
from witiop.settings import Settings
from witiop.wiring.from_settings import (
    alarm_mailer,
    alarm_terms,
    alarm_translations,
    campaign_terms,
    closing_traces,
    consumer_group,
    graph_access,
    kafka_config,
    mail_attaching,
    mail_sender,
    public_console_url,
    routing_policy,
    secret_bytes,
    sending_policy,
    ses_access,
    store_access,
    topics,
)
from witiop.wiring.running import run_worker

if TYPE_CHECKING:
    from psycopg import Connection

    from consumers.workers.retention.file_removal import FileRemoval

log = structlog.get_logger(__name__)


def run_timer(settings: Settings) -> None:
    """Runs the worker that closes windows at their end. Any number may run."""
    from consumers.batches.poison import PoisonPolicy
    from consumers.workers.timer import Timer
    from infra.kafka.backlog import Backlog
    from infra.postgres.connections.session import DatabaseSession

    names = topics(settings)
    with (
        closing(DatabaseSession(settings.postgres_dsn.get_secret_value(), "timer")) as session,
        closing(Backlog(kafka_config(settings), names.inbound)) as backlog,
    ):
        poison = PoisonPolicy(settings.poison_per_minute)
        timer = Timer(session.transaction, names, settings.stalled_inbound_seconds, backlog=backlog, poison=poison)
        run_worker(settings, timer.run, timer.not_ready_reason)


def run_routing(settings: Settings) -> None:
    """Runs the worker that assigns waiting conversations to available agents. Any number may run."""
    from consumers.batches.poison import PoisonPolicy
    from consumers.workers.progress.stall_detector import StallDetector
    from consumers.workers.routing import Routing
    from infra.postgres.connections.session import DatabaseSession

    with closing(DatabaseSession(settings.postgres_dsn.get_secret_value(), "routing")) as session:
        stalls = StallDetector(settings.stalled_inbound_seconds)
        poison = PoisonPolicy(settings.poison_per_minute)
        routing = Routing(session.transaction, topics(settings), routing_policy(settings), stalls=stalls, poison=poison)
        run_worker(settings, routing.run, routing.not_ready_reason)


def run_mails(settings: Settings) -> None:
    """Runs the worker that sends mails through SES. Any number may run. Without a sender's address it stands by."""
    if settings.ses_sender is None:
        log.info("mails.off", reason="WITIOP_SES_SENDER is not set: this installation sends no mails")
        run_worker(settings, _stand_by, lambda: None)
        return
    from consumers.batches.poison import PoisonPolicy
    from consumers.workers.mails import Mails
    from consumers.workers.restore_guard import RestoreGuard
    from infra.kafka.diagnostics import committed_offsets
    from infra.postgres.connections.session import DatabaseSession
    from infra.ses.mailer import SesMailer

    mailer, kafka = SesMailer(ses_access(settings), settings.ses_configuration_set), kafka_config(settings)
    names, groups = topics(settings), [consumer_group(settings, name) for name in ("conversations", "commands")]
    read = (names.inbound, names.unreadable, names.commands)
    with closing(DatabaseSession(settings.postgres_dsn.get_secret_value(), "mails")) as session:
        guard = RestoreGuard(session, lambda: committed_offsets(kafka, groups, read))
        worker = Mails(
            guard.transaction,
            mailer,
            mail_sender(settings),
            names,
            settings.ses_rate,
            poison=PoisonPolicy(settings.poison_per_minute),
            attaching=mail_attaching(settings),
        )
        run_worker(settings, worker.run, lambda: every_reason(worker.not_ready_reason(), guard.not_ready_reason()))


def run_sender(settings: Settings) -> None:
    """Runs the worker that posts messages to Meta. Any number may run. Where sending is off, it only asks Meta about
    numbers and templates; without a token or an account it stands by."""
    if not settings.sending_enabled:
        _run_sync_alone(settings)
        return
    from consumers.batches.parallel import ParallelLoops
    from consumers.workers.graph_sync import GraphSync
    from consumers.workers.restore_guard import RestoreGuard
    from consumers.workers.sender import MessageSender, SenderTerms
    from infra.graph.access import GraphClient
    from infra.graph.messages import GraphMessages
    from infra.graph.reader import GraphReader
    from infra.kafka.diagnostics import committed_offsets
    from infra.postgres.connections.hints import SENDS, SYNC, LastingHints
    from infra.postgres.connections.session import DatabaseSession

    dsn, kafka, names = settings.postgres_dsn.get_secret_value(), kafka_config(settings), topics(settings)
    groups = [consumer_group(settings, name) for name in ("conversations", "commands")]
    read = (names.inbound, names.unreadable, names.commands)
    api = GraphClient(graph_access(settings))
    with (
        closing(DatabaseSession(dsn, "sender")) as session,
        closing(DatabaseSession(dsn, "sync")) as sync_session,
        closing(LastingHints(dsn, SENDS)) as hints,
        closing(LastingHints(dsn, SYNC)) as sync_hints,
    ):
        guard = RestoreGuard(session, lambda: committed_offsets(kafka, groups, read))
        terms = SenderTerms(settings.sending_in_flight, sending_policy(settings), settings.resend_unknown)
        sender = MessageSender(guard.transaction, GraphMessages(api), names, hints, terms)
        reader = GraphSync(sync_session.transaction, GraphReader(api), settings.whatsapp_accounts, sync_hints)
        both = ParallelLoops([sender, reader])
        run_worker(settings, both.run, lambda: every_reason(both.not_ready_reason(), guard.not_ready_reason()))


def _run_sync_alone(settings: Settings) -> None:
    if not settings.whatsapp_access_token.get_secret_value() or not settings.whatsapp_accounts:
        log.info("sender.off", reason="sending is off, and there is no access token or no account to ask about")
        run_worker(settings, _stand_by, lambda: None)
        return
    from consumers.workers.graph_sync import GraphSync
    from infra.graph.access import GraphClient
    from infra.graph.reader import GraphReader
    from infra.postgres.connections.hints import SYNC, LastingHints
    from infra.postgres.connections.session import DatabaseSession

    dsn, reader = settings.postgres_dsn.get_secret_value(), GraphReader(GraphClient(graph_access(settings)))
    with closing(DatabaseSession(dsn, "sync")) as session, closing(LastingHints(dsn, SYNC)) as hints:
        sync = GraphSync(session.transaction, reader, settings.whatsapp_accounts, hints)
        run_worker(settings, sync.run, sync.not_ready_reason)


def run_media(settings: Settings) -> None:
    """Runs the worker that fetches customers' files, and uploads those that are to be sent. Any number may run. Without
    a bucket it only stands by."""
    if not settings.media_bucket:
        run_worker(settings, _stand_by, lambda: None)
        return
    from dataclasses import replace

    from consumers.batches.parallel import ParallelLoops
    from consumers.workers.media.fetching import MediaFetching
    from consumers.workers.media.transfers import MediaTransfers
    from consumers.workers.media.uploading import MediaUploading
    from infra.graph.access import GraphClient
    from infra.graph.media import GraphMedia
    from infra.media.store import S3FileStore
    from infra.media.thumbnails import thumbnail
    from infra.postgres.connections.hints import MEDIA, SENDS, LastingHints
    from infra.postgres.connections.session import DatabaseSession

    dsn, at_once = settings.postgres_dsn.get_secret_value(), settings.media_at_once
    graph = GraphMedia(GraphClient(replace(graph_access(settings), connections=2 * at_once)))
    store = S3FileStore(store_access(settings))
    with (
        closing(DatabaseSession(dsn, "media")) as fetch_session,
        closing(DatabaseSession(dsn, "uploads")) as upload_session,
        closing(LastingHints(dsn, MEDIA)) as fetch_hints,
        closing(LastingHints(dsn, SENDS)) as upload_hints,
    ):
        fetching = MediaFetching(graph, store, thumbnail)
        uploading = MediaUploading(graph, store, topics(settings))
        both = ParallelLoops(
            [
                MediaTransfers("fetching", fetch_session.transaction, fetching, at_once, fetch_hints),
                MediaTransfers("uploading", upload_session.transaction, uploading, at_once, upload_hints),
            ]
        )
        run_worker(settings, both.run, both.not_ready_reason)


def run_campaigns(settings: Settings) -> None:
    """Runs the worker that reads, plans and starts campaigns, and hands their messages to the sender. Any number may
    run."""
    from consumers.batches.parallel import ParallelLoops
    from consumers.workers.campaigns.file_worker import CampaignFileWorker
    from consumers.workers.campaigns.worker import CampaignWorker
    from consumers.workers.restore_guard import RestoreGuard
    from infra.kafka.diagnostics import committed_offsets
    from infra.postgres.connections.session import DatabaseSession

    kafka, names = kafka_config(settings), topics(settings)
    groups = [consumer_group(settings, name) for name in ("conversations", "commands")]
    read = (names.inbound, names.unreadable, names.commands)
    dsn = settings.postgres_dsn.get_secret_value()
    with (
        closing(DatabaseSession(dsn, "campaigns")) as session,
        closing(DatabaseSession(dsn, "campaign files")) as files_session,
    ):
        guard = RestoreGuard(session, lambda: committed_offsets(kafka, groups, read))
        worker = CampaignWorker(guard.transaction, names, campaign_terms(settings))
        both = ParallelLoops([worker, CampaignFileWorker(files_session.transaction, names)])
        run_worker(settings, both.run, lambda: every_reason(both.not_ready_reason(), guard.not_ready_reason()))


_TELLERS = 4
"""Channels that are told at the same time by one process: one that hangs takes up to fifteen seconds."""


def run_alarms(settings: Settings) -> None:
    """Runs the worker that judges what is wrong, and tells channels and people. Any number may run."""
    from consumers.batches.parallel import ParallelLoops
    from consumers.workers.alarms.judge import AlarmJudge
    from consumers.workers.alarms.telling import AlarmTelling, TellingMeans
    from infra.hooks.poster import HookPoster
    from infra.postgres.connections.session import DatabaseSession

    dsn = settings.postgres_dsn.get_secret_value()
    mailer, sender = None, None
    if settings.ses_sender is not None:
        mailer, sender = cache(partial(alarm_mailer, settings)), mail_sender(settings)
    hooks = HookPoster(settings.alarm_private_hosts)
    means = TellingMeans(hooks, alarm_translations(), mailer, sender, public_console_url(settings))
    with ExitStack() as sessions:
        # alarms also tell that the standby is away, for which every other commit waits
        judging, *telling = (
            sessions.enter_context(closing(DatabaseSession(dsn, "alarms", waits_for_standby=False)))
            for _ in range(1 + _TELLERS)
        )
        judge = AlarmJudge(judging.transaction, alarm_terms(settings), routing_policy(settings).presence_timeout)
        loops = ParallelLoops([judge, *(AlarmTelling(each.transaction, means) for each in telling)])
        run_worker(settings, loops.run, loops.not_ready_reason)


def run_rules(settings: Settings) -> None:
    """Runs the worker that does what rescue rules say. Any number may run."""
    from consumers.batches.poison import PoisonPolicy
    from consumers.workers.restore_guard import RestoreGuard
    from consumers.workers.rules.worker import Rules
    from infra.kafka.backlog import Backlog
    from infra.kafka.diagnostics import committed_offsets
    from infra.postgres.connections.session import DatabaseSession

    kafka, names = kafka_config(settings), topics(settings)
    groups = [consumer_group(settings, name) for name in ("conversations", "commands")]
    read = (names.inbound, names.unreadable, names.commands)
    with (
        closing(DatabaseSession(settings.postgres_dsn.get_secret_value(), "rules")) as session,
        closing(Backlog(kafka, names.inbound)) as backlog,
    ):
        guard = RestoreGuard(session, lambda: committed_offsets(kafka, groups, read))
        secret = secret_bytes(settings.command_secrets)[0]
        rules = Rules(
            guard.transaction,
            names,
            secret,
            settings.stalled_inbound_seconds,
            backlog=backlog,
            per_minute=settings.rules_per_minute,
            poison=PoisonPolicy(settings.poison_per_minute),
        )
        run_worker(settings, rules.run, lambda: every_reason(rules.not_ready_reason(), guard.not_ready_reason()))


def run_retention(settings: Settings) -> None:
    """Runs the worker that erases people, and removes what is older than its number keeps it. Any number may run."""
    from consumers.workers.retention.worker import RetentionWorker
    from infra.postgres.connections.session import DatabaseSession
    from infra.postgres.retention.files import is_any_unneeded

    @cache
    def removal() -> "FileRemoval":
        # the client of the store takes 25 MiB: it is imported when there is a file to delete
        from consumers.workers.retention.file_removal import FileRemoval
        from infra.media.store import S3FileStore

        return FileRemoval(S3FileStore(store_access(settings)))

    def delete_files(connection: "Connection[Any]") -> bool:
        return is_any_unneeded(connection) and removal()(connection)

    trim = partial(_trim_unreadable, settings)
    with closing(DatabaseSession(settings.postgres_dsn.get_secret_value(), "retention")) as session:
        worker = RetentionWorker(
            session.transaction, delete_files if settings.media_bucket else None, trim, topics(settings)
        )
        run_worker(settings, worker.run, worker.not_ready_reason)


def _trim_unreadable(settings: Settings, connection: "Connection[Any]") -> None:
    """Deletes from the unreadable topic what is among the dead letters for as long as other topics keep a record."""
    from datetime import timedelta

    from infra.kafka.topics import RETENTION_MS, delete_copied
    from infra.postgres.connections.clock import database_now
    from infra.postgres.messaging.offsets import processed_until

    topic = topics(settings).unreadable
    copied = processed_until(connection, consumer_group(settings, "conversations"), topic)
    before = database_now(connection) - timedelta(milliseconds=RETENTION_MS)
    delete_copied(kafka_config(settings), topic, copied, before)


def _stand_by(stop: Event) -> None:
    stop.wait()


def run_relay(settings: Settings) -> None:
    """Runs the worker that publishes the outbox. One instance is active, the others stand by."""
    from consumers.workers.relay import Relay
    from infra.kafka.ordered_publisher import OrderedPublisher
    from infra.postgres.connections.pool import connect

    dsn = settings.postgres_dsn.get_secret_value()
    with closing_traces(settings, "relay") as traces:
        publisher = OrderedPublisher(kafka_config(settings))
        relay = Relay(lambda: connect(dsn, "relay", autocommit=True), publisher, traces)
        run_worker(settings, relay.run, relay.not_ready_reason)
