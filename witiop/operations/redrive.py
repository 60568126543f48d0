"""Sends what was set aside through again, after its cause was cured (P4): at least once, as every hop; the consumers
tell repeats apart."""

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
    """`failure`: why it did not go through, None if it did."""

    id: UUID
    failure: str | None = None


def replay(
    connection: Connection[Any], publisher: Publisher, topics: Topics, ids: Iterable[UUID]
) -> Iterator[ReplayOutcome]:
    """One after the other, each marked once it was acknowledged. `connection` commits by itself. Raises NotKept when
    the broker does not take it, and psycopg errors; what was done before stays done."""
    for id_ in ids:
        aside = find(connection, id_)
        if aside is None:
            yield ReplayOutcome(id_, "there is nothing of that id")
            continue
        try:
            records = _records(aside, topics)
        except _StillUnreadable as error:
            yield ReplayOutcome(id_, str(error))
            continue
        publisher.publish(records, PUBLISH_SECONDS)
        mark_replayed(connection, id_)
        yield ReplayOutcome(id_)


class _StillUnreadable(Exception):
    """The message says why, in words that hold no personal data."""


def _records(aside: StoredDeadLetter, topics: Topics) -> list[OutgoingRecord]:
    """A dead letter as it was. A body is read again; what of it is still unreadable is set aside anew, alone."""
    if aside.row.kind == "dead_letter":
        return [OutgoingRecord(topics.inbound, _key(aside.raw), aside.raw)]
    source = aside.row.source
    reading = _READERS[source](aside.raw, aside.row.received_at)
    if not reading.facts:
        raise _StillUnreadable(f"still unreadable: {'; '.join(each.reason for each in reading.unreadable)}")
    facts = [OutgoingRecord(topics.inbound, partition_key(fact), FACT.dump_json(fact)) for fact in reading.facts]
    if any(len(record.value) > MAX_VALUE_BYTES for record in facts):
        raise _StillUnreadable("still unreadable: an update larger than a record")
    headers = (SOURCE_HEADER, source.encode())
    return facts + [
        OutgoingRecord(topics.unreadable, None, each.raw, (headers, (REASON_HEADER, each.reason.encode())))
        for each in reading.unreadable
    ]


def _key(value: bytes) -> str | None:
    """For speed only: a record without a key is worked in all the same."""
    try:
        return partition_key(FACT.validate_json(value))
    except ValidationError:
        return None


def _cloud_events(read: Callable[[bytes, bool, datetime], list[Fact]]) -> _Reader:
    """The media type is gone by now, but a batch is an array and a single event is none."""

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
"""By source, as the webhooks name it on the unreadable topic."""
