"""Sends in Postgres. A writer that also changes conversations locks their customers first, then lanes, then sends in
the order of their ids (architecture.md, P5). Raises psycopg errors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb
from pydantic_core import to_json

from domain.sending.sends import Lane, Send, SendState
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.lists.cursor import START, Cursor

ABANDONED_SECONDS = 30.0
"""A post that began this long ago is over, also in a sender that still runs: its time-outs together are shorter."""

SEND_COLUMNS: LiteralString = (
    "id, command_id, phone_number_id, address, address_kind, kind, lane, content, text, actor, is_word, is_claim, "
    "needs_window, requested_at, secret, conversation_id, customer_id, reply_to, state, attempt, expires_at, "
    "claimed_at, wamid, wa_id, user_id, error, reason, pair_refusals, upload_id, pricing, is_marketing, "
    "delivered_within, campaign_id, row_no"
)
"""Columns under the names of the fields of `Send`."""


class SendLogEntry(NamedTuple):
    """One thing that happened to a send. `event`: how a post ended (`accepted`, `not_sent`, `refused`, `unanswered`),
    a status of Meta, or what a person did; `actor`: the issuer of a command, `meta`, or `sender`; `code`: Meta's;
    `milliseconds`: how long the post took."""

    at: datetime
    attempt: int
    event: str
    actor: str
    code: int | None = None
    reason: str | None = None
    milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class SendPage:
    """Sends, the latest first, and the cursor of the next page (None: this is the last page)."""

    sends: Sequence[Send]
    next: Cursor | None


# asking for a send, and recalling it


def request(connection: Connection[Any], send: Send, hold: timedelta, recalled_by: str | None = None) -> None:
    """Stores a send, due when its hold is over; one that is stored already stays. `recalled_by`: the issuer of a recall
    that arrived before the request."""
    due = send.requested_at + hold
    values: dict[str, object] = {
        **{name: getattr(send, name) for name in SEND_COLUMNS.split(", ")},
        "content": Jsonb(dict(send.content)),
        "pricing": None,
        "recipient": str(send.customer_id or send.address),
        "state": "recalled" if recalled_by is not None else send.state,
        "held_until": due,
        "due_at": due,
    }
    names = ", ".join(values)
    connection.execute(
        f"insert into sends ({names}) values ({', '.join(['%b'] * len(values))}) on conflict do nothing",
        list(values.values()),
    )
    log = [(send.id, SendLogEntry(send.requested_at, 0, "requested", send.actor))]
    if recalled_by is not None:
        log.append((send.id, SendLogEntry(send.requested_at, 0, "recalled", recalled_by)))
    write_log(connection, log)


def request_many(connection: Connection[Any], requested: Collection[Send]) -> None:
    """Stores sends of a campaign, due at once. Their requests are not logged one by one: that a campaign began is."""
    rows = [
        (
            *(s.id, s.command_id, s.phone_number_id, s.address, s.address_kind, str(s.customer_id or s.address)),
            *(s.kind, int(s.lane), to_json(dict(s.content)).decode(), s.text, s.actor, s.requested_at, s.expires_at),
            *(s.secret, s.customer_id, s.upload_id, s.is_marketing, s.delivered_within, s.campaign_id, s.row_no),
        )
        for s in requested
    ]
    if rows:
        connection.execute(_REQUEST_MANY, column_arrays(rows))


_REQUEST_MANY = """
insert into sends (id, command_id, phone_number_id, address, address_kind, recipient, kind, lane, content, text, actor,
  requested_at, held_until, due_at, expires_at, secret, customer_id, upload_id, is_marketing, delivered_within,
  campaign_id, row_no, is_word, is_claim, needs_window, state)
select id, command_id, number, address, address_kind, recipient, kind, lane, content::jsonb, text, actor, requested_at,
  requested_at, requested_at, expires_at, secret, customer_id, upload_id, is_marketing, delivered_within, campaign_id,
  row_no, false, false, false, 'queued'
from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::smallint[],
  %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::bytea[], %b::uuid[], %b::uuid[],
  %b::boolean[], %b::interval[], %b::uuid[], %b::integer[])
  as t (id, command_id, number, address, address_kind, recipient, kind, lane, content, text, actor, requested_at,
    expires_at, secret, customer_id, upload_id, is_marketing, delivered_within, campaign_id, row_no)
