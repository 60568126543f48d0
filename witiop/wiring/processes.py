"""The processes by name, with the settings that they need and the functions that run them.

A process is a function of its settings that returns after SIGTERM or SIGINT. The other modules of this package build
the processes. Nothing is opened at import, and a process imports only the parts that it uses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from witiop.settings import Settings
from witiop.wiring.console import run_console
from witiop.wiring.consumers import run_analytics, run_commands, run_conversations
from witiop.wiring.running import prepare
from witiop.wiring.webhook import run_webhook
from witiop.wiring.workers import (
    run_alarms,
    run_campaigns,
    run_mails,
    run_media,
    run_relay,
    run_retention,
    run_routing,
    run_rules,
    run_sender,
    run_timer,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Process:
    """A process; `needs` names the settings without which it does not start, `needs_with` those that it also needs
    where a certain setting is on."""

    needs: tuple[str, ...]
    run: Callable[[Settings], None]
    needs_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def start(name: str, settings: Settings) -> int:
    """Runs a process until it stops and returns its exit code. An error that ends it is logged."""
    prepare(settings, name)
    log.info("process.started")
    try:
        PROCESSES[name].run(settings)
    except Exception:  # the last handler; the log redacts personal data
        log.critical("process.failed", exc_info=True)
        return 1
    log.info("process.stopped")
    return 0


_SERVERS = ("kafka_bootstrap_servers", "postgres_dsn")

PROCESSES = {
    "webhook": Process(("kafka_bootstrap_servers", "whatsapp_app_secrets", "whatsapp_verify_token"), run_webhook),
    "conversations": Process(_SERVERS, run_conversations),
    "commands": Process((*_SERVERS, "command_secrets"), run_commands),
    "routing": Process(("postgres_dsn",), run_routing),
    "mails": Process(
        _SERVERS,
        run_mails,
        {"ses_sender": ("ses_region", "ses_configuration_set"), "media_bucket": ("media_region",)},
    ),
    "sender": Process(_SERVERS, run_sender, {"sending_enabled": ("whatsapp_access_token", "whatsapp_accounts")}),
    "media": Process(("postgres_dsn",), run_media, {"media_bucket": ("media_region", "whatsapp_access_token")}),
    "campaigns": Process(_SERVERS, run_campaigns),
    "analytics": Process(_SERVERS, run_analytics),
    "alarms": Process(("postgres_dsn",), run_alarms, {"ses_sender": ("ses_region", "ses_configuration_set")}),
    "rules": Process((*_SERVERS, "command_secrets"), run_rules),
    "retention": Process(_SERVERS, run_retention, {"media_bucket": ("media_region",)}),
    "timer": Process(_SERVERS, run_timer),
    "relay": Process(_SERVERS, run_relay),
    "console": Process((*_SERVERS, "command_secrets"), run_console),
}
"""Processes by the names that `witiop run` accepts."""
