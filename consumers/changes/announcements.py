"""Public events as they leave: CloudEvents 1.0 in Kafka's binary mode (interface.md, Kafka out and in)."""

from pydantic_core import to_json

from domain.contract.row import row_document
from domain.conversations.events import PublicEvent
from domain.ids import event_id
from domain.times import rfc3339
from infra.postgres.messaging.outbox import OutboxRecord

_SOURCE = "/witiop/unmanaged"


def public_event_record(event: PublicEvent, topic: str) -> OutboxRecord:
    """The record for the public topic: key = conversation, value = the row with `reason`, `because` and `actor`,
    and the `mail` of an event that tells of one."""
    conversation = event.conversation
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id(conversation.id, conversation.sequence, event.name)),
        "ce_type": f"witiop.{event.name if event.mail else f'conversation.{event.name}'}.v1",
        "ce_source": _SOURCE,
        "ce_time": rfc3339(event.at),
        "ce_sequence": str(conversation.sequence),
        "content-type": "application/json",
    }
    data = {**row_document(conversation), "because": [str(fact) for fact in event.because], "actor": event.actor}
    if event.mail is not None:
        data["mail"] = {"id": str(event.mail.id), "command_id": event.mail.command_id, "reason": event.mail.reason}
    return OutboxRecord(topic, str(conversation.id), headers, to_json(data))
