"""The webhook of Amazon SES: what became of mails, through SNS (interface.md, HTTP in)."""

from collections.abc import Callable
from datetime import datetime

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import ServiceUnavailable, Unauthorized

from domain.inbound.reading import BodyReading
from infra.process.crash_points import crash_point
from infra.serving.problem import RETRY_AFTER_SECONDS
from infra.ses.notifications import CertificateUnavailable, NotificationRejected, Notifications
from webhook.intake import Intake

SesReader = Callable[[bytes, datetime], BodyReading]
"""Everything in a body that is believed, which arrived at that time; never raises."""

log = structlog.get_logger()


def ses_webhook(intake: Intake, read: SesReader, notifications: Notifications) -> Blueprint:
    """`POST /webhooks/ses`. What is believed but cannot be read is kept as it came and answered 200: refused, SNS would
    send it again for weeks."""
    webhook = Blueprint("ses", __name__)

    @webhook.post("/webhooks/ses")
    def receive() -> Response:
        body = request.get_data(cache=False)
        try:
            kind = notifications.receive(body)
        except NotificationRejected as error:
            raise Unauthorized(f"Not believed: {error}.") from error
        except CertificateUnavailable as error:
            log.warning("webhook.ses.not_fetched", reason=str(error))
            raise ServiceUnavailable("Not told yet; send it again.", retry_after=RETRY_AFTER_SECONDS) from error
        crash_point("webhook.after-verify")
        if kind == "notification":
            reading = read(body, intake.clock())
            intake.keep("ses", body, reading.facts, reading.unreadable)
        else:
            log.info("webhook.ses.subscription", kind=kind)
        return Response(status=200)

    return webhook
