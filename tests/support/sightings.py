"""What the webhook publishes: the updates of bodies, and what it tells of besides."""

import json

from domain.ports import OutgoingRecord
from domain.setup.sightings import WEBHOOK_NOTICE
from tests.support.fake_publisher import FakePublisher


def told(publisher: FakePublisher) -> list[str]:
    """Returns the events that the webhook told, in order."""
    values = [json.loads(record.value) for record in publisher.records if _is_notice(record)]
    return [value["body"]["event"] for value in values]


def updates(publisher: FakePublisher) -> list[OutgoingRecord]:
    """Returns the records of updates."""
    return [record for record in publisher.records if not _is_notice(record)]


def _is_notice(record: OutgoingRecord) -> bool:
    return f'"field":"{WEBHOOK_NOTICE}"'.encode() in record.value
