"""What the agents' page shows: presence and slots, offers, own conversations, and the one that is open."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from console import phrases
from console.dependencies import Dependencies
from console.pages import panel
from console.pages.chat import summary_of
from console.pages.panel import Panel
from console.request import person, translated, words
from console.table.query import ListQuery
from console.table.rows import RowView, row_view
from domain.contract.texts import gettext_noop
from domain.conversations.conversation import Owner
from domain.conversations.events import HistoryEntry
from domain.directory import Directory, User
from domain.routing.agents import PresenceState
from infra.postgres.console import choices, desks, drafts
from infra.postgres.lists.conversation_parts import EntryCursor, conversation_part
from infra.postgres.lists.last_messages import with_last_messages
from infra.postgres.lists.own import earlier_conversations, own_conversations, parked_conversations
from infra.postgres.lists.unmanaged import ListedConversation

OFFER_TEXTS = 3
EARLIER = 6

REASONS = {
    "break": gettext_noop("Break"),
    "meeting": gettext_noop("Meeting"),
    "training": gettext_noop("Training"),
    "other work": gettext_noop("Other work"),
    "no sound": gettext_noop("Sound is off"),
}
"""The first reasons of a pause: what the fact says -> a text. Others are shown as they were written."""
NO_SOUND = "no sound"
"""The reason that the page itself chooses, for agents who would not hear an offer."""

OUTCOMES = {
    "solved": gettext_noop("Solved"),
    "no answer": gettext_noop("The customer does not answer"),
    "elsewhere": gettext_noop("Continues elsewhere"),
    "not for us": gettext_noop("Not for us"),
}
"""The first outcomes: what the fact says -> a text. Others are shown as they were written."""

RELEASES = {
    "hand-over": gettext_noop("Hand over …"),
    "park": gettext_noop("Park …"),
    "give-back": gettext_noop("Give back …"),
    "take-over": gettext_noop("Take over …"),
}
"""How a conversation is given away or taken over (`console.desk.releases`) -> the text of the button."""


class Slots(NamedTuple):
    """`used`: offers and accepted conversations; `most`: how many the directory allows."""

    used: int
    most: int


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """Where an agent stands. `state`: as recorded, `offline` if nothing was heard of them for too long; `said`: it as a
    text; `why_nothing`: why they are offered nobody; empty: they are offered the next customer."""

    state: PresenceState
    said: str
    slots: Slots
    why_nothing: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A conversation that is offered to the agent. `until`: when the offer ends; `why`: how it came to them; `texts`:
    the customer's last messages, each in one line."""

    line: RowView
    until: datetime
    why: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Own:
    """What an agent has. `offers`: those that have not ended; `parked`: what comes back to them by itself; `waiting`:
    how many of their customers wait for a reply; `drafts`: conversations with a draft of theirs; `mark` changes
    whenever any of the others does."""

    standing: AgentStanding
    offers: Sequence[Offer]
    lines: Sequence[RowView]
    parked: Sequence[RowView]
    waiting: int
    drafts: Set[UUID]
    mark: str


@dataclass(frozen=True, slots=True)
class Open:
    """The open conversation. `state`: of the agent's ownership; None: it is not theirs. `releases`: how the person may
    give it away or take it over -> a text. `earlier`: other conversations of the customer."""

    panel: Panel
    state: str | None
    releases: Mapping[str, str]
    earlier: Sequence[RowView]


def own(deps: Dependencies, conn: Connection[Any], directory: Directory) -> Own:
    """What the person of the request has."""
    me = person().name
    timeout = deps.terms.presence_timeout
    mark = desks.marks(conn, [me], timeout).get(me, "")  # first: a change during the other reads is noticed
    recorded = desks.recorded(conn, me, timeout)
    rows = with_last_messages(conn, own_conversations(conn, me))
    parked = with_last_messages(conn, parked_conversations(conn, me))
    offered = [row for row in rows if row.owner is not None and row.owner.state == "assigned"]
    user = directory.users.get(me)
    slots = Slots(len(rows), user.max_conversations if user else 0)
    return Own(
        _standing(recorded, slots, user),
        [_offer(conn, row, directory) for row in offered if row.owner_until and row.owner_until > words().now],
        [row_view(row, directory) for row in rows if row not in offered],
        [row_view(row, directory) for row in parked],
        sum(row.waits_since is not None for row in rows),
        drafts.with_drafts(conn, [row.id for row in (*rows, *parked)], me),
        mark,
    )


