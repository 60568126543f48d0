"""Commands about sending: `send`, `mark_read`, `typing` and `resolve` (docs/design/sending.md)."""

import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, assert_never
from uuid import UUID

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from consumers.changes.sends import SendChanges
from domain.campaigns.campaign import reopen
from domain.commands import RULE_ISSUER, CommandHead, MarkRead, Rejection, Resolve, SendMessage, Typing
from domain.conversations.conversation import Conversation
from domain.conversations.customers.identities import IdentityKey, keys_of
from domain.directory import Directory
from domain.facts import Party
from domain.phone_numbers import split_ids
from domain.routing.transfers import has_changed
from domain.sending.acceptance import Recipient, RefusedSend, SendingPolicy, Writer, accept_send, recipient_of
from domain.sending.callback import SECRET_BYTES
from domain.sending.sends import Send
from domain.topics import Topics
from infra.postgres.campaigns import campaigns
from infra.postgres.sending import sends
from infra.postgres.sending.library import StoredLibrary
from infra.postgres.sending.recipients import KnownCustomer, ask_receipt, customers_at, recipient_in
from infra.postgres.sending.sends import SendLogEntry

_Known = dict[IdentityKey, KnownCustomer]


def known_customers(connection: Connection[Any], commands: Iterable[SendMessage]) -> _Known:
    """Returns the customers whom commands name by an address, as far as they have written before."""
    return customers_at(connection, {key for command in commands for key in _keys(command)})


def named_conversation(command: SendMessage, known: _Known) -> UUID | None:
    """Returns the conversation that a command answers: the one it names, or the customer's latest one."""
    if command.conversation_id is not None:
        return command.conversation_id
    return next((known[key].conversation_id for key in _keys(command) if key in known), None)


def request_send(
    connection: Connection[Any],
    head: CommandHead,
    command: SendMessage,
    conversation: Conversation | None,
    policy: SendingPolicy,
    directory: Directory,
    now: datetime,
    recalled_by: str | None,
) -> RefusedSend | None:
    """Stores the send that a command asks for; returns why it is not accepted, None: it is. `conversation`: the one it
    answers, locked; `recalled_by`: the issuer of a recall that came before it."""
    if command.conversation_id is not None and conversation is None:
        return RefusedSend(Rejection.CONVERSATION_UNKNOWN)
    if has_changed(conversation, command.expected_version):
        return RefusedSend(Rejection.VERSION_CONFLICT)
    to = _recipient(connection, command, conversation)
    is_person = not head.issuer.startswith(RULE_ISSUER)
    writer = Writer(head.issuer, is_user=is_person and head.issuer in directory.users, is_person=is_person)
    secret = secrets.token_bytes(SECRET_BYTES)
    library = StoredLibrary(connection)
    accepted = accept_send(command, head.id, to, writer, policy, library, now, secret)
    if isinstance(accepted, RefusedSend):
        return accepted
    sends.request(connection, accepted, timedelta(seconds=command.hold_seconds), recalled_by)
    return None


def becomes_owner(
    command: SendMessage, conversation: Conversation | None, head: CommandHead, directory: Directory
) -> bool:
    """Returns whether the writer of an accepted send takes the conversation by it: a user, unless they have it."""
    if conversation is None or conversation.status == "closed" or head.issuer not in directory.users:
        return False
    owner = conversation.owner
    return command.message.reaction is None and not (
        owner is not None and owner.state == "accepted" and owner.id == head.issuer
    )


def show_customer(
    connection: Connection[Any], command: MarkRead | Typing, conversation: Conversation | None, policy: SendingPolicy
) -> Rejection | None:
    """Asks a sender to show the customer that their messages were read, or that somebody writes."""
    if conversation is None:
        return Rejection.CONVERSATION_UNKNOWN
    if not policy.enabled:
        return Rejection.SENDING_DISABLED
    if not policy.allows(*recipient_of(conversation).address):
        return Rejection.RECIPIENT_NOT_ALLOWED
    last = conversation.evidence.last_turn
    if last is not None:
        typing = isinstance(command, Typing)
        ask_receipt(connection, conversation.id, conversation.phone_number_id, last.fact, typing=typing)
    return None


def resolve(
    connection: Connection[Any], topics: Topics, head: CommandHead, command: Resolve, now: datetime
) -> Rejection | None:
    """Settles an unknown send as a person says. What is sent again opens a campaign that is finished."""
    campaign = campaigns.lock_of_send(connection, command.send_id) if command.as_ == "send_again" else None
    reopened = reopen(campaign, head.issuer) if campaign is not None else None
    if isinstance(reopened, Rejection):
        return reopened
    changes = SendChanges(connection, topics, [command.send_id])
    send = changes.sends.get(command.send_id)
    if send is None or not settle(changes, send, command.as_, head.issuer, now):
        return Rejection.NOTHING_TO_RESOLVE
    changes.write()
    if campaign is not None and reopened is not None:
        change_campaign(connection, topics, campaign, reopened, now)
    return None


def settle(
    changes: SendChanges, send: Send, as_: Literal["assumed_sent", "send_again"], issuer: str, now: datetime
) -> bool:
    """Settles a locked send as a person says; returns False if it is not unknown."""
    if send.state != "unknown":
        return False
    entry = SendLogEntry(now, send.attempt, as_, issuer)
    match as_:
        case "assumed_sent":
            changes.change(replace(send, state="assumed_sent", reason=None), entry)
        case "send_again":
            changes.change(replace(send, state="queued", reason=None), entry, now)
        case other:
            assert_never(other)
    return True


def _recipient(connection: Connection[Any], command: SendMessage, conversation: Conversation | None) -> Recipient:
    if conversation is not None:
        return recipient_in(connection, conversation)
    assert command.phone_number_id is not None and command.customer is not None
    wa_id, user_id = split_ids(command.customer.wa_id, command.customer.user_id)
    return Recipient(command.phone_number_id, wa_id, user_id, None)


def _keys(command: SendMessage) -> list[IdentityKey]:
    if command.phone_number_id is None or command.customer is None:
        return []
    wa_id, user_id = split_ids(command.customer.wa_id, command.customer.user_id)
    return keys_of(command.phone_number_id, Party(wa_id=wa_id, user_id=user_id))
