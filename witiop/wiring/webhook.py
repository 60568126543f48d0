"""Builds and runs the `webhook` process."""

import sys
from functools import partial
from typing import TYPE_CHECKING

from witiop.settings import Settings
from witiop.wiring.from_settings import kafka_config, secret_bytes, topics, traces
from witiop.wiring.running import prepare, renewing, supervisor_monitor

if TYPE_CHECKING:
    from infra.serving.worker import ServedApp

_ANSWER_SECONDS = 2.5
"""With the sweeper's pause, every request is answered within 3 s of its last byte (P1)."""

_SWITCH_SECONDS = 0.001
"""Thread switch interval. The event loop answers small bodies while a thread parses a large one, and needs its turn
several times for each."""


def run_webhook(settings: Settings) -> None:
    """Runs the webhooks: this process supervises those that answer requests."""
    with supervisor_monitor("webhook", settings, settings.webhook_host, settings.webhook_port):
        from infra.serving.limits import RequestLimits
        from infra.serving.server import serve
        from webhook.app import MAX_BODY_BYTES

        serve(
            partial(_webhook_worker, settings),
            RequestLimits(
                body_bytes=MAX_BODY_BYTES,
                threads=settings.webhook_threads,
                answer_seconds=_ANSWER_SECONDS,
                proxies=settings.webhook_proxies,
            ),
            host=settings.webhook_host,
            port=settings.webhook_port,
            processes=settings.webhook_processes,
            renew=renewing(settings, _webhook_worker),
        )


def _webhook_worker(settings: Settings) -> "ServedApp":
    """Builds the application. Called in each process that answers requests."""
    from prometheus_client import CollectorRegistry

    from domain.inbound.agent_desk import read_agent_desk
    from domain.inbound.ses_events import read_ses
    from domain.inbound.softbot import read_softbot
    from domain.inbound.whatsapp import reader
    from infra.kafka.producer import KafkaPublisher
    from infra.process.clock import utc_now
    from infra.serving.worker import ServedApp
    from infra.ses.sns import Notifications
    from webhook import app
    from webhook.metrics import WebhookMetrics

    prepare(settings, "webhook")
    sys.setswitchinterval(_SWITCH_SECONDS)
    names = topics(settings)
    publisher = KafkaPublisher(kafka_config(settings), [names.inbound, names.unreadable])
    metrics, tracing = WebhookMetrics(CollectorRegistry()), traces(settings, "webhook")
    application = app.create_app(
        readers=app.Readers(reader.read, read_softbot, read_agent_desk, read_ses),
        secrets=app.WebhookSecrets(
            whatsapp=secret_bytes(settings.whatsapp_app_secrets),
            verify_token=settings.whatsapp_verify_token.get_secret_value(),
            softbot=secret_bytes(settings.softbot_secrets),
            agents=secret_bytes(settings.agents_secrets),
        ),
        notifications=Notifications(settings.ses_topic_arns),
        publisher=publisher,
        topics=names,
        clock=utc_now,
        metrics=metrics,
        traces=tracing,
        client_header=settings.webhook_client_header,
    )

    def close() -> None:
        publisher.close()
        if tracing is not None:
            tracing.close()

    return ServedApp(
        application,
        metrics.rejected,
        close,
        quick_paths=app.QUICK_PATHS,
        is_ready=lambda: not publisher.not_ready_reasons(),
    )
