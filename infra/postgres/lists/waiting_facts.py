"""Facts that wait for a conversation: what bots, agents, colleagues and customers did when no conversation covered it.
Most never find one, like a reaction to an old message. Those of bots and agents name a customer who does not exist, if
their sender writes the phone in a way that we do not understand. Raises psycopg errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.lists.cursor import START, Cursor

OF_BOTS_AND_AGENTS = (
    *("agent_accepted", "agent_closed", "agent_declined", "agent_message"),
    *("bot_choice", "bot_handoff", "bot_menu_shown", "bot_message", "bot_session_ended", "bot_session_started"),
)
"""Kinds of facts that bots and agent desktops report."""


@dataclass(frozen=True, slots=True)
class WaitingFact:
    """A fact that waits. Texts are left out. `agent_id`: of an agent's fact."""

    id: UUID
    at: datetime
    kind: str
    phone_number_id: str | None
    wa_id: str | None
    user_id: str | None
    group_id: str | None
    agent_id: str | None

    def document(self) -> dict[str, object]:
        """Returns the fact as plain JSON values."""
        customer = {"wa_id": self.wa_id, "user_id": self.user_id, "group_id": self.group_id}
        return {
            "id": str(self.id),
            "at": self.at.isoformat(),
            "kind": self.kind,
            "phone_number_id": self.phone_number_id,
            "customer": customer,
            "agent_id": self.agent_id,
        }


@dataclass(frozen=True, slots=True)
class WaitingFactsPage:
    """Facts, and the cursor of the next page (None: this is the last page)."""

    rows: Sequence[WaitingFact]
    next: Cursor | None


def waiting_facts(conn: Connection[Any], rows: int, after: Cursor = START) -> WaitingFactsPage:
    """Returns one page, the latest first. O(rows)."""
    cursor = conn.cursor(row_factory=class_row(WaitingFact))
    found = cursor.execute(
        """
        select input_id as id, at, kind, detail ->> 'phone_number_id' as phone_number_id,
          detail #>> '{customer,wa_id}' as wa_id, detail #>> '{customer,user_id}' as user_id,
          detail #>> '{customer,group_id}' as group_id, detail ->> 'agent_id' as agent_id
        from entries where conversation_id is null and (at, input_id) < (%s, %s)
        order by at desc, input_id desc limit %s
        """,
        (after.at, after.id, rows + 1),
    ).fetchall()
    shown = found[:rows]
    return WaitingFactsPage(shown, Cursor(shown[-1].at, shown[-1].id) if len(found) > rows else None)
