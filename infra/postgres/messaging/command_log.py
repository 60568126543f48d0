"""Commands that were seen, and the audit of every record of their topic. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays

CommandOutcome = Literal["applied", "rejected", "repeated"]


class AuditedRecord(NamedTuple):
    """What became of one record: a row of the audit, in its order. `command_id`, `type`, `source` and `issuer` are None
    when it was not authentic: then nothing in it is believed."""

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
    """`fresh`: ids that are new; the others were carried out or refused before. `recalled`: those of them whose mail
    was recalled before they came, and by whom. `ahead`: commands that never came, whose mails are recalled here."""

    fresh: set[str]
    recalled: dict[str, str]
    ahead: set[str]

    def recall(self, command: str, issuer: str) -> bool:
        """Whatever mail a command will ask for is recalled; False: it came already."""
        if command in self.ahead:
            self.ahead.discard(command)
            return True
        if command not in self.fresh or command in self.recalled:
            return False
        self.recalled[command] = issuer  # it stands behind its recall in one batch
        return True


def claim(connection: Connection[Any], ids: Collection[str], recalls: Mapping[str, str]) -> ClaimedCommands:
    """Takes the ids, in their order. `recalls`: commands whose mails are to be recalled, and by whom. The two may come
    in any order, on different partitions: what is recalled first leaves a row that its command meets."""
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
    """Each stands once for each time it came again."""
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
    """One row a record."""
    if rows:
        connection.execute(
            'insert into command_audit (topic, partition, "offset", received_at, command_id, type, source, issuer, '
            "outcome, reason, what, conversation_id, version, batch_id) "
            "select * from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[], %b::text[], %b::text[], "
            "%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::integer[], %b::text[]) "
            "on conflict do nothing",
            column_arrays(rows),
        )
