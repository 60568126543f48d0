"""The `commands` consumer: what administrators ask for happens once, or a clear reason says why not.

Every record gets an audit row; every new command gets exactly one result; a repeated one is counted and not carried
out; one that is not authentic is answered without believing a byte of it (domain.md, Transfers). Commands are judged
at the moment they are carried out, by the database's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from pydantic_core import to_json

from consumers.batches.batch_loop import RetryBatch
from consumers.changes.conversations import UnitOfWork
from domain.commands import CommandBody, CommandHead, Email, InvalidCommand, Recall, Rejection, Transfer, read_command
from domain.contract.row import owner_document
from domain.conversations.conversation import Conversation, Decisions, FactRef
from domain.conversations.fold import Cause, CustomerHistory
from domain.directory import Directory
from domain.facts import AgentAccepted
from domain.ids import ConversationId, CustomerId, fact_id, result_id
from domain.mail import MailPolicy, accept_email, mail_id
from domain.routing.agents import Member
from domain.routing.transfers import (
    RoutingPolicy,
    after_expiry,
    expiry_ref,
    has_expired,
    is_taking,
    recall,
    rejection_of,
    take_rejection,
    transfer,
)
from domain.times import rfc3339
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory, mails
from infra.postgres.conversations.agents import Agents
from infra.postgres.conversations.threads import CustomerHistories
from infra.postgres.messaging.command_log import (
    AuditedRecord,
    ClaimedCommands,
    CommandOutcome,
    audit,
    claim,
    count_repeats,
)
from infra.postgres.messaging.outbox import Outbox, OutboxRecord

_SOURCE = "/witiop/unmanaged"


class _Asked(NamedTuple):
    """What a record asks for. `head` None: not authentic; `body` None: `rejection_of` already."""

    record: IncomingRecord
    head: CommandHead | None
    body: CommandBody | None
    refused: InvalidCommand | None

    @classmethod
    def read(cls, record: IncomingRecord, secrets: Sequence[bytes], now: datetime) -> "_Asked":
        read = read_command(record.raw_headers, record.value, secrets, now)
        if isinstance(read, InvalidCommand):
            return cls(record, read.head, None, read)
        return cls(record, read.head, read.body, None)

    @property
    def conversation(self) -> UUID | None:
        return self.body.conversation_id if self.body is not None else None

    @property
    def mail_command(self) -> str | None:
        """Of the mail that it wants back."""
        return getattr(self.body, "mail_command_id", None)


@dataclass(slots=True)
class _Scene:
    """Everything the commands of a batch may touch, locked; changed in memory, written at the end."""

    changes: UnitOfWork
    customers: dict[UUID, CustomerId]
    members: dict[str, Member]
    claimed: ClaimedCommands
    given: list[str] = field(default_factory=list)

    def conversation(self, named: UUID | None) -> Conversation | None:
        customer = self.customers.get(named) if named else None
        if customer is None:
            return None
        for conversation in self.changes.threads[customer].conversations:
            if conversation.id == named:
                return conversation
        return None

    def slot(self, agent: str, change: int) -> None:
        """An agent got a conversation, or gave one back."""
        member = self.members.get(agent)
        if member is not None:
            self.members[agent] = member._replace(active_conversations=member.active_conversations + change)


class Commands:
    """The handler of the commands topic. `secrets`: all verify."""

    def __init__(self, topics: Topics, secrets: Sequence[bytes], terms: RoutingPolicy, mail_policy: MailPolicy) -> None:
        self._topics = topics
        self._mail_policy = mail_policy
        self._secrets = secrets
        self._terms = terms
        self._known = directory.DirectoryCache()
        self._directory = Directory()

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> None:
        """Works the records in, in order. Raises Again, psycopg errors."""
        self._directory = self._known.lock_shared(connection)
        row = connection.execute("select clock_timestamp()").fetchone()
        assert row is not None
        now: datetime = row[0]
        at = rfc3339(now)
        asked = [_Asked.read(record, self._secrets, now) for record in records]
        recalls = {mail: a.head.issuer for a in asked if a.head and (mail := a.mail_command)}
        claimed = claim(connection, {a.head.id for a in asked if a.head}, recalls)
        fresh = claimed.fresh
        scene = self._scene(connection, [a for a in asked if a.head and a.head.id in fresh], now, claimed)
        audited: list[AuditedRecord] = []
        repeats: list[str] = []
        results: list[OutboxRecord] = []
        for one in asked:
            if one.head is not None and one.head.id not in fresh:
                repeats.append(one.head.id)
                audited.append(_audited(one, "repeated", None, None))
                continue
            if one.head is not None:
                fresh.discard(one.head.id)
            reason = self._carry_out(connection, one, scene, now)
            after = scene.conversation(one.conversation)
            audited.append(_audited(one, "rejected" if reason else "applied", reason, after))
            results.append(_result(one, reason, after, self._topics.results, at))
        with connection.pipeline():
            scene.changes.write(connection, self._topics.conversations)
            Agents(connection).mark_assigned(scene.given)
            count_repeats(connection, repeats)
            audit(connection, audited)
            Outbox(connection).add(results)
            scene.changes.count(connection)

    def _scene(
        self, connection: Connection[Any], asked: Sequence[_Asked], now: datetime, claimed: ClaimedCommands
    ) -> _Scene:
        customers, loaded = self._conversations(connection, {c for a in asked if (c := a.conversation)})
        users, skillsets = set[str](), set[str]()
        for one in asked:
            # a reservation takes no slot, and who gives one back needs no lock for it
            if isinstance(one.body, Transfer) and one.body.mode == "immediate":
                target = one.body.target
                (users if target.kind == "user" else skillsets).add(target.id)
        members = Agents(connection).lock(users, skillsets) if users or skillsets else {}
        mails.lock(connection, {mail_id(command) for a in asked if (command := a.mail_command)})
        changes = UnitOfWork(loaded, self._directory)
        for customer, thread in list(loaded.items()):
            if any(c.status == "active" and c.window_ends_at <= now for c in thread.conversations):
                changes.expire(customer, now)
            for conversation in changes.threads[customer].conversations:
                if has_expired(conversation, now):  # and the timer has not said so yet
                    here = expiry_ref(conversation, now)
                    cause = Cause((here.fact,), "clock")
                    changes.decide(customer, conversation, after_expiry(conversation, here), cause, now)
        return _Scene(changes, customers, members, claimed)

    def _conversations(
        self, connection: Connection[Any], named: set[UUID]
    ) -> tuple[dict[UUID, CustomerId], dict[CustomerId, CustomerHistory]]:
        """Whose they are, and the conversations alone, locked: no other of a customer can change through a command, as
        an active one has no later one beside it."""
        if not named:
            return {}, {}
        threads = CustomerHistories(connection)
        wanted = {customer for customer, _ in threads.customers_of(named).values()}
        locked = threads.lock(wanted)
        root_of = {customer: customer for customer in locked}
        root_of |= {member: root for root, members in locked.items() for member in members}
        whose: dict[UUID, CustomerId] = {}
        loaded: dict[CustomerId, CustomerHistory] = {}
        for conversation in threads.read(named):
            customer = root_of.get(conversation.customer_id)
            if customer not in wanted:
                raise RetryBatch
            whose[conversation.id] = customer
            known = loaded[customer].conversations if customer in loaded else ()
            loaded[customer] = CustomerHistory(customer, conversation.phone_number_id, (*known, conversation))
        return whose, loaded

    def _carry_out(self, connection: Connection[Any], one: _Asked, scene: _Scene, now: datetime) -> Rejection | None:
        if one.refused is not None:
            return one.refused.reason
        head, body = one.head, one.body
        assert head is not None and body is not None
        here = FactRef(now, fact_id("command", head.id))
        if isinstance(body, Transfer):
            return self._transfer(scene, head, body, here)
        if isinstance(body, Email):
            return self._email(connection, scene, head, body, now)
        if body.conversation_id is not None:
            return self._recall(scene, head, body, here)
        assert body.mail_command_id is not None
        held = mails.recall_held(connection, body.mail_command_id, head.issuer, now)
        recalled = held or scene.claimed.recall(body.mail_command_id, head.issuer)
        return None if recalled else Rejection.NOTHING_TO_RECALL

    def _transfer(self, scene: _Scene, head: CommandHead, body: Transfer, here: FactRef) -> Rejection | None:
        conversation = scene.conversation(body.conversation_id)
        reason = rejection_of(conversation, body.expected_version)
        if reason is not None or conversation is None:
            return reason
        if is_taking(body, head.issuer):
            reason = take_rejection(body, head.issuer, self._directory, scene.members)
            if reason is None:
                accepted = _accepted(conversation, head.issuer, here)
                scene.changes.fold(scene.customers[conversation.id], accepted, here.at)
                self._got(scene, head.issuer)
            return reason
        decided = transfer(conversation, body, self._directory, scene.members, here, self._terms)
        if isinstance(decided, Rejection):
            return decided
        self._decide(scene, conversation, decided, head, here)
        return None

    def _email(
        self, connection: Connection[Any], scene: _Scene, head: CommandHead, body: Email, now: datetime
    ) -> Rejection | None:
        if scene.conversation(body.conversation_id) is None:
            return Rejection.CONVERSATION_UNKNOWN
        accepted = accept_email(body, self._mail_policy, mails.transcript_bytes(connection, body.conversation_id))
        if isinstance(accepted, Rejection):
            return accepted
        mails.request(connection, head.id, head.issuer, accepted, now, scene.claimed.recalled.get(head.id))
        return None

    def _recall(self, scene: _Scene, head: CommandHead, body: Recall, here: FactRef) -> Rejection | None:
        conversation = scene.conversation(body.conversation_id)
        if conversation is None:
            return Rejection.CONVERSATION_UNKNOWN
        decided = recall(conversation, body.expected_version, here)
        if isinstance(decided, Rejection):
            return decided
        if conversation.owner is not None:
            scene.slot(conversation.owner.id, -1 if conversation.owner.state == "assigned" else 0)
        self._decide(scene, conversation, decided, head, here)
        return None

    def _decide(
        self, scene: _Scene, conversation: Conversation, decided: Decisions, head: CommandHead, here: FactRef
    ) -> None:
        cause = Cause((here.fact,), head.issuer)
        scene.changes.decide(scene.customers[conversation.id], conversation, decided, cause, here.at)
        if decided.owner is not None and decided.owner.state == "assigned":
            self._got(scene, decided.owner.id)

    def _got(self, scene: _Scene, agent: str) -> None:
        scene.slot(agent, 1)
        scene.given.append(agent)


def _accepted(conversation: Conversation, agent: str, here: FactRef) -> AgentAccepted:
    """*Take it* counts as accepted: told as the fact that an agent's desk would have sent."""
    return AgentAccepted(
        id=here.fact, at=here.at, sent_at=here.at, agent_id=agent, conversation_id=ConversationId(conversation.id)
    )


