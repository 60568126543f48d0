"""The webhook application with in-memory dependencies, and the headers that sign bodies for each sender."""

import hmac
from collections.abc import Callable
from datetime import datetime

from flask import Flask
from prometheus_client import CollectorRegistry

from domain.inbound.agent_desk import read_agent_desk
from domain.inbound.ses_events import read_ses
from domain.inbound.softbot import read_softbot
from domain.inbound.whatsapp.reader import read
from domain.ports import Publisher
from domain.topics import Topics
from infra.ses.sns import Notifications
from tests.support.payloads import RECEIVED
from webhook.app import Readers, WebhookSecrets, create_app
from webhook.metrics import WebhookMetrics
from webhook.whatsapp import WhatsAppReader

APP_SECRETS = ("app secret", "secret of another app")
SOFTBOT_SECRET, AGENTS_SECRET = "softbot secret", "agents secret"
VERIFY_TOKEN = "verify token"
TOPICS = Topics("test.")
NO_TOPICS = Notifications(())


def webhook_app(
    publisher: Publisher,
    registry: CollectorRegistry,
    whatsapp: WhatsAppReader = read,
    clock: Callable[[], datetime] = lambda: RECEIVED,
    notifications: Notifications = NO_TOPICS,
    client_header: str = "",
) -> Flask:
    """Returns the real application with the real readers, or with another one for WhatsApp. By default, bodies arrive
    at RECEIVED. `client_header`: in which a proxy names the client's certificate."""
    return create_app(
        readers=Readers(whatsapp, read_softbot, read_agent_desk, read_ses),
        secrets=WebhookSecrets(
            whatsapp=tuple(secret.encode() for secret in APP_SECRETS),
            verify_token=VERIFY_TOKEN,
            softbot=(SOFTBOT_SECRET.encode(),),
            agents=(AGENTS_SECRET.encode(),),
        ),
        notifications=notifications,
        publisher=publisher,
        topics=TOPICS,
        clock=clock,
        metrics=WebhookMetrics(registry),
        client_header=client_header,
    )


def signature(body: bytes, secret: str) -> str:
    """Returns the value of the header that signs a body."""
    return "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()


def from_meta(body: bytes, secret: str = APP_SECRETS[0]) -> dict[str, str]:
    """Returns the headers of Meta's POST."""
    return {"Content-Type": "application/json", "X-Hub-Signature-256": signature(body, secret)}


def from_ours(body: bytes, secret: str, content_type: str = "application/cloudevents+json") -> dict[str, str]:
    """Returns the headers of a POST by Softbot or the agent desktop."""
    return {"Content-Type": content_type, "X-Witiop-Signature-256": signature(body, secret)}
