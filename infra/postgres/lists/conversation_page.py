"""The page of one conversation: the conversation, its transcript and its history (manual facts S11, S13). Raises
psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.events import HistoryEntry
from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.reading.transcript import MessageDelivery, TranscriptItem, transcript
from domain.conversations.reasons import Reason
from domain.directory import Number
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn
from domain.ids import fact_id
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.conversations import columns, entries
from infra.postgres.conversations.message_changes import as_mapping, read_changes
from infra.postgres.wishes import answered_in

MARKED = 200
"""Of older messages an open page shows what changes with the next change that it notices, and when it is loaded."""


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """The data of the page. `number`: only its name and time zone are set; `transcript` and `history`: in order, as
    described in interface.md."""

    conversation: Conversation
    number: Number
    transcript: list[TranscriptItem]
    history: list[HistoryEntry]


def conversation_page(conn: Connection[Any], conversation_id: UUID) -> ConversationPage | None:
    """Returns the page, from one consistent read, or None if the conversation does not exist. `conn` must not be in a
    transaction. O(the conversation's entries)."""
    with one_snapshot(conn):
        conversation = read_conversation(conn, conversation_id)
        if conversation is None:
            return None
        return ConversationPage(
            conversation,
            _number(conn, conversation.phone_number_id),
            read_transcript(conn, conversation),
            history(conn, conversation),
        )


def read_conversation(conn: Connection[Any], conversation_id: UUID) -> Conversation | None:
    """Returns the conversation, or None if it does not exist."""
    found = conn.execute(
        f"select {columns.READ_BACK} from conversations c where id = %s", (conversation_id,)
    ).fetchone()
    return None if found is None else columns.from_row(found)


def last_actor(conn: Connection[Any], conversation: UUID) -> str | None:
    """Returns who caused the last entry of the history: the shown name of an administrator who is not in the directory,
    else the actor; None: there is no history."""
    found = conn.execute(
        "select coalesce(i.shown_name, h.actor) from history h left join sign_ins i on i.name = h.actor "
        "where h.conversation_id = %s order by h.sequence desc limit 1",
        (conversation,),
    ).fetchone()
    return found[0] if found else None


def marks(conn: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, str]:
    """Returns, for each conversation that exists, a text that changes whenever its page does: with the
    conversation, its mails, its open transfer on reply, its notes and tags, who looks at it, the newest `MARKED` of
    what was sent in it, and the statuses, edits, deletions and files of its newest `MARKED` messages. Each is read
    from its index, so that open pages of long conversations cost no more than others."""
    found = conn.execute(
        """
        select c.id, concat_ws('.', c.version, c.sequence, c.entries, m.marks,
          (select md5(string_agg(concat_ws(' ', m.id, m.state, m.reason, m.fates), ',' order by m.id)) from mails m
            where m.conversation_id = c.id),
          (select md5(string_agg(concat_ws(' ', s.id, s.state, s.error), ',' order by s.ordinal)) from (
            select id, state, error, ordinal from sends where conversation_id = c.id order by ordinal desc limit %s
          ) as s),
          (select min(w.ends_at) from wishes w where w.conversation_id = c.id and w.state = 'waiting'),
          (select md5(string_agg(n.id::text, ',' order by n.at, n.id)) from notes n where n.conversation_id = c.id),
          (select md5(string_agg(t.tag, ',' order by t.tag)) from conversation_tags t where t.conversation_id = c.id),
          (select md5(string_agg(concat_ws(' ', v.person, v.dialog), ',' order by v.person, v.dialog)) from viewers v
            where v.conversation_id = c.id and v.seen_at > now() - interval '30 s'))
        from conversations c
        cross join lateral (
          select concat_ws('.', count(s), sum(s.rank), max(s.succeeded_at), max(s.failed_at),
            count(m), max(m.edited_at), count(*) filter (where m.deleted), max(f.settled_at),
            count(*) filter (where f.reason is not null)) as marks
          from (
            select wamid, input_id from entries where conversation_id = c.id order by at desc, input_id desc limit %s
          ) as newest
          left join message_status s on s.phone_number_id = c.phone_number_id and s.wamid = newest.wamid
          left join message_changes m on m.phone_number_id = c.phone_number_id and m.wamid = newest.wamid
          left join media f on f.message_id = newest.input_id
        ) as m
        where c.id = any(%s)
        """,
        (MARKED, MARKED, list(conversations)),
    )
    return dict(found.fetchall())


def read_transcript(conn: Connection[Any], of: Conversation, with_deleted: bool = False) -> list[TranscriptItem]:
    """Returns the transcript in order, as described in interface.md, read in the caller's transaction. `with_deleted`:
    what the customer deleted keeps its text."""
    facts = _facts(conn, of)
    items = transcript(facts, deliveries(conn, of, facts), message_changes(conn, of, facts), with_deleted)
    return with_answered_templates(conn, of, items)


def with_answered_templates(
    conn: Connection[Any], of: Conversation, items: Sequence[TranscriptItem]
) -> list[TranscriptItem]:
    """Returns items of a transcript, each answer to the template of a transfer on reply behind that template. It was
    sent in the closed conversation, and nobody would understand the answer without it."""
    asked = {template.answer: template.item for template in answered_in(conn, of.id)}
    return [each for item in items for each in ([asked[item.id], item] if item.id in asked else [item])]


def deleted_messages(conn: Connection[Any], conversation_id: UUID) -> list[TranscriptItem] | None:
    """Returns the messages that the customer deleted from a conversation, with their texts; None: there is no such
    conversation. For a reader with the right to see them only."""
    found = conn.execute(
        f"select {columns.READ_BACK} from conversations c where id = %s", (conversation_id,)
    ).fetchone()
    if found is None:
        return None
    return [item for item in read_transcript(conn, columns.from_row(found), with_deleted=True) if item.deleted]


def _facts(conn: Connection[Any], of: Conversation) -> list[ConversationFact]:
    found = conn.execute(f"select {entries.READ_BACK} from entries e where e.conversation_id = %s", (of.id,))
    return [entries.from_row(row) for row in found]


def message_changes(
    conn: Connection[Any], of: Conversation, facts: Sequence[ConversationFact]
) -> dict[str, MessageChange]:
    """Returns wamid -> change of the messages that the customer edited or deleted, whenever they did."""
    wamids = {fact.wamid for fact in facts if isinstance(fact, CustomerTurn | CustomerSignal)}
    wamids.update(named[0] for fact in facts if (named := change_of(fact)) is not None)
    return as_mapping(read_changes(conn, [(of.phone_number_id, wamid) for wamid in wamids]), of.phone_number_id)


def deliveries(
    conn: Connection[Any], of: Conversation, facts: Sequence[ConversationFact]
) -> dict[str, MessageDelivery]:
    """Returns wamid -> delivery. For a message with several recipients (a group, or two ids of one customer) the
    furthest progress counts."""
    wamids = [wamid for fact in facts if (wamid := getattr(fact, "wamid", None))]
    found = conn.execute(
        """
        select wamid, max(rank), max(succeeded_at), max(failed_at) from message_status
        where phone_number_id = %s and wamid = any(%s) group by wamid
        """,
        (of.phone_number_id, wamids),
    )
    return {wamid: MessageDelivery(rank, succeeded_at, failed_at) for wamid, rank, succeeded_at, failed_at in found}


def history(conn: Connection[Any], of: Conversation) -> list[HistoryEntry]:
    """Returns the history in order, as described in interface.md, read in the caller's transaction."""
    commands = _commands(conn, of)
    found = conn.execute(
        """
        select sequence, at, event, reason, because, actor, owner_kind::text, owner_id, mail_id, note,
          dismissed_as::text from history
        where conversation_id = %s order by sequence
        """,
        (of.id,),
    )
    return [
        HistoryEntry(
            sequence,
            at,
            event,
            None if reason is None else Reason.of_code(reason),
            because,
            actor,
            (columns.OWNER_KINDS[kind], owner_id) if kind else None,
            mail,
            next((commands[fact] for fact in because if fact in commands), None),
            note,
            None if dismissed_as is None else columns.DISMISSED_AS[dismissed_as],
        )
        for sequence, at, event, reason, because, actor, kind, owner_id, mail, note, dismissed_as in found
    ]


def _commands(conn: Connection[Any], of: Conversation) -> dict[UUID, str]:
    """Returns fact id -> command id for the commands that were carried out; the history refers to the fact ids."""
    found = conn.execute(
        "select command_id from command_audit where conversation_id = %s and outcome = 'applied'", (of.id,)
    )
    return {fact_id("command", command): command for (command,) in found}


def _number(conn: Connection[Any], phone_number_id: str) -> Number:
    found = conn.execute(
        "select name, time_zone from numbers where phone_number_id = %s", (phone_number_id,)
    ).fetchone()
    return Number(phone_number_id, *found) if found else Number(phone_number_id)