def _audited(
    one: _Asked, outcome: CommandOutcome, reason: Rejection | None, after: Conversation | None
) -> AuditedRecord:
    record, head = one.record, one.head
    return AuditedRecord(
        record.topic,
        record.partition,
        record.offset,
        record.at,
        head.id if head else None,
        head.type if head else None,
        head.source if head else None,
        head.issuer if head else None,
        outcome,
        reason.value if reason else None,
        one.refused.what if one.refused else None,
        one.conversation,
        after.version if after else None,
        getattr(one.body, "batch_id", None),
    )


def _result(one: _Asked, reason: Rejection | None, after: Conversation | None, topic: str, at: str) -> OutboxRecord:
    record, head = one.record, one.head
    data: dict[str, object] = {
        "command_id": head.id if head else None,
        "outcome": "rejected" if reason else "applied",
        "reason": reason.value if reason else None,
        "conversation_id": str(one.conversation) if one.conversation else None,
        "version": after.version if after else None,
    }
    if reason is Rejection.ALREADY_ASSIGNED and after is not None and after.owner is not None:
        data |= {"owner": owner_document(after.owner)}
    if head is None:
        data |= {"partition": record.partition, "offset": record.offset}
    cause = head.id if head else f"{record.topic}:{record.partition}:{record.offset}:{record.at.isoformat()}"
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(result_id(cause)),
        "ce_type": "witiop.command.result.v1",
        "ce_source": _SOURCE,
        "ce_time": at,
        "content-type": "application/json",
    }
    key = str(one.conversation) if one.conversation else head.id if head else f"{record.partition}:{record.offset}"
    return OutboxRecord(topic, key, headers, to_json(data))
