"""Marks of erasures: what keeps repeats and late facts from bringing anything back (decision 62). Raises psycopg
errors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.customers.identities import IdentityKey
from domain.ids import fact_id
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.retention.people import Subject
from infra.postgres.retention.personal import HOLDINGS


class Marks(NamedTuple):
    """What of some facts was erased. `ids`: of facts, sends, mails and conversations; `until`: identity -> facts about
    it from then or before are not stored."""

    ids: frozenset[UUID]
    until: Mapping[IdentityKey, datetime]


NO_MARKS = Marks(frozenset(), {})


def has_marks(connection: Connection[Any]) -> bool:
    """Returns whether there are marks at all. In most installations there are none most of the time, so a batch of
    facts asks this first."""
    row = connection.execute("select exists (select from erased_ids) or exists (select from erased_people)").fetchone()
    return row is None or bool(row[0])


def marks(connection: Connection[Any], ids: Collection[UUID], keys: Collection[IdentityKey]) -> Marks:
    """Returns what is marked of these ids and identities. One statement, with one hash for each identity."""
    ordered = sorted(keys)
    asked = [[*column] for column in zip(*ordered, strict=True)] if ordered else [[], [], []]
    rows = connection.execute(
        "select id, null::integer, null::timestamptz from erased_ids where id = any(%b::uuid[]) union all "
        "select null, t.place::integer, p.until from unnest(%b::text[], %b::text[], %b::text[]) with ordinality "
        "as t (number, kind, value, place) join erased_people p on p.mark = erased_mark(t.number, t.kind, t.value) "
        "where exists (select from erased_people)",
        [[*ids], *asked],
    ).fetchall()
    erased = frozenset(row[0] for row in rows if row[0] is not None)
    return Marks(erased, {ordered[place - 1]: until for _, place, until in rows if place is not None})


def mark(connection: Connection[Any], subject: Subject, keys: Sequence[IdentityKey], until: datetime) -> None:
    """Marks what is about to be erased: identities, facts, sends, mails and conversations."""
    if keys:
        connection.execute(
            "insert into erased_people (mark, until) select distinct erased_mark(number, kind, value), %b::timestamptz "
            "from unnest(%b::text[], %b::text[], %b::text[]) as t (number, kind, value) order by 1 "
            "on conflict (mark) do update set until = greatest(erased_people.until, excluded.until)",
            [until, *column_arrays(sorted(keys))],
        )
    connection.execute(
        "insert into erased_ids (id, at) select distinct id, %b::timestamptz from unnest(%b::uuid[]) as t (id) "
        "order by 1 on conflict (id) do update set at = excluded.at",
        [until, [*subject.messages, *subject.conversations, *subject.sends, *subject.mails, *_messages(subject)]],
    )


def mark_swept(connection: Connection[Any], subject: Subject, until: datetime) -> None:
    """Marks the dead letters and notices that are about to be erased."""
    ids: dict[str, LiteralString] = {"set_aside": "t.id", "notices": "t.input_id"}
    for each in HOLDINGS:
        if each.table in ids:
            connection.execute(
                f"insert into erased_ids (id, at) select {ids[each.table]}, %(until)b from {each.table} t "
                f"where {each.where} on conflict do nothing",
                subject.arrays(until),
            )


def _messages(subject: Subject) -> list[UUID]:
    """Returns the ids of all messages, also of those that were sent: their statuses may come late."""
    return [fact_id("message", number, wamid) for number, wamid in zip(subject.numbers, subject.wamids, strict=True)]


def end_marks(connection: Connection[Any], before: datetime) -> int:
    """Removes marks of erasures that were before then: no topic has anything of these people any more. Returns how
    many."""
    people = connection.execute("delete from erased_people where until < %b", [before]).rowcount
    return people + connection.execute("delete from erased_ids where at < %b", [before]).rowcount
