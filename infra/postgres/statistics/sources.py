"""What the numbers are made of, in the tables of conversations: the public events as they are in the history, and what
bots and numbers said. Raises psycopg errors."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.arrival import arrival
from domain.conversations.reasons import Reason
from domain.facts import ConversationFact
from domain.sending.number_texts import SPEAKER
from domain.statistics.observed import Head, Observed, ObservedEvent, ObservedOwner
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations import entries
from infra.postgres.conversations.columns import OWNER_KIND_CODES

_KINDS = {code: kind for kind, code in OWNER_KIND_CODES.items()}
_MAIL = "mail."


def page_of_ids(connection: Connection[Any], after: UUID | None, limit: int) -> list[UUID]:
    """Returns the ids of conversations behind `after`, in their order."""
    rows = connection.execute(
        "select id from conversations where id > %b order by id limit %b", [after or UUID(int=0), limit]
    )
    return [id_ for (id_,) in rows]


def observed_in_tables(connection: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, Observed]:
    """Returns what the public events of these conversations said. Those whose messages were removed are left out: what
    their menus showed is not known any more."""
    found: dict[UUID, Observed] = {}
    rows = connection.execute(
        "select c.id, c.phone_number_id, h.sequence, coalesce(h.opened_at, c.opened_at), h.first_word_at, h.at, "
        "h.event, h.reason, h.owner_kind::text, h.owner_id, h.actor "
        "from history h join conversations c on c.id = h.conversation_id "
        "where h.conversation_id = any(%b::uuid[]) and c.messages_removed_at is null "
        "order by h.conversation_id, h.sequence",
        [[*conversations]],
    )
    events: dict[UUID, list[ObservedEvent]] = {}
    for id_, number, sequence, opened_at, first_word_at, at, name, reason, kind, owner, actor in rows:
        found[id_] = Observed(id_, number, Head(sequence, opened_at, first_word_at))
        if not name.startswith(_MAIL):
            by = ObservedOwner(_KINDS[kind], owner) if kind is not None else None
            code = None if reason is None else Reason.of_code(reason).value
            events.setdefault(id_, []).append(ObservedEvent(sequence, at, name, code, by, actor))
    return {id_: seen._replace(events=tuple(events.get(id_, ()))) for id_, seen in found.items()}


def facts_of_steps(connection: Connection[Any], until: Mapping[UUID, datetime]) -> dict[UUID, list[ConversationFact]]:
    """Returns what bots and numbers showed and what customers chose, as far as it had arrived at that time.
    O(entries of the conversations)."""
    if not until:
        return {}
    by = [(id_, arrival(at + timedelta(milliseconds=1))) for id_, at in until.items()]
    rows = connection.execute(
        f"select e.conversation_id, {entries.READ_BACK} from unnest(%b::uuid[], %b::bigint[]) as t (id, arrival) "
        "join entries e on e.conversation_id = t.id and e.arrival < t.arrival "
        "where e.kind in ('bot_session_started', 'bot_menu_shown', 'bot_message', 'bot_choice') "
        "or (e.kind = 'agent_message' and e.detail ->> 'agent_id' = %b)",
        [*column_arrays(by), SPEAKER],
    )
    found: dict[UUID, list[ConversationFact]] = {}
    for id_, *row in rows:
        found.setdefault(id_, []).append(entries.from_row(row))
    return found
