"""A client of the command topics: publishes commands, also invalid ones, and reads their results."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.commands import Recall, Transfer, new_command, signature, signed
from domain.ports import OutgoingRecord
from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from tests.support.kafka_topics import read_all
from tests.support.system import COMMAND_SECRET
from tests.support.waiting import wait_until


class Commander:
    """A client of one installation's topics. It chooses the ids of its commands."""

    def __init__(self, kafka: str, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics

    def transfer(
        self, id_: str, conversation: UUID | str, kind: str, target: str, mode: str, **more: Any
    ) -> OutgoingRecord:
        """Returns a valid transfer, unless `more` overrides `issuer`, `secret`, `at` or a field of the command."""
        sender = {name: more.pop(name) for name in ("issuer", "secret", "at") if name in more}
        data = {"conversation_id": conversation, "target": {"kind": kind, "id": target}, "mode": mode, **more}
        return self._signed(id_, Transfer.model_validate(data), **sender)

    def recall(self, id_: str, conversation: UUID) -> OutgoingRecord:
        return self._signed(id_, Recall(conversation_id=conversation))

    def raw(self, id_: str, value: bytes) -> OutgoingRecord:
        """Returns a signed recall with these bytes as its value."""
        record = self.recall(id_, UUID(int=0))
        headers = {name: text.decode() for name, text in record.headers}
        headers["witiop_signature"] = signature(COMMAND_SECRET.encode(), headers, value)
        return replace(record, value=value, headers=tuple((name, text.encode()) for name, text in headers.items()))

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Publishes records in this order. Returns once all of them are acknowledged."""
        with closing(KafkaPublisher(KafkaConfig((self._kafka,)), [self._topics.commands])) as publisher:
            wait_until(lambda: not publisher.not_ready_reasons())
            publisher.publish(records, 20)

    def results(self) -> list[dict[str, Any]]:
        """Returns all results so far, each event once: after a crash the relay may publish an event again."""
        return list(dict(self.result_records()).values())

    def result_records(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Returns all records of the results topic with their event ids, including repeats."""
        records = read_all(self._kafka, self._topics.results)
        return [(dict(record.headers)["ce_id"], json.loads(record.value)) for record in records]

    def _signed(
        self,
        id_: str,
        body: Transfer | Recall,
        issuer: str = "boss",
        secret: str = COMMAND_SECRET,
        at: datetime | None = None,
    ) -> OutgoingRecord:
        at = at or datetime.now(UTC)
        command = new_command(body, id_=id_, source="/test", issuer=issuer, at=at, expires_at=at + timedelta(minutes=5))
        return signed(command, self._topics.commands, secret.encode())
