"""Structured logs: JSON on stderr, one event a line, UTC, and nothing that tells who a customer is or what was said.

Events are named in the code (`"window.expired"`) with fields beside them. No one logs personal data on purpose; the
censor here is the second net, and messages of exceptions appear only of kinds that cannot quote what a customer wrote.
"""

import contextlib
import json
import logging
import sys
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
"""Names of fields that could hold who a customer is, what was said, or a secret."""

REMOVED = "[removed]"

_KINDS = """
    OSError KafkaError OperationalError ProgrammingError
    AttributeError NameError ImportError TypeError AssertionError RuntimeError
"""
_SPEAKS_OF_ITSELF = frozenset(_KINDS.split())
"""Exceptions whose first line names servers and code; that of others (ValueError, KeyError) may quote content."""

_LONGEST_CHAIN, _MOST_PLACES = 5, 12

_QUIET = {
    # Below this level kafka-python logs whole records; its warnings repeat at every attempt to connect.
    "kafka": logging.WARNING,
    "kafka.net.selector": logging.ERROR,  # it warns of itself whenever the processor is busy
    "alembic": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "psycopg": logging.WARNING,
    "asyncio": logging.WARNING,
    "urllib3": logging.WARNING,
}


def configure(level: str = "info") -> None:
    """Send the logs of this process, also those of libraries, to stderr; `level` is the least that shows.

    May be called again, in a child process too.
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
    handler.addFilter(Repeats())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelNamesMapping()[level.upper()]))


class _Stderr(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """The standard one would print the record itself; a reader of stderr that went away is no reason to fail."""
        with contextlib.suppress(OSError, ValueError):
            kind = type(sys.exc_info()[1]).__name__
            self.stream.write(json.dumps({"event": "logging.failed", "level": "error", "type": kind}) + "\n")


def censor(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take away the values of fields that could be personal, wherever they are nested."""
    return {name: REMOVED if name in PERSONAL else _censored(value) for name, value in event.items()}


def exceptions_without_content(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by `exception`: types and places of the error and its causes, messages only where safe."""
    given = event.pop("exc_info", None)
    if not given:
        return event
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exc_info()[1]
    told: list[str] = []
    while error is not None and len(told) < _LONGEST_CHAIN:
        told.append(described(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    event["exception"] = "\nbecause of ".join(told)
    return event


def described(error: BaseException) -> str:
    """What may be logged of an exception: its type, SQLSTATE, places, and its first line if that cannot be content."""
    words = [f"{type(error).__module__}.{type(error).__qualname__}"]
    if sqlstate := getattr(error, "sqlstate", None):
        words.append(f"SQLSTATE {sqlstate}")
    if any(kind.__name__ in _SPEAKS_OF_ITSELF for kind in type(error).__mro__):
        words.append(str(error).split("\n", 1)[0][:300])
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_PLACES:]
    places = [f"\n  at {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return ": ".join(words) + "".join(places)


class Repeats(logging.Filter):
    """Lets kafka-python say the same thing once in ten seconds: while a broker is away it does at every attempt."""

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("kafka"):
            return True
        said, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(said, -self._seconds) < self._seconds:
            return False
        if len(self._said) >= 1000:
            self._said.clear()
        self._said[said] = now
        return True


def _censored(value: object) -> object:
    if isinstance(value, dict):
        return {name: REMOVED if name in PERSONAL else _censored(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_censored(each) for each in value]
    return value


def _as_text(value: object) -> str:
    """Fields that JSON does not know; of an object only its type: its text could quote a customer."""
    return str(value) if isinstance(value, UUID | datetime | Path | Enum) else f"<{type(value).__name__}>"
