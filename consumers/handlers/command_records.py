"""Records of the commands topic: what is read from one, what is audited about it, and its result."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from consumers.changes.public_events import SOURCE
from domain.campaigns.campaign import Campaign
from domain.command_bodies.campaigns import CampaignBody, CreateCampaign, OptOutBody
from domain.command_bodies.directory import ChangeDirectory
from domain.commands import (
    CommandBody,
    CommandHead,
    InvalidCommand,
    MarkRead,
    Rejection,
    SendMessage,
    TransferOnReply,
    Typing,
    read_command,
)
from domain.contract.row import owner_document
from domain.conversations.conversation import Conversation
from domain.event_headers import event_headers
from domain.ids import result_id
from infra.kafka.consumer import IncomingRecord
from infra.postgres.messaging.command_log import AuditedRecord, CommandOutcome
from infra.postgres.messaging.outbox import OutboxRecord
from infra.postgres.messaging.restores import HeldCommand

_WITH_DETAIL = SendMessage | TransferOnReply | CreateCampaign | CampaignBody | OptOutBody | ChangeDirectory
"""Commands whose result says what is wrong with them."""


class CommandRecord(NamedTuple):
    """A record of the topic. `head` None: not authentic. `body` None: `invalid` says why."""

    record: IncomingRecord
    head: CommandHead | None
    body: CommandBody | None
    invalid: InvalidCommand | None
    answers: UUID | None = None
    """The conversation that a message answers, if its command names a customer in place of one; or with which a
    transfer on reply was asked for, if its command cancels that."""

    @classmethod
    def read(cls, record: IncomingRecord, secrets: Sequence[bytes], now: datetime) -> "CommandRecord":
        read = read_command(record.raw_headers, record.value, secrets, record.at if record.again else now)
        if isinstance(read, InvalidCommand):
            return cls(record, read.head, None, read)
        return cls(record, read.head, read.body, None)

    @property
    def conversation(self) -> UUID | None:
        return (self.body.conversation_id if self.body is not None else None) or self.answers

    @property
    def recalled_command(self) -> str | None:
        """The command whose mail or message this one recalls."""
        return getattr(self.body, "mail_command_id", None) or getattr(self.body, "send_command_id", None)


def held(request: CommandRecord, fresh: set[str]) -> HeldCommand | None:
    """Returns a command that was received before the database was restored and that the database does not know; None if
    it knows it or if it was rejected then. Its result was published then, so it gets no other one. What customers were
    shown at that moment is over."""
    head, body = request.head, request.body
    if head is None or body is None or head.id not in fresh:
        return None
    fresh.discard(head.id)
    if isinstance(body, MarkRead | Typing):
        return None
    record = request.record
    return HeldCommand(head.id, record.at, head.issuer, head.type, request.conversation, record.value)


def audited(
    request: CommandRecord,
    outcome: CommandOutcome,
    rejection: Rejection | None,
    after: Conversation | None,
    detail: str | None = None,
) -> AuditedRecord:
    """Returns the entry of the audit. `after`: the conversation when the command had been carried out; `detail`: what
    is wrong with a rejected command."""
    record, head = request.record, request.head
    return AuditedRecord(
        record.topic,
        record.partition,
        record.offset,
        record.at,
        head.id if head else None,
        head.type if head else None,
        head.source if head else None,
        head.issuer if head else None,
        outcome,
        rejection.value if rejection else None,
        detail,
        request.conversation,
        after.version if after else None,
        getattr(request.body, "batch_id", None),
    )


def command_result(
    request: CommandRecord,
    rejection: Rejection | None,
    after: Conversation | Campaign | None,
    topic: str,
    at: datetime,
    detail: str | None,
) -> OutboxRecord:
    """Returns the result that is published about a new command. `after`: the conversation or campaign that it is about,
    when it had been carried out."""
    record, head = request.record, request.head
    data: dict[str, object] = {
        "command_id": head.id if head else None,
        "outcome": "rejected" if rejection else "applied",
        "reason": rejection.value if rejection else None,
        "conversation_id": str(request.conversation) if request.conversation else None,
        "version": after.version if after else None,
    }
    if isinstance(after, Campaign):
        data |= {"campaign_id": str(after.id)}
    elif rejection is Rejection.ALREADY_ASSIGNED and after is not None and after.owner is not None:
        data |= {"owner": owner_document(after.owner)}
    if detail is not None and isinstance(request.body, _WITH_DETAIL):
        data["detail"] = detail
    if head is None:
        data |= {"partition": record.partition, "offset": record.offset}
    cause = head.id if head else f"{record.topic}:{record.partition}:{record.offset}:{record.at.isoformat()}"
    headers = event_headers(str(result_id(cause)), "witiop.command.result.v1", SOURCE, at)
    position = f"{record.partition}:{record.offset}"
    about = request.conversation or (after.id if isinstance(after, Campaign) else None)
    key = str(about) if about else head.id if head else position
    return OutboxRecord(topic, key, headers, to_json(data)).traced(record.traceparent)
