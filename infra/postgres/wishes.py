"""Wishes in Postgres. A writer holds the customer's lock (architecture.md, P5). Raises psycopg errors."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import kwargs_row

from domain.conversations.reading.transcript import TranscriptItem
from domain.ids import ConversationId, CustomerId
from domain.sending.sends import SendState, word_id
from domain.wishes.wish import TemplateSend, Wish, WishState
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.sending.recipients import MEMBERS

_COLUMNS: LiteralString = (
    "w.id, w.command_id, w.phone_number_id, w.customer_id, w.conversation_id, w.send_id, w.target_kind, w.target_id, "
    "w.mode, w.actor, w.requested_at, w.ends_at, w.state, w.ended_because, w.executed_in, w.changed_at"
)
_OVER: LiteralString = (
    "select w.conversation_id, w.customer_id from wishes w left join sends s on s.id = w.send_id "
    "where w.state = 'waiting' and (w.ends_at <= %(now)s or s.id is null "
    "or s.state in ('failed', 'dropped', 'recalled', 'expired')) order by w.ends_at limit %(most)s"
)
_WITH_SEND: LiteralString = (
    f"select {_COLUMNS}, s.state as send_state, s.attempt as send_attempt, s.claimed_at, s.text as template_text "
    "from wishes w join sends s on s.id = w.send_id"
)


class ListedWish(NamedTuple):
    """A wish as it is listed. `text`: of its template."""

    wish: Wish
    send: TemplateSend
    text: str | None


class AnsweredTemplate(NamedTuple):
    """The template of a transfer on reply, as an item of the conversation that its answer was transferred in. `answer`:
    the customer's turn that it stands in front of."""

    item: TranscriptItem
    answer: UUID


# changing


def insert(connection: Connection[Any], wish: Wish) -> None:
    """Stores a new wish."""
    connection.execute(
        f"insert into wishes ({_COLUMNS.replace('w.', '')}) values ({', '.join(['%b'] * len(wish))})", list(wish)
    )


def write(connection: Connection[Any], wishes: Collection[Wish]) -> None:
    """Writes changed wishes; those that end first, as a customer has at most one open wish with a number."""
    for batch in ([w for w in wishes if not w.is_open], [w for w in wishes if w.is_open]):
        if rows := [(w.id, w.customer_id, w.state, w.ended_because, w.executed_in, w.changed_at) for w in batch]:
            connection.execute(_WRITE, column_arrays(rows))


_WRITE: LiteralString = """
update wishes w set customer_id = t.customer_id, state = t.state, ended_because = t.ended_because,
  executed_in = t.executed_in, changed_at = t.changed_at
from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[])
  as t (id, customer_id, state, ended_because, executed_in, changed_at)
where w.id = t.id and w.state = 'waiting'
"""


def recall_templates(connection: Connection[Any], sends: Collection[UUID], actor: str, at: datetime) -> None:
    """Recalls those of the sends that Meta has not been asked for. The caller holds the lanes of their numbers, or does
    not mind that one is claimed meanwhile."""
    connection.execute(
        "with recalled as (update sends set state = 'recalled' where id = any(%b::uuid[]) "
        "and state in ('queued', 'held_after_restore') returning id, attempt) "
        "insert into send_log (send_id, at, attempt, event, actor) "
        "select id, %b, attempt, 'recalled', %b from recalled",
        [sorted(sends), at, actor],
    )


# reading


def open_of(connection: Connection[Any], customers: Collection[CustomerId]) -> list[Wish]:
    """Returns the open wishes of these customers."""
    return _read(
        connection,
        f"select {_COLUMNS} from wishes w where w.customer_id = any(%b::uuid[]) and w.state = 'waiting'",
        [list(customers)],
    )


def asked_with(connection: Connection[Any], conversations: Collection[UUID]) -> list[Wish]:
    """Returns the open wishes that were asked for with these conversations."""
    return _read(
        connection,
        f"select {_COLUMNS} from wishes w where w.conversation_id = any(%b::uuid[]) and w.state = 'waiting'",
        [list(conversations)],
    )


def find(connection: Connection[Any], wish: UUID) -> Wish | None:
    """Returns a wish; None: there is none with this id."""
    return next(iter(_read(connection, f"select {_COLUMNS} from wishes w where w.id = %b", [wish])), None)


