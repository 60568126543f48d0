"""Structured logs: JSON on stderr, one event per line, times in UTC, without personal data and without message content.

An event has a fixed name (e.g. `"window.expired"`) and fields. Code must not log personal data; `censor` is a second
safeguard. The message of an exception is logged only if exceptions of its type cannot quote what a customer wrote.
"""

import contextlib
import json
import logging
import sys
import threading
import time
import traceback
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, WrappedLogger

_FIELDS = """
    address addresses authorization body challenge contact contacts customer customer_name data detail display_name
    dsn email from headers key last_text mail message messages name names parameters password payload phone profile
    raw recipient secret secrets signature subject text title to token transcript url user_id username value wa_id
"""
PERSONAL = frozenset(_FIELDS.split())
"""Names of fields that could hold personal data, message content or a secret."""

REMOVED = "[removed]"

_SAFE_TYPES = """
    OSError KafkaError OperationalError ProgrammingError
    AttributeError NameError ImportError TypeError AssertionError RuntimeError
"""
_SAFE_MESSAGES = frozenset(_SAFE_TYPES.split())
"""Exceptions whose first line names only servers and code. Others, e.g. ValueError and KeyError, may quote content."""

_MAX_CAUSES, _MAX_FRAMES = 5, 12

_OF_LIBRARIES = logging.WARNING
"""The level of libraries, whatever ours is. Below it kafka-python logs whole records, and botocore whole mails."""
_LEAST_LEVELS = {
    "kafka.net.selector": logging.ERROR,  # logs a warning about its own slowness whenever the processor is busy
}


def configure(level: str = "info") -> None:
    """Sends the logs of this process to stderr, from `level` upwards, and warnings and errors of its libraries.

    May be called again, also in a child process.
    """
    ours: list[structlog.typing.Processor] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_logger_name]
    both: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exceptions_without_content,
        censor,
    ]
    structlog.configure(
        processors=[*ours, *both, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = _Stderr(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *both],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=_as_text, ensure_ascii=True),
            ],
        )
    )
    handler.addFilter(_is_ours_or_a_warning)
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in _LEAST_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelNamesMapping()[level.upper()]))


def _is_ours_or_a_warning(record: logging.LogRecord) -> bool:
    """Whether a record is logged: what structlog hands over is the dictionary of an event."""
    return isinstance(record.msg, dict) or record.levelno >= _OF_LIBRARIES


def log_lost_exceptions() -> None:
    """Logs exceptions that end a thread, or that nobody can catch, as `configure` says. Python would print them with
    their messages."""
    threading.excepthook = _log_end_of_thread
    sys.unraisablehook = lambda lost: _log_lost("exception.lost", lost.exc_value)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if not isinstance(ended.exc_value, SystemExit):
        _log_lost("thread.failed", ended.exc_value, thread=ended.thread.name if ended.thread is not None else None)


def _log_lost(event: str, error: BaseException | None, **fields: str | None) -> None:
    structlog.get_logger("process").error(event, exc_info=error, **fields)


class _Stderr(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Reports the failure without the record, which the standard handler would print. Does not fail if stderr is
        closed."""
        with contextlib.suppress(OSError, ValueError):
            kind = type(sys.exc_info()[1]).__name__
            self.stream.write(json.dumps({"event": "logging.failed", "level": "error", "type": kind}) + "\n")


def censor(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces the values of fields that could be personal, at any depth."""
    return {name: REMOVED if name in PERSONAL else _censored(value) for name, value in event.items()}


def exceptions_without_content(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces `exc_info` by `exception`: types and code locations of the error and its causes, and safe messages."""
    exc_info = event.pop("exc_info", None)
    if not exc_info:
        return event
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    else:
        error = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1]
    descriptions: list[str] = []
    while error is not None and len(descriptions) < _MAX_CAUSES:
        descriptions.append(describe_exception(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    event["exception"] = "\nbecause of ".join(descriptions)
    return event


def describe_exception(error: BaseException) -> str:
    """Returns the parts of an exception that may be logged: its type, SQLSTATE and code locations, and the first line
    of its message if that cannot quote content."""
    parts = [f"{type(error).__module__}.{type(error).__qualname__}"]
    if sqlstate := getattr(error, "sqlstate", None):
        parts.append(f"SQLSTATE {sqlstate}")
    if any(kind.__name__ in _SAFE_MESSAGES for kind in type(error).__mro__):
        parts.append(str(error).split("\n", 1)[0][:300])
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    locations = [f"\n  at {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return ": ".join(parts) + "".join(locations)


class RepeatFilter(logging.Filter):
    """Drops repeated messages of kafka-python within ten seconds. While a broker is unreachable, kafka-python logs the
    same message at every attempt to connect."""

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._logged_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if not record.name.startswith("kafka"):
            return True
        message, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._logged_at.get(message, -self._seconds) < self._seconds:
            return False
        if len(self._logged_at) >= 1000:
            self._logged_at.clear()
        self._logged_at[message] = now
        return True


def _censored(value: object) -> object:
    if isinstance(value, dict):
        return {name: REMOVED if name in PERSONAL else _censored(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_censored(each) for each in value]
    return value


def _as_text(value: object) -> str:
    """Renders a value that JSON does not support. Of most objects it shows only the type: their text could quote a
    customer."""
    return str(value) if isinstance(value, UUID | datetime | Path | Enum) else f"<{type(value).__name__}>"
