"""Names of headers that are no UTF-8. Brokers take them, whoever may write to a topic can send one, and kafka-python
3.0.12 never gets past it: the first poll raises CorruptRecordError, the next does not return any more."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint


def accept_invalid_header_names(consumer: Any) -> None:
    """From now on a KafkaConsumer reads each byte of such a name as `?`; its record is like any other."""
    consumer._fetcher.PartitionRecords = _PartitionRecords


class _PartitionRecords(Fetcher.PartitionRecords):
    def _unpack_records(self, partition: Any, records: Any, *deserializers: Any) -> Iterator[Any]:
        found: Iterator[Any] = super()._unpack_records(partition, _Batches(records), *deserializers)  # type: ignore[no-untyped-call]
        return found


class _Batches:
    def __init__(self, records: Any) -> None:
        self._records = records

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        if isinstance(batch, DefaultRecordBatch):
            batch.__class__ = _Batch
        return batch


class _Batch(DefaultRecordBatch):
    __slots__ = ()

    def _read_msg(self, *given: Any) -> Any:
        try:
            return super()._read_msg(*given)  # type: ignore[no-untyped-call]
        except UnicodeDecodeError:
            self._make_readable()
            return super()._read_msg(*given)  # type: ignore[no-untyped-call]

    def _make_readable(self) -> None:
        """Of the record that is next, in place: the lengths stay."""
        buffer, number = self._buffer, partial(decode_varint, self._buffer)
        at: int = self._pos
        for _ in ("length", "attributes", "time", "offset"):
            _, at = number(at)
        for _ in ("key", "value"):
            size, at = number(at)
            at += max(0, size)
        headers, at = number(at)
        for _ in range(headers):
            size, at = number(at)
            buffer[at : at + size] = bytes(byte if byte < 128 else ord("?") for byte in buffer[at : at + size])
            size, at = number(at + size)
            at += max(0, size)
