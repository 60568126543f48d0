"""The composition root: what each process is made of. Nothing is opened at import, and a process imports only its own.

A process is a function of its settings that returns after SIGTERM or SIGINT asked it to stop.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from domain.routing.transfers import Terms
from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.process import logging
from infra.process.crash_points import arm_crash_point
from infra.process.metrics import shared_between_processes
from witiop.settings import Secrets, Settings

if TYPE_CHECKING:
    from console.dependencies import Post
    from consumers.batches.batch_loop import Handler, SideBySide
    from consumers.batches.metrics import ConsumerMetrics
    from domain.mail import Policy
    from domain.mail_body.compose import Sender
    from infra.postgres.console.sign_ins import SessionTerms
    from infra.process.monitor import Check
    from infra.serving.server import Served
    from infra.ses.mailer import SesAccess

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Process:
    """`needs`: the settings without which it does not start."""

    needs: tuple[str, ...]
    run: Callable[[Settings], None]


def start(name: str, settings: Settings) -> int:
    """Run a process to its end and give its exit code; what ended it early is logged."""
    _prepare(settings, name)
    log.info("process.started")
    try:
        PROCESSES[name].run(settings)
    except Exception:  # the last place where it can be said why; the log leaves out what could be personal
        log.critical("process.failed", exc_info=True)
        return 1
    log.info("process.stopped")
    return 0


def kafka_config(settings: Settings) -> KafkaConfig:
    """How this installation reaches its brokers."""
    return KafkaConfig(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=_revealed(settings.kafka_sasl_password),
        ssl_cafile=_as_text(settings.kafka_ssl_ca_file),
        ssl_certfile=_as_text(settings.kafka_ssl_cert_file),
        ssl_keyfile=_as_text(settings.kafka_ssl_key_file),
        ssl_password=_revealed(settings.kafka_ssl_key_password),
    )


def topics(settings: Settings) -> Topics:
    """The names of this installation's topics."""
    return Topics(settings.kafka_topic_prefix)


def terms(settings: Settings) -> Terms:
    """How long this installation waits for its agents."""
    return Terms(
        reservation=timedelta(seconds=settings.reservation_seconds),
        offer=timedelta(seconds=settings.offer_seconds),
        silent=timedelta(seconds=settings.desk_silent_seconds),
    )


def run_webhook(settings: Settings) -> None:
    """The webhooks: this process watches over those that answer."""
    with _watching("webhook", settings, settings.webhook_host, settings.webhook_port):
        from infra.serving.front import Bounds
        from infra.serving.server import serve
        from webhook.app import MAX_BODY_BYTES

        serve(
            partial(_webhook_worker, settings),
            Bounds(body_bytes=MAX_BODY_BYTES, threads=settings.webhook_threads),
            host=settings.webhook_host,
            port=settings.webhook_port,
            processes=settings.webhook_processes,
        )


