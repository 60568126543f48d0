"""Logs: JSON on stderr, without personal data and without message content."""

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

from infra.process.logging import PERSONAL, REMOVED, RepeatFilter, configure
from tests.support.own_process import run_python

CANARY = "canary-4915112345678"


class LoggedEvents:
    """The events that were logged since the object was created."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def __call__(self) -> list[dict[str, Any]]:
        """Returns the events, without those that threads of earlier tests still log about their brokers."""
        events = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        elsewhere = ("infra.", "kafka.")
        return [e for e in events if CANARY in json.dumps(e) or not e.get("logger", "").startswith(elsewhere)]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoggedEvents]:
    """The logs of a process after `configure`."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("info")
    yield LoggedEvents(stream)
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def test_an_event_is_one_json_line_with_its_fields(logged: LoggedEvents) -> None:
    """The line has the event, its fields, level, logger and a UTC time."""
    structlog.get_logger("timer").info("window.expired", conversation_id=UUID(int=1), late_seconds=2)

    (event,) = logged()
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "window.expired",
        "conversation_id": "00000000-0000-0000-0000-000000000001",
        "late_seconds": 2,
        "level": "info",
        "logger": "timer",
    }


def test_events_below_the_level_are_not_logged(logged: LoggedEvents) -> None:
    """Neither ours nor those of libraries."""
    structlog.get_logger("x").debug("hidden")
    logging.getLogger("library").debug("hidden")
    assert logged() == []


@pytest.mark.parametrize("field", sorted(PERSONAL))
def test_fields_that_could_be_personal_are_removed(logged: LoggedEvents, field: str) -> None:
    """At any depth. This is a second safeguard: code must not log them at all."""
    structlog.get_logger().info("x", **{"outer": {field: CANARY, "list": [{field: CANARY}]}, field: CANARY})

    (event,) = logged()
    assert CANARY not in json.dumps(event)
    assert event[field] == REMOVED


def test_of_an_object_only_the_type_is_logged(logged: LoggedEvents) -> None:
    """Its text could be a whole message."""

    class Fact:
        def __repr__(self) -> str:
            return CANARY

    structlog.get_logger().info("x", fact=Fact(), facts=[Fact()])
    (event,) = logged()
    assert (event["fact"], event["facts"]) == ("<Fact>", ["<Fact>"])


@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), psycopg.DataError(CANARY)])
def test_an_exception_that_may_quote_a_customer_is_logged_by_type_and_location(
    logged: LoggedEvents, error: Exception
) -> None:
    """Also as the cause of another one, and from a library's logger."""
    for log in (structlog.get_logger("ours").exception, logging.getLogger("library").exception):
        try:
            try:
                raise error
            except Exception as cause:  # as a process does before it logs why it ends
                raise RuntimeError("the batch failed") from cause
        except RuntimeError:
            log("process.failed")

    for event in logged():
        assert CANARY not in json.dumps(event)
        assert "the batch failed" in event["exception"]
        assert f"because of {type(error).__module__}.{type(error).__qualname__}" in event["exception"]
        assert "test_logging.py" in event["exception"]


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(111, "refused"), psycopg.OperationalError("refused"), KafkaConnectionError("refused")],
)
def test_an_exception_about_a_server_is_logged_with_its_message(logged: LoggedEvents, error: Exception) -> None:
    """Operators need to know which server rejected what."""
    structlog.get_logger().warning("database.unreachable", exc_info=error)
    (event,) = logged()
    assert "refused" in event["exception"]


@pytest.mark.parametrize("library", ["kafka.producer.kafka", "botocore.endpoint", "urllib3.connectionpool"])
def test_no_library_logs_what_it_sends(logged: LoggedEvents, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """At its debug level kafka-python logs records, and botocore mails with their recipients: what is no warning of a
    library stays off at any level of ours."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("debug")
    logging.getLogger(library).debug("Sending (value=%r)", CANARY)
    logging.getLogger(library).info("Sent (value=%r)", CANARY)
    structlog.get_logger("x").debug("shown")
    logging.getLogger(library).warning("no answer")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [("x", "shown"), (library, "no answer")] == [
        (each["logger"], each["event"]) for each in events if each["logger"] in ("x", library)
    ]


def test_repeated_messages_of_kafka_python_are_dropped() -> None:
    """An unreachable broker is not logged at every attempt; our own events are always logged."""
    repeats = RepeatFilter(seconds=1000)

    def shows(logger: str, text: str, *arguments: object) -> bool:
        return repeats.filter(logging.LogRecord(logger, logging.ERROR, "", 0, text, arguments, None))

    assert [shows("kafka.conn", "no answer from %s", port) for port in (1, 2, 3)] == [True, False, False]
    assert shows("kafka.conn", "something else")
    assert [shows("ours", "consumer.backing_off") for _ in range(2)] == [True, True]


def test_an_exception_that_ends_a_thread_or_is_lost_is_logged_without_its_message() -> None:
    """In a process of its own: the hooks are those of the whole process."""
    program = (
        "import threading\n"
        "from infra.process import logging\n"
        "logging.configure('info'); logging.log_lost_exceptions()\n"
        f"def fail(): raise ValueError('{CANARY}')\n"
        f"class Lost:\n  def __del__(self): raise KeyError('{CANARY}')\n"
        "thread = threading.Thread(target=fail, name='reader'); thread.start(); thread.join()\n"
        "Lost()\n"
    )
    ended = run_python(program)
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [("thread.failed", "reader"), ("exception.lost", None)] == [
        (each["event"], each.get("thread")) for each in events
    ]
    assert CANARY not in ended.stderr
    assert "ValueError" in events[0]["exception"]


def test_a_record_that_cannot_be_formatted_is_not_printed(logged: LoggedEvents) -> None:
    """The standard library would print the whole record in its error message."""
    (handler,) = (
        handler for handler in logging.getLogger().handlers if type(handler).__module__ == "infra.process.logging"
    )
    handler.handle(logging.LogRecord("library", logging.ERROR, "", 0, "%d", (CANARY,), None))
    assert logged() == [{"event": "logging.failed", "level": "error", "type": "TypeError"}]
