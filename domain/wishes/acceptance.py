"""Which transfers on reply are accepted: the checks of a `transfer_on_reply` command, in their order."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.commands import Rejection, SendMessage, TransferOnReply
from domain.directory import Directory
from domain.ids import CustomerId
from domain.messages.outgoing import OutgoingMessage
from domain.sending.acceptance import Library, Recipient, RefusedSend, SendingPolicy, Writer, accept_send
from domain.sending.sends import Lane, Send
from domain.wishes.wish import Wish, wish_id


class AcceptedWish(NamedTuple):
    """A wish and the send of its template, which are stored together."""

    wish: Wish
    send: Send


def accept_wish(
    command: TransferOnReply,
    command_id: str,
    customer: CustomerId,
    to: Recipient,
    issuer: str,
    policy: SendingPolicy,
    library: Library,
    directory: Directory,
    now: datetime,
    secret: bytes,
    *,
    is_in_conversation: bool,
    is_promised: bool,
) -> AcceptedWish | RefusedSend:
    """Returns the wish that a command asks for, or the first rejection that applies. `customer`: after joining;
    `is_in_conversation`: the customer has an active conversation with the number, which can be transferred now;
    `is_promised`: the customer has an open wish. `secret`: of the send's callback data.

    The template is no word of a person, and makes nobody the owner. It is not posted after the end of the wish."""
    assert to.conversation is not None
    if is_in_conversation:
        return RefusedSend(Rejection.CONVERSATION_OPEN)
    if is_promised:
        return RefusedSend(Rejection.ALREADY_PROMISED)
    target = command.target
    if target.kind == "user" and target.id not in directory.users:
        return RefusedSend(Rejection.USER_UNKNOWN)
    if target.kind == "skillset" and target.id not in directory.skillsets:
        return RefusedSend(Rejection.SKILLSET_UNKNOWN)
    message = SendMessage(conversation_id=to.conversation.id, message=OutgoingMessage(template=command.template))
    send = accept_send(message, command_id, to, Writer(issuer, is_user=False), policy, library, now, secret)
    if isinstance(send, RefusedSend):
        return send
    ends_at = now + timedelta(hours=command.holds_hours)
    wish = Wish(
        id=wish_id(command_id),
        command_id=command_id,
        phone_number_id=to.phone_number_id,
        customer_id=customer,
        conversation_id=to.conversation.id,
        send_id=send.id,
        target_kind=target.kind,
        target_id=target.id,
        mode=command.mode,
        actor=issuer,
        requested_at=now,
        ends_at=ends_at,
    )
    return AcceptedWish(wish, replace(send, lane=Lane.SYSTEM, is_word=False, is_claim=False, expires_at=ends_at))
