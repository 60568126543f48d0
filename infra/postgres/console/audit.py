"""What people did at the console, and what became of the commands they asked for. Raises psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Json

AuditEvent = Literal[
    "signed_in",
    "sign_in_refused",
    "signed_out",
    "password_changed",
    "password_refused",
    "form_refused",
    "forbidden",
    "asked",
    "not_kept",
    "downloaded",
    "sign_in_made",
    "password_reset",
    "sessions_ended",
]
"""The last three are done by the command line, by a user of its machine: they have no address."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did. `detail`: plain JSON; of `requested_command`, what was asked for."""

    event: AuditEvent
    name: str | None
    address: str | None
    conversation_id: UUID | None = None
    command_id: str | None = None
    batch_id: str | None = None
    detail: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestedCommand:
    """A command that somebody asked for, and what became of it. `outcome` None: nothing yet; `version`: that
    taking it back names: of its conversation now, or right after it if somebody decided otherwise since."""

    at: datetime
    name: str
    command_id: str
    conversation_id: UUID | None
    batch_id: str | None
    detail: dict[str, Any]
    outcome: Literal["applied", "rejected"] | None
    reason: str | None
    version: int | None


def write(conn: Connection[Any], deeds: Collection[AuditEntry]) -> None:
    """Adds them; a command that was asked for already stands there once."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into console_audit (event, name, address, conversation_id, command_id, batch_id, detail) "
            "values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            [(d.event, d.name, d.address, d.conversation_id, d.command_id, d.batch_id, Json(d.detail)) for d in deeds],
        )


_ASKED = """
select a.at, a.name, a.command_id, a.conversation_id, a.batch_id, a.detail, r.outcome, r.reason,
  coalesce(c.version, r.version) as version
from console_audit a
left join lateral (
  select * from command_audit r
  where r.command_id = a.command_id and r.outcome <> 'repeated' limit 1
) r on true
left join conversations c on r.outcome = 'applied' and c.id = a.conversation_id and not exists (
  select from command_audit later
  where later.conversation_id = a.conversation_id and later.outcome = 'applied'
    and later.type in ('witiop.command.transfer.v1', 'witiop.command.recall.v1')
    and (later.topic, later.partition) = (r.topic, r.partition) and later."offset" > r."offset"
)
where a.event = 'asked'
"""


def requested_command(conn: Connection[Any], command_id: str) -> RequestedCommand | None:
    """One command."""
    cursor = conn.cursor(row_factory=class_row(RequestedCommand))
    return cursor.execute(f"{_ASKED} and a.command_id = %s", (command_id,)).fetchone()


def requested_batch(conn: Connection[Any], batch_id: str) -> Sequence[RequestedCommand]:
    """All commands of a batch, in the order in which they were asked for."""
    cursor = conn.cursor(row_factory=class_row(RequestedCommand))
    return cursor.execute(f"{_ASKED} and a.batch_id = %s order by a.id", (batch_id,)).fetchall()


REQUESTS_SPAN = timedelta(minutes=30)
"""Requests older than this are left out of `answer_counts`; an unprocessed command expires after five minutes."""


def answer_counts(conn: Connection[Any], names: Collection[str]) -> dict[str, dict[str, int]]:
    """How many commands have a result: per person, then per batch id, or command id of a single command. Covers what
    these people requested within `REQUESTS_SPAN`; O(those commands)."""
    found: dict[str, dict[str, int]] = {}
    for name, request, answered in conn.execute(
        """
        select a.name, coalesce(a.batch_id, a.command_id), count(*) from console_audit a
        where a.event = 'asked' and a.name = any(%(names)s) and a.at > now() - %(span)s
          and exists (select from command_audit r where r.command_id = a.command_id and r.outcome <> 'repeated')
        group by 1, 2
        """,
        {"names": list(names), "span": REQUESTS_SPAN},
    ):
        found.setdefault(name, {})[request] = answered
    return found


def rejected_commands(conn: Connection[Any], ids: Collection[str]) -> set[str]:
    """Those of the commands that were refused."""
    found = conn.execute(
        "select command_id from command_audit where command_id = any(%s) and outcome = 'rejected'", (list(ids),)
    ).fetchall()
    return {row[0] for row in found}
