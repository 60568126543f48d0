"""Builds and runs the `console` process."""

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from witiop.settings import Settings
from witiop.wiring.from_settings import (
    file_streams,
    kafka_config,
    mail_composition,
    openid_terms,
    routing_policy,
    secret_bytes,
    sending_policy,
    session_terms,
    topics,
    traces,
)
from witiop.wiring.running import prepare, renewing, supervisor_monitor
from witiop.wiring.setup import look_at_servers, setup_terms

if TYPE_CHECKING:
    from console.live.broadcast import Broadcaster
    from console.live.watch import ListState, ListWatcher
    from console.live.watched_list import WatchedList
    from infra.process.traces import Traces
    from infra.serving.worker import ServedApp

_CONSOLE_QUEUE_SECONDS = 5.0
"""Longest wait of a request for a thread: people prefer a slow page to an error."""
_CONSOLE_SWITCH_SECONDS = 0.0005
"""Thread switch interval. A page that waits for PostgreSQL seven times would otherwise wait up to seven times 5 ms
for the thread that updates all open lists."""
_CONSOLE_POOL = 8
"""Database connections: a request holds one for some milliseconds, a stream holds none."""
_CONSOLE_CONNECTIONS = 4096
"""HTTP connections: a browser has one for its stream and up to five more."""
_CONSOLE_WAITING = 1024
"""Requests that wait for a thread: all agents' pages answer their streams, which speak to all of them at once."""

_DESK_REFRESH_SECONDS = 5.0
"""How often an open agents' page is at least spoken to, and answers: three times before it counts as gone."""
_DESK_PAUSE_SECONDS = 0.1
"""The shortest time between two looks at what agents' pages show: an agent waits for an offer, and for what became of
an answer. Such a look is cheap, and renders nothing."""

_CAMPAIGN_REFRESH_SECONDS = 2.0
"""How often open pages of campaigns are at least looked after: the files that they wait for give no hint."""
_CAMPAIGN_PAUSE_SECONDS = 1.0
"""The shortest time between two looks at campaigns: each message of one is a hint, and people read slower."""

_DIRECTORY_REFRESH_SECONDS = 5.0
"""How often open pages of the directory are at least looked after: a desk that falls silent gives no hint."""
_DIRECTORY_PAUSE_SECONDS = 1.0
"""The shortest time between two looks at who is ready: each conversation that changes is a hint."""


def run_console(settings: Settings) -> None:
    """Runs the console: this process supervises the one that answers requests."""
    with supervisor_monitor("console", settings, settings.console_host, settings.console_port):
        from console.app import MAX_BODY_BYTES
        from infra.serving.limits import RequestLimits
        from infra.serving.server import serve

        serve(
            partial(_console_worker, settings),
            RequestLimits(
                body_bytes=MAX_BODY_BYTES,
                threads=settings.console_threads,
                waiting=_CONSOLE_WAITING,
                queue_seconds=_CONSOLE_QUEUE_SECONDS,
                connections=_CONSOLE_CONNECTIONS,
                waiting_per_address=_CONSOLE_CONNECTIONS // 4,
                proxies=settings.console_proxies,
            ),
            host=settings.console_host,
            port=settings.console_port,
            renew=renewing(settings, _console_worker),
        )


