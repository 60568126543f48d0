"""What rules did. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from domain.rescue.acts import RuleAct, has_acted
from domain.rules.rule import ActionKind, Rule
from infra.postgres.connections.arrays import column_arrays


class ActResult(NamedTuple):
    """What became of the command of an act. `rejection` None: it was carried out."""

    act: RuleAct
    rejection: str | None


def acts_of(connection: Connection[Any], conversations: Collection[UUID]) -> list[RuleAct]:
    """Returns what rules did about conversations."""
    cursor = connection.cursor(row_factory=class_row(RuleAct))
    return cursor.execute(_OF, [list(conversations)]).fetchall()


def by_rule(acts: Iterable[RuleAct]) -> dict[UUID, dict[str, dict[ActionKind, RuleAct]]]:
    """Returns acts by conversation, rule and action."""
    found: dict[UUID, dict[str, dict[ActionKind, RuleAct]]] = {}
    for act in acts:
        found.setdefault(act.conversation_id, {}).setdefault(act.rule_id, {})[act.action] = act
    return found


def passed(connection: Connection[Any], stays: Iterable[tuple[UUID, int]]) -> set[tuple[UUID, str]]:
    """Returns the rules that were passed over, by conversation, while it has been on the list since these events."""
    known = sorted(stays)
    rows = connection.execute(_PASSED, column_arrays(known)) if known else ()
    return {(conversation, rule) for conversation, rule in rows}


def done(
    connection: Connection[Any],
    rules: Sequence[Rule],
    stays: Mapping[UUID, int],
    known: Mapping[UUID, Mapping[str, Mapping[ActionKind, RuleAct]]],
) -> dict[UUID, set[str]]:
    """Returns the rules that have nothing more to do about conversations: they have acted, or were passed over.
    `stays`: as for `passed`; `known`: what rules did about them (`by_rule`)."""
    found = {id_: {rule.id for rule in rules if has_acted(rule, known.get(id_, {}).get(rule.id, {}))} for id_ in stays}
    for id_, rule_id in passed(connection, stays.items()):
        found[id_].add(rule_id)
    return found


def write_passed(connection: Connection[Any], passes: Iterable[tuple[UUID, str, int]]) -> None:
    """Notes rules that were passed over, with the event with which the conversation came to the list."""
    rows = sorted(passes)
    if rows:
        connection.execute(
            "insert into rule_passes select * from unnest(%b::uuid[], %b::text[], %b::integer[]) "
            "on conflict do nothing",
            column_arrays(rows),
        )


def write(connection: Connection[Any], acts: Sequence[RuleAct]) -> None:
    """Stores acts, each in the place of its earlier attempt."""
    rows = [{**act._asdict(), "detail": Jsonb(act.detail)} for act in sorted(acts, key=lambda each: each.key)]
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, rows)


def settled(connection: Connection[Any], limit: int) -> list[ActResult]:
    """Locks acts whose commands were carried out or rejected, and returns them."""
    cursor = connection.cursor()
    rows = cursor.execute(_SETTLED, {"limit": limit}).fetchall()
    return [ActResult(RuleAct._make(row[:-1]), row[-1]) for row in rows]


def lost(connection: Connection[Any], after: timedelta, limit: int) -> list[RuleAct]:
    """Locks acts of whose commands nothing was heard for so long, and returns them."""
    cursor = connection.cursor(row_factory=class_row(RuleAct))
    return cursor.execute(_LOST, {"after": after, "limit": limit}).fetchall()


def settled_late(connection: Connection[Any], within: timedelta, limit: int) -> list[ActResult]:
    """Locks acts of which nothing was known and whose commands got a result after all, issued within a time until now,
    and returns them. O(acts of that time)."""
    rows = connection.execute(_SETTLED_LATE, {"within": within, "limit": limit}).fetchall()
    return [ActResult(RuleAct._make(row[:-1]), row[-1]) for row in rows]


def has_unknown(connection: Connection[Any], within: timedelta) -> bool:
    """Returns whether nothing is known of some act that was asked for within a time until now. O(acts of that time)."""
    statement = "select from rule_acts where state = 'unknown' and asked_at > now() - %s limit 1"
    return connection.execute(statement, [within]).fetchone() is not None


def lately(connection: Connection[Any], within: timedelta) -> int:
    """Returns how many actions were asked for within a time until now."""
    found = connection.execute("select count(*) from rule_acts where asked_at > now() - %s", [within]).fetchone()
    assert found is not None
    return int(found[0])


_COLUMNS: LiteralString = (
    "conversation_id, rule_id, action, rule_name, phone_number_id, state, attempt, mode, version, command_id, "
    "rejection, detail, at, asked_at"
)
_OF: LiteralString = f"select {_COLUMNS} from rule_acts where conversation_id = any(%b::uuid[])"
_PASSED: LiteralString = """
select p.conversation_id, p.rule_id from unnest(%b::uuid[], %b::integer[]) as t (id, stay)
join rule_passes p on p.conversation_id = t.id and p.stay = t.stay
"""
_WRITE: LiteralString = f"""
insert into rule_acts ({_COLUMNS}) values (
  %(conversation_id)s, %(rule_id)s, %(action)s, %(rule_name)s, %(phone_number_id)s, %(state)s, %(attempt)s, %(mode)s,
  %(version)s, %(command_id)s, %(rejection)s, %(detail)s, %(at)s, %(asked_at)s)
on conflict (conversation_id, rule_id, action) do update set rule_name = excluded.rule_name, state = excluded.state,
  attempt = excluded.attempt, mode = excluded.mode, version = excluded.version, command_id = excluded.command_id,
  rejection = excluded.rejection, detail = excluded.detail, at = excluded.at, asked_at = excluded.asked_at
"""
_RESULTS: LiteralString = """
select a.conversation_id, a.rule_id, a.action, a.rule_name, a.phone_number_id, a.state, a.attempt, a.mode, a.version,
  a.command_id, a.rejection, a.detail, a.at, a.asked_at, r.reason
from rule_acts a cross join lateral (
  select case when outcome = 'rejected' then reason end as reason from command_audit
  where command_id = a.command_id::text and outcome in ('applied', 'rejected') limit 1
) as r
"""
_SETTLED: LiteralString = f"""{_RESULTS}
where a.state = 'asked' order by a.asked_at limit %(limit)s for update of a skip locked
"""
_SETTLED_LATE: LiteralString = f"""{_RESULTS}
where a.state = 'unknown' and a.asked_at > now() - %(within)s
order by a.asked_at limit %(limit)s for update of a skip locked
"""
_LOST: LiteralString = f"""
select {_COLUMNS} from rule_acts where state = 'asked' and command_id is not null and asked_at < now() - %(after)s
order by asked_at limit %(limit)s for update skip locked
"""
