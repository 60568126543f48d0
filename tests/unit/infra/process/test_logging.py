"""Logs: JSON on stderr, and nothing in them that tells who a customer is or what was said."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import structlog
from kafka.errors import KafkaConnectionError

from infra.process.logging import PERSONAL, REMOVED, Repeats, configure

CANARY = "canary-4915112345678"


class Told:
    """The events that were logged since it was made."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def __call__(self) -> list[dict[str, Any]]:
        """Without what a thread of an earlier test still says of its broker."""
        events = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        elsewhere = ("infra.", "kafka.")
        return [e for e in events if CANARY in json.dumps(e) or not e.get("logger", "").startswith(elsewhere)]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """What a process says after it configured its logs."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("info")
    yield Told(stream)
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def test_an_event_is_one_json_line_with_its_fields(told: Told) -> None:
    """Event, fields, level, logger and UTC time."""
    structlog.get_logger("timer").info("window.expired", conversation_id=UUID(int=1), late_seconds=2)

    (event,) = told()
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "window.expired",
        "conversation_id": "00000000-0000-0000-0000-000000000001",
        "late_seconds": 2,
        "level": "info",
        "logger": "timer",
    }


def test_what_is_below_the_level_does_not_show(told: Told) -> None:
    """Ours and that of libraries."""
    structlog.get_logger("x").debug("hidden")
    logging.getLogger("library").debug("hidden")
    assert told() == []


@pytest.mark.parametrize("field", sorted(PERSONAL))
def test_fields_that_could_be_personal_are_removed(told: Told, field: str) -> None:
    """At any depth: the second net below the rule that nobody logs them."""
    structlog.get_logger().info("x", **{"outer": {field: CANARY, "list": [{field: CANARY}]}, field: CANARY})

    (event,) = told()
    assert CANARY not in json.dumps(event)
    assert event[field] == REMOVED


def test_an_object_shows_only_its_type(told: Told) -> None:
    """Its text could be a whole message."""

    class Fact:
        def __repr__(self) -> str:
            return CANARY

    structlog.get_logger().info("x", fact=Fact(), facts=[Fact()])
    (event,) = told()
    assert (event["fact"], event["facts"]) == ("<Fact>", ["<Fact>"])


@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), psycopg.DataError(CANARY)])
def test_an_exception_that_may_quote_a_customer_shows_its_kind_and_place(told: Told, error: Exception) -> None:
    """Also as the cause of another one, and from a library's logger."""
    for log in (structlog.get_logger("ours").exception, logging.getLogger("library").exception):
        try:
            try:
                raise error
            except Exception as cause:  # what a process does before it says why it ends
                raise RuntimeError("the batch failed") from cause
        except RuntimeError:
            log("process.failed")

    for event in told():
        assert CANARY not in json.dumps(event)
        assert "the batch failed" in event["exception"]
        assert f"because of {type(error).__module__}.{type(error).__qualname__}" in event["exception"]
        assert "test_logging.py" in event["exception"]


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(111, "refused"), psycopg.OperationalError("refused"), KafkaConnectionError("refused")],
)
def test_an_exception_about_servers_shows_what_they_said(told: Told, error: Exception) -> None:
    """Whoever runs the system has to know which server refused what."""
    structlog.get_logger().warning("database.away", exc_info=error)
    (event,) = told()
    assert "refused" in event["exception"]


def test_kafka_python_never_logs_records(told: Told) -> None:
    """At its debug level it logs keys, values and headers: that level stays off whatever ours is."""
    configure("debug")
    logging.getLogger("kafka.producer.kafka").debug("Sending (value=%r)", CANARY)
    assert told() == []


def test_kafka_python_repeats_itself_once_in_a_while() -> None:
    """A broker that is away is not worth a line for every attempt; our own events always are."""
    repeats = Repeats(seconds=1000)

    def shows(logger: str, text: str, *arguments: object) -> bool:
        return repeats.filter(logging.LogRecord(logger, logging.ERROR, "", 0, text, arguments, None))

    assert [shows("kafka.conn", "no answer from %s", port) for port in (1, 2, 3)] == [True, False, False]
    assert shows("kafka.conn", "something else")
    assert [shows("ours", "consumer.resting") for _ in range(2)] == [True, True]


def test_a_log_line_that_cannot_be_written_shows_nothing_of_itself(told: Told) -> None:
    """The standard library would print the whole record in its complaint."""
    (handler,) = (
        handler for handler in logging.getLogger().handlers if type(handler).__module__ == "infra.process.logging"
    )
    handler.handle(logging.LogRecord("library", logging.ERROR, "", 0, "%d", (CANARY,), None))
    assert told() == [{"event": "logging.failed", "level": "error", "type": "TypeError"}]
