"""Commands about transfers on reply: `transfer_on_reply`, and the `recall` that cancels one."""

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.changes.wishes import ENDED, end_what_is_over, publish
from domain.commands import CommandHead, Rejection, TransferOnReply
from domain.conversations.conversation import Conversation
from domain.directory import Directory
from domain.ids import CustomerId
from domain.sending.acceptance import Recipient, RefusedSend, SendingPolicy
from domain.sending.callback import SECRET_BYTES
from domain.topics import Topics
from domain.wishes.acceptance import accept_wish
from infra.postgres import wishes
from infra.postgres.sending import sends
from infra.postgres.sending.library import StoredLibrary
from infra.postgres.sending.recipients import last_turn_at

AT_ONCE = timedelta()


def promise_transfer(
    connection: Connection[Any],
    topics: Topics,
    head: CommandHead,
    command: TransferOnReply,
    conversation: Conversation | None,
    customer: CustomerId | None,
    policy: SendingPolicy,
    directory: Directory,
    now: datetime,
    watermark: datetime,
) -> RefusedSend | None:
    """Stores the wish that a command asks for and the send of its template; returns why it is not accepted, None: it
    is. `conversation`: the closed one, whose `customer` (after joining) is locked; `watermark`: the time by which
    windows and wishes are judged."""
    if conversation is None or customer is None:
        return RefusedSend(Rejection.CONVERSATION_UNKNOWN)
    number = conversation.phone_number_id
    mine = [wish for wish in wishes.open_of(connection, [customer]) if wish.phone_number_id == number]
    ended = end_what_is_over(connection, topics, [wish.conversation_id for wish in mine], watermark)
    ids = conversation.wa_id, conversation.user_id, conversation.group_id
    accepted = accept_wish(
        command,
        head.id,
        customer,
        Recipient(number, *ids, conversation.customer_id, last_turn_at(connection, customer, number), conversation),
        head.issuer,
        policy,
        StoredLibrary(connection),
        directory,
        now,
        secrets.token_bytes(SECRET_BYTES),
        is_in_conversation=wishes.is_in_conversation(connection, customer, number, watermark),
        is_promised=len(ended) < len(mine),
    )
    if isinstance(accepted, RefusedSend):
        return accepted
    wishes.insert(connection, accepted.wish)
    publish(connection, topics, [accepted.wish], now)
    sends.request(connection, accepted.send, AT_ONCE)
    return None


def cancel_transfer(
    connection: Connection[Any],
    topics: Topics,
    head: CommandHead,
    deferred: UUID,
    customer: CustomerId | None,
    now: datetime,
) -> Rejection | None:
    """Cancels a transfer on reply, and recalls its template if that has not gone out. `customer`: whose lock is
    held."""
    wish = wishes.find(connection, deferred)
    if wish is None or not wish.is_open or wish.customer_id != customer:
        return Rejection.NOTHING_TO_RECALL
    ended = wish._replace(state="ended", ended_because="cancelled", changed_at=now)
    wishes.write(connection, [ended])
    publish(connection, topics, [ended], now)
    wishes.recall_templates(connection, [wish.send_id], head.issuer, now)
    ENDED.labels("cancelled").inc()
    return None
