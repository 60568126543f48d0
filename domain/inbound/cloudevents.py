"""Reads CloudEvents 1.0 in JSON, one or a batch, as Softbot and the agent desktop send them (interface.md, *HTTP in*).

A body with an invalid event is rejected as a whole. The problems are named, so that the sender can fix them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from domain.arrival import arrival
from domain.facts import Fact
from domain.ids import bounded_id, fact_id
from domain.inbound.json_body import InvalidJson, Json, identifier, parse
from domain.inbound.problems import EventProblem, InvalidEvents
from domain.inbound.reading import DESKTOP_TOLERANCE, clamp
from domain.outside_names import is_phone_number_id, trimmed
from domain.phone_numbers import is_user_id, read_phone, split_ids

MAX_PROBLEMS = 20
"""How many problems of one body are reported: the answer to three megabytes of invalid events must not be larger."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")

_Filled = Annotated[str, StringConstraints(pattern=r"\S")]


def _id(value: str) -> str:
    name = trimmed(value)
    if not name:
        raise PydanticCustomError("string_pattern_mismatch", "must not be empty")
    return bounded_id(name)


Id = Annotated[_Filled, AfterValidator(_id)]
"""An external id without invisible characters and without blanks around it, shortened if it is too long for a database
index."""


def _phone_number_id(value: str) -> str:
    if not is_phone_number_id(value):
        raise PydanticCustomError("phone_number_id", "must be the phone number id that Meta shows, not a phone")
    return value


MAX_TEXT = 65_536
"""Longest text of an event, in characters: 16 times what WhatsApp lets people write."""

EventText = Annotated[str, AfterValidator(lambda text: text[:MAX_TEXT])]
"""A text that people read. What is longer is cut, as texts of customers are."""

NumberId = Annotated[Id, AfterValidator(_phone_number_id)]
"""The id of a business number."""


def _phone(value: str) -> str:
    phone = read_phone(value)
    if phone is None and not is_user_id(value):
        raise PydanticCustomError("phone", "must be a phone with its country code, e.g. +39 333 1234567")
    return phone or value


def _user_id(value: str) -> str:
    if not is_user_id(value):
        raise PydanticCustomError("user_id", "must be a user id as Meta writes it, e.g. IT.1349")
    return value


def _group_id(value: str) -> str:
    if not (group := value.removesuffix("@g.us")):
        raise PydanticCustomError("group_id", "must be the group's id")
    return group


class EventData(BaseModel):
    """The `data` of an event. Unknown fields are ignored, because the contract grows by adding fields."""

    model_config = ConfigDict(extra="ignore")


class _Ids(EventData):
    wa_id: Annotated[Id, AfterValidator(_phone)] | None = None
    user_id: Annotated[Id, AfterValidator(_user_id)] | None = None
    group_id: Annotated[Id, AfterValidator(_group_id)] | None = None


def _require_an_id(customer: _Ids) -> _Ids:
    wa_id, user_id = split_ids(customer.wa_id, customer.user_id)
    if wa_id is None and user_id is None and customer.group_id is None:
        raise PydanticCustomError("unnamed", "needs wa_id, user_id or group_id")
    return _Ids.model_construct(wa_id=wa_id, user_id=user_id, group_id=customer.group_id)


EventCustomer = Annotated[_Ids, AfterValidator(_require_an_id)]
"""The customer that an event is about: a person, or a group."""


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type: the model of its data, and the class of the fact that it becomes, which has the same fields."""

    data: type[EventData]
    fact: type[Any]


EventContract = Mapping[str, EventType]
"""The event types that a sender may use, by name."""


def read_events(body: bytes, batch: bool, received_at: datetime, contract: EventContract) -> list[Fact]:
    """Returns the facts of one event, or of a `batch` in its order. Their times are limited by `received_at` (aware
    UTC). Raises InvalidEvents if anything in the body violates the contract."""
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
        outcome = _read(event, received_at, index, contract)
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
    """The attributes of every event. Extension attributes are ignored."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: _Filled
    source: _Filled
    type: _Filled
    time: Annotated[datetime, BeforeValidator(_time)]
    datacontenttype: Annotated[str | None, BeforeValidator(_json)] = None


def _read(event: Json, received_at: datetime, place: int, contract: EventContract) -> Fact | dict[str, str]:
    """Returns the fact of an event, or its problems: field -> message."""
    envelope, problems = _validated(_Event, event)
    name = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(name, str) or "type" in problems:
        return problems
    event_type = contract.get(name)
    if event_type is None:
        return problems | {"type": f"must be one of {', '.join(contract)}"}
    data, data_problems = _validated(event_type.data, event.get("data"), "data")
    if envelope is None or data is None:
        return problems | data_problems
    fact: Fact = event_type.fact(
        id=fact_id("cloudevent", envelope.source, envelope.id),
        sent_at=envelope.time,
        at=clamp(envelope.time, received_at, DESKTOP_TOLERANCE),
        arrival=arrival(received_at, place),
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
    """Returns the path of a field as text, e.g. `data.options[2].title`."""
    joined = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return joined.removeprefix(".") or "event"


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
    """Returns what a valid value would be. Never quotes the invalid one."""
    message = _MESSAGES.get(detail["type"])
    return message.format(**detail.get("ctx", {})) if message else detail["msg"]
