"""What another directory would have made of the conversations of the last days. Reads only. Raises psycopg errors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.facts import ConversationFact
from domain.ids import CustomerId, first_conversation_id
from domain.statistics.reclassify import AsItWas, LeftTo, PublishedState, as_it_was, as_it_would_be
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.conversations import entries
from infra.postgres.conversations.looking_back import MOST, SECONDS, LookBack

MOST_FACTS = 500
"""Facts of a conversation that are looked at, the first ones."""
_AT_ONCE = 250


class ReclassifiedRow(NamedTuple):
    """A conversation that would have gone differently. `answered`: somebody wrote to the customer in the end."""

    conversation_id: UUID
    phone_number_id: str
    opened_at: datetime
    was: LeftTo
    would_be: LeftTo
    answered: bool


class Reclassification(NamedTuple):
    """What another directory would have made of conversations. `was`, `would_be`: how many of all were left where;
    `differently`: the rows, the latest first; `looked_at`: all of them; `decided_before`: those of them that somebody
    had before menu, bot and hours said anything, which are in no other number; `since`: how far back it came, if there
    were too many to look at all; None: it looked at all of them."""

    was: Mapping[LeftTo, int]
    would_be: Mapping[LeftTo, int]
    differently: Sequence[ReclassifiedRow]
    looked_at: int
    decided_before: int
    since: datetime | None = None

    @property
    def never_answered(self) -> int:
        """How many of those that would have gone differently were never answered."""
        return sum(not row.answered for row in self.differently)

    @property
    def moves(self) -> list[tuple[LeftTo, LeftTo, int]]:
        """From where to where and how many, the most first."""
        return [(*move, n) for move, n in Counter((row.was, row.would_be) for row in self.differently).most_common()]


class _Found(NamedTuple):
    id: UUID
    customer_id: CustomerId
    phone_number_id: str
    opened_at: datetime
    managed: bool


def reclassified(
    connection: Connection[Any],
    directory: Directory,
    days: int,
    numbers: Sequence[str] | None = None,
    most: int = MOST,
    seconds: float = SECONDS,
) -> Reclassification:
    """Returns what a directory would have made of the conversations that began in the last `days`. `numbers`: of these
    numbers; None: of all. `connection`: not in a transaction. O(their facts)."""
    until = monotonic() + seconds
    was, would_be = Counter[LeftTo](), Counter[LeftTo]()
    differently: list[ReclassifiedRow] = []
    decided_before = 0
    with one_snapshot(connection):
        low = first_conversation_id(database_now(connection) - timedelta(days=days))
        found = (
            connection.cursor(row_factory=class_row(_Found))
            .execute(_SINCE, {"low": low, "numbers": None if numbers is None else [*numbers], "limit": most + 1})
            .fetchall()
        )
        back = LookBack(found, most, until, _AT_ONCE)
        for batch in back.batches():
            known = _as_they_were(connection, batch)
            facts = _facts(connection, known)
            for each in batch:
                left_to, decided_at = known[each.id]
                if left_to == LeftTo():
                    decided_before += 1
                    continue
                tried = as_it_would_be(
                    each.customer_id, each.phone_number_id, facts.get(each.id, ()), decided_at, directory
                )
                was[left_to] += 1
                would_be[tried] += 1
                if tried != left_to:
                    differently.append(
                        ReclassifiedRow(each.id, each.phone_number_id, each.opened_at, left_to, tried, each.managed)
                    )
    return Reclassification(was, would_be, differently, back.looked_at, decided_before, back.reached)


def _as_they_were(connection: Connection[Any], batch: Sequence[_Found]) -> dict[UUID, AsItWas]:
    events: dict[UUID, list[PublishedState]] = {each.id: [] for each in batch}
    for id_, at, event, reason, actor, skillset in connection.execute(_EVENTS, [[*events]]):
        state = PublishedState(at, event, None if reason is None else Reason.of_code(reason), actor, skillset)
        events[id_].append(state)
    return {id_: as_it_was(of) for id_, of in events.items()}


def _facts(connection: Connection[Any], known: Mapping[UUID, AsItWas]) -> dict[UUID, list[ConversationFact]]:
    """Returns the facts that may have arrived before anybody decided: a fact never happens after it arrived."""
    wanted = [(id_, each.until) for id_, each in known.items() if each.left_to != LeftTo()]
    facts: dict[UUID, list[ConversationFact]] = {}
    if wanted:
        for id_, *row in connection.execute(_FACTS, [*column_arrays(wanted), MOST_FACTS]):
            facts.setdefault(id_, []).append(entries.from_row(row))
    return facts


_SINCE: LiteralString = """
select id, customer_id, phone_number_id, opened_at, managed from conversations
where id >= %(low)s and (%(numbers)s::text[] is null or phone_number_id = any(%(numbers)s))
order by id desc limit %(limit)s
"""
_EVENTS: LiteralString = """
select conversation_id, at, event, reason, coalesce(actor, 'clock'), case when owner_kind = 's' then owner_id end
from history where conversation_id = any(%b::uuid[]) and event not like 'mail.%%'
order by conversation_id, sequence
"""
_FACTS: LiteralString = f"""
select t.id, f.* from unnest(%b::uuid[], %b::timestamptz[]) as t (id, until) cross join lateral (
  select {entries.READ_BACK} from entries e
  where e.conversation_id = t.id and (t.until is null or e.at <= t.until + interval '1 second')
  order by e.at, e.input_id limit %b
) as f
"""
