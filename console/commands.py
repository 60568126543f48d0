"""Asking for commands: signed, on the topic, each exactly once however often its form is sent (architecture.md, P7).

The id of a command is made of the token of its form and of what is asked for. So a double click, a reload, the back
button or a second try after Kafka was away is the same command; the same form filled in otherwise is another one, and
the version that it names tells whether it came too late. Once it was refused, the form sent again is a new try.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import structlog
from flask import abort
from psycopg import Connection
from pydantic import ValidationError

from console.dependencies import Dependencies
from console.request import address, person
from domain.commands import Email, Recall, Transfer, new_command, signed
from domain.ports import PublishFailed
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry

log = structlog.get_logger()

SOURCE = "/witiop/console"
HOLD_SECONDS = 10
"""So long a mail can be taken back."""
_EXPIRES_AFTER = timedelta(minutes=5)
_PUBLISH_SECONDS = 5.0

_B = TypeVar("_B", Transfer, Recall, Email)


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """What one command asks for. `what`: its words (`console.phrases`); `detail`: what they need besides."""

    body: Transfer | Recall | Email
    what: str
    detail: dict[str, object] = field(default_factory=dict)
    about: UUID | None = None


def new_form() -> str:
    """The token of a form that is about to be shown."""
    return str(uuid4())


def body(of: type[_B], **fields: object) -> _B:
    """What a command says. Aborts with 400 where it cannot say so: no form of ours asks for that."""
    try:
        return of.model_validate(fields)
    except ValidationError:
        abort(400)


def command_id(form: str, body: Transfer | Recall | Email, refused: int = 0) -> str:
    """The id of what a form asks for, after it was refused so often."""
    return str(uuid5(NAMESPACE_OID, f"{form} {body.model_dump_json()}" + (f" {refused}" if refused else "")))


def submit(parts: Dependencies, form: str, wishes: Sequence[CommandRequest], batch_id: str | None = None) -> list[str]:
    """Asks, and gives the commands' ids. Raises NotKept: Kafka did not take all of them; asking again does no harm."""
    me = person()
    now = parts.clock()
    with parts.connection() as conn:
        ids = _ids(conn, form, wishes)
    deeds = [
        AuditEntry(
            "asked",
            me.name,
            address(),
            conversation_id=wish.about or wish.body.conversation_id,
            command_id=id_,
            batch_id=batch_id,
            detail={"what": wish.what, **wish.detail},
        )
        for id_, wish in zip(ids, wishes, strict=True)
    ]
    records = [
        signed(
            new_command(wish.body, id_=id_, source=SOURCE, issuer=me.name, at=now, expires_at=now + _EXPIRES_AFTER),
            parts.commands_topic,
            parts.command_secret,
        )
        for id_, wish in zip(ids, wishes, strict=True)
    ]
    with parts.connection() as conn, conn.transaction():
        audit.write(conn, deeds)
    try:
        if missing := parts.publisher.not_ready_reasons():
            raise PublishFailed("; ".join(missing))
        parts.publisher.publish(records, _PUBLISH_SECONDS)
    except PublishFailed:
        with parts.connection() as conn, conn.transaction():
            audit.write(conn, [AuditEntry("not_kept", me.name, address(), command_id=id_) for id_ in ids])
        raise
    log.info("console.asked", commands=len(ids))
    return ids


def _ids(conn: Connection[Any], form: str, wishes: Sequence[CommandRequest]) -> list[str]:
    """A row's form is as old as its row: what was refused for want of a free slot must not be the same command for
    ever. What was not refused is, so that a double click does nothing twice."""
    ids = [command_id(form, wish.body) for wish in wishes]
    times = 0
    while refused := audit.rejected_commands(conn, ids):
        times += 1
        ids = [
            command_id(form, wish.body, times) if id_ in refused else id_ for id_, wish in zip(ids, wishes, strict=True)
        ]
    return ids
