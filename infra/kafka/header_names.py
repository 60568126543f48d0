"""Makes kafka-python read header names that are not UTF-8. Brokers accept such names from any writer, and kafka-python
3.0.12 cannot get past them: the first poll raises CorruptRecordError, the next one never returns."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint


def accept_invalid_header_names(consumer: Any) -> None:
    """Makes a KafkaConsumer read each non-ASCII byte of a header name that is not UTF-8 as `?`. The record is otherwise
    unchanged."""
    consumer._fetcher.PartitionRecords = _PartitionRecords


class _PartitionRecords(Fetcher.PartitionRecords):
    def _unpack_records(self, partition: Any, records: Any, *deserializers: Any) -> Iterator[Any]:
        unpacked: Iterator[Any] = super()._unpack_records(partition, _Batches(records), *deserializers)  # type: ignore[no-untyped-call]
        return unpacked


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

    def _read_msg(self, *args: Any) -> Any:
        try:
            return super()._read_msg(*args)  # type: ignore[no-untyped-call]
        except UnicodeDecodeError:
            self._replace_header_names()
            return super()._read_msg(*args)  # type: ignore[no-untyped-call]

    def _replace_header_names(self) -> None:
        """Overwrites the header names of the next record in the buffer. Lengths do not change."""
        buffer, varint = self._buffer, partial(decode_varint, self._buffer)
        at: int = self._pos
        for _ in ("length", "attributes", "time", "offset"):
            _, at = varint(at)
        for _ in ("key", "value"):
            size, at = varint(at)
            at += max(0, size)
        headers, at = varint(at)
        for _ in range(headers):
            size, at = varint(at)
            buffer[at : at + size] = bytes(byte if byte < 128 else ord("?") for byte in buffer[at : at + size])
            size, at = varint(at + size)
            at += max(0, size)
