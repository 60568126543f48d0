"""What a handler does not process of a batch: dead letters, and records that come too early."""

from dataclasses import dataclass, field

from infra.kafka.consumer import IncomingRecord
from infra.postgres.messaging.dead_letters import DeadLetter
from infra.postgres.messaging.early_records import EarlyRecord

NO_CONVERSATION = "conversation_id: there is no such conversation"
"""Why a record is a dead letter that names a conversation which no partition brought."""


@dataclass(slots=True)
class Leftover:
    """Records of a batch that the handler did not process. `dead_letters`: wrong by their sender's doing, or copies of
    unreadable bodies; `early`: they name a conversation that another partition may still bring."""

    dead_letters: list[DeadLetter] = field(default_factory=list)
    early: list[EarlyRecord] = field(default_factory=list)


def dead_letter(record: IncomingRecord, reason: str) -> DeadLetter:
    """Returns the dead letter of a record. `reason` holds no personal data."""
    return DeadLetter(
        "dead_letter", "inbound", reason, record.at, record.value, record.topic, record.partition, record.offset
    )
