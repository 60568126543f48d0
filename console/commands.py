"""Submitting commands: signed, on the topic, and each one once however often its form is sent (architecture.md, P7).

A command's id is derived from the token of its form and from its body. So a double click, a reload, the back button or
a retry after Kafka was unavailable is the same command. The same form with other contents is another command, and the
version in it tells whether it came too late. After a rejection the form can be sent again as a new command.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import structlog
from flask import abort
from psycopg import Connection
from pydantic import BaseModel, ValidationError

from console.dependencies import Dependencies
from console.request import address, person, supervision, words
from domain.command_bodies.campaigns import CampaignCommand, OptIn, OptOut
from domain.command_bodies.customers import EraseCustomer
from domain.command_bodies.directory import ChangeDirectory
from domain.commands import (
    Dismiss,
    Email,
    Recall,
    Rejection,
    Release,
    Resolve,
    SendMessage,
    Transfer,
    TransferOnReply,
    Typing,
    new_command,
    signed,
)
from domain.ports import OutgoingRecord, PublishFailed
from domain.topics import TRACEPARENT_HEADER
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry, AuditEvent
from infra.postgres.lists.supervised import supervised_among

log = structlog.get_logger()

SOURCE = "/witiop/console"
HOLD_SECONDS = 10
"""How long a mail is held before it is sent, so that it can be recalled."""
MESSAGE_HOLD_SECONDS = 5
"""How long a message is held; shorter, as a customer waits for it."""
_EXPIRES_AFTER = timedelta(minutes=5)
_PUBLISH_SECONDS = 5.0
_TYPING_LIFE = timedelta(seconds=10)
"""Later it would not be true any more."""

_Body = (
    Transfer
    | TransferOnReply
    | Release
    | Dismiss
    | Recall
    | Email
    | SendMessage
    | Resolve
    | CampaignCommand
    | OptOut
    | OptIn
    | ChangeDirectory
    | EraseCustomer
)
_B = TypeVar("_B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command to submit. `what` names its notice (`console.phrases.command_notice`), `detail` has the values for it;
    `about`: the conversation, where the body does not name one."""

    body: _Body
    what: str
    detail: dict[str, object] = field(default_factory=dict)
    about: UUID | None = None


def new_form() -> str:
    """The token for a form that is about to be rendered."""
    return str(uuid4())


def body(of: type[_B], **fields: object) -> _B:
    """A command's body from a form's values. Aborts with 400 if they are invalid; no form of the console sends such."""
    try:
        return of.model_validate(fields)
    except ValidationError:
        abort(400)


def command_id(form: str, body: _Body, rejections: int = 0) -> str:
    """The id of the command that a form requests after so many rejections."""
    return str(uuid5(NAMESPACE_OID, f"{form} {body.model_dump_json()}" + (f" {rejections}" if rejections else "")))


def submit(deps: Dependencies, form: str, requests: Sequence[CommandRequest], batch_id: str | None = None) -> list[str]:
    """Publishes the commands and returns their ids. Blocks until Kafka acknowledged them, 5 seconds at most. Raises
    PublishFailed if it did not acknowledge all of them; it is safe to submit them again. Aborts with 403 if the person
    may not act on one of the conversations, whatever page the commands come from."""
    me = person()
    now = words().now
    with deps.connection() as conn:
        _require_reach(conn, requests)
        ids = _ids(conn, form, requests)
    entries = [_entry("asked", id_, request, batch_id) for id_, request in zip(ids, requests, strict=True)]
    records = [
        signed(
            new_command(request.body, id_=id_, source=SOURCE, issuer=me.name, at=now, expires_at=now + _EXPIRES_AFTER),
            deps.commands_topic,
            deps.command_secret,
        )
        for id_, request in zip(ids, requests, strict=True)
    ]
    with deps.connection() as conn, conn.transaction():
        audit.write(conn, entries)
    try:
        if reasons := deps.publisher.not_ready_reasons():
            raise PublishFailed("; ".join(reasons))
        _publish(deps, records)
    except PublishFailed:
        with deps.connection() as conn, conn.transaction():
            audit.write(conn, [AuditEntry("not_kept", me.name, address(), command_id=id_) for id_ in ids])
        raise
    log.info("console.commands_submitted", commands=len(ids))
    return ids


def _publish(deps: Dependencies, records: Sequence[OutgoingRecord]) -> None:
    """Publishes commands; where traces are on, as the first step of one."""
    step = None
    if deps.traces is not None:
        step = deps.traces.begin("submit commands", "producer", {"witiop.commands": len(records)})
    if step is None:
        deps.publisher.publish(records, _PUBLISH_SECONDS)
        return
    header = (TRACEPARENT_HEADER, step.traceparent.encode())
    try:
        deps.publisher.publish([replace(each, headers=(*each.headers, header)) for each in records], _PUBLISH_SECONDS)
    except PublishFailed as error:
        step.end(type(error).__name__)
        raise
    step.end()


def show_typing(deps: Dependencies, conversation: UUID) -> None:
    """Shows the customer of a conversation that the person is writing. It may be lost: nobody waits for it, and it is
    not repeated."""
    now = words().now
    command = new_command(
        Typing(conversation_id=conversation),
        id_=str(uuid4()),
        source=SOURCE,
        issuer=person().name,
        at=now,
        expires_at=now + _TYPING_LIFE,
    )
    deps.publisher.begin(
        [signed(command, deps.commands_topic, deps.command_secret)], _TYPING_LIFE.total_seconds(), lambda _: None
    )


def _require_reach(conn: Connection[Any], requests: Sequence[CommandRequest]) -> None:
    within = supervision()
    if person().level == "read_only":
        abort(403)
    if within is None:
        return
    about = {each.about or each.body.conversation_id for each in requests}
    known = {id_ for id_ in about if id_ is not None}
    if None in about or known - supervised_among(conn, known, within):
        abort(403)


def hold_back(deps: Dependencies, form: str, requests: Sequence[CommandRequest], batch_id: str, why: Rejection) -> None:
    """Notes commands of a batch that are not sent, and as what they count as rejected."""
    entries = []
    for each in requests:
        noted = replace(each, detail={**each.detail, "held_back": why.value})
        entries.append(_entry("held_back", command_id(form, each.body), noted, batch_id))
    with deps.connection() as conn, conn.transaction():
        audit.write(conn, entries)


def _entry(event: AuditEvent, id_: str, request: CommandRequest, batch_id: str | None) -> AuditEntry:
    return AuditEntry(
        event,
        person().name,
        address(),
        conversation_id=request.about or request.body.conversation_id,
        command_id=id_,
        batch_id=batch_id,
        detail={"what": request.what, **request.detail},
    )


def _ids(conn: Connection[Any], form: str, requests: Sequence[CommandRequest]) -> list[str]:
    """A row's form is as old as its row. A command that was rejected for want of a free slot must not keep its id for
    ever, or it could never be tried again; one that was not rejected must, so that a double click does nothing."""
    ids = [command_id(form, request.body) for request in requests]
    attempt = 0
    while rejected := audit.rejected_commands(conn, ids):
        attempt += 1
        ids = [
            command_id(form, request.body, attempt) if id_ in rejected else id_
            for id_, request in zip(ids, requests, strict=True)
        ]
    return ids