def _webhook_worker(settings: Settings) -> "Served":
    """What one process that answers is made of; called in it."""
    from prometheus_client import CollectorRegistry

    from domain.inbound.agent_desk import read_agent_desk
    from domain.inbound.ses_events import read_ses
    from domain.inbound.softbot import read_softbot
    from domain.inbound.whatsapp import reader
    from infra.kafka.producer import KafkaPublisher, Limits
    from infra.process.clock import utc_now
    from infra.serving.server import Served
    from infra.ses.notifications import Notifications
    from webhook import app
    from webhook.metrics import WebhookMetrics

    _prepare(settings, "webhook")
    names = topics(settings)
    # Some threads stay free to say no at once while the others wait for a broker that does not answer.
    limits = Limits(calls=max(1, settings.webhook_threads * 3 // 4))
    publisher = KafkaPublisher(kafka_config(settings), [names.inbound, names.unreadable], limits)
    metrics = WebhookMetrics(CollectorRegistry())
    application = app.create_app(
        readers=app.Readers(reader.read, read_softbot, read_agent_desk, read_ses),
        secrets=app.Secrets(
            whatsapp=_bytes(settings.whatsapp_app_secrets),
            verify_token=settings.whatsapp_verify_token.get_secret_value(),
            softbot=_bytes(settings.softbot_secrets),
            agents=_bytes(settings.agents_secrets),
        ),
        notifications=Notifications(settings.ses_topic_arns),
        publisher=publisher,
        topics=names,
        clock=utc_now,
        metrics=metrics,
    )
    return Served(application, metrics.refused, publisher.close)


def run_conversations(settings: Settings) -> None:
    """The consumer that works every fact into its customer's conversation."""
    from consumers.handlers.conversations import Conversations

    names = topics(settings)
    _consume(settings, "conversations", [names.inbound, names.unreadable], lambda: Conversations(names))


def _consume(settings: Settings, name: str, read: Sequence[str], handler: Callable[[], "Handler"]) -> None:
    """Run a consumer group's share in this process."""
    from consumers.batches.metrics import ConsumerMetrics

    group = f"{settings.kafka_topic_prefix}witiop.{name}"
    with side_by_side(settings, name, group, read, handler, lambda: ConsumerMetrics(group)) as consumer:
        _work(settings, consumer.run, consumer.missing)


@contextmanager
def side_by_side(
    settings: Settings,
    name: str,
    group: str,
    read: Sequence[str],
    handler: Callable[[], "Handler"],
    metrics: Callable[[], "ConsumerMetrics"],
) -> Iterator["SideBySide"]:
    """As many loops of a group as a process has threads, each with what it is made of and connections of its own."""
    from consumers.batches.batch_loop import BatchLoop, PoisonLimit, SideBySide
    from infra.kafka.consumer import GroupReader
    from infra.postgres.connections.session import Session

    instance, limit = settings.consumer_instance, PoisonLimit(settings.poison_per_minute)
    with ExitStack() as open_to_the_end:
        loops = []
        for place in range(settings.consumer_threads):
            session = Session(settings.postgres_dsn.get_secret_value(), name)
            open_to_the_end.enter_context(closing(session))
            reader = GroupReader(
                kafka_config(settings).client_options(), group, read, instance and f"{instance}.{place}"
            )
            loops.append(BatchLoop(reader, session.transaction, group, handler(), metrics(), limit))
        yield SideBySide(loops)


def mail_policy(settings: Settings) -> "Policy":
    """Which mails may be sent."""
    from domain.mail import Policy
    from infra.ses.addresses import address

    return Policy(address, frozenset(settings.mail_allowed_domains), settings.mail_mask)


def ses_access(settings: Settings) -> "SesAccess":
    """How this installation reaches SES."""
    from infra.ses.mailer import SesAccess

    key_id, secret = settings.ses_access_key_id, _revealed(settings.ses_secret_access_key)
    return SesAccess(settings.ses_region, settings.ses_endpoint, (key_id, secret) if key_id and secret else None)


def run_mails(settings: Settings) -> None:
    """Posts mails to SES; any number may run."""
    from consumers.workers.mails import Mails
    from infra.postgres.connections.session import Session
    from infra.ses.mailer import SesMailer

    mailer = SesMailer(ses_access(settings), settings.ses_configuration_set)
    with closing(Session(settings.postgres_dsn.get_secret_value(), "mails")) as session:
        worker = Mails(session.transaction, mailer, _sender(settings), topics(settings), settings.ses_rate)
        _work(settings, worker.run, worker.missing)


def run_console(settings: Settings) -> None:
    """The console: this process watches over the one that answers."""
    with _watching("console", settings, settings.console_host, settings.console_port):
        from console.app import MAX_BODY_BYTES
        from infra.serving.front import Bounds
        from infra.serving.server import serve

        serve(
            partial(_console_worker, settings),
            Bounds(body_bytes=MAX_BODY_BYTES, threads=settings.console_threads, queue_seconds=_CONSOLE_QUEUE_SECONDS),
            host=settings.console_host,
            port=settings.console_port,
            connections=_CONSOLE_CONNECTIONS,
        )


def _console_worker(settings: Settings) -> "Served":
    """What the process that answers is made of; called in it."""
    from console.app import create_app
    from console.dependencies import Parts
    from console.live.broadcast import Live
    from console.live.watch import Watch
    from infra.kafka.producer import KafkaPublisher
    from infra.passwords import Passwords
    from infra.postgres.connections.pool import pool
    from infra.postgres.console.change_hints import Hints
    from infra.process.clock import utc_now
    from infra.process.memory import collect_seldom
    from infra.serving.server import Served

    _prepare(settings, "console")
    dsn = settings.postgres_dsn.get_secret_value()
    names = topics(settings)
    publisher = KafkaPublisher(kafka_config(settings), [names.commands])
    connections = pool(dsn, "console", _CONSOLE_POOL, autocommit=True, generic_plans=True)
    connections.open()
    sessions = session_terms(settings)
    live = Live(lambda: Hints(dsn), Watch(connections.connection, sessions).look)
    hearing = threading.Thread(target=live.run, name="live", daemon=True)
    hearing.start()
    collect_seldom()
    sys.setswitchinterval(_CONSOLE_SWITCH_SECONDS)

    def close() -> None:
        live.end()
        hearing.join(timeout=2)
        connections.close()
        publisher.close()

    parts = Parts(
        pool=connections,
        publisher=publisher,
        commands_topic=names.commands,
        command_secret=_bytes(settings.command_secrets)[0],
        clock=utc_now,
        live=live,
        passwords=Passwords(),
        terms=terms(settings),
        sessions=sessions,
        post=_post(settings),
        organisation=settings.organisation,
        secure=settings.console_url.startswith("https:"),
        proxies=settings.console_proxies,
    )
    return Served(create_app(parts), lambda _: None, close, live.end)


def session_terms(settings: Settings) -> "SessionTerms":
    """When people are signed out of the console."""
    from infra.postgres.console.sign_ins import SessionTerms

    return SessionTerms(
        idle=timedelta(seconds=settings.console_idle_seconds),
        longest=timedelta(seconds=settings.console_session_seconds),
        since=settings.console_sessions_since,
    )


def _post(settings: Settings) -> "Post | None":
    """What the console needs to forward conversations by mail; None: this installation sends none."""
    from console.dependencies import Post

    return Post(mail_policy(settings), _sender(settings)) if settings.ses_sender is not None else None


def _sender(settings: Settings) -> "Sender":
    """Whom mails are from, where any are sent."""
    from domain.mail_body.compose import Sender
    from infra.ses.addresses import address

    assert settings.ses_sender is not None
    return Sender(settings.ses_sender, settings.ses_sender_name, settings.mail_reply_to, address)


def run_timer(settings: Settings) -> None:
    """Closes windows at their end; any number may run."""
    from consumers.workers.timer import Timer
    from infra.kafka.backlog import Backlog
    from infra.postgres.connections.session import Session

    names = topics(settings)
    with (
        closing(Session(settings.postgres_dsn.get_secret_value(), "timer")) as session,
        closing(Backlog(kafka_config(settings), names.inbound)) as backlog,
    ):
        timer = Timer(session.transaction, names, settings.stalled_inbound_seconds, waiting=backlog)
        _work(settings, timer.run, timer.missing)


def run_commands(settings: Settings) -> None:
    """The consumer that carries out what administrators ask for, or says why not."""
    from consumers.handlers.commands import Commands

    names, secrets, policy = topics(settings), _bytes(settings.command_secrets), mail_policy(settings)
    _consume(settings, "commands", [names.commands], lambda: Commands(names, secrets, terms(settings), policy))


def run_routing(settings: Settings) -> None:
    """Brings conversations that wait and agents who are available together; any number may run."""
    from consumers.workers.routing import Routing
    from consumers.workers.stall_detector import Patience
    from infra.postgres.connections.session import Session

    with closing(Session(settings.postgres_dsn.get_secret_value(), "routing")) as session:
        patience = Patience(settings.stalled_inbound_seconds)
        routing = Routing(session.transaction, topics(settings), terms(settings), patience=patience)
        _work(settings, routing.run, routing.missing)


def run_relay(settings: Settings) -> None:
    """Publishes what the outbox holds; one works, others stand by."""
    from consumers.workers.relay import Relay
    from infra.kafka.ordered import OrderedPublisher
    from infra.postgres.connections.pool import connect

    dsn = settings.postgres_dsn.get_secret_value()
    relay = Relay(lambda: connect(dsn, "relay", autocommit=True), OrderedPublisher(kafka_config(settings)))
    _work(settings, relay.run, relay.missing)


def _work(settings: Settings, run: Callable[[threading.Event], None], missing: "Check") -> None:
    """Run a worker on the main thread, with its monitor, until a signal sets its flag."""
    from infra.process.monitor import monitor

    with (
        _stopped_by_signals() as stop,
        monitor(settings.monitor_host, settings.monitor_port, {"worker": missing}),
    ):
        run(stop)


@contextmanager
def _watching(name: str, settings: Settings, host: str, port: int) -> Iterator[None]:
    """The monitor of a process that watches over others, which answer at this address: it adds up what they count."""
    with shared_between_processes() as registry:
        from infra.process.monitor import monitor

        checks = {name: partial(_missing_at, host, port)}
        with monitor(settings.monitor_host, settings.monitor_port, checks, registry):
            yield


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _prepare(settings: Settings, process: str) -> None:
    logging.configure(settings.log_level)
    structlog.contextvars.bind_contextvars(process=process)
    arm_crash_point(settings.crash_at)


def _missing_at(host: str, port: int) -> str | None:
    """What the webhook's own `/readyz` lacks: asked from outside, so that it also tells whether anybody answers."""
    connection = HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=2)  # noqa: S104
    with closing(connection):
        try:
            connection.request("GET", "/readyz")
            missing = json.loads(connection.getresponse().read(10_000))["missing"]
        except (OSError, HTTPException, ValueError) as error:
            return f"no answer ({type(error).__name__})"
    return "; ".join(missing) or None


def _bytes(secrets: Secrets) -> tuple[bytes, ...]:
    return tuple(secret.get_secret_value().encode() for secret in secrets)


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _as_text(path: Path | None) -> str | None:
    return str(path) if path else None


_CONSOLE_QUEUE_SECONDS = 5.0
"""A person would rather wait for a page than be sent away."""
_CONSOLE_SWITCH_SECONDS = 0.0005
"""A page that waits for PostgreSQL seven times must not wait seven times 5 ms behind the one thread that tells all open
lists what changed."""
_CONSOLE_POOL = 8
"""Connections of the console: a page holds one for some milliseconds, a live page none."""
_CONSOLE_CONNECTIONS = 4096
"""A browser has one for its live page and up to five more."""

_SERVERS = ("kafka_bootstrap_servers", "postgres_dsn")

PROCESSES = {
    "webhook": Process(
        (
            "kafka_bootstrap_servers",
            "whatsapp_app_secrets",
            "whatsapp_verify_token",
            "softbot_secrets",
            "agents_secrets",
        ),
        run_webhook,
    ),
    "conversations": Process(_SERVERS, run_conversations),
    "commands": Process((*_SERVERS, "command_secrets"), run_commands),
    "routing": Process(("postgres_dsn",), run_routing),
    "mails": Process(("postgres_dsn", "ses_region", "ses_sender", "ses_configuration_set"), run_mails),
    "timer": Process(("postgres_dsn",), run_timer),
    "relay": Process(_SERVERS, run_relay),
    "console": Process((*_SERVERS, "command_secrets"), run_console),
}
"""Name -> process, as for `witiop run`."""
