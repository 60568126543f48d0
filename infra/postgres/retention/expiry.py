"""Removes what is older than its number keeps it, some conversations at a time. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.retention.periods import Retention, longest
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.conversations.history_writer import HistoryWriter
from infra.postgres.media.received import ID_LIFE
from infra.postgres.retention.erasures import remove
from infra.postgres.retention.files import note_unneeded
from infra.postgres.retention.people import of_conversations

_MESSAGES: tuple[LiteralString, ...] = (
    "send_log",
    "sends",
    "entries",
    "media",
    "message_changes",
    "message_status",
    "drafts",
    "mentions",
    "notes",
    "conversation_words",
)
"""Tables with what was written in a conversation."""


class Expired(NamedTuple):
    """Conversations whose time is over: `whole` ones are removed, of the others what was written in them."""

    whole: list[UUID]
    written: list[UUID]

    def up_to(self, last: UUID) -> "Expired":
        """Returns those up to this one, in the order of their opening."""
        whole, written = ([id_ for id_ in ids if id_ <= last] for ids in self)
        return Expired(whole, written)


class WalkStep(NamedTuple):
    """A part of a walk through the conversations. `to`: where it ended; None: there are no more."""

    expired: Expired
    to: UUID | None


def next_expired(
    connection: Connection[Any], after: UUID, now: datetime, kept: Mapping[str, Retention], rows: int
) -> WalkStep:
    """Returns those of the next conversations, in the order of their opening, whose time is over. O(rows)."""
    wanted = [(number, of.history, of.messages) for number, of in sorted(kept.items())]
    found = connection.execute(
        "with seen as materialized (select id, phone_number_id, status, closed_at, last_at, messages_removed_at "
        "from conversations where id > %b order by id limit %b) "
        "select s.id, coalesce(s.ended < %b - make_interval(days => k.history), false) and s.is_closed, "
        "coalesce(s.ended < %b - make_interval(days => k.messages), false) and s.is_closed and not s.is_empty from ("
        "select id, phone_number_id, status = 'c' as is_closed, greatest(closed_at, last_at) as ended, "
        "messages_removed_at is not null as is_empty from seen) s "
        "left join unnest(%b::text[], %b::integer[], %b::integer[]) as k (number, history, messages) "
        "on k.number = s.phone_number_id order by s.id",
        [after, rows, now, now, *column_arrays(wanted)],
    ).fetchall()
    whole = [id_ for id_, is_over, _ in found if is_over]
    written = [id_ for id_, is_over, has_texts in found if has_texts and not is_over]
    return WalkStep(Expired(whole, written), found[-1][0] if len(found) == rows else None)


def remove_expired(connection: Connection[Any], expired: Expired, now: datetime) -> dict[str, int]:
    """Removes what is over of conversations that nobody else works on; others wait for the next walk. Returns table ->
    rows. The statistics stay: they name no customer."""
    conversations = [*expired.whole, *expired.written]
    owners = connection.execute(
        "select id, customer_id from conversations where id = any(%b::uuid[])", [conversations]
    ).fetchall()
    locked = Customers(connection).lock_free({customer for _, customer in owners})
    stored: dict[UUID, Conversation] = {
        c.id: c for c in CustomerHistories(connection).read(conversations) if c.customer_id in locked.root_of
    }
    whole = [stored[id_] for id_ in expired.whole if id_ in stored and stored[id_].status == "closed"]
    written = [stored[id_] for id_ in expired.written if id_ in stored and stored[id_].status == "closed"]
    removed: dict[str, int] = {}
    if whole:
        subject = of_conversations(connection, [c.id for c in whole])
        note_unneeded(connection, subject.files)
        removed = remove(connection, subject, now, "conversation")
        removed |= _forget_customers(connection, {c.customer_id for c in whole})
    if written:
        for table, n in _remove_messages(connection, written, now).items():
            removed[table] = removed.get(table, 0) + n
    return removed


def _remove_messages(connection: Connection[Any], written: Collection[Conversation], now: datetime) -> dict[str, int]:
    ids = [c.id for c in written]
    subject = of_conversations(connection, ids)
    note_unneeded(connection, subject.files)
    removed = remove(connection, subject, now, "conversation", only=_MESSAGES)
    HistoryWriter(connection).write_conversations([_without_texts(c) for c in written], [])
    connection.execute("update conversations set messages_removed_at = %b where id = any(%b::uuid[])", [now, ids])
    connection.execute(
        "update history set note = null where conversation_id = any(%b::uuid[]) and note is not null", [ids]
    )
    return removed


def _without_texts(of: Conversation) -> Conversation:
    """Returns a conversation without what was written in it. When things happened, and who did them, stays."""
    evidence, decisions = of.evidence, of.decisions
    if evidence.last_text is not None:
        evidence = evidence._replace(last_text=(evidence.last_text[0], None))
    if decisions.released is not None:
        decisions = decisions._replace(released=decisions.released._replace(note=None))
    if decisions.dismissed is not None:
        decisions = decisions._replace(dismissed=decisions.dismissed._replace(note=None))
    dismissed = None if of.dismissed is None else decisions.dismissed
    return of._replace(evidence=evidence, decisions=decisions, dismissed=dismissed)


def _forget_customers(connection: Connection[Any], customers: Iterable[UUID]) -> dict[str, int]:
    """Removes locked customers, with those they were joined with, who have nothing any more."""
    families = connection.execute(_WITHOUT_ANYTHING, [[*customers]]).fetchall()
    gone = [row[0] for row in families]
    removed = {table: connection.execute(delete, [gone]).rowcount for table, delete in _DELETES.items()}
    return {table: n for table, n in removed.items() if n}


_DELETES: Mapping[str, LiteralString] = {
    "identity_periods": "delete from identity_periods where customer_id = any(%b::uuid[])",
    "identities": "delete from identities where customer_id = any(%b::uuid[])",
    "customers": "delete from customers where id = any(%b::uuid[])",
}
"""In the order in which rows are written (architecture.md, P5)."""
_WITHOUT_ANYTHING: LiteralString = """
with roots as (
  select distinct coalesce(merged_into, id) as root from customers where id = any(%b::uuid[])
), family as (
  select root, root as id from roots
  union all select r.root, c.id from roots r join customers c on c.merged_into = r.root
), alive as (
  select f.root from family f where exists (select from conversations c where c.customer_id = f.id)
    or exists (select from entries e where e.customer_id = f.id and e.conversation_id is null)
    or exists (select from wishes w where w.customer_id = f.id and w.state = 'waiting')
    or exists (select from sends s where s.recipient = f.id::text and s.state in ('queued', 'sending'))
)
select id from family where root not in (select root from alive)
"""


# what has a time of its own


_OLD_FACTS: LiteralString = """
select e.input_id, e.sent_at, e.customer_id, k.number, e.detail ->> 'marks' from entries e
join unnest(%b::text[], %b::timestamptz[]) as k (number, before) on e.detail ->> 'phone_number_id' = k.number
where e.conversation_id is null and e.at < k.before and e.at < %b order by e.at limit %b
"""


def remove_old_facts(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes facts that never found a conversation, the oldest first, with the edits among them and the customers who
    have nothing else; returns how many. Those of customers whom somebody else has locked wait. O(most)."""
    before = horizons([(number, of.texts) for number, of in kept.items()], now)
    if not before:
        return 0
    values = [*column_arrays(before), max(at for _, at in before), most]
    due = connection.execute(_OLD_FACTS, values).fetchall()
    locked = Customers(connection).lock_free({row[2] for row in due}).root_of if due else {}
    free = [row for row in due if row[2] in locked]
    if not free:
        return 0
    n = connection.execute(
        "delete from entries e using unnest(%b::uuid[], %b::timestamptz[]) as old (input_id, sent_at) "
        "where e.input_id = old.input_id and e.sent_at = old.sent_at and e.conversation_id is null",
        column_arrays([row[:2] for row in free]),
    ).rowcount
    if changed := sorted({(number, wamid) for *_, number, wamid in free if wamid is not None}):
        connection.execute(
            "delete from message_changes m using unnest(%b::text[], %b::text[]) as t (number, wamid) "
            "where m.phone_number_id = t.number and m.wamid = t.wamid",
            column_arrays(changed),
        )
    _forget_customers(connection, {row[2] for row in free})
    return n


