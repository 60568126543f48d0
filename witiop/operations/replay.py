"""Replays dead letters after their cause was fixed (P4).

Delivery is at least once, as everywhere: consumers recognise repeats. What would fail again is not replayed, and a
replay goes no faster than the consumers: it waits for them after every `GROUP` dead letters, and ends if some of those
have become dead letters again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.batches.leftover import NO_CONVERSATION
from consumers.handlers.inbound_records import names_customer, read_fact, why_unreadable
from domain.facts import FACT, ConversationFact, Fact, partition_key
from domain.inbound.agent_desk import read_agent_desk
from domain.inbound.problems import InvalidEvents
from domain.inbound.reading import BodyReading, UnreadablePart
from domain.inbound.ses_events import read_ses
from domain.inbound.softbot import read_softbot
from domain.inbound.whatsapp import reader
from domain.ports import OutgoingRecord, Publisher, RecordPosition
from domain.topics import REASON_HEADER, SOURCE_HEADER, Topics
from infra.postgres.conversations.customers import Customers
from infra.postgres.messaging.dead_letter_queries import StoredDeadLetter, find, mark_replayed, unprocessed
from infra.postgres.messaging.dead_letters import OUTBOX
from infra.postgres.messaging.outbox import Outbox, restored
from webhook.intake import MAX_VALUE_BYTES

PUBLISH_SECONDS = 10.0
GROUP = 100
CONSUMER_SECONDS = 30.0
"""How long a replay waits for the consumers to process a group."""

_Reader = Callable[[bytes, datetime], BodyReading]


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """Outcome for one dead letter; `failure` says why it was not replayed, None if it was."""

    id: UUID
    failure: str | None = None


def replay(
    connection: Connection[Any],
    publisher: Publisher,
    topics: Topics,
    ids: Iterable[UUID],
    consumer_seconds: float = CONSUMER_SECONDS,
) -> Iterator[ReplayOutcome]:
    """Publishes the dead letters one by one and marks each as replayed once Kafka has acknowledged it.

    `connection` must be in autocommit mode: if an error is raised, those before it stay marked. Waits up to
    PUBLISH_SECONDS for each dead letter, and after each group up to `consumer_seconds` for the consumers.

    Raises:
        PublishFailed: the broker did not acknowledge a dead letter in time.
        psycopg.Error: the database failed.
    """
    ended: str | None = None
    group: list[RecordPosition] = []
    for id_ in ids:
        if ended is None and len(group) >= GROUP:
            ended, group = _wait_for_consumers(connection, topics.inbound, group, consumer_seconds), []
        if ended is not None:
            yield ReplayOutcome(id_, ended)
            continue
        dead_letter = find(connection, id_)
        if dead_letter is None:
            yield ReplayOutcome(id_, "there is no such dead letter")
            continue
        if dead_letter.row.source == OUTBOX:  # published by the relay alone; a dead letter again if that is impossible
            with connection.transaction():
                Outbox(connection).add([restored(dead_letter.raw)])
                mark_replayed(connection, id_)
            yield ReplayOutcome(id_)
            continue
        try:
            records = _records(connection, dead_letter, topics)
        except _WouldFailAgain as error:
            yield ReplayOutcome(id_, str(error))
            continue
        positions = publisher.publish(records, PUBLISH_SECONDS)
        mark_replayed(connection, id_)
        group += [position for position, r in zip(positions, records, strict=True) if r.topic == topics.inbound]
        yield ReplayOutcome(id_)


def _wait_for_consumers(
    connection: Connection[Any], topic: str, positions: Sequence[RecordPosition], seconds: float
) -> str | None:
    """Returns None once the consumers have processed the records, or why the replay ends."""
    places = [(position.partition, position.offset) for position in positions]
    until = monotonic() + seconds
    while (state := unprocessed(connection, topic, places)).waiting:
        if monotonic() > until:
            return "not replayed: the consumers have not processed those before it; see witiop doctor"
        sleep(0.1)
    if state.dead:
        return f"not replayed: {state.dead} of those before it failed again; see witiop dead-letters list"
    return None


class _WouldFailAgain(Exception):
    """A dead letter that would become one again. The message says why, without personal data."""


def _records(connection: Connection[Any], dead_letter: StoredDeadLetter, topics: Topics) -> list[OutgoingRecord]:
    """Returns the records that replay a dead letter: a poison record unchanged, or the updates of a body.

    Updates that are still unreadable become dead letters of their own, so they do not hold back the rest of the body.
    """
    if dead_letter.row.kind == "dead_letter":
        return [_poison_record(connection, dead_letter, topics)]
    source = dead_letter.row.source
    if source not in _READERS:
        raise _WouldFailAgain("still unreadable: nobody reads bodies of this source")
    reading = _READERS[source](dead_letter.raw, dead_letter.row.received_at)
    if not reading.facts:
        raise _WouldFailAgain(f"still unreadable: {'; '.join(part.reason for part in reading.unreadable)}")
    facts = [OutgoingRecord(topics.inbound, partition_key(fact), FACT.dump_json(fact)) for fact in reading.facts]
    if any(len(record.value) > MAX_VALUE_BYTES for record in facts):
        raise _WouldFailAgain("still unreadable: an update is too large for a record")
    headers = (SOURCE_HEADER, source.encode())
    return facts + [
        OutgoingRecord(topics.unreadable, None, part.raw, (headers, (REASON_HEADER, part.reason.encode())))
        for part in reading.unreadable
    ]


def _poison_record(connection: Connection[Any], dead_letter: StoredDeadLetter, topics: Topics) -> OutgoingRecord:
    try:
        fact = read_fact(dead_letter.raw, dead_letter.row.received_at)
    except Exception as error:  # as the consumer would: whatever reading it leads to
        raise _WouldFailAgain(f"still unreadable: {why_unreadable(error)}") from error
    if isinstance(fact, ConversationFact) and not names_customer(fact):
        named = getattr(fact, "conversation_id", None)
        if not Customers(connection).of_conversations([named] if named else []):
            raise _WouldFailAgain(f"would fail again: {NO_CONVERSATION}")
    return OutgoingRecord(topics.inbound, partition_key(fact), dead_letter.raw)


def _cloud_events(read: Callable[[bytes, bool, datetime], list[Fact]]) -> _Reader:
    """Adapts a CloudEvents reader. The media type was not stored, but only a batch is an array."""

    def reader(body: bytes, received_at: datetime) -> BodyReading:
        try:
            return BodyReading(read(body, body.lstrip().startswith(b"["), received_at), ())
        except InvalidEvents as error:
            return BodyReading((), (UnreadablePart(body, str(error)),))

    return reader


_READERS: Mapping[str, _Reader] = {
    "whatsapp": reader.read,
    "softbot": _cloud_events(read_softbot),
    "agents": _cloud_events(read_agent_desk),
    "ses": read_ses,
}
"""Readers by the source that the webhooks name on the unreadable topic."""
