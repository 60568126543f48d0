"""Webhooks for Softbot and agent-desktop CloudEvents. A request carries one event or a batch and is accepted or
rejected as a whole."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from flask import Blueprint, Response, request

from domain.facts import Fact
from domain.inbound.problems import EventProblem, InvalidEvents
from domain.setup.sightings import WebhookEvent
from infra.serving.problem import MEDIA_TYPE, problem_json
from webhook.intake import Intake

SIGNATURE_HEADER = "X-Witiop-Signature-256"
ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"

EventsReader = Callable[[bytes, bool, datetime], Sequence[Fact]]
"""Reads (body, whether it is a batch, time of arrival) of a signed request into facts. Raises InvalidEvents."""


def events_webhook(
    intake: Intake, source: Literal["softbot", "agents"], read: EventsReader, secrets: Sequence[bytes]
) -> Blueprint:
    """Returns `POST /webhooks/<source>`, as specified in interface.md. An invalid event is rejected with its position
    and field named, and nothing of the body is stored: the sender is one of our own systems and can fix the event."""
    webhook = Blueprint(source, __name__)
    refused: WebhookEvent = "softbot_refused" if source == "softbot" else "agents_refused"

    @webhook.post(f"/webhooks/{source}")
    def receive() -> Response | str:
        body = intake.signed_body(SIGNATURE_HEADER, secrets, refused)
        try:
            if request.mimetype not in {ONE, BATCH}:
                raise InvalidEvents([EventProblem(None, None, "Content-Type", f"must be {ONE} or {BATCH}")])
            with intake.parsing(body):
                facts = read(body, request.mimetype == BATCH, intake.clock())
        except InvalidEvents as error:
            return _rejection(error)
        intake.publish(source, body, facts)
        return ""

    return webhook


def _rejection(error: InvalidEvents) -> Response:
    errors = [
        {"event": problem.event, "id": problem.event_id, "field": problem.field, "message": problem.message}
        for problem in error.problems
    ]
    first = error.problems[0]
    where = "the body" if first.event is None else f"event {first.event}"
    detail = f"Nothing was stored. In {where}, {first.field}: {first.message}."
    return Response(problem_json(400, detail, errors), 400, content_type=MEDIA_TYPE)
