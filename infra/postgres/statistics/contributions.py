"""What each conversation contributes to the numbers, with the public events from which that follows. Raises psycopg
errors."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from pydantic_core import from_json, to_json

from domain.statistics.contribution import Contribution, CountedOffer
from domain.statistics.observed import Head, Observed, ObservedEvent, ObservedOwner
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.connections.clock import database_now

_LOCK = 0x7374_6174
"""Key of the advisory lock: the bytes of "stat"."""

_COLUMNS: LiteralString = (
    "conversation_id, phone_number_id, sequence, opened_at, day, hour, outcome, reason, touched, skillset, "
    "assigned_s, word_s, listed_s, steps, left_step, rules, saved_by"
)


def lock_shared(connection: Connection[Any]) -> None:
    """Waits while somebody counts again, and keeps them waiting until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock_shared(%s)", [_LOCK])


def lock_exclusive(connection: Connection[Any]) -> None:
    """Keeps all others from counting until the transaction ends: for less than a second."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])


Known = tuple[Contribution, Observed]
"""A stored contribution, and the events that led to it."""


def read(connection: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, Known]:
    """Returns the contributions of those conversations that have one."""
    ids, offers = [*conversations], dict[UUID, list[CountedOffer]]()
    with connection.pipeline():
        offered = connection.execute(
            "select conversation_id, sequence, agent_id, at, day, result from stat_offers "
            "where conversation_id = any(%b::uuid[]) order by conversation_id, sequence",
            [ids],
        )
        found = connection.execute(
            f"select {_COLUMNS}, first_word_at, events from stat_contributions where conversation_id = any(%b::uuid[])",
            [ids],
        )
        for id_, *offer in offered.fetchall():
            offers.setdefault(id_, []).append(CountedOffer(*offer))
        rows = found.fetchall()
    return {row[0]: _known(row, offers.get(row[0], ())) for row in rows}


def latest(connection: Connection[Any], limit: int) -> list[UUID]:
    """Returns the ids of the conversations that began last."""
    rows = connection.execute(
        "select conversation_id from stat_contributions order by day desc, conversation_id desc limit %b", [limit]
    )
    return [id_ for (id_,) in rows]


def of_day(connection: Connection[Any], day: date) -> list[Contribution]:
    """Returns the contributions of a day, without what agents were offered."""
    rows = connection.execute(f"select {_COLUMNS} from stat_contributions where day = %b", [day]).fetchall()
    return [_contribution(row, ()) for row in rows]


def uncounted(connection: Connection[Any]) -> int:
    """Returns how many of the conversations that began less than an hour ago are not counted as they were a minute
    ago."""
    row = connection.execute(
        "select count(*) from (select h.conversation_id, max(h.sequence) as sequence from conversations c "
        "join history h on h.conversation_id = c.id where c.id > %b "
        "and h.at < now() - interval '1 minute' group by 1 limit 10000) t "
        "left join stat_contributions s using (conversation_id) where s.sequence is null or s.sequence < t.sequence",
        [_first_id(database_now(connection) - timedelta(hours=1))],
    ).fetchone()
    return row[0] if row else 0


def _first_id(opened_at: datetime) -> UUID:
    """Returns the lowest id of conversations that begin then: ids are in the order of time."""
    return UUID(int=((opened_at - _EPOCH) // timedelta(milliseconds=1)) << 80)


def write(connection: Connection[Any], known: Sequence[tuple[Contribution | None, Known]]) -> None:
    """Stores contributions in place of those that were read before (None: there was none)."""
    rows = sorted((_row(*each) for _, each in known), key=lambda row: row[0].int)
    if not rows:
        return
    connection.execute(
        f"insert into stat_contributions as s ({_COLUMNS}, first_word_at, events) "
        "select id, number, sequence, opened_at, day, hour, outcome, reason, touched, skillset, assigned_s, word_s, "
        "listed_s, steps::text[], left_step, rules::text[], saved_by, first_word_at, events "
        "from unnest(%b::uuid[], %b::text[], %b::integer[], %b::timestamptz[], %b::date[], %b::smallint[], "
        "%b::text[], %b::text[], %b::boolean[], %b::text[], %b::integer[], %b::integer[], %b::integer[], "
        "%b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[]) "
        "as t (id, number, sequence, opened_at, day, hour, outcome, reason, touched, skillset, assigned_s, word_s, "
        "listed_s, steps, left_step, rules, saved_by, first_word_at, events) "
        "on conflict (conversation_id) do update set sequence = excluded.sequence, opened_at = excluded.opened_at, "
        "day = excluded.day, hour = excluded.hour, outcome = excluded.outcome, reason = excluded.reason, "
        "touched = excluded.touched, skillset = excluded.skillset, assigned_s = excluded.assigned_s, "
        "word_s = excluded.word_s, listed_s = excluded.listed_s, steps = excluded.steps, "
        "left_step = excluded.left_step, rules = excluded.rules, saved_by = excluded.saved_by, "
        "first_word_at = excluded.first_word_at, events = excluded.events",
        column_arrays(rows),
    )
    _write_offers(connection, known)


def _write_offers(connection: Connection[Any], known: Iterable[tuple[Contribution | None, Known]]) -> None:
    changed = [(before, after) for before, (after, _) in known if (before.offers if before else ()) != after.offers]
    kept = {(after.conversation_id, offer.sequence) for _, after in changed for offer in after.offers}
    gone = [
        (before.conversation_id, offer.sequence)
        for before, _ in changed
        if before is not None
        for offer in before.offers
        if (before.conversation_id, offer.sequence) not in kept
    ]
    if gone:
        connection.execute(
            "delete from stat_offers where (conversation_id, sequence) in "
            "(select * from unnest(%b::uuid[], %b::integer[]))",
            column_arrays(gone),
        )
    rows = [
        (after.conversation_id, offer.sequence, after.phone_number_id, offer.agent, offer.at, offer.day, offer.result)
        for _, after in changed
        for offer in after.offers
    ]
    if rows:
        connection.execute(
            "insert into stat_offers (conversation_id, sequence, phone_number_id, agent_id, at, day, result) "
            "select * from unnest(%b::uuid[], %b::integer[], %b::text[], %b::text[], %b::timestamptz[], %b::date[], "
            "%b::text[]) on conflict (conversation_id, sequence) do update set agent_id = excluded.agent_id, "
            "at = excluded.at, day = excluded.day, result = excluded.result",
            column_arrays(rows),
        )


def _row(of: Contribution, seen: Observed) -> tuple[Any, ...]:
    values = list(of[:-1])
    values[13], values[15] = _texts(of.steps), _texts(of.rules)  # arrays of different lengths
    return (*values, seen.head.first_word_at, _json(seen.events))


def _texts(texts: Iterable[str]) -> str:
    """Returns a `text[]` in PostgreSQL's text form."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def _known(row: Sequence[Any], offers: Iterable[CountedOffer]) -> Known:
    *values, first_word_at, events = row
    of = _contribution(values, offers)
    head = Head(of.sequence, of.opened_at, first_word_at)
    return of, Observed(of.conversation_id, of.phone_number_id, head, _events(events))


def _contribution(row: Sequence[Any], offers: Iterable[CountedOffer]) -> Contribution:
    values = list(row)
    values[13], values[15] = tuple(values[13]), tuple(values[15])
    return Contribution._make([*values, tuple(offers)])


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)


def _json(events: Iterable[ObservedEvent]) -> str:
    return to_json(
        [(e.sequence, (e.at - _EPOCH) // _MICROSECOND, e.name, e.reason, e.owner, e.actor) for e in events]
    ).decode()


def _events(text: str) -> tuple[ObservedEvent, ...]:
    return tuple(
        ObservedEvent(sequence, _EPOCH + at * _MICROSECOND, name, reason, owner and ObservedOwner(*owner), actor)
        for sequence, at, name, reason, owner, actor in from_json(text)
    )
