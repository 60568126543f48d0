"""CloudEvents 1.0 in JSON, one or a batch: what Softbot and the agent desk send (interface.md, HTTP in).

All or nothing: a body with one wrong event is refused whole, its problems named, so that its sender can cure it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from domain.facts import Fact
from domain.ids import bounded_id, fact_id
from domain.inbound.json_body import InvalidJson, Json, identifier, parse
from domain.inbound.problems import EventProblem, InvalidEvents
from domain.inbound.reading import clamp
from domain.phone_numbers import split_ids

MAX_PROBLEMS = 20
"""Problems of one body that are named; three megabytes of wrong events must not be answered with ten."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")

_Filled = Annotated[str, StringConstraints(pattern=r"\S")]
_Id = Annotated[_Filled, AfterValidator(bounded_id)]
"""An id from outside, short enough for an index."""


class EventData(BaseModel):
    """The `data` of an event. Fields nobody knows yet are ignored: the contract grows by adding."""

    model_config = ConfigDict(extra="ignore")


class _Ids(EventData):
    wa_id: _Id | None = None
    user_id: _Id | None = None


def _named(customer: _Ids) -> _Ids:
    wa_id, user_id = split_ids(customer.wa_id, customer.user_id)
    if wa_id is None and user_id is None:
        raise PydanticCustomError("unnamed", "needs wa_id, user_id or both")
    return _Ids(wa_id=wa_id, user_id=user_id)


EventCustomer = Annotated[_Ids, AfterValidator(_named)]
"""Whom an event is about."""


@dataclass(frozen=True, slots=True)
class EventType:
    """What the data of a type of event must hold, and the fact such an event becomes, which has the same fields."""

    data: type[EventData]
    fact: type[Any]


EventContract = Mapping[str, EventType]
"""The types of events a sender may send, by name."""


def read_events(body: bytes, batch: bool, received_at: datetime, contract: EventContract) -> list[Fact]:
    """The facts of one event, or of a `batch`, in its order. `received_at` (aware UTC) bounds their times. Raises
    BadEvents when anything in the body is not as the contract says."""
    try:
        document = parse(body)
    except InvalidJson:
        raise InvalidEvents([EventProblem(None, None, "body", "must be JSON in UTF-8")]) from None
    events = document if batch else [document]
    if not isinstance(events, list):
        raise InvalidEvents([EventProblem(None, None, "body", "must be an array of events")])
    facts: list[Fact] = []
    problems: list[EventProblem] = []
    for index, event in enumerate(events):
        outcome = _read(event, received_at, contract)
        if not isinstance(outcome, dict):
            facts.append(outcome)
            continue
        event_id = identifier(event, "id") if isinstance(event, dict) else None
        problems += [EventProblem(index, event_id, field, message) for field, message in outcome.items()]
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise InvalidEvents(problems[:MAX_PROBLEMS])
    return facts


def _time(value: object) -> datetime:
    if isinstance(value, str) and _RFC_3339.fullmatch(stamp := value.upper()):
        try:
            time = datetime.fromisoformat(stamp).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # the 31st of June, a 25th hour, the year 0
        else:
            if time >= _EPOCH:
                return time
    raise PydanticCustomError(
        "time", "must be a time from 1970 on as RFC 3339 writes it, with its offset: 2026-01-31T12:00:00Z"
    )


def _json(value: object) -> object:
    if not isinstance(value, str) or not value.partition(";")[0].strip().lower().endswith("json"):
        raise PydanticCustomError("media_type", "must be application/json")
    return value


class _Event(BaseModel):
    """The attributes that every event has; extension attributes are ignored."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: _Filled
    source: _Filled
    type: _Filled
    time: Annotated[datetime, BeforeValidator(_time)]
    datacontenttype: Annotated[str | None, BeforeValidator(_json)] = None


def _read(event: Json, received_at: datetime, contract: EventContract) -> Fact | dict[str, str]:
    """The fact of an event, or what is wrong: field -> message."""
    envelope, wrong = _validated(_Event, event)
    name = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(name, str) or "type" in wrong:
        return wrong
    known = contract.get(name)
    if known is None:
        return wrong | {"type": f"must be one of {', '.join(contract)}"}
    data, wrong_data = _validated(known.data, event.get("data"), "data")
    if envelope is None or data is None:
        return wrong | wrong_data
    fact: Fact = known.fact(
        id=fact_id("cloudevent", envelope.source, envelope.id),
        sent_at=envelope.time,
        at=clamp(envelope.time, received_at),
        **data.model_dump(),
    )
    return fact


_Model = TypeVar("_Model", bound=BaseModel)


def _validated(model: type[_Model], value: Json, *path: str) -> tuple[_Model | None, dict[str, str]]:
    try:
        return model.model_validate(value), {}
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, {_field((*path, *detail["loc"])): _message(detail) for detail in details}


def _field(path: tuple[str | int, ...]) -> str:
    """As a sender would write it: `data.options[2].title`."""
    named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return named.removeprefix(".") or "event"


_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be a string",
    "string_pattern_mismatch": "must not be empty",
    "uuid_type": "must be a UUID, as a string",
    "uuid_parsing": "must be a UUID",
    "tuple_type": "must be an array",
    "model_type": "must be an object",
    "literal_error": "must be {expected}",
}


def _message(detail: ErrorDetails) -> str:
    """What would be right, never what was there."""
    message = _MESSAGES.get(detail["type"])
    return message.format(**detail.get("ctx", {})) if message else detail["msg"]
