"""The audit log of the console, and the results of the commands that people requested there. Functions raise psycopg
errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Json

from domain.conversations.conversation import OwnerKind

AuditEvent = Literal[
    "signed_in",
    "sign_in_refused",
    "signed_out",
    "password_changed",
    "password_refused",
    "form_refused",
    "forbidden",
    "asked",
    "held_back",
    "not_kept",
    "downloaded",
    "deleted_opened",
    "choices_changed",
    "alarms_changed",
    "note_deleted",
    "tag_removed",
    "saved_list_deleted",
    "sign_in_made",
    "sign_in_disabled",
    "sign_in_enabled",
    "level_changed",
    "password_reset",
    "sessions_ended",
    "factor_enrolled",
    "factor_removed",
    "recovery_codes_made",
    "recovery_code_used",
    "code_refused",
    "provider_refused",
    "rules_stopped",
    "rules_started",
]
"""Stored values. `asked`: a command was requested; `held_back`: one of a bulk action was not, because the free slots
were given to more urgent conversations; `not_kept`: Kafka did not acknowledge it. `deleted_opened`: what the customer
deleted from a conversation was shown. `choices_changed`: what agents choose from was; `alarms_changed`: a silence or a
channel was. `note_deleted`, `tag_removed`: of a conversation. `factor_...`, `code_refused`: about a second factor.
`provider_refused`: what the OpenID provider said lets nobody in. Of an administrator's act on a sign-in, `detail` has
its name as `of`; the command line has no address."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of a person. `detail`: plain JSON; for a command, the values of its notice."""

    event: AuditEvent
    name: str | None
    address: str | None
    conversation_id: UUID | None = None
    command_id: str | None = None
    batch_id: str | None = None
    detail: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestedCommand:
    """A command that a person requested, and its result; or one that was held back. `outcome` None: not processed yet.
    `version`: the version that a recall of it must name: the conversation's current one, or the one right after the
    command if another decision followed it."""

    at: datetime
    name: str
    command_id: str
    conversation_id: UUID | None
    batch_id: str | None
    detail: dict[str, Any]
    outcome: Literal["applied", "rejected", "held_back"] | None
    reason: str | None
    version: int | None


def write(conn: Connection[Any], entries: Collection[AuditEntry]) -> None:
    """Adds entries. A command that was requested before is not added again."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into console_audit (event, name, address, conversation_id, command_id, batch_id, detail) "
            "values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            [
                (e.event, e.name, e.address, e.conversation_id, e.command_id, e.batch_id, Json(e.detail))
                for e in entries
            ],
        )


_REQUESTED = """
select a.at, a.name, a.command_id, a.conversation_id, a.batch_id, a.detail,
  case when a.event = 'held_back' then 'held_back' else r.outcome end as outcome,
  coalesce(r.reason, a.detail ->> 'held_back') as reason,
  coalesce(c.version, r.version) as version
from console_audit a
left join lateral (
  select * from command_audit r
  where r.command_id = a.command_id and r.outcome <> 'repeated' limit 1
) r on true
left join conversations c on r.outcome = 'applied' and c.id = a.conversation_id and not exists (
  select from command_audit later
  where later.conversation_id = a.conversation_id and later.outcome = 'applied'
    and later.type in ('witiop.command.transfer.v1', 'witiop.command.release.v1', 'witiop.command.dismiss.v1',
      'witiop.command.recall.v1')
    and (later.topic, later.partition) = (r.topic, r.partition) and later."offset" > r."offset"
)
where
"""


def requested_command(conn: Connection[Any], command_id: str) -> RequestedCommand | None:
    """The command with this id, if it was requested here."""
    cursor = conn.cursor(row_factory=class_row(RequestedCommand))
    return cursor.execute(f"{_REQUESTED} a.event = 'asked' and a.command_id = %s", (command_id,)).fetchone()


def requested_batch(conn: Connection[Any], batch_id: str) -> Sequence[RequestedCommand]:
    """All commands of a batch, in the order in which they were requested, and those that were held back."""
    cursor = conn.cursor(row_factory=class_row(RequestedCommand))
    return cursor.execute(
        f"{_REQUESTED} a.event in ('asked', 'held_back') and a.batch_id = %s order by a.id", (batch_id,)
    ).fetchall()


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


_MOST_LOOKED_AT = 200


def last_recipients(conn: Connection[Any], name: str, kind: OwnerKind) -> list[str]:
    """The users or skillsets to whom a person transferred last, the latest first: of their last 200 commands."""
    found = conn.execute(
        "select detail ->> 'target' from (select at, detail from console_audit where event = 'asked' and name = %s "
        "order by at desc limit %s) as latest where detail ->> 'kind' = %s and detail ->> 'target' is not null "
        "group by 1 order by max(at) desc",
        (name, _MOST_LOOKED_AT, kind),
    )
    return [target for (target,) in found]


def rejected_commands(conn: Connection[Any], ids: Collection[str]) -> set[str]:
    """The ids among these whose commands were rejected."""
    found = conn.execute(
        "select command_id from command_audit where command_id = any(%s) and outcome = 'rejected'", (list(ids),)
    ).fetchall()
    return {row[0] for row in found}