def open_conversation(
    deps: Dependencies,
    conn: Connection[Any],
    directory: Directory,
    id_: UUID,
    since: EntryCursor | None = None,
    message: UUID | None = None,
) -> Open | None:
    """The open conversation with its newest part, or with everything from `since` on; also with the part around a
    message. None: it does not exist."""
    found = panel.look(deps, conn, directory, ListQuery(open=id_, message=message), since)
    if found is None:
        return None
    owner = found.part.conversation.owner
    is_mine = owner is not None and owner.is_user(person().name)
    is_open = found.part.conversation.status == "active"
    return Open(
        found,
        owner.state if owner is not None and is_mine and is_open else None,
        _releases(owner, is_mine=is_mine) if is_open else {},
        [row_view(row, directory) for row in earlier_conversations(conn, id_, EARLIER)],
    )


def _releases(owner: Owner | None, *, is_mine: bool) -> Mapping[str, str]:
    if is_mine and owner is not None:
        own = ("hand-over", "park", "give-back") if owner.state == "accepted" else ("take-over", "give-back")
        return {} if owner.state == "assigned" else {how: RELEASES[how] for how in own}
    return {"take-over": RELEASES["take-over"]} if person().answers else {}


def reasons(conn: Connection[Any]) -> Mapping[str, str]:
    """Why an agent may pause: what the fact says -> a text in the language of the page."""
    return {each: translated(REASONS[each]) if each in REASONS else each for each in choices.pause_reasons(conn)}


def outcomes(conn: Connection[Any], directory: Directory) -> Mapping[str, str]:
    """How the person may close a conversation: what the fact says -> a text in the language of the page."""
    me = directory.users.get(person().name)
    mine = ("", *(me.skillsets if me else ()))
    found = [each.outcome for each in choices.outcomes(conn) if each.skillset in mine]
    return {each: translated(OUTCOMES[each]) if each in OUTCOMES else each for each in found}


def _offer(conn: Connection[Any], row: ListedConversation, directory: Directory) -> Offer:
    part = conversation_part(conn, row.id)
    said = [item for item in part.transcript if item.speaker == "customer"] if part else []
    return Offer(
        row_view(row, directory),
        row.owner_until or words().now,
        list(_why_offered(part.history, directory)) if part else [],
        [summary_of(item) for item in said[-OFFER_TEXTS:]],
    )


def _why_offered(history: Sequence[HistoryEntry], directory: Directory) -> Iterator[str]:
    """Sentences about how a conversation came to be offered: why nobody managed it, and how it was transferred."""
    for wanted in (("became_unmanaged",), ("queued", "reserved", "assigned")):
        event = next((each for each in reversed(history) if each.event in wanted), None)
        if event is None:
            continue
        if event.event == "assigned":
            if event.actor in directory.users:
                who = {"name": phrases.user_name(directory, event.actor)}
                yield translated(gettext_noop("Transferred by %(name)s.")) % who
            event = next((each for each in reversed(history) if each.event in wanted[:2]), None)
        sentence = phrases.history_sentence(directory, event) if event else None
        if sentence:
            yield sentence


def _standing(recorded: desks.RecordedPresence | None, slots: Slots, user: User | None) -> AgentStanding:
    state: PresenceState = "offline" if recorded is None or recorded.is_stale else recorded.state
    text = {
        "ready": gettext_noop("Ready"),
        "paused": gettext_noop("Paused"),
        "offline": gettext_noop("Not ready"),
    }[state]
    return AgentStanding(state, translated(text), slots, _why_nothing(recorded, state, slots, user))


def _why_nothing(recorded: desks.RecordedPresence | None, state: PresenceState, slots: Slots, user: User | None) -> str:
    if user is None:
        return translated(gettext_noop("You are not in the directory, so no customer can be offered to you."))
    if slots.most == 0:
        return translated(gettext_noop("The directory gives you no slots, so no customer can be offered to you."))
    if state == "paused" and recorded is not None:
        reason = translated(REASONS[recorded.reason]) if recorded.reason in REASONS else recorded.reason
        since = translated(gettext_noop("paused since %(time)s")) % {"time": _clock(recorded.since)}
        return f"{since}: {reason}" if reason else since
    if state == "offline":
        return translated(gettext_noop("you are not ready"))
    if slots.used >= slots.most:
        return translated(gettext_noop("full: all your slots are used"))
    if not user.skillsets:
        return translated(gettext_noop("no skillset: only customers who are transferred to you by name"))
    return ""


def _clock(at: datetime) -> str:
    """The time of day, with the date if it is not today's."""
    speech = words()
    return speech.clock(at) if speech.local(at).date() == speech.local(speech.now).date() else speech.ago(at)
