"""Erasures: asked for by a command, carried out in three steps by the process `retention`. Raises psycopg errors.

`asked` -> `erased`: what leads to the person is gone, under the locks of all who write about them; `swept`: tables that
are read as a whole are, too; `done`: what was on its way meanwhile is gone, and the erasure names nobody any more.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import kwargs_row
from psycopg.types.json import Json

from domain.campaigns.recipients import campaign_send_id
from domain.conversations.customers.identities import IdentityKey, phone_identity
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.conversations.history_writer import HistoryWriter
from infra.postgres.lists.cursor import Cursor
from infra.postgres.opt_outs.in_force import AskedAddress, in_force
from infra.postgres.retention.people import Subject, holdings
from infra.postgres.retention.personal import Found, Holding

ErasureState = Literal["asked", "erased", "swept", "done"]


class Erasure(NamedTuple):
    """An erasure. `phone`, `customer_id`: whom the command named, until it is done; `until`: when it was carried out;
    `removed`: table -> rows that were removed or changed."""

    id: UUID
    command_id: str
    asked_by: str
    asked_at: datetime
    state: ErasureState
    phone: str | None
    customer_id: UUID | None
    until: datetime | None
    subject: str | None
    removed: dict[str, int]
    done_at: datetime | None


_COLUMNS: LiteralString = (
    "id, command_id, asked_by, asked_at, state, phone, customer_id, until, subject::text as subject, removed, done_at"
)


def ask(
    connection: Connection[Any],
    id_: UUID,
    command: str,
    by: str,
    at: datetime,
    phone: str | None,
    customer: UUID | None,
) -> None:
    """Notes that a person is to be erased."""
    connection.execute(
        "insert into erasures (id, command_id, asked_by, asked_at, state, phone, customer_id) "
        "values (%b, %b, %b, %b, 'asked', %b, %b)",
        [id_, command, by, at, phone, customer],
    )


def next_erasure(connection: Connection[Any], settled_before: datetime) -> Erasure | None:
    """Locks and returns the erasure that has a step to be done, the oldest first; None: there is none, or others do
    them. `settled_before`: the last step is due of those that were carried out before then."""
    with connection.cursor(row_factory=kwargs_row(Erasure)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from erasures where state <> 'done' and (state <> 'swept' or until < %b) "
            "order by asked_at limit 1 for update skip locked",
            [settled_before],
        ).fetchone()


def erasure_of(connection: Connection[Any], command: str) -> Erasure | None:
    """Returns the erasure that a command asked for."""
    with connection.cursor(row_factory=kwargs_row(Erasure)) as cursor:
        return cursor.execute(f"select {_COLUMNS} from erasures where command_id = %b", [command]).fetchone()


class ErasurePage(NamedTuple):
    """Erasures, the latest first, and the cursor of the next page (None: this is the last one)."""

    rows: list[Erasure]
    next: Cursor | None


def erasure_page(connection: Connection[Any], rows: int, after: Cursor) -> ErasurePage:
    """Returns a page of erasures. O(rows)."""
    with connection.cursor(row_factory=kwargs_row(Erasure)) as cursor:
        found = cursor.execute(
            f"select {_COLUMNS} from erasures where (asked_at, id) < (%b, %b) order by asked_at desc, id desc limit %b",
            [after.at, after.id, rows + 1],
        ).fetchall()
    shown = found[:rows]
    return ErasurePage(shown, Cursor(shown[-1].asked_at, shown[-1].id) if len(found) > rows else None)


def note_step(
    connection: Connection[Any],
    erasure: Erasure,
    state: ErasureState,
    subject: Subject | None,
    until: datetime,
    removed: dict[str, int],
) -> None:
    """Notes that a step is done. `subject`: what the next ones need; with None nothing names the person any more."""
    total = {table: erasure.removed.get(table, 0) + removed.get(table, 0) for table in {*erasure.removed, *removed}}
    connection.execute(
        "update erasures set state = %(state)b, until = %(until)b, removed = %(removed)b, "
        "subject = %(subject)b::jsonb, phone = case when %(named)b then phone end, "
        "customer_id = case when %(named)b then customer_id end, "
        "done_at = case when %(state)b = 'done' then clock_timestamp() end where id = %(id)b",
        {
            "state": state,
            "until": until,
            "removed": Json({table: n for table, n in sorted(total.items()) if n}),
            "subject": subject.to_json() if subject is not None else None,
            "named": subject is not None,
            "id": erasure.id,
        },
    )


# what a step does


def keys_of_subject(connection: Connection[Any], subject: Subject, numbers: Sequence[str]) -> list[IdentityKey]:
    """Returns the identities by which facts of a person may come: those that are known, and their phones at other
    numbers, where they may not have written yet. `numbers`: business numbers at which all facts of these phones are to
    be forgotten."""
    rows = connection.execute(
        "select phone_number_id, kind::text, value from identities where customer_id = any(%(c)b::uuid[]) "
        "union select phone_number_id, kind::text, value from identity_periods where customer_id = any(%(c)b::uuid[]) "
        "union select phone_number_id, 'u', user_id from identities "
        "where customer_id = any(%(c)b::uuid[]) and user_id is not null",
        {"c": [*subject.customers]},
    ).fetchall()
    phones = [value for value in subject.values if value.isdigit()]
    everywhere = {phone_identity(number, phone) for number in numbers for phone in phones}
    known = {IdentityKey(*row) for row in rows}
    return sorted({*(key for key in known if key.kind == "g" or key.value in subject.values), *everywhere})


def spread_opt_outs(connection: Connection[Any], keys: Sequence[IdentityKey]) -> None:
    """Notes for each identity of a person what any other of them opted out of: once they are erased nothing says that
    the identities are of one person. The rows are hashed with the others."""
    found = in_force(connection, [AskedAddress(key) for key in keys])
    rows = sorted(
        {
            (each.phone_number_id, each.kind, each.value, each.source, each.scope, key.kind, key.value)
            for key, said in zip(keys, found, strict=True)
            for each in said
            if (each.kind, each.value) != (key.kind, key.value)
        }
    )
    if rows:
        connection.execute(
            "insert into opt_outs as o (phone_number_id, kind, value, source, scope, address, at, input_id, actor) "
            'select distinct on (1, 2, 3, 4, 5) k.phone_number_id, t.new_kind::"char", t.new_value, k.source, k.scope, '
            "t.new_value, k.at, k.input_id, k.actor "
            "from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[]) "
            "as t (number, kind, value, source, scope, new_kind, new_value) join opt_outs k on k.phone_number_id = "
            't.number and k.kind = t.kind::"char" and k.value = t.value and k.source = t.source and k.scope = t.scope '
            "order by 1, 2, 3, 4, 5, k.at desc on conflict (phone_number_id, kind, value, source, scope) do update "
            "set at = excluded.at, input_id = excluded.input_id, actor = excluded.actor "
            "where o.at is null or excluded.at > o.at",
            column_arrays(rows),
        )


def remove(
    connection: Connection[Any], subject: Subject, until: datetime, *found: Found, only: Collection[str] = ()
) -> dict[str, int]:
    """Removes or changes what the holdings that are found in these ways have of a subject, with the counters of lists
    and campaigns; returns table -> rows. `only`: of these tables. The caller holds the customers' locks."""
    arrays = {**subject.arrays(until), "anonymous": [uuid4() for _ in subject.conversations]}
    goes = [each for each in holdings(*found) if not only or each.table in only]
    has_lists = any(each.table == "conversations" for each in goes)
    stored = CustomerHistories(connection).read(subject.conversations) if has_lists else []
    removed: dict[str, int] = {}
    moves = Moves()
    for each in goes:
        if each.table == "recipients":
            n = _forget_recipients(connection, each, arrays, moves)
        elif each.table == "opt_outs":
            n = _hash_opt_outs(connection, each, arrays)
        elif each.change is None:
            n = connection.execute(f"delete from {each.table} t where {each.where}", arrays).rowcount
        else:
            n = connection.execute(
                f"update {each.table} t set {each.change} {each.beside} where {each.where}", arrays
            ).rowcount
        if n:
            removed[each.table] = removed.get(each.table, 0) + n
    writer = HistoryWriter(connection)
    writer.count(stored, [])
    writer.count_dismissed(stored, [])
    moves.write(connection)
    return removed


