"""The composition root: what each process is made of. Nothing is opened at import, and a process imports only its own.

A process is a function of its settings that returns when SIGTERM or SIGINT asked it to stop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import SecretStr

from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.kafka.topics import Wanted
from infra.logging import configure
from witiop.settings import Settings

log = structlog.get_logger(__name__)

_KAFKA = ("kafka_bootstrap_servers",)
_POSTGRES = ("postgres_dsn",)
_SECRETS = ("whatsapp_app_secrets", "whatsapp_verify_token", "softbot_secrets", "agents_secrets")


@dataclass(frozen=True, slots=True)
class Process:
    """`needs`: the settings without which it does not start."""

    needs: tuple[str, ...]
    run: Callable[[Settings], None]


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


def wanted_topics(settings: Settings) -> Wanted:
    """How this installation's topics shall be."""
    return Wanted(settings.kafka_partitions, settings.kafka_replication_factor)


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _as_text(path: Path | None) -> str | None:
    return str(path) if path else None


def topics(settings: Settings) -> Topics:
    """The names of this installation's topics."""
    return Topics(settings.kafka_topic_prefix)


def start(name: str, settings: Settings) -> int:
    """Run a process to its end and give its exit code; what ended it early is logged."""
    configure(settings.log_level)
    structlog.contextvars.bind_contextvars(process=name)
    log.info("process.started")
    try:
        PROCESSES[name].run(settings)
    except Exception:  # the last place where it can be said why; the log leaves out what could be personal
        log.critical("process.failed", exc_info=True)
        return 1
    log.info("process.stopped")
    return 0


PROCESSES: dict[str, Process] = {}
"""Name -> process, as for `witiop run`."""
