"""What becomes of sends, with the public events about it and the facts that they make: a send of a person that Meta
accepted is a word to the customer, and one that failed later is none. Shared by the sender, by the consumer of statuses
and by the consumer of commands."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from psycopg import Connection
from pydantic_core import to_json

from consumers.changes.campaigns import restore_sends
from consumers.changes.deferrals import due_again
from consumers.changes.public_events import SOURCE
from domain.campaigns.recipients import after_send
from domain.event_headers import event_headers
from domain.facts import FACT, AgentMessage, MessageFailed, MessageStatus, Party, partition_key
from domain.ids import fact_id
from domain.sending.callback import read_callback
from domain.sending.document import SendEvent, send_document
from domain.sending.graph_errors import status_error
from domain.sending.sends import TAKEN, Send, SendStatus, StatusReport, after_status, word_id
from domain.sending.unknown import REPORTED_WITHIN, UnnamedFailure, send_that_failed
from domain.topics import Topics
from infra.phones.countries import country_of
from infra.postgres.campaigns.budget import Charges
from infra.postgres.campaigns.counts import Moves
from infra.postgres.campaigns.recipients import RecipientSend, follow_sends
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.sending import claims, sends
from infra.postgres.sending.sends import SendLogEntry
from infra.postgres.sending.unknown import without_wamid


class SendChanges:
    """Locked sends and what changes about them, inside one transaction."""

    def __init__(
        self, connection: Connection[Any], topics: Topics, wanted: Collection[UUID], moves: Moves | None = None
    ) -> None:
        """Locks those of the sends that exist. `moves`: counters that several changes of a transaction share."""
        self._connection = connection
        self._topics = topics
        self.sends = sends.lock(connection, wanted)
        self._changed: dict[UUID, Send] = {}
        self._due_at: dict[UUID, datetime] = {}
        self._log: list[tuple[UUID, SendLogEntry]] = []
        self._records: list[OutboxRecord] = []
        self._recipients: dict[UUID, RecipientSend] = {}
        self._moves = Moves() if moves is None else moves
        self._charges = Charges()

    def change(self, after: Send, entry: SendLogEntry, due_at: datetime | None = None, *, held: bool = False) -> None:
        """Changes one send. `entry`: why; `due_at`: when it may be claimed, if it waits again; `held`: Meta holds the
        message back."""
        before = self.sends[after.id]
        self._log.append((after.id, entry))
        if due_at is not None:
            self._due_at[after.id] = due_at
        if after == before and due_at is None:
            return
        self.sends[after.id] = self._changed[after.id] = after
        if after.campaign_id is not None and after.row_no is not None:
            change = after_send(after, entry.at, held=held)
            self._recipients[after.id] = RecipientSend(after.campaign_id, after.row_no, after.id, change)
            if before.pricing is None and after.pricing is not None:
                country = country_of(after.address_kind, after.address)
                self._charges.add(after.campaign_id, country, after.pricing)
            return  # a campaign's events tell of all its recipients together
        self._records += [_event(after, name, entry.at, self._topics) for name in event_names(before, after)]
        self._records += [_fact(fact, self._topics) for fact in _facts(before, after, entry.at)]

    @property
    def recipients(self) -> set[tuple[UUID, int]]:
        """The recipients of campaigns that follow their sends."""
        return {(each.campaign_id, each.row_no) for each in self._recipients.values()}

    def write(self) -> None:
        """Writes all changes. Called once, last."""
        self.write_sends()
        self.write_counts()

    def write_sends(self) -> None:
        """Writes all changes but counters, which are written last of all in a transaction: many update them."""
        sends.write(self._connection, self._changed.values(), self._due_at)
        sends.write_log(self._connection, self._log)
        follow_sends(self._connection, due_again(self._connection, self._recipients.values()), self._moves)
        Outbox(self._connection).add(self._records)

    def write_counts(self) -> None:
        """Writes counters."""
        self._moves.write(self._connection)
        self._charges.write(self._connection)


def changed_by_statuses(
    connection: Connection[Any], topics: Topics, statuses: Sequence[MessageStatus]
) -> SendChanges | None:
    """Returns what Meta's statuses change about the sends that they are about: named by their callback data, by the
    message's id, or, where a failure names nothing, by customer and time; None: nothing. What is about none of ours, or
    is forged, changes nothing. A number that Meta complains about is paused."""
    if not statuses:
        return None
    _pause_numbers(connection, statuses)
    callbacks = {s.id: callback for s in statuses if s.callback and (callback := read_callback(s.callback))}
    named = {callback.send for callback in callbacks.values()}
    by_message = sends.named_by(connection, named, {(s.phone_number_id, s.wamid) for s in statuses})
    by_message |= _failures(connection, [s for s in statuses if s.id not in callbacks], by_message)
    if not named and not by_message:
        return None
    moves = Moves()
    changes = SendChanges(connection, topics, named | set(by_message.values()), moves)
    lost = [s for s in statuses if s.id in callbacks and callbacks[s.id].send not in changes.sends]
    if lost:
        changes.sends |= restore_sends(connection, lost, callbacks, moves)
    for status in statuses:
        callback = callbacks.get(status.id)
        send = changes.sends.get(callback.send) if callback else None
        if send is None or callback is None or not callback.is_of(send.secret):
            callback, send = None, changes.sends.get(by_message.get((status.phone_number_id, status.wamid), _NOBODY))
        if send is None or send.phone_number_id != status.phone_number_id:
            continue
        attempt = callback.attempt if callback else None
        report = StatusReport(status.wamid, cast(SendStatus, status.status), attempt, status.code, status.pricing)
        entry = SendLogEntry(status.at, attempt or send.attempt, status.status, "meta", status.code)
        changes.change(after_status(send, report), entry)
    return changes


_NOBODY = UUID(int=0)


def _failures(
    connection: Connection[Any], statuses: Iterable[MessageStatus], known: Collection[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """Returns number and wamid -> send for failures that name none of our sends and fit exactly one whose answer is
    missing."""
    failed = [s for s in statuses if s.status == "failed" and (s.phone_number_id, s.wamid) not in known]
    if not failed:
        return {}
    since = min(status.at for status in failed) - REPORTED_WITHIN
    candidates = without_wamid(connection, {status.phone_number_id for status in failed}, since)
    found: dict[tuple[str, str], UUID] = {}
    for status in failed:
        recipients = tuple(id_ for id_ in (status.recipient, status.recipient_user_id) if id_)
        send = send_that_failed(UnnamedFailure(status.phone_number_id, recipients, status.at), candidates)
        if send is not None:
            found[status.phone_number_id, status.wamid] = send.id
            candidates.remove(send)
    return found


def _pause_numbers(connection: Connection[Any], statuses: Iterable[MessageStatus]) -> None:
    """Pauses numbers, or their templates, that a status says something is wrong with, until it may be over."""
    wrong = {(s.phone_number_id, s.code) for s in statuses if s.status == "failed" and s.code is not None}
    for number, code in sorted(wrong):
        error = status_error(code)
        if not error.needs_person or error.scope not in ("number", "templates"):
            continue
        lane = claims.wait_for_lane(connection, number)
        claims.pause(
            connection,
            number,
            lane.now + error.wait,
            f"Meta's error {code}",
            templates=error.scope == "templates",
            needs_person=True,
        )


def event_names(before: Send, after: Send) -> Iterator[SendEvent]:
    """Yields the public events of a change."""
    if before.state == after.state:
        return
    if before.state == "unknown":
        yield "settled"
    match after.state:
        case "accepted" | "sent" | "delivered" | "read" | "failed" | "unknown" as state:
            yield state
        case "played":
            yield "read"
        case "expired" | "dropped":
            yield "failed"
        case _:
            pass


def _facts(before: Send, after: Send, at: datetime) -> Iterator[AgentMessage | MessageFailed]:
    """Yields what the rules about conversations need to know of a change."""
    if not after.is_word or after.conversation_id is None:
        return
    if _counts(after) and not _counts(before):
        yield _sent(after, after.claimed_at or at)
    elif after.state in ("failed", "dropped") and _counts(before) and after.wamid is not None:
        yield MessageFailed(
            id=fact_id("message failed", after.phone_number_id, after.wamid),
            at=at,
            sent_at=at,
            conversation_id=after.conversation_id,
            phone_number_id=after.phone_number_id,
            marks=after.wamid,
        )


def _counts(send: Send) -> bool:
    return send.state in TAKEN or send.state == "assumed_sent"


def _sent(send: Send, at: datetime) -> AgentMessage:
    return AgentMessage(
        id=word_id(send.id),
        at=at,
        sent_at=at,
        conversation_id=send.conversation_id,
        phone_number_id=send.phone_number_id,
        customer=_both_ids(send),
        agent_id=send.actor,
        send_id=send.id,
        type=send.kind,
        wamid=send.wamid,
        text=send.text or "",
        is_claim=send.is_claim,
        written_at=send.requested_at,
    )


def _both_ids(send: Send) -> Party | None:
    """Returns the customer's phone and user id, of which Meta's answer told us the other one; None: it did not."""
    wa_id = send.address if send.address_kind == "phone" else send.wa_id
    user_id = send.address if send.address_kind == "user_id" else send.user_id
    return Party(wa_id=wa_id, user_id=user_id) if wa_id and user_id and send.address_kind != "group" else None


def _fact(fact: AgentMessage | MessageFailed, topics: Topics) -> OutboxRecord:
    return OutboxRecord(topics.inbound, partition_key(fact), {}, FACT.dump_json(fact))


def _event(send: Send, name: SendEvent, at: datetime, topics: Topics) -> OutboxRecord:
    id_ = fact_id("send event", str(send.id), name, str(send.attempt))
    headers = event_headers(str(id_), f"witiop.message.{name}.v1", SOURCE, at)
    key = str(send.conversation_id or f"{send.phone_number_id}:{send.address}")
    return OutboxRecord(topics.messages, key, headers, to_json(send_document(send)))