def _forget_recipients(connection: Connection[Any], each: Holding, arrays: dict[str, Any], moves: Moves) -> int:
    """Takes the person out of rows of campaigns, and removes the messages that they were for."""
    changed = connection.execute(
        f"update recipients t set {each.change} where {each.where} "
        "returning t.campaign_id, t.row_no, t.attempt::integer, t.wave, t.variant, old.state, "
        "coalesce(old.reason, ''), new.state, coalesce(new.reason, '')",
        arrays,
    ).fetchall()
    sends: list[UUID] = []
    for campaign, row_no, attempts, wave, variant, before, reason, after, new_reason in changed:
        sends += (campaign_send_id(campaign, row_no, attempt) for attempt in range(1, attempts + 1))
        if (before, reason) != (after, new_reason):
            moves.add(CountKey(campaign, wave, variant, before, reason), -1)
            moves.add(CountKey(campaign, wave, variant, after, new_reason))
    # also those that failed, which no index leads to
    connection.execute("delete from send_log where send_id = any(%b::uuid[])", [sends])
    connection.execute("delete from sends where id = any(%b::uuid[])", [sends])
    return len(changed)


def _hash_opt_outs(connection: Connection[Any], each: Holding, arrays: dict[str, Any]) -> int:
    """Puts keyed hashes in the place of addresses. A person who was erased before may have such rows already: of both
    the latest opt-out and the latest end count."""
    return connection.execute(
        f"with gone as (delete from opt_outs t where {each.where} returning *) "
        "insert into opt_outs as o (phone_number_id, kind, value, source, scope, address, at, input_id, actor, "
        "ended_at, ended_id, ended_by) select phone_number_id, kind, erased_value(kind::text, value), source, scope, "
        "'', at, input_id, actor, ended_at, ended_id, ended_by from gone "
        "on conflict (phone_number_id, kind, value, source, scope) do update set "
        "at = greatest(o.at, excluded.at), ended_at = greatest(o.ended_at, excluded.ended_at), "
        "input_id = case when o.at is null or excluded.at > o.at then excluded.input_id else o.input_id end, "
        "actor = case when o.at is null or excluded.at > o.at then excluded.actor else o.actor end, "
        "ended_id = case when o.ended_at is null or excluded.ended_at > o.ended_at then excluded.ended_id "
        "else o.ended_id end, "
        "ended_by = case when o.ended_at is null or excluded.ended_at > o.ended_at then excluded.ended_by "
        "else o.ended_by end",
        arrays,
    ).rowcount
