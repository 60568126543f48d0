"""Meta's webhook: the handshake, and every update of every signed body (webhooks.md)."""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden

from domain.inbound.reading import BodyReading
from webhook.intake import Intake

SIGNATURE_HEADER = "X-Hub-Signature-256"

WhatsAppReader = Callable[[bytes, datetime], BodyReading]
"""Everything in a signed body, which arrived at that time; never raises."""


def whatsapp_webhook(intake: Intake, read: WhatsAppReader, secrets: Sequence[bytes], verify_token: str) -> Blueprint:
    """`GET` and `POST /webhooks/whatsapp` as interface.md promises them. What cannot be read is kept as it came and
    answered 200: refused, it would come again for days."""
    webhook = Blueprint("whatsapp", __name__)

    @webhook.get("/webhooks/whatsapp")
    def handshake() -> Response:
        asked = request.args
        known = hmac.compare_digest(asked.get("hub.verify_token", "").encode(), verify_token.encode())
        if not known or asked.get("hub.mode") != "subscribe" or "hub.challenge" not in asked:
            raise Forbidden("The handshake needs hub.mode=subscribe, our hub.verify_token and a hub.challenge.")
        return Response(asked["hub.challenge"], mimetype="text/plain")

    @webhook.post("/webhooks/whatsapp")
    def receive() -> Response:
        body = intake.signed_body(SIGNATURE_HEADER, secrets)
        with intake.turn(body):
            reading = read(body, intake.clock())
        intake.keep("whatsapp", body, reading.facts, reading.unreadable)
        return Response(status=200)

    return webhook