def remove_old_files(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes files of messages, the oldest first, and returns how many. Their messages say so. O(most)
    from the index of the time, and the older files of numbers that keep theirs longer."""
    before = horizons([(number, of.files) for number, of in kept.items()], now)
    if not before:
        return 0
    rows = connection.execute(
        "with old as materialized (select m.message_id, m.sha256 from media m "
        "join unnest(%b::text[], %b::timestamptz[]) as k (number, before) on m.phone_number_id = k.number "
        "where m.expires_at < k.before + %b and m.expires_at < %b and m.state <> 'removed' "
        "order by m.expires_at limit %b for update of m skip locked) "
        "update media m set state = 'removed', sha256 = null, file_name = null, announced_sha256 = null, "
        "has_thumbnail = false, settled_at = %b from old where m.message_id = old.message_id returning old.sha256",
        [*column_arrays(before), ID_LIFE, max(at for _, at in before) + ID_LIFE, most, now],
    ).fetchall()
    note_unneeded(connection, [row[0] for row in rows if row[0] is not None])
    return len(rows)


def remove_old_mails(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes mails that were requested so long ago, with what is known of their delivery; returns how many. O(most)
    from the index of the time."""
    before = horizons([(number, of.forwarded) for number, of in kept.items()], now)
    if not before:
        return 0
    rows = connection.execute(
        "with old as materialized (select m.id from mails m join conversations c on c.id = m.conversation_id "
        "join unnest(%b::text[], %b::timestamptz[]) as k (number, before) on c.phone_number_id = k.number "
        "where m.requested_at < k.before and m.requested_at < %b "
        "and m.state not in ('requested', 'sending', 'held_after_restore') "
        "order by m.requested_at limit %b for update of m skip locked), "
        "log as (delete from mail_log l using old where l.mail_id = old.id) "
        "delete from mails m using old where m.id = old.id returning m.id",
        [*column_arrays(before), max(at for _, at in before), most],
    ).fetchall()
    return len(rows)


def remove_old_audit(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes entries of both audit logs; returns how many. An entry that is about no number, or about a conversation
    that is gone, is kept as long as the number with the longest time keeps its own. O(most) from the index of the
    time."""
    before = horizons([(number, of.audit) for number, of in kept.items()], now)
    if not before:
        return 0
    rest = longest(of.audit for of in kept.values())
    others = now - timedelta(days=rest) if rest is not None else None
    latest = max(at for _, at in before)
    values = {
        "numbers": [number for number, _ in before],
        "before": [at for _, at in before],
        "others": others,
        "latest": latest,
        "known": [*kept],
        "most": most,
    }
    return sum(connection.execute(statement, values).rowcount for statement in (_OLD_COMMANDS, _OLD_ACTIONS))


_IS_OVER: LiteralString = """
  left join conversations c on c.id = a.conversation_id
  left join unnest(%(numbers)b::text[], %(before)b::timestamptz[]) as k (number, before) on k.number = c.phone_number_id
  where {0} < %(latest)b
    and {0} < case when c.phone_number_id = any(%(known)b::text[]) then k.before else %(others)b end
  order by {0} limit %(most)b
"""
_OLD_COMMANDS: LiteralString = (
    'delete from command_audit d using (select a.topic, a.partition, a."offset", a.received_at from command_audit a '
    + _IS_OVER.replace("{0}", "a.received_at")
    + ') old where d.topic = old.topic and d.partition = old.partition and d."offset" = old."offset" '
    "and d.received_at = old.received_at"
)
_OLD_ACTIONS: LiteralString = (
    "delete from console_audit d using (select a.id from console_audit a "
    + _IS_OVER.replace("{0}", "a.at")
    + ") old where d.id = old.id"
)


def horizons(days: Iterable[tuple[str, int | None]], now: datetime) -> list[tuple[str, datetime]]:
    """Returns the numbers that keep something for a limited time, each with the time before which it is over."""
    return [(number, now - timedelta(days=n)) for number, n in sorted(days) if n is not None]
