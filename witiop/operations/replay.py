"""Replays dead letters after their cause was fixed (P4).

Delivery is at least once, as everywhere: consumers recognise repeats.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic import ValidationError

from domain.facts import FACT, Fact, partition_key
from domain.inbound.agent_desk import read_agent_desk
from domain.inbound.problems import InvalidEvents
from domain.inbound.reading import BodyReading, UnreadablePart
from domain.inbound.ses_events import read_ses
from domain.inbound.softbot import read_softbot
from domain.inbound.whatsapp import reader
from domain.ports import OutgoingRecord, Publisher
from domain.topics import REASON_HEADER, SOURCE_HEADER, Topics
from infra.postgres.messaging.dead_letter_queries import StoredDeadLetter, find, mark_replayed
from webhook.intake import MAX_VALUE_BYTES

PUBLISH_SECONDS = 10.0

_Reader = Callable[[bytes, datetime], BodyReading]


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """Outcome for one dead letter; `failure` says why it was not replayed, None if it was."""

    id: UUID
    failure: str | None = None


def replay(
    connection: Connection[Any], publisher: Publisher, topics: Topics, ids: Iterable[UUID]
) -> Iterator[ReplayOutcome]:
    """Publishes the dead letters one by one and marks each as replayed once Kafka has acknowledged it.

    `connection` must be in autocommit mode: if an error is raised, those before it stay marked. Waits up to
    PUBLISH_SECONDS for each dead letter.

    Raises:
        PublishFailed: the broker did not acknowledge a dead letter in time.
        psycopg.Error: the database failed.
    """
    for id_ in ids:
        dead_letter = find(connection, id_)
        if dead_letter is None:
            yield ReplayOutcome(id_, "there is no such dead letter")
            continue
        try:
            records = _records(dead_letter, topics)
        except _StillUnreadable as error:
            yield ReplayOutcome(id_, str(error))
            continue
        publisher.publish(records, PUBLISH_SECONDS)
        mark_replayed(connection, id_)
        yield ReplayOutcome(id_)


class _StillUnreadable(Exception):
    """A body that still cannot be replayed. The message says why, without personal data."""


def _records(dead_letter: StoredDeadLetter, topics: Topics) -> list[OutgoingRecord]:
    """Returns the records that replay a dead letter: a poison record unchanged, or the updates of a body.

    Updates that are still unreadable become dead letters of their own, so they do not hold back the rest of the body.
    """
    if dead_letter.row.kind == "dead_letter":
        return [OutgoingRecord(topics.inbound, _key(dead_letter.raw), dead_letter.raw)]
    source = dead_letter.row.source
    reading = _READERS[source](dead_letter.raw, dead_letter.row.received_at)
    if not reading.facts:
        raise _StillUnreadable(f"still unreadable: {'; '.join(part.reason for part in reading.unreadable)}")
    facts = [OutgoingRecord(topics.inbound, partition_key(fact), FACT.dump_json(fact)) for fact in reading.facts]
    if any(len(record.value) > MAX_VALUE_BYTES for record in facts):
        raise _StillUnreadable("still unreadable: an update is too large for a record")
    headers = (SOURCE_HEADER, source.encode())
    return facts + [
        OutgoingRecord(topics.unreadable, None, part.raw, (headers, (REASON_HEADER, part.reason.encode())))
        for part in reading.unreadable
    ]


def _key(value: bytes) -> str | None:
    # The key only saves time: a record without one is processed all the same.
    try:
        return partition_key(FACT.validate_json(value))
    except ValidationError:
        return None


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
