"""The webhooks of Softbot and of the agent desk: CloudEvents 1.0, one or a batch, all of them or none."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, Response, request

from domain.facts import Fact
from domain.inbound.problems import EventProblem, InvalidEvents
from infra.serving.problem import MEDIA_TYPE, problem_json
from webhook.intake import Intake

SIGNATURE_HEADER = "X-Witiop-Signature-256"
ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"

EventsReader = Callable[[bytes, bool, datetime], Sequence[Fact]]
"""The facts of a signed body; True: it is a batch. Raises BadEvents."""


def events_webhook(intake: Intake, source: str, read: EventsReader, secrets: Sequence[bytes]) -> Blueprint:
    """`POST /webhooks/<source>` as interface.md promises it: its sender is ours, so a wrong event is refused, with the
    event and the field named, and nothing of its body is kept."""
    webhook = Blueprint(source, __name__)

    @webhook.post(f"/webhooks/{source}")
    def receive() -> Response:
        body = intake.signed_body(SIGNATURE_HEADER, secrets)
        try:
            if request.mimetype not in {ONE, BATCH}:
                raise InvalidEvents([EventProblem(None, None, "Content-Type", f"must be {ONE} or {BATCH}")])
            with intake.turn(body):
                facts = read(body, request.mimetype == BATCH, intake.clock())
        except InvalidEvents as error:
            return _wrong(error)
        intake.keep(source, body, facts)
        return Response(status=200)

    return webhook


def _wrong(error: InvalidEvents) -> Response:
    errors = [
        {"event": problem.event, "id": problem.event_id, "field": problem.field, "message": problem.message}
        for problem in error.problems
    ]
    first = error.problems[0]
    where = "the body" if first.event is None else f"event {first.event}"
    detail = f"Nothing was kept. In {where}, {first.field}: {first.message}."
    return Response(problem_json(400, detail, errors), 400, content_type=MEDIA_TYPE)
