"""The `console` process."""

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from witiop.settings import Settings
from witiop.wiring.from_settings import (
    kafka_config,
    mail_composition,
    routing_policy,
    secret_bytes,
    session_terms,
    topics,
)
from witiop.wiring.running import prepare, watching

if TYPE_CHECKING:
    from infra.serving.server import ServedApp

_CONSOLE_QUEUE_SECONDS = 5.0
"""A person would rather wait for a page than be sent away."""
_CONSOLE_SWITCH_SECONDS = 0.0005
"""A page that waits for PostgreSQL seven times must not wait seven times 5 ms behind the one thread that tells all open
lists what changed."""
_CONSOLE_POOL = 8
"""Connections of the console: a page holds one for some milliseconds, a live page none."""
_CONSOLE_CONNECTIONS = 4096
"""A browser has one for its live page and up to five more."""


def run_console(settings: Settings) -> None:
    """The console: this process watches over the one that answers."""
    with watching("console", settings, settings.console_host, settings.console_port):
        from console.app import MAX_BODY_BYTES
        from infra.serving.front import RequestLimits
        from infra.serving.server import serve

        serve(
            partial(_console_worker, settings),
            RequestLimits(
                body_bytes=MAX_BODY_BYTES, threads=settings.console_threads, queue_seconds=_CONSOLE_QUEUE_SECONDS
            ),
            host=settings.console_host,
            port=settings.console_port,
            connections=_CONSOLE_CONNECTIONS,
        )


def _console_worker(settings: Settings) -> "ServedApp":
    """What the process that answers is made of; called in it."""
    from console.app import create_app
    from console.dependencies import Dependencies
    from console.live.broadcast import Broadcaster
    from console.live.watch import ListWatcher
    from infra.kafka.producer import KafkaPublisher
    from infra.passwords import Passwords
    from infra.postgres.connections.pool import pool
    from infra.postgres.console.change_hints import ChangeHints
    from infra.process.clock import utc_now
    from infra.process.memory import collect_rarely
    from infra.serving.server import ServedApp

    prepare(settings, "console")
    dsn = settings.postgres_dsn.get_secret_value()
    names = topics(settings)
    publisher = KafkaPublisher(kafka_config(settings), [names.commands])
    connections = pool(dsn, "console", _CONSOLE_POOL, autocommit=True, generic_plans=True)
    connections.open()
    sessions = session_terms(settings)
    live = Broadcaster(lambda: ChangeHints(dsn), ListWatcher(connections.connection, sessions).look)
    hearing = threading.Thread(target=live.run, name="live", daemon=True)
    hearing.start()
    collect_rarely()
    sys.setswitchinterval(_CONSOLE_SWITCH_SECONDS)

    def close() -> None:
        live.end()
        hearing.join(timeout=2)
        connections.close()
        publisher.close()

    parts = Dependencies(
        pool=connections,
        publisher=publisher,
        commands_topic=names.commands,
        command_secret=secret_bytes(settings.command_secrets)[0],
        clock=utc_now,
        live=live,
        passwords=Passwords(),
        terms=routing_policy(settings),
        sessions=sessions,
        mailing=mail_composition(settings),
        organisation=settings.organisation,
        secure=settings.console_url.startswith("https:"),
        proxies=settings.console_proxies,
    )
    return ServedApp(create_app(parts), lambda _: None, close, live.end)
