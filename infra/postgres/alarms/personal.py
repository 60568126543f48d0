"""What people want to be told about conversations that run out, and how many these are. Raises psycopg errors."""

from collections.abc import Collection, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from domain.alarms.conditions import PersonSign
from domain.conversations.reasons import Reason
from domain.directory import Level
from infra.postgres.console.sign_ins import LEVEL, SKILLSETS

MANY = 100
"""The highest count."""
TOLD_LEVELS: Collection[Level] = ("tenant_administrator", "read_only", "supervisor")
"""Who is told: who sees the list, supervisors about those of theirs. What somebody else once asked for counts for
nothing."""
_LOOKED_AT = 500
"""Most conversations of each reason that are looked at, the most urgent first."""


class PersonalAlarm(NamedTuple):
    """A person's wish. `minutes`: less time left than this; `phone_number_ids`, `skillsets`: of these only, empty: all.
    A conversation is of the skillset that it last waited for; if it never did, of all that its number's menu leads
    to."""

    minutes: int
    phone_number_ids: Sequence[str] = ()
    skillsets: Sequence[str] = ()
    sound: bool = False
    desktop: bool = False
    mail: bool = False


def personal_alarm(connection: Connection[Any], name: str) -> PersonalAlarm | None:
    """Returns what a person asked for; None: nothing."""
    row = connection.execute(
        "select minutes, phone_number_ids, skillsets, sound, desktop, mail from personal_alarms where name = %b", [name]
    ).fetchone()
    return PersonalAlarm(*row) if row else None


def write_personal_alarm(connection: Connection[Any], name: str, wanted: PersonalAlarm | None) -> None:
    """Stores what a person asks for; None: nothing any more."""
    if wanted is None:
        connection.execute("delete from personal_alarms where name = %b", [name])
        return
    connection.execute(
        "insert into personal_alarms (name, minutes, phone_number_ids, skillsets, sound, desktop, mail) "
        "values (%b, %b, %b::text[], %b::text[], %b, %b, %b) on conflict (name) do update set "
        "minutes = excluded.minutes, phone_number_ids = excluded.phone_number_ids, skillsets = excluded.skillsets, "
        "sound = excluded.sound, desktop = excluded.desktop, mail = excluded.mail",
        [
            name,
            wanted.minutes,
            list(wanted.phone_number_ids),
            list(wanted.skillsets),
            wanted.sound,
            wanted.desktop,
            wanted.mail,
        ],
    )


def running_out(connection: Connection[Any]) -> list[PersonSign]:
    """Returns how many conversations run out for each person who wants a mail about that, at most `MANY`."""
    rows = connection.execute(
        f"select p.name, p.minutes, ({_COUNT}) from {_ASKED} where p.mail and {_IS_TOLD} order by p.name", _FILLED
    )
    return [PersonSign(*row) for row in rows.fetchall()]


def running_out_of(connection: Connection[Any], name: str) -> int:
    """Returns how many conversations run out for a person, at most `MANY`."""
    query: LiteralString = f"select ({_COUNT}) from {_ASKED} where p.name = %(name)b and {_IS_TOLD}"
    found = connection.execute(query, {**_FILLED, "name": name}).fetchone()
    return int(found[0]) if found else 0


_FILLED = {
    "reasons": [reason.code for reason in Reason],
    "most": MANY,
    "looked_at": _LOOKED_AT,
    "levels": list(TOLD_LEVELS),
}
_ASKED: LiteralString = "personal_alarms p join sign_ins i on i.name = p.name left join users u on u.id = i.name"
_IS_TOLD: LiteralString = f"{LEVEL} = any(%(levels)b)"

_COUNT: LiteralString = f"""
select count(*)::integer from (
  select from unnest(%(reasons)b::smallint[]) as r (reason) cross join lateral (
    select c.id, c.phone_number_id from conversations c
    where c.unmanaged and c.status = 'a' and c.reason = r.reason
      and c.last_at < clock_timestamp() - interval '24 hours' + make_interval(mins => p.minutes)
      and c.window_ends_at > clock_timestamp()
      and (cardinality(p.phone_number_ids) = 0 or c.phone_number_id = any(p.phone_number_ids))
      and ({LEVEL} <> 'supervisor' or exists (select from numbers n, json_each_text(n.menu) as choice
        where n.phone_number_id = c.phone_number_id and choice.value = any({SKILLSETS})))
    order by c.last_at limit %(looked_at)b
  ) c
  where cardinality(p.skillsets) = 0 or coalesce(
    (select h.owner_id from history h where h.conversation_id = c.id and h.owner_kind = 's'
      order by h.sequence desc limit 1) = any(p.skillsets),
    exists (select from numbers n, json_each_text(n.menu) as choice
      where n.phone_number_id = c.phone_number_id and choice.value = any(p.skillsets)))
  limit %(most)b
) found
"""
"""The number of conversations that run out for a person of `_ASKED`: of a supervisor those that nobody has and they
supervise (`domain.routing.supervision`)."""
