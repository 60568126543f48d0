"""The `commands` consumer: carries out what administrators ask for, once, or says why not.

Every record is audited, and every new command gets exactly one result. A repeated command is counted and not carried
out. A record that is not authentic is rejected without using any of its content (domain.md, Transfers). Commands are
judged by the database's clock at the moment they are carried out, windows and reservations by the inbound watermark.
After a restore of the database, those that had been received before are held for a person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.batches.leftover import Leftover
from consumers.changes.locks import lock_conversations
from consumers.changes.opt_outs import OptOutChanges
from consumers.changes.unit_of_work import UnitOfWork
from consumers.handlers.campaigns import CampaignPolicy, campaign_after, carry_out_campaign_command
from consumers.handlers.command_records import CommandRecord, audited, command_result, held
from consumers.handlers.directory import change_directory, lock_directory
from consumers.handlers.erasures import ask_erasure
from consumers.handlers.opt_outs import business_numbers, change_by_command
from consumers.handlers.sending import (
    becomes_owner,
    known_customers,
    named_conversation,
    request_send,
    resolve,
    show_customer,
)
from consumers.handlers.wishes import cancel_transfer, promise_transfer
from domain.command_bodies.campaigns import OptIn, OptOut
from domain.command_bodies.customers import EraseCustomer
from domain.command_bodies.directory import ChangeDirectory
from domain.commands import (
    CommandBody,
    CommandHead,
    Dismiss,
    Email,
    MarkRead,
    Recall,
    Rejection,
    Release,
    Resolve,
    SendMessage,
    Transfer,
    TransferOnReply,
    Typing,
)
from domain.conversations.conversation import Conversation, Decisions, FactRef, decision_ref
from domain.conversations.events import Cause
from domain.conversations.history import CustomerHistory
from domain.directory import Directory
from domain.facts import AgentAccepted
from domain.ids import ConversationId, CustomerId, FactId, fact_id
from domain.mail import MailPolicy, accept_email, mail_id
from domain.routing.agents import Member
from domain.routing.dismissals import dismiss, restored
from domain.routing.releases import is_taking_over, release, release_rejection
from domain.routing.transfers import (
    RoutingPolicy,
    after_expiry,
    expiry_ref,
    has_changed,
    has_expired,
    is_taking,
    recall,
    rejection_of,
    take_rejection,
    transfer,
)
from domain.sending.acceptance import RefusedSend, SendingPolicy
from domain.sending.sends import send_id
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory, mails, wishes
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.agents import Agents
from infra.postgres.messaging.command_log import ClaimedCommands, claim
from infra.postgres.messaging.offsets import inbound_watermark
from infra.postgres.messaging.restores import hold_commands
from infra.postgres.sending import sends


@dataclass(slots=True)
class _Scene:
    """Everything that the commands of a batch may touch, locked; changed in memory, written by the unit of work."""

    work: UnitOfWork
    customers: dict[UUID, CustomerId]
    members: dict[str, Member]
    claimed: ClaimedCommands
    directory: Directory
    now: datetime
    watermark: datetime
    numbers: frozenset[str] = frozenset()
    """All business numbers, as soon as a command asked for them."""
    opt_outs: int = 0
    """Commands about opt-outs so far."""
    directory_changes: dict[str, RefusedSend | None] = field(default_factory=dict)
    """What became of the commands that change the directory: they were carried out before the others."""

    def customer(self, named: UUID | None) -> CustomerId | None:
        """Returns the customer of a conversation, after joining."""
        return self.customers.get(named) if named else None

    def conversation(self, named: UUID | None) -> Conversation | None:
        customer = self.customer(named)
        if customer is None:
            return None
        for conversation in self.work.histories[customer].conversations:
            if conversation.id == named:
                return conversation
        return None

    def assign(self, agent: str) -> None:
        self.change_load(agent, 1)
        self.work.assigned.append(agent)

    def give_back(self, conversation: Conversation) -> None:
        """Counts that the owner has the conversation no longer."""
        if conversation.owner is not None and conversation.owner.state in ("assigned", "accepted"):
            self.change_load(conversation.owner.id, -1)

    def change_load(self, agent: str, change: int) -> None:
        """Counts a conversation that an agent was assigned (1) or gave back (-1)."""
        member = self.members.get(agent)
        if member is not None:
            self.members[agent] = member._replace(active_conversations=member.active_conversations + change)


class Commands:
    """The handler of the commands topic. `secrets`: all of them verify signatures."""

    def __init__(
        self,
        topics: Topics,
        secrets: Sequence[bytes],
        policy: RoutingPolicy,
        mail_policy: MailPolicy,
        sending: SendingPolicy | None = None,
        campaigns: CampaignPolicy | None = None,
    ) -> None:
        self._topics = topics
        self._mail_policy = mail_policy
        self._sending = sending or SendingPolicy()
        self._campaigns = campaigns or CampaignPolicy()
        self._secrets = secrets
        self._policy = policy
        self._directories = directory.DirectoryCache()

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> Leftover:
        """Processes the records, in order, and leaves none. Raises RetryBatch, psycopg errors."""
        current = lock_directory(self._directories, connection, records)
        now, watermark = database_now(connection), inbound_watermark(connection, self._topics.inbound)
        requests = [CommandRecord.read(record, self._secrets, now) for record in records]
        recalls = {
            mail: r.head.issuer for r in requests if r.head and (mail := r.recalled_command) and not r.record.again
        }
        claimed = claim(connection, {r.head.id for r in requests if r.head}, recalls)
        fresh = claimed.fresh
        again = [request for request in requests if request.record.again]
        requests = [request for request in requests if not request.record.again]
        hold_commands(connection, [each for request in again if (each := held(request, fresh)) is not None])
        changed = change_directory(connection, self._topics, [r for r in requests if _is_fresh(r, fresh)])
        if changed:
            _, current = directory.read(connection)  # never into the cache: this transaction may be rolled back
        requests = _with_answered(connection, requests)
        customers, histories = _load(connection, {c for r in requests if _is_fresh(r, fresh) and (c := r.conversation)})
        members = _lock_members(connection, [r for r in requests if _is_fresh(r, fresh)])
        with UnitOfWork(connection, self._topics.conversations, histories, current, self._policy.answer) as work:
            work.traces = _traces(requests)
            scene = _Scene(work, customers, members, claimed, current, now, watermark, directory_changes=changed)
            work.audited += [audited(request, "repeated", None, None) for request in again]
            _end_what_is_over(scene)
            for request in requests:
                if request.head is not None and request.head.id not in fresh:
                    work.repeated_commands.append(request.head.id)
                    work.audited.append(audited(request, "repeated", None, None))
                    continue
                if request.head is not None:
                    fresh.discard(request.head.id)
                rejection, detail = self._carry_out(scene, request)
                after = scene.conversation(request.conversation)
                work.audited.append(audited(request, "rejected" if rejection else "applied", rejection, after, detail))
                about = after or campaign_after(connection, request.head, request.body)
                work.records.append(command_result(request, rejection, about, self._topics.results, now, detail))
        return Leftover()

    def _carry_out(self, scene: _Scene, request: CommandRecord) -> tuple[Rejection | None, str | None]:
        """Returns why a command is rejected, with what would be right; None: it is applied."""
        if request.invalid is not None:
            return request.invalid.reason, request.invalid.detail
        head, body = request.head, request.body
        assert head is not None and body is not None
        ref = decision_ref(scene.now, fact_id("command", head.id))
        match body:
            case Transfer() | Release() | Dismiss():
                return self._decision(scene, head, body, ref)
            case TransferOnReply():
                return self._transfer_on_reply(scene, head, body) or (None, None)
            case Email():
                return self._email(scene, head, body), None
            case Recall():
                return self._recall(scene, request, head, body, ref), None
            case SendMessage():
                return self._send(scene, request, head, body, ref) or (None, None)
            case MarkRead() | Typing():
                conversation = scene.conversation(body.conversation_id)
                return show_customer(scene.work.connection, body, conversation, self._sending), None
            case Resolve():
                return resolve(scene.work.connection, self._topics, head, body, scene.now), None
            case OptOut() | OptIn():
                return self._opt_out(scene, head, body) or (None, None)
            case ChangeDirectory():
                return scene.directory_changes[head.id] or (None, None)
            case EraseCustomer():
                return ask_erasure(scene.work.connection, head, body, scene.now), None
            case _:
                return carry_out_campaign_command(
                    scene.work.connection,
                    self._topics,
                    head,
                    body,
                    self._sending,
                    self._campaigns,
                    scene.directory,
                    scene.now,
                ) or (None, None)

    def _decision(
        self, scene: _Scene, head: CommandHead, body: Transfer | Release | Dismiss, ref: FactRef
    ) -> tuple[Rejection | None, str | None]:
        match body:
            case Transfer():
                return self._transfer(scene, head, body, ref), None
            case Release():
                return self._release(scene, head, body, ref)
            case Dismiss():
                return self._dismiss(scene, head, body, ref), None

    def _opt_out(self, scene: _Scene, head: CommandHead, body: OptOut | OptIn) -> RefusedSend | None:
        connection = scene.work.connection
        if scene.work.opt_outs is None:
            scene.numbers = business_numbers(connection, scene.directory)
            scene.work.opt_outs = OptOutChanges(connection, self._topics, scene.numbers)
        scene.opt_outs += 1  # of two commands in a batch the later one counts
        now = scene.now + timedelta(microseconds=scene.opt_outs)
        return change_by_command(scene.work.opt_outs, connection, head, body, scene.numbers, now)

    def _transfer_on_reply(self, scene: _Scene, head: CommandHead, body: TransferOnReply) -> RefusedSend | None:
        return promise_transfer(
            scene.work.connection,
            self._topics,
            head,
            body,
            scene.conversation(body.conversation_id),
            scene.customer(body.conversation_id),
            self._sending,
            scene.directory,
            scene.now,
            scene.watermark,
        )

    def _send(
        self, scene: _Scene, request: CommandRecord, head: CommandHead, body: SendMessage, ref: FactRef
    ) -> RefusedSend | None:
        conversation = scene.conversation(request.conversation)
        refused = request_send(
            scene.work.connection,
            head,
            body,
            conversation,
            self._sending,
            scene.directory,
            scene.now,
            scene.claimed.recalled.get(head.id),
        )
        if refused is None and conversation is not None and becomes_owner(body, conversation, head, scene.directory):
            accepted = _accepted(conversation, head.issuer, ref)
            scene.work.fold(scene.customers[conversation.id], accepted, ref.at, scene.watermark)
            scene.assign(head.issuer)
        return refused

    def _recall_message(self, scene: _Scene, head: CommandHead, body: Recall) -> Rejection | None:
        """Recalls a mail or a send, also one whose command has not arrived yet."""
        connection = scene.work.connection
        if body.mail_command_id is not None:
            command = body.mail_command_id
            is_recalled = mails.recall_held(connection, command, head.issuer, scene.now)
        else:
            assert body.send_command_id is not None
            command = body.send_command_id
            is_recalled = sends.recall_waiting(connection, send_id(command), head.issuer, scene.now)
        is_recalled = is_recalled or scene.claimed.recall(command, head.issuer)
        return None if is_recalled else Rejection.NOTHING_TO_RECALL

    def _transfer(self, scene: _Scene, head: CommandHead, body: Transfer, ref: FactRef) -> Rejection | None:
        conversation = scene.conversation(body.conversation_id)
        rejection = rejection_of(conversation, body.expected_version)
        if rejection is not None or conversation is None:
            return rejection
        if is_taking(body, head.issuer):
            rejection = take_rejection(body, head.issuer, scene.directory, scene.members)
            if rejection is None:
                accepted = _accepted(conversation, head.issuer, ref)
                scene.work.fold(scene.customers[conversation.id], accepted, ref.at, scene.watermark)
                scene.assign(head.issuer)
            return rejection
        decided = transfer(conversation, body, scene.directory, scene.members, ref, self._policy)
        if isinstance(decided, Rejection):
            return decided
        _decide(scene, conversation, decided, head, ref)
        return None

    def _release(
        self, scene: _Scene, head: CommandHead, body: Release, ref: FactRef
    ) -> tuple[Rejection | None, str | None]:
        if body.park_until is not None and body.park_until <= scene.now:
            return Rejection.MALFORMED, "park_until: must be later than now"
        conversation = scene.conversation(body.conversation_id)
        rejection = release_rejection(conversation, body, head.issuer, scene.directory)
        if rejection is not None or conversation is None:
            return rejection, None
        decided = release(conversation, body, head.issuer, scene.directory, scene.members, ref, self._policy)
        if isinstance(decided, Rejection):
            return decided, None
        scene.give_back(conversation)
        _decide(scene, conversation, decided, head, ref, body.note)
        if is_taking_over(body, head.issuer):
            accepted = _accepted(conversation, head.issuer, ref)
            scene.work.fold(scene.customers[conversation.id], accepted, ref.at, scene.watermark)
            scene.assign(head.issuer)
        return None, None

    def _dismiss(self, scene: _Scene, head: CommandHead, body: Dismiss, ref: FactRef) -> Rejection | None:
        conversation = scene.conversation(body.conversation_id)
        decided = dismiss(conversation, body, head.issuer, ref)
        if isinstance(decided, Rejection):
            return decided
        assert conversation is not None
        _decide(scene, conversation, decided, head, ref, body.note)
        return None

    def _email(self, scene: _Scene, head: CommandHead, body: Email) -> Rejection | None:
        connection, conversation = scene.work.connection, scene.conversation(body.conversation_id)
        if conversation is None:
            return Rejection.CONVERSATION_UNKNOWN
        if has_changed(conversation, body.expected_version):
            return Rejection.VERSION_CONFLICT
        accepted = accept_email(body, self._mail_policy)
        if isinstance(accepted, Rejection):
            return accepted
        mails.request(connection, head.id, head.issuer, accepted, scene.now, scene.claimed.recalled.get(head.id))
        return None

    def _recall(
        self, scene: _Scene, request: CommandRecord, head: CommandHead, body: Recall, ref: FactRef
    ) -> Rejection | None:
        if body.deferred_id is not None:
            customer = scene.customer(request.conversation)
            return cancel_transfer(scene.work.connection, self._topics, head, body.deferred_id, customer, scene.now)
        if body.conversation_id is None:
            return self._recall_message(scene, head, body)
        conversation = scene.conversation(body.conversation_id)
        if conversation is None:
            return Rejection.CONVERSATION_UNKNOWN
        if conversation.dismissed is not None:
            decided = restored(conversation, body.expected_version)
        else:
            decided = recall(conversation, body.expected_version, head.issuer, ref)
        if isinstance(decided, Rejection):
            return decided
        scene.give_back(conversation)
        _decide(scene, conversation, decided, head, ref)
        return None


def _with_answered(connection: Connection[Any], requests: Sequence[CommandRecord]) -> list[CommandRecord]:
    """Returns the requests with the conversation that each send to an address answers, and that with which each
    cancelled transfer on reply was asked for."""
    known = known_customers(connection, [r.body for r in requests if isinstance(r.body, SendMessage)])
    deferred = {d for r in requests if isinstance(r.body, Recall) and (d := r.body.deferred_id) is not None}
    asked_with = wishes.conversations_of(connection, deferred) if deferred else {}

    def answered(body: CommandBody | None) -> UUID | None:
        match body:
            case SendMessage():
                return named_conversation(body, known)
            case Recall(deferred_id=UUID() as wish):
                return asked_with.get(wish)
            case _:
                return None

    return [r._replace(answers=answered(r.body)) for r in requests]


def _traces(requests: Iterable[CommandRecord]) -> dict[FactId, str]:
    """Returns the step of the trace that each command belongs to, by what the command is the cause of."""
    return {
        fact_id("command", request.head.id): traceparent
        for request in requests
        if request.head is not None and (traceparent := request.record.traceparent) is not None
    }


def _is_fresh(request: CommandRecord, fresh: set[str]) -> bool:
    return request.head is not None and request.head.id in fresh


def _load(
    connection: Connection[Any], named: set[UUID]
) -> tuple[dict[UUID, CustomerId], dict[CustomerId, CustomerHistory]]:
    """Locks the customers of the named conversations, and returns the customer of each and histories of these
    conversations alone: a command changes no other conversation of a customer, as an active one is always the latest.
    """
    if not named:
        return {}, {}
    owners: dict[UUID, CustomerId] = {}
    loaded: dict[CustomerId, CustomerHistory] = {}
    for customer, conversation in lock_conversations(connection, named):
        owners[conversation.id] = customer
        known = loaded[customer].conversations if customer in loaded else ()
        loaded[customer] = CustomerHistory(customer, conversation.phone_number_id, (*known, conversation))
    return owners, loaded


def _lock_members(connection: Connection[Any], requests: Sequence[CommandRecord]) -> dict[str, Member]:
    """Locks the users that immediate transfers may be assigned to, then the mails that are recalled (P5). A reservation
    uses no capacity, and giving capacity back needs no lock."""
    users, skillsets = set[str](), set[str]()
    for request in requests:
        target = request.body.target if isinstance(request.body, Transfer | Release) else None
        if target is not None and isinstance(request.body, Transfer | Release) and request.body.mode == "immediate":
            (users if target.kind == "user" else skillsets).add(target.id)
    members = Agents(connection).lock(users, skillsets) if users or skillsets else {}
    mails.lock(connection, {mail_id(command) for request in requests if (command := request.recalled_command)})
    return members


def _end_what_is_over(scene: _Scene) -> None:
    """Closes windows and ends reservations that are over and that the timer has not reached yet, by the timer's time:
    a message that moves a window may still wait on the inbound topic."""
    watermark = scene.watermark
    for customer, history in list(scene.work.histories.items()):
        if any(c.status == "active" and c.window_ends_at <= watermark for c in history.conversations):
            scene.work.expire(customer, watermark)
        for conversation in scene.work.histories[customer].conversations:
            if has_expired(conversation, watermark):
                ref = expiry_ref(conversation, watermark)
                cause = Cause((ref.fact,), "clock")
                decided = after_expiry(conversation, ref)
                scene.work.decide(customer, conversation, decided, cause, watermark, watermark)


def _decide(
    scene: _Scene,
    conversation: Conversation,
    decided: Decisions,
    head: CommandHead,
    ref: FactRef,
    note: str | None = None,
) -> None:
    cause = Cause((ref.fact,), head.issuer, note)
    scene.work.decide(scene.customers[conversation.id], conversation, decided, cause, ref.at, scene.watermark)
    if decided.owner is not None and decided.owner.state == "assigned":
        scene.assign(decided.owner.id)


def _accepted(conversation: Conversation, agent: str, ref: FactRef) -> AgentAccepted:
    """Returns the fact that *take it* counts as: the one that the agent's desktop would have sent."""
    return AgentAccepted(
        id=ref.fact,
        at=ref.at,
        sent_at=ref.at,
        arrival=ref.arrival,
        agent_id=agent,
        conversation_id=ConversationId(conversation.id),
    )
