"""What becomes of wishes when their customers write or turn out to be one: judged while facts are folded, under the
customers' locks, and written in the same transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection
from pydantic_core import to_json

from consumers.changes.public_events import SOURCE
from domain.commands import Rejection
from domain.conversations.conversation import Conversation, Decisions
from domain.conversations.ownership.promises import Promise
from domain.directory import Directory
from domain.event_headers import event_headers
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn, ThreadControlPassed
from domain.ids import ConversationId, CustomerId, fact_id
from domain.opt_outs.words import opt_out_word
from domain.routing.agents import Member
from domain.routing.transfers import RoutingPolicy
from domain.topics import Topics
from domain.wishes.document import event_name, wish_document
from domain.wishes.wish import (
    TARGET_REMOVED,
    PromisedTransfer,
    TemplateSend,
    Wish,
    WishEnd,
    age_order,
    carried_out,
    end_of,
    is_answer,
    is_superseded,
)
from infra.postgres import wishes
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.agents import Agents
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.sending.claims import wait_for_lane
from infra.process.crash_points import crash_point

EXECUTED = Counter("witiop_wishes_executed", "Transfers on reply that were carried out.")
ENDED = Counter("witiop_wishes_ended", "Transfers on reply that ended without a transfer.", ["because"])

_OPENS = (CustomerTurn, ThreadControlPassed, CustomerSignal)
"""Facts with which a turn may come into a conversation."""


class WishChanges:
    """The open wishes of locked customers, and what changes about them, inside one transaction.

    `merged`: customers who turned out to be others. A customer who then has two wishes keeps the later one."""

    def __init__(
        self,
        connection: Connection[Any],
        topics: Topics,
        customers: Collection[CustomerId],
        merged: Mapping[CustomerId, CustomerId],
        directory: Directory,
        policy: RoutingPolicy,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._directory = directory
        self._policy = policy
        self._open: dict[CustomerId, Wish] = {}
        self._changed: dict[UUID, Wish] = {}
        self._sends: dict[UUID, TemplateSend] = {}
        self._members: dict[str, Member] = {}
        self._prepared: frozenset[UUID] = frozenset()
        self._now = now
        self.assigned: list[str] = []
        """Agents who were assigned a conversation."""
        for wish in wishes.open_of(connection, {*customers, *merged}):
            self._belongs(wish, merged.get(wish.customer_id, wish.customer_id), now)

    def prepare(
        self,
        facts: Iterable[tuple[CustomerId, ConversationFact]],
        agents: Collection[str],
        others: Sequence[PromisedTransfer] = (),
    ) -> None:
        """Locks and reads what the answers among the facts may need: the agents of immediate transfers, then the lanes
        of the templates, so that none is claimed meanwhile (P5). `agents`: those that the batch changes later;
        `others`: transfers that answers may lead to without a wish."""
        concerned = [self._open[c] for c, fact in facts if c in self._open and isinstance(fact, _OPENS)]
        if not concerned and not others:
            return
        self._now = database_now(self._connection)
        immediate = [each for each in (*concerned, *others) if each.mode == "immediate"]
        if immediate:
            users = {each.target_id for each in immediate if each.target_kind == "user"}
            skillsets = {each.target_id for each in immediate if each.target_kind == "skillset"}
            self._members = Agents(self._connection).lock(users.union(agents), skillsets)
        if not concerned:
            return
        for number in sorted({wish.phone_number_id for wish in concerned}):
            wait_for_lane(self._connection, number)
        self._sends = wishes.template_sends(self._connection, concerned)
        self._prepared = frozenset(wish.id for wish in concerned)

    def promise_to(self, customer: CustomerId, now: datetime, judged_at: datetime) -> Promise | None:
        """Returns what the customer's next turn leads to; None: nothing was promised, or not any more. `now`: when the
        fact in hand reached us; `judged_at`: the time by which windows are judged."""
        wish = self._open.get(customer)
        if wish is None or wish.id not in self._prepared:
            return None
        send = self._sends.get(wish.send_id)
        if (end := end_of(wish, send, now)) is not None or send is None:
            self._end(wish, end or "template_failed", now)
            return None

        def decide(conversation: Conversation, turn: CustomerTurn) -> Decisions | None:
            if not is_answer(send, turn, judged_at):
                return None
            return self._decide(wish, conversation, turn, now)

        return Promise(decide, fact_id("command", wish.command_id), wish.actor)

    def _decide(self, wish: Wish, conversation: Conversation, turn: CustomerTurn, now: datetime) -> Decisions | None:
        if opt_out_word(turn, self._directory.number(wish.phone_number_id)) == "stop":
            self._end(wish, "opted_out", now)
            return None
        if is_superseded(conversation):
            self._end(wish, "superseded", now)
            return None
        decided = self._carry_out(wish, conversation)
        if isinstance(decided, Decisions):
            return decided
        if decided in TARGET_REMOVED:
            self._end(wish, "cancelled", now)
        return None

    def transfer_answer(
        self, promised: PromisedTransfer, conversation: Conversation, turn: CustomerTurn
    ) -> Decisions | None:
        """Returns the decisions about the conversation in which a customer answered, where no wish is open; None: it
        stays as it is, as for a wish."""
        is_stop = opt_out_word(turn, self._directory.number(turn.phone_number_id)) == "stop"
        if is_stop or is_superseded(conversation):
            return None
        decided = self._carry_out(promised, conversation)
        return decided if isinstance(decided, Decisions) else None

    def _carry_out(self, promised: PromisedTransfer, conversation: Conversation) -> Decisions | Rejection:
        """Returns the decisions about the conversation in which a customer answered; a rejection if its target was
        removed, or the window is about to end."""
        return carried_out(promised, conversation, self._directory, self._members, self._now, self._policy)

    def kept(self, customer: CustomerId, conversation: ConversationId, owner: str | None, now: datetime) -> None:
        """Marks the customer's wish as executed in a conversation. `owner`: the agent who was assigned it."""
        wish = self._open.pop(customer)
        self._changed[wish.id] = wish._replace(state="executed", executed_in=conversation, changed_at=now)
        EXECUTED.inc()
        self.assigned_to(owner)

    def assigned_to(self, owner: str | None) -> None:
        """Notes whom an answer was offered; None: it waits for its target."""
        if owner is not None:
            self.assigned.append(owner)
            if (member := self._members.get(owner)) is not None:
                self._members[owner] = member._replace(active_conversations=member.active_conversations + 1)

    def follow(self, conversation: ConversationId, to: CustomerId, now: datetime) -> None:
        """Moves the wish that was asked for with a conversation to the customer to whom that belongs."""
        for wish in [wish for wish in self._open.values() if wish.conversation_id == conversation]:
            del self._open[wish.customer_id]
            self._belongs(wish, to, now)

    def _belongs(self, wish: Wish, customer: CustomerId, now: datetime) -> None:
        if wish.customer_id != customer:
            wish = self._changed[wish.id] = wish._replace(customer_id=customer)
        other = self._open.get(customer)
        if other is not None:
            older = min(wish, other, key=age_order)
            wish = max(wish, other, key=age_order)
            self._end(older, "superseded", now)
        self._open[customer] = wish

    def _end(self, wish: Wish, because: WishEnd, now: datetime) -> None:
        if self._open.get(wish.customer_id) is wish:
            del self._open[wish.customer_id]
        self._changed[wish.id] = wish._replace(state="ended", ended_because=because, changed_at=now)
        ENDED.labels(because).inc()

    def write(self) -> None:
        """Writes all changes, and recalls the templates that nobody needs any more. Called once."""
        wishes.write(self._connection, self._changed.values())
        done = [wish for wish in self._changed.values() if not wish.is_open]
        if done:
            wishes.recall_templates(self._connection, [wish.send_id for wish in done], "customer", self._now)
            publish(self._connection, self._topics, done, self._now)
            crash_point("wish.before-commit")