on conflict do nothing
"""


def waiting_of(connection: Connection[Any], campaign: UUID) -> int:
    """Returns how many sends of a campaign wait for their turn. O(them), which are few."""
    row = connection.execute(
        "select count(*) from sends where campaign_id = %b and state = 'queued'", [campaign]
    ).fetchone()
    return row[0] if row else 0


def to_withdraw(connection: Connection[Any], campaign: UUID, most: int = 1000) -> list[UUID]:
    """Returns at most `most` sends of a campaign that wait for their turn."""
    rows = connection.execute(
        "select id from sends where campaign_id = %b and state = 'queued' order by id limit %b", [campaign, most]
    ).fetchall()
    return [row[0] for row in rows]


def existing(connection: Connection[Any], wanted: Collection[UUID]) -> set[UUID]:
    """Returns the ids of those of the sends that are stored. Takes no lock."""
    rows = connection.execute("select id from sends where id = any(%b::uuid[])", [[*wanted]]).fetchall()
    return {row[0] for row in rows}


def recall_waiting(connection: Connection[Any], send: UUID, issuer: str, now: datetime) -> bool:
    """Recalls a send that Meta has not been asked for; returns False if there is none."""
    row = connection.execute(
        "update sends set state = 'recalled' where id = %b and state in ('queued', 'held_after_restore') returning id",
        [send],
    ).fetchone()
    if row is not None:
        write_log(connection, [(send, SendLogEntry(now, 0, "recalled", issuer))])
    return row is not None


# changing


def lock(connection: Connection[Any], sends: Collection[UUID]) -> dict[UUID, Send]:
    """Locks those of the sends that exist in the order of their ids, and returns them by id."""
    if not sends:
        return {}
    rows = read(
        connection, f"select {SEND_COLUMNS} from sends where id = any(%b::uuid[]) order by id for update", [[*sends]]
    )
    return {send.id: send for send in rows}


def write(connection: Connection[Any], sends: Iterable[Send], due_at: Mapping[UUID, datetime] | None = None) -> None:
    """Writes changed sends, whose locks the caller holds. `due_at`: when those that wait again may be claimed."""
    due_at = due_at or {}
    rows = [
        (
            *(s.id, s.state, s.attempt, s.wamid, s.wa_id, s.user_id, s.error, s.reason, s.pair_refusals),
            *(_json(s), due_at.get(s.id)),
        )
        for s in sends
    ]
    if rows:
        connection.execute(_WRITE, column_arrays(rows))


_WRITE = """
update sends s set state = t.state, attempt = t.attempt, wamid = t.wamid, wa_id = t.wa_id,
  user_id = t.user_id, error = t.error, reason = t.reason, pair_refusals = t.pair_refusals,
  pricing = t.pricing::jsonb, due_at = coalesce(t.due_at, s.due_at)
from unnest(%b::uuid[], %b::text[], %b::integer[], %b::text[], %b::text[], %b::text[], %b::integer[], %b::text[],
  %b::integer[], %b::text[], %b::timestamptz[])
  as t (id, state, attempt, wamid, wa_id, user_id, error, reason, pair_refusals, pricing, due_at)
