"""The webhook for Amazon SES events about mails, delivered through SNS (interface.md, *HTTP in*)."""

from collections.abc import Callable
from datetime import datetime

import structlog
from flask import Blueprint, request
from werkzeug.exceptions import ServiceUnavailable, Unauthorized

from domain.inbound.reading import BodyReading
from infra.process.crash_points import crash_point
from infra.serving.problem import RETRY_AFTER_SECONDS
from infra.ses.sns import NotificationRejected, Notifications, NotVerifiedNow
from webhook.intake import Intake

SesReader = Callable[[bytes, datetime], BodyReading]
"""Reads (verified body, time of arrival) into facts and unreadable parts. Never raises."""

_KIND_HEADER = "x-amz-sns-message-type"
"""SNS sends it with every message; strangers rarely do."""

log = structlog.get_logger()


def ses_webhook(intake: Intake, read: SesReader, notifications: Notifications) -> Blueprint:
    """Returns `POST /webhooks/ses`. A verified body that cannot be read is stored as received and answered with 200:
    SNS would repeat a rejected one for weeks."""
    webhook = Blueprint("ses", __name__)

    @webhook.post("/webhooks/ses")
    def receive() -> str:
        body = request.get_data(cache=False)
        try:
            kind = notifications.receive(body)
        except NotificationRejected as error:
            if request.headers.get(_KIND_HEADER):
                intake.sightings.tell("sns_refused")
            raise Unauthorized(f"Rejected: {error}.") from error
        except NotVerifiedNow as error:
            log.warning("webhook.ses.not_verified", reason=str(error))
            raise ServiceUnavailable("Not verified yet; send it again.", retry_after=RETRY_AFTER_SECONDS) from error
        crash_point("webhook.after-verify")
        if kind == "notification":
            reading = read(body, intake.clock())
            intake.publish("ses", body, reading.facts, reading.unreadable)
        else:
            log.info("webhook.ses.subscription", kind=kind)
            if kind == "subscribed":
                intake.sightings.tell("sns_confirmed")
        return ""

    return webhook