def publish(connection: Connection[Any], topics: Topics, changed: Iterable[Wish], at: datetime) -> None:
    """Publishes that wishes are new or have come to their end. One that moved to another customer is neither."""
    Outbox(connection).add(_event(wish, at, topics) for wish in changed)


def _event(wish: Wish, at: datetime, topics: Topics) -> OutboxRecord:
    name = event_name(wish)
    headers = event_headers(
        str(fact_id("wish event", str(wish.id), name)), f"witiop.transfer_on_reply.{name}.v1", SOURCE, at
    )
    return OutboxRecord(topics.messages, str(wish.conversation_id), headers, to_json(wish_document(wish)))


def end_what_is_over(
    connection: Connection[Any], topics: Topics, conversations: Collection[UUID], now: datetime
) -> list[Wish]:
    """Ends the wishes that were asked for with these conversations and are over at `now`, or whose template will not go
    out; returns them. The caller holds the customers' locks."""
    asked = wishes.asked_with(connection, conversations)
    sends = wishes.template_sends(connection, asked) if asked else {}
    ended = [
        wish._replace(state="ended", ended_because=because, changed_at=now)
        for wish in asked
        if (because := end_of(wish, sends.get(wish.send_id), now)) is not None
    ]
    wishes.write(connection, ended)
    if ended:
        wishes.recall_templates(connection, [wish.send_id for wish in ended], "clock", now)
        publish(connection, topics, ended, now)
    for wish in ended:
        ENDED.labels(str(wish.ended_because)).inc()
    return ended
