"""What is held after a restore of the database, and what a person decides about it (docs/runbook.md)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.command_bodies.campaigns import CampaignBody, CreateCampaign, OptOutBody
from domain.command_bodies.customers import EraseCustomer
from domain.command_bodies.directory import ChangeDirectory
from domain.commands import (
    Command,
    CommandBody,
    Dismiss,
    Email,
    MarkRead,
    Recall,
    Release,
    Resolve,
    SendMessage,
    Transfer,
    TransferOnReply,
    Typing,
    new_command,
    read_body,
    signed,
)
from domain.ids import fact_id
from domain.mail import mail_id
from domain.ports import Publisher
from domain.topics import Topics
from infra.postgres.connections.clock import database_now
from infra.postgres.messaging import restores
from infra.postgres.messaging.restores import HeldCommand

SOURCE = "/witiop/cli"
PUBLISH_SECONDS = 10.0
EXPIRES_AFTER = timedelta(minutes=5)


class HeldItem(NamedTuple):
    """A mail, a message or a command that is held. `id`: of the mail, the send or the command; `what`: one line for
    people; `ses`: the last event that SES reported for the mail, None if there is none. `command`: None for a mail or a
    message."""

    id: str
    kind: str
    at: datetime
    issuer: str
    what: str
    ses: str | None
    command: HeldCommand | None


def held_items(connection: Connection[Any]) -> list[HeldItem]:
    """Returns what is held: mails, then messages, then commands, the oldest first. Raises psycopg errors."""
    mails, commands = restores.held_mails(connection), restores.held_commands(connection)
    ses = restores.mail_events(connection, [m.id for m in mails] + [mail_id(c.id) for c in commands])
    items = [
        HeldItem(
            str(mail.id),
            "mail",
            mail.requested_at,
            mail.issuer,
            _mail_text(mail.to, mail.subject),
            ses.get(mail.id),
            None,
        )
        for mail in mails
    ]
    items += [
        HeldItem(str(s.id), "message", s.requested_at, s.issuer, f"{s.kind} to {s.to}", None, None)
        for s in restores.held_sends(connection)
    ]
    for command in commands:
        body = read_body(command.type, command.body)
        kind = command.type.removeprefix("witiop.command.").removesuffix(".v1")
        event = ses.get(mail_id(command.id))
        items.append(HeldItem(command.id, kind, command.received_at, command.issuer, _text(body), event, command))
    return items


def decide(
    connection: Connection[Any],
    publisher: Publisher | None,
    topics: Topics,
    secret: bytes,
    items: Iterable[HeldItem],
    by: str,
    *,
    again: bool,
) -> None:
    """Carries the items out again, or notes that they were done before the restore. `publisher`: None if no command is
    carried out again.

    A command is carried out as a new one, issued by the person, with an id that follows from the old one: however often
    it is published, it is carried out once. `connection` must be in autocommit mode.

    Raises:
        PublishFailed: the broker did not acknowledge a command in time; what was decided before it stays decided.
        psycopg.Error: the database failed.
    """
    for item in items:
        if item.command is None:
            decided = restores.decide_mail if item.kind == "mail" else restores.decide_send
            decided(connection, UUID(item.id), again, by)
            continue
        if publisher is not None:
            record = signed(_again(item.command, by, database_now(connection)), topics.commands, secret)
            publisher.publish([record], PUBLISH_SECONDS)
        restores.decide_command(connection, item.command.id, again, by)


def _again(held: HeldCommand, by: str, now: datetime) -> Command:
    body = read_body(held.type, held.body)
    if isinstance(body, Transfer | Release | Dismiss | Recall):
        body = body.model_copy(update={"expected_version": None})  # it is the version of before the restore
    id_ = str(fact_id("command again", held.id))
    return new_command(body, id_=id_, source=SOURCE, issuer=by, at=now, expires_at=now + EXPIRES_AFTER)


def _text(body: CommandBody) -> str:
    match body:
        case Transfer():
            return f"conversation {body.conversation_id} to {body.target.kind} {body.target.id}, {body.mode}"
        case TransferOnReply():
            target = f"{body.target.kind} {body.target.id}"
            return f"conversation {body.conversation_id} to {target}, {body.mode}, when the customer answers"
        case Release():
            target = f" to {body.target.kind} {body.target.id}" if body.target else ""
            parked = f", parked until {body.park_until.isoformat()}" if body.park_until else ""
            return f"conversation {body.conversation_id}{target}{parked}"
        case Recall():
            named = body.conversation_id or body.mail_command_id or body.send_command_id or body.deferred_id
            return f"of {named}"
        case Email():
            return f"conversation {body.conversation_id}, {_mail_text(body.to, body.subject)}"
        case SendMessage():
            to = body.conversation_id or (body.customer and (body.customer.wa_id or body.customer.user_id))
            return f"{body.message.kind} to {to}"
        case MarkRead() | Typing() | Dismiss():
            return f"conversation {body.conversation_id}"
        case Resolve():
            return f"send {body.send_id} as {body.as_}"
        case CreateCampaign():
            return f"campaign {body.name}"
        case OptOutBody():
            return f"{len(body.customers)} customers"
        case CampaignBody():
            return f"campaign {body.campaign_id}"
        case ChangeDirectory() | EraseCustomer():
            return f"draft {body.draft_id}" if isinstance(body, ChangeDirectory) else "person " + body.named


def _mail_text(to: Iterable[str], subject: str) -> str:
    return f"to {' '.join(to)}: {subject}"
