"""The webhook for Meta: the subscription handshake, and signed bodies with updates (webhooks.md)."""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden

from domain.inbound.reading import BodyReading
from webhook.intake import Intake

SIGNATURE_HEADER = "X-Hub-Signature-256"

WhatsAppReader = Callable[[bytes, datetime], BodyReading]
"""Reads (signed body, time of arrival) into facts and unreadable parts. Never raises."""


def whatsapp_webhook(intake: Intake, read: WhatsAppReader, secrets: Sequence[bytes], verify_token: str) -> Blueprint:
    """Returns `GET` and `POST /webhooks/whatsapp`, as specified in interface.md. An unreadable update is stored as
    received and answered with 200: Meta would repeat a rejected body for days."""
    webhook = Blueprint("whatsapp", __name__)

    @webhook.get("/webhooks/whatsapp")
    def handshake() -> Response:
        query = request.args
        is_ours = hmac.compare_digest(query.get("hub.verify_token", "").encode(), verify_token.encode())
        if not is_ours or query.get("hub.mode") != "subscribe" or "hub.challenge" not in query:
            raise Forbidden("The handshake requires hub.mode=subscribe, our hub.verify_token and a hub.challenge.")
        return Response(query["hub.challenge"], mimetype="text/plain")

    @webhook.post("/webhooks/whatsapp")
    def receive() -> str:
        body = intake.signed_body(SIGNATURE_HEADER, secrets)
        with intake.parsing(body):
            reading = read(body, intake.clock())
        intake.publish("whatsapp", body, reading.facts, reading.unreadable)
        return ""

    return webhook