def _console_worker(settings: Settings) -> "ServedApp":
    """Builds the application. Called in the process that answers requests."""
    from prometheus_client import CollectorRegistry

    from console.app import create_app
    from console.dependencies import Dependencies
    from console.health.servers import ServersCache
    from console.live.broadcast import Broadcaster
    from console.live.campaigns import CampaignWatcher
    from console.live.desk import DeskWatcher
    from console.live.directory import DirectoryWatcher
    from console.live.watch import ListWatcher
    from console.metrics import ConsoleMetrics
    from console.sending.receipts import ShownTyping
    from infra.kafka.producer import KafkaPublisher
    from infra.openid.provider import OpenIdProvider
    from infra.passwords import Passwords
    from infra.postgres.connections.hints import ChangeHints
    from infra.postgres.connections.pool import connect, pool
    from infra.process.clock import utc_now
    from infra.process.memory import collect_rarely
    from infra.serving.worker import ServedApp

    prepare(settings, "console")
    dsn = settings.postgres_dsn.get_secret_value()
    names = topics(settings)
    publisher = KafkaPublisher(kafka_config(settings), [names.commands, names.inbound])
    # people look at lists and alarms also while the standby is away; what they decide goes through Kafka
    connections = pool(dsn, "console", _CONSOLE_POOL, autocommit=True, generic_plans=True, waits_for_standby=False)
    connections.open()
    sessions = session_terms(settings)
    tracing = traces(settings, "console")
    live = _open_lists(dsn, ListWatcher(connections.connection, sessions), tracing)
    routing = routing_policy(settings)
    agents = DeskWatcher(connections.connection, sessions, routing.presence_timeout)
    desks = Broadcaster(lambda: ChangeHints(dsn), agents.look, _DESK_REFRESH_SECONDS, _DESK_PAUSE_SECONDS)
    campaigns = Broadcaster(
        lambda: ChangeHints(dsn),
        CampaignWatcher(connections.connection, sessions).look,
        _CAMPAIGN_REFRESH_SECONDS,
        _CAMPAIGN_PAUSE_SECONDS,
    )
    directories = Broadcaster(
        lambda: ChangeHints(dsn),
        DirectoryWatcher(connections.connection, sessions, routing.presence_timeout).look,
        _DIRECTORY_REFRESH_SECONDS,
        _DIRECTORY_PAUSE_SECONDS,
    )
    streams: dict[str, Broadcaster[Any, Any]] = {
        "live": live,
        "desks": desks,
        "campaigns": campaigns,
        "directories": directories,
    }
    listeners = [threading.Thread(target=each.run, name=name, daemon=True) for name, each in streams.items()]
    for listener in listeners:
        listener.start()
    collect_rarely()
    sys.setswitchinterval(_CONSOLE_SWITCH_SECONDS)

    def end_streams() -> None:
        for each in streams.values():
            each.end()

    def close() -> None:
        end_streams()
        for listener in listeners:
            listener.join(timeout=2)
        connections.close()
        publisher.close()
        if tracing is not None:
            tracing.close()

    dependencies = Dependencies(
        pool=connections,
        download_connection=partial(connect, dsn, "download", autocommit=True, generic_plans=True),
        publisher=publisher,
        commands_topic=names.commands,
        inbound_topic=names.inbound,
        command_secret=secret_bytes(settings.command_secrets)[0],
        clock=utc_now,
        live=live,
        desks=desks,
        campaigns=campaigns,
        directories=directories,
        passwords=Passwords(),
        terms=routing,
        sessions=sessions,
        mailing=mail_composition(settings),
        files=file_streams(settings),
        sending=sending_policy(settings),
        is_typing_due=ShownTyping().is_due if settings.show_typing else None,
        local_sign_in=settings.console_local_sign_in,
        provider=OpenIdProvider(provider) if (provider := openid_terms(settings)) else None,
        factor_levels=settings.console_second_factor,
        rules_per_minute=settings.rules_per_minute,
        organisation=settings.organisation,
        secure=settings.console_url.startswith("https:"),
        alarm_hosts=settings.alarm_private_hosts,
        set_up=setup_terms(settings),
        servers=ServersCache(partial(look_at_servers, settings)),
        proxies=settings.console_proxies,
        traces=tracing,
        metrics=ConsoleMetrics(CollectorRegistry()),
    )
    return ServedApp(create_app(dependencies), lambda _: None, close, end_streams)


def _open_lists(dsn: str, lists: "ListWatcher", tracing: "Traces | None") -> "Broadcaster[WatchedList, ListState]":
    """Returns what sends changes to open lists."""
    from console.live.broadcast import Broadcaster
    from infra.postgres.connections.hints import ChangeHints

    if tracing is None:
        return Broadcaster(lambda: ChangeHints(dsn), lists.look)
    from console.live.traced import TracedLook

    traced = TracedLook(tracing, lists.look)
    return Broadcaster(lambda: ChangeHints(dsn, traced=traced.told), traced.look)