where s.id = t.id
"""


def _json(send: Send) -> str | None:
    return None if send.pricing is None else to_json(dict(send.pricing)).decode()


def abandoned(connection: Connection[Any], seconds: float = ABANDONED_SECONDS) -> list[UUID]:
    """Returns at most 1,000 sends whose post began at least that long ago and has no outcome. Takes no lock."""
    rows = connection.execute(
        "select id from sends where state = 'sending' and claimed_at <= clock_timestamp() - make_interval(secs => %b) "
        "limit 1000",
        [seconds],
    ).fetchall()
    return [row[0] for row in rows]


def named_by(
    connection: Connection[Any], ids: Collection[UUID], messages: Collection[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """Returns number and wamid -> send for those of the messages that are ours; and locks nothing. `ids`: sends that
    callback data name, which are left out if they do not exist."""
    if not messages:
        return {}
    rows = connection.execute(
        "select s.phone_number_id, s.wamid, s.id from unnest(%b::text[], %b::text[]) as t (phone_number_id, wamid) "
        "join sends s on s.phone_number_id = t.phone_number_id and s.wamid = t.wamid where s.id <> all(%b::uuid[])",
        [*column_arrays(sorted(messages)), [*ids]],
    ).fetchall()
    return {(number, wamid): send for number, wamid, send in rows}


# the log


def write_log(connection: Connection[Any], entries: Iterable[tuple[UUID, SendLogEntry]]) -> None:
    """Adds entries to the logs of sends."""
    rows = [(send, *entry) for send, entry in entries]
    if rows:
        connection.execute(
            "insert into send_log (send_id, at, attempt, event, actor, code, reason, milliseconds) select * from "
            "unnest(%b::uuid[], %b::timestamptz[], %b::integer[], %b::text[], %b::text[], %b::integer[], %b::text[], "
            "%b::integer[])",
            column_arrays(rows),
        )


# reading


def page(
    connection: Connection[Any], rows: int, after: Cursor = START, states: Collection[SendState] | None = None
) -> SendPage:
    """Returns a page of sends, ordered by time of request, then id, the latest first. `states`: None for all."""
    where: LiteralString = "and state = any(%b::text[]) " if states else ""
    found = read(
        connection,
        f"select {SEND_COLUMNS} from sends where (requested_at, id) < (%b, %b) {where}"
        "order by requested_at desc, id desc limit %b",
        [after.at, after.id, *([[*states]] if states else []), rows + 1],
    )
    shown = found[:rows]
    return SendPage(shown, Cursor(shown[-1].requested_at, shown[-1].id) if len(found) > rows else None)


def find(connection: Connection[Any], send: UUID) -> tuple[Send, list[SendLogEntry]] | None:
    """Returns a send and its log in the order of time; None: there is no such send."""
    found = read(connection, f"select {SEND_COLUMNS} from sends where id = %b", [send])
    if not found:
        return None
    rows = connection.execute(
        "select at, attempt, event, actor, code, reason, milliseconds from send_log where send_id = %b "
        "order by at, number",
        [send],
    ).fetchall()
    return found[0], [SendLogEntry(*row) for row in rows]


def logs(connection: Connection[Any], wanted: Collection[UUID]) -> dict[UUID, list[SendLogEntry]]:
    """Returns the logs of these sends, each in the order of time."""
    found: dict[UUID, list[SendLogEntry]] = {id_: [] for id_ in wanted}
    for id_, *entry in connection.execute(
        "select send_id, at, attempt, event, actor, code, reason, milliseconds from send_log "
        "where send_id = any(%b::uuid[]) order by at, number",
        [[*wanted]],
    ):
        found[id_].append(SendLogEntry(*entry))
    return found


def of_conversation(connection: Connection[Any], conversation: UUID, most: int = 200) -> list[Send]:
    """Returns at most `most` sends of a conversation, the latest first."""
    return read(
        connection,
        f"select {SEND_COLUMNS} from sends where conversation_id = %b order by ordinal desc limit %b",
        [conversation, most],
    )


class Standing(NamedTuple):
    """How sending stands. `unknown`, `queued`: numbers of sends; `waited_seconds`: of the one that is longest due."""

    unknown: int
    queued: int
    waited_seconds: float


def standing(connection: Connection[Any]) -> Standing:
    """Returns how sending stands."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        row = cursor.execute(
            "select (select count(*) from sends where state = 'unknown') as unknown, "
            "(select count(*) from sends where state = 'queued') as queued, coalesce(extract(epoch from "
            "clock_timestamp() - (select min(due_at) from sends where state = 'queued' and due_at <= "
            "clock_timestamp())), 0)::float as waited_seconds"
        ).fetchone()
    return row or Standing(0, 0, 0.0)


def read(
    connection: Connection[Any], query: LiteralString, values: Sequence[Any] | Mapping[str, Any] = ()
) -> list[Send]:
    """Returns the sends of a query that selects `SEND_COLUMNS`."""
    with connection.cursor(row_factory=kwargs_row(send_of_row)) as cursor:
        return cursor.execute(query, values).fetchall()


def send_of_row(lane: int, secret: bytes, **fields: Any) -> Send:  # noqa: ANN401 - columns of a row
    """Returns the send of a row with `SEND_COLUMNS`."""
    return Send(lane=Lane(lane), secret=bytes(secret), **fields)