def conversations_of(connection: Connection[Any], ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Returns the conversations with which these wishes were asked for."""
    return dict(
        connection.execute("select id, conversation_id from wishes where id = any(%b::uuid[])", [list(ids)]).fetchall()
    )


def over(connection: Connection[Any], now: datetime, most: int) -> list[tuple[ConversationId, CustomerId]]:
    """Returns conversation and customer of at most `most` open wishes that are over at `now`, or whose template will
    not go out."""
    return connection.execute(_OVER, {"now": now, "most": most}).fetchall()


def template_sends(connection: Connection[Any], wishes: Collection[Wish]) -> dict[UUID, TemplateSend]:
    """Returns how far the sends of the wishes' templates are, by their ids."""
    rows = connection.execute(
        "select id, state, attempt, claimed_at from sends where id = any(%b::uuid[])", [[w.send_id for w in wishes]]
    ).fetchall()
    return {row[0]: TemplateSend(*row[1:]) for row in rows}


def is_in_conversation(connection: Connection[Any], customer: UUID, number: str, now: datetime) -> bool:
    """Returns whether a customer has a conversation with a number that is active at `now`."""
    row = connection.execute(
        "select exists (select from customers m join conversations c on c.customer_id = m.id "
        f"where {MEMBERS.format('%(customer)b')} and c.phone_number_id = %(number)b and c.status = 'a' "
        "and c.window_ends_at > %(now)b)",
        {"customer": customer, "number": number, "now": now},
    ).fetchone()
    return row is not None and bool(row[0])


def listed(connection: Connection[Any], states: Sequence[WishState], most: int) -> list[ListedWish]:
    """Returns at most `most` wishes in these states, the latest first."""
    return _listed(
        connection,
        f"{_WITH_SEND} where case when w.state <> 'waiting' then w.state when s.attempt > 0 then 'armed' "
        "else 'waiting' end = any(%b::text[]) order by w.requested_at desc, w.id desc limit %b",
        [list(states), most],
    )


def open_with(connection: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, ListedWish]:
    """Returns the open wishes that were asked for with these conversations, by conversation."""
    found = _listed(
        connection,
        f"{_WITH_SEND} where w.conversation_id = any(%b::uuid[]) and w.state = 'waiting'",
        [list(conversations)],
    )
    return {each.wish.conversation_id: each for each in found}


def answered_in(connection: Connection[Any], conversation: UUID) -> list[AnsweredTemplate]:
    """Returns the templates that the customer of a conversation answered in it, the earliest first. One that was
    recalled, as the customer had written first, was not answered."""
    found = connection.execute(_ANSWERED_IN, {"conversation": conversation}).fetchall()
    return [
        AnsweredTemplate(
            TranscriptItem(word_id(send), at, "bot", "template", text, state if state in _SEEN else None, wamid=wamid),
            answer,
        )
        for send, at, text, state, wamid, answer in found
    ]


_SEEN: tuple[SendState, ...] = ("sent", "delivered", "read")
"""States of a send that are statuses of Meta."""
_ANSWERED_IN: LiteralString = """
select s.id, s.claimed_at, s.text, s.state, s.wamid, e.input_id
from wishes w join sends s on s.id = w.send_id cross join lateral (
  select input_id from entries where conversation_id = w.executed_in and kind = 'customer_turn'
    and at + interval '1 s' >= s.claimed_at
  order by at, arrival, input_id limit 1
) as e
where w.executed_in = %(conversation)b and w.conversation_id <> w.executed_in and s.state <> 'recalled'
order by s.claimed_at, s.id
"""


def _listed(connection: Connection[Any], query: LiteralString, values: Sequence[Any]) -> list[ListedWish]:
    with connection.cursor(row_factory=kwargs_row(_row)) as cursor:
        return cursor.execute(query, values).fetchall()


def _row(
    send_state: SendState,
    send_attempt: int,
    claimed_at: datetime | None,
    template_text: str | None,
    **fields: Any,  # noqa: ANN401 - columns of a row
) -> ListedWish:
    return ListedWish(Wish(**fields), TemplateSend(send_state, send_attempt, claimed_at), template_text)


def _read(connection: Connection[Any], query: LiteralString, values: Sequence[Any]) -> list[Wish]:
    with connection.cursor(row_factory=kwargs_row(Wish)) as cursor:
        return cursor.execute(query, values).fetchall()
