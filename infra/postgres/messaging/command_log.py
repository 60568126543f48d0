"""The ids of received commands, and the audit of every record of the commands topic. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays

CommandOutcome = Literal["applied", "rejected", "repeated"]


class AuditedRecord(NamedTuple):
    """A row of the audit: the outcome of one record. The fields have the order of the columns. `command_id`, `type`,
    `source` and `issuer` are None if the record was not authentic, because then its content is not trusted."""

    topic: str
    partition: int
    offset: int
    received_at: datetime
    command_id: str | None
    type: str | None
    source: str | None
    issuer: str | None
    outcome: CommandOutcome
    reason: str | None
    what: str | None
    conversation_id: UUID | None
    version: int | None
    batch_id: str | None


@dataclass(frozen=True, slots=True)
class ClaimedCommands:
    """The result of `claim`. `fresh`: ids that are new; the others were carried out or rejected before. `recalled`:
    fresh ids whose mail was recalled before the command arrived -> issuer of the recall. `ahead`: commands that have
    not arrived yet and whose mails this batch recalls."""

    fresh: set[str]
    recalled: dict[str, str]
    ahead: set[str]

    def recall(self, command: str, issuer: str) -> bool:
        """Recalls the mail of a command that has not been carried out. Returns False if the command arrived in an
        earlier batch, or if its mail was recalled already."""
        if command in self.ahead:
            self.ahead.discard(command)
            return True
        if command not in self.fresh or command in self.recalled:
            return False
        self.recalled[command] = issuer  # the command follows its recall in this batch
        return True


def claim(connection: Connection[Any], ids: Collection[str], recalls: Mapping[str, str]) -> ClaimedCommands:
    """Stores the ids, in their order, and reports which of them are new. `recalls`: command whose mail is to be
    recalled -> issuer of the recall."""
    # A command and its recall may arrive in any order, because they may be on different partitions. A recall that
    # arrives first stores the row of its command, and the command finds it.
    rows: list[tuple[str, str | None]] = [(id_, None) for id_ in ids]
    rows += [(id_, issuer) for id_, issuer in recalls.items() if id_ not in ids]
    if not rows:
        return ClaimedCommands(set(), {}, set())
    new = connection.execute(
        "insert into commands (id, recalled_by) select id, recalled_by from unnest(%b::text[], %b::text[]) "
        "as t (id, recalled_by) order by id on conflict do nothing returning id, recalled_by",
        column_arrays(sorted(rows)),
    ).fetchall()
    fresh = {id_ for id_, recalled_by in new if recalled_by is None}
    recalled: dict[str, str] = {}
    if known := sorted(set(ids) - fresh):
        recalled = dict(
            connection.execute(
                "update commands c set recalled_by = null from (select id, recalled_by from commands "
                "where id = any(%b::text[]) and recalled_by is not null order by id for update) r "
                "where c.id = r.id returning r.id, r.recalled_by",
                [known],
            ).fetchall()
        )
    return ClaimedCommands(
        fresh | recalled.keys(), recalled, {id_ for id_, recalled_by in new if recalled_by is not None}
    )


def count_repeats(connection: Connection[Any], ids: Iterable[str]) -> None:
    """Adds to the repeats of commands. An id appears in `ids` once per repeat."""
    repeats: dict[str, int] = {}
    for command in ids:
        repeats[command] = repeats.get(command, 0) + 1
    if repeats:
        connection.execute(
            "update commands c set repeats = c.repeats + t.n from unnest(%b::text[], %b::integer[]) as t (id, n) "
            "where c.id = t.id",
            column_arrays(sorted(repeats.items())),
        )


def audit(connection: Connection[Any], rows: Sequence[AuditedRecord]) -> None:
    """Writes one row per record; records that are already in the audit are skipped."""
    if rows:
        connection.execute(
            'insert into command_audit (topic, partition, "offset", received_at, command_id, type, source, issuer, '
            "outcome, reason, what, conversation_id, version, batch_id) "
            "select * from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[], %b::text[], %b::text[], "
            "%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::integer[], %b::text[]) "
            "on conflict do nothing",
            column_arrays(rows),
        )
