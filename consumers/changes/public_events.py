"""Public events as outbox records: CloudEvents 1.0 in Kafka's binary mode (interface.md, Kafka out and in)."""

from collections.abc import Iterable

from pydantic_core import to_json

from domain.campaigns.answers import NamedCampaign
from domain.contract.row import row_document
from domain.conversations.events import PublicEvent
from domain.event_headers import event_headers
from domain.ids import event_id
from domain.times import rfc3339
from infra.postgres.messaging.outbox import OutboxRecord

SOURCE = "/witiop/unmanaged"
"""`ce_source` of everything that consumers publish."""


def public_event_record(event: PublicEvent, topic: str, campaigns: Iterable[NamedCampaign] = ()) -> OutboxRecord:
    """Returns the record of an event. Key: the conversation's id. Value: the row with `reason`, `because`, `actor` and
    `first_word_at`, `note` and `campaigns` if there are any, and `mail` for an event about a mail. `campaigns`: those
    that the customer answered."""
    conversation = event.conversation
    headers = event_headers(
        str(event_id(conversation.id, conversation.sequence, event.name)),
        f"witiop.{event.name if event.mail else f'conversation.{event.name}'}.v1",
        SOURCE,
        event.at,
        {"ce_sequence": str(conversation.sequence)},
    )
    touch = conversation.evidence.touch
    data = {
        **row_document(conversation),
        "because": [str(fact) for fact in event.because],
        "actor": event.actor,
        "first_word_at": touch and rfc3339(touch.at),
    }
    if event.note is not None:
        data["note"] = event.note
    if answered := [{"id": str(each.id), "name": each.name} for each in campaigns]:
        data["campaigns"] = answered
    if event.mail is not None:
        data["mail"] = {"id": str(event.mail.id), "command_id": event.mail.command_id, "reason": event.mail.reason}
    return OutboxRecord(topic, str(conversation.id), headers, to_json(data))
