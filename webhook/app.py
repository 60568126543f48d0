"""The webhook as a Flask application. Opens no connections: its dependencies are passed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from flask import Flask, Request

from domain.ports import Publisher
from domain.topics import Topics
from infra.process.traces import Traces
from infra.serving.direct_flask import DirectFlask
from infra.serving.health import health_pages
from infra.serving.wsgi_bridge import LATER_KEY
from infra.ses.sns import Notifications
from webhook.cloud_events import EventsReader, events_webhook
from webhook.intake import Intake
from webhook.metrics import WebhookMetrics
from webhook.problems import answer_with_problems
from webhook.ses import SesReader, ses_webhook
from webhook.sightings import WebhookSightings
from webhook.whatsapp import WhatsAppReader, whatsapp_webhook

MAX_BODY_BYTES = 3_145_728
"""3 MiB, the largest body that Meta sends. Larger ones are rejected."""

QUICK_PATHS = frozenset({"/webhooks/whatsapp", "/webhooks/softbot", "/webhooks/agents", "/healthz", "/readyz"})
"""Paths whose views never wait for anything, so that small bodies need no thread."""


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """The currently valid secrets of each sender. Without a secret, every body of that sender is rejected. Raises
    ValueError for an empty secret."""

    whatsapp: tuple[bytes, ...] = field(repr=False)
    verify_token: str = field(repr=False)
    softbot: tuple[bytes, ...] = field(repr=False)
    agents: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not all((*self.whatsapp, *self.softbot, *self.agents, self.verify_token)):
            raise ValueError("an empty secret would let anyone sign")


@dataclass(frozen=True, slots=True)
class Readers:
    """The functions that turn each sender's bytes into facts."""

    whatsapp: WhatsAppReader
    softbot: EventsReader
    agents: EventsReader
    ses: SesReader


def create_app(
    *,
    readers: Readers,
    secrets: WebhookSecrets,
    notifications: Notifications,
    publisher: Publisher,
    topics: Topics,
    clock: Callable[[], datetime],
    metrics: WebhookMetrics,
    traces: Traces | None = None,
    client_header: str = "",
) -> Flask:
    """Returns the application with every path of interface.md, *HTTP in*. `notifications`: verifies SNS messages;
    `clock`: aware UTC; `traces`: None if they are off; `client_header`: in which the proxy names Meta's client
    certificate, '': none is asked for."""

    def count(request: Request, status: int) -> None:
        if LATER_KEY not in request.environ:
            metrics.answered(request.url_rule.rule if request.url_rule else "other", status)

    app = DirectFlask(__name__, count)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    intake = Intake(publisher, topics, clock, metrics, WebhookSightings(publisher, topics, clock), traces)
    app.register_blueprint(
        whatsapp_webhook(intake, readers.whatsapp, secrets.whatsapp, secrets.verify_token, client_header)
    )
    app.register_blueprint(events_webhook(intake, "softbot", readers.softbot, secrets.softbot))
    app.register_blueprint(events_webhook(intake, "agents", readers.agents, secrets.agents))
    app.register_blueprint(ses_webhook(intake, readers.ses, notifications))
    app.register_blueprint(health_pages(publisher.not_ready_reasons))
    answer_with_problems(app)
    return app
