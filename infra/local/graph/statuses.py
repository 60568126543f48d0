"""What happens to an accepted message: the statuses that Meta reports, and how faults change them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.local.graph.checks.refusals import status_error
from infra.local.graph.faults import FaultBoard, FaultSubject
from infra.local.simulator import bodies, subscribers
from infra.local.simulator.bodies import BodyObject, BusinessNumber, SimulatedCustomer

DELAYS = (0.2, 0.5, 2.0)
"""Seconds until sent, delivered and read."""
_TWICE_SECONDS, _REVERSED_SECONDS, _FAILED_SECONDS, _HELD_SECONDS = 0.1, 0.1, 1.0, 5.0
_DROPPED_BY_PACING = 132015
_NOT_ON_WHATSAPP = 131026


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """A message that was accepted. `at`: seconds since 1970. `category`: as in the price. `content`: the object
    of its kind; for a template, the template itself."""

    number: BusinessNumber
    customer: SimulatedCustomer
    wamid: str
    at: float
    callback: str | None
    category: str
    kind: str
    content: Any


@dataclass(frozen=True, slots=True)
class DueStatus:
    """A status and the seconds until it is reported."""

    delay: float
    item: BodyObject


@dataclass(frozen=True, slots=True)
class StatusPlan:
    """`held`: Meta says in its answer that the message waits for the result of pacing. `answer_delay`: seconds by which
    the answer comes after the first statuses."""

    statuses: Sequence[DueStatus]
    held: bool = False
    answer_delay: float = 0.0


def plan_statuses(message: AcceptedMessage, faults: FaultBoard, subject: FaultSubject) -> StatusPlan:
    """Returns the statuses of a message. Subscribers of the demo have habits of their own, unless faults say what
    happens."""
    habits = subscribers.habits_of(subject.to, message.wamid) if message.kind == "template" else None
    if habits is not None and not faults:
        return _habitual(message, habits)
    if not faults:
        return StatusPlan(_usual(message, DELAYS))
    if faults.hit("no-statuses", subject):
        return StatusPlan(())
    delays = faults.hit("status-delays", subject)
    sent, delivered, read = delays.value if delays else DELAYS
    failed = faults.hit("failed-later", subject)
    pacing = faults.hit("pacing", subject) if message.kind == "template" else None
    held_for = 0.0
    if pacing:
        held_for = _HELD_SECONDS if pacing.after is None else pacing.after
        sent, delivered, read = sent + held_for, delivered + held_for, read + held_for
    if pacing and pacing.value == "drop":
        statuses = [_failed(message, held_for, _DROPPED_BY_PACING)]
    elif failed:
        after = _FAILED_SECONDS if failed.after is None else failed.after
        statuses = [_status(message, sent, "sent"), _failed(message, max(sent, held_for + after), failed.value[0])]
    else:
        statuses = _usual(message, (sent, delivered, read))
    early = faults.hit("status-first", subject)
    if early:
        statuses = [DueStatus(0.0 if due.item["status"] != "read" else due.delay, due.item) for due in statuses]
    return StatusPlan(
        _reordered(statuses, faults, subject), held=pacing is not None, answer_delay=early.value if early else 0.0
    )


def _habitual(message: AcceptedMessage, habits: subscribers.SubscriberHabits) -> StatusPlan:
    """Returns the statuses of a message to a subscriber of the demo."""
    if not habits.is_on_whatsapp:
        return StatusPlan([_failed(message, habits.delivered, _NOT_ON_WHATSAPP)])
    later = habits.held_for
    statuses = [
        _status(message, later + habits.sent, "sent"),
        _status(message, later + habits.delivered, "delivered"),
    ]
    if habits.read is not None:
        statuses.append(_status(message, later + habits.read, "read"))
    return StatusPlan(statuses, held=later > 0)


def _reordered(statuses: list[DueStatus], faults: FaultBoard, subject: FaultSubject) -> Sequence[DueStatus]:
    if faults.hit("no-callback", subject):
        for due in statuses:
            due.item.pop("biz_opaque_callback_data", None)
    if faults.hit("statuses-reversed", subject):
        last = statuses[-1].delay
        statuses = [
            DueStatus(last + _REVERSED_SECONDS * place, due.item) for place, due in enumerate(reversed(statuses))
        ]
    if faults.hit("statuses-twice", subject):
        statuses = [each for due in statuses for each in (due, DueStatus(due.delay + _TWICE_SECONDS, due.item))]
    return statuses


def _usual(message: AcceptedMessage, delays: tuple[float, float, float]) -> list[DueStatus]:
    sent, delivered, read = delays
    return [
        _status(message, sent, "sent"),
        _status(message, delivered, "delivered"),
        _status(message, read, "read"),
    ]


def _status(message: AcceptedMessage, delay: float, value: str) -> DueStatus:
    item = bodies.status(message.customer, message.wamid, _time(message.at + delay), value)
    if message.callback is not None:
        item["biz_opaque_callback_data"] = message.callback
    item["pricing"] = {"pricing_model": "PMP", "type": "regular", "category": message.category}
    return DueStatus(delay, item)


def _failed(message: AcceptedMessage, delay: float, code: int) -> DueStatus:
    # Meta's failed statuses were never seen with our callback data.
    item = bodies.status(message.customer, message.wamid, _time(message.at + delay), "failed")
    return DueStatus(delay, {**item, "errors": [status_error(code)]})


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
