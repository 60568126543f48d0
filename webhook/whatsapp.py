"""The webhook for Meta: the subscription handshake, and signed bodies with updates (webhooks.md)."""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, Unauthorized

from domain.inbound.reading import BodyReading
from webhook.intake import Intake

SIGNATURE_HEADER = "X-Hub-Signature-256"

WhatsAppReader = Callable[[bytes, datetime], BodyReading]
"""Reads (signed body, time of arrival) into facts and unreadable parts. Never raises."""


META_CLIENT = "client.webhooks.fbclientcerts.com"
"""The common name of the certificate with which Meta's servers connect, if mutual TLS is on for the app."""


def whatsapp_webhook(
    intake: Intake, read: WhatsAppReader, secrets: Sequence[bytes], verify_token: str, client_header: str = ""
) -> Blueprint:
    """Returns `GET` and `POST /webhooks/whatsapp`, as specified in interface.md. An unreadable update is stored as
    received and answered with 200: Meta would repeat a rejected body for days. `client_header`: the header in which the
    proxy names the subject of the client's certificate, which must be Meta's; '': none is asked for."""
    webhook = Blueprint("whatsapp", __name__)

    @webhook.get("/webhooks/whatsapp")
    def handshake() -> Response:
        query = request.args
        is_ours = hmac.compare_digest(query.get("hub.verify_token", "").encode(), verify_token.encode())
        if not is_ours or query.get("hub.mode") != "subscribe" or "hub.challenge" not in query:
            if "hub.verify_token" in query:
                intake.sightings.tell("handshake_refused")
            raise Forbidden("The handshake requires hub.mode=subscribe, our hub.verify_token and a hub.challenge.")
        intake.sightings.tell("handshake")
        return Response(query["hub.challenge"], mimetype="text/plain")

    @webhook.post("/webhooks/whatsapp")
    def receive() -> str:
        body = intake.signed_body(SIGNATURE_HEADER, secrets, "whatsapp_refused")
        if client_header:
            if not _is_meta(request.headers.get(client_header, "")):
                intake.sightings.tell("client_certificate_missing")
                raise Unauthorized("Meta's client certificate is missing.")
            intake.sightings.tell("client_certificate")
        with intake.parsing(body):
            reading = read(body, intake.clock())
        intake.publish("whatsapp", body, reading.facts, reading.unreadable)
        return ""

    return webhook


def _is_meta(subject: str) -> bool:
    """Whether a subject like `CN=client.webhooks.fbclientcerts.com,O=...` is Meta's, in whatever order. One with
    another name besides is not: a client sent the header as well, or put Meta's name into a field of its own."""
    parts = (part.strip() for part in subject.replace("/", ",").split(","))
    return [f"CN={META_CLIENT}"] == [part for part in parts if part.startswith("CN=")]
