"""`POST /{phone_number_id}/messages`: checks, faults, acceptance, and what follows from it."""

import base64
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from infra.local.graph.accounts import BusinessAccounts, digits_of
from infra.local.graph.checks.messages import PostedMessage, ReadReceipt, read_post
from infra.local.graph.checks.refusals import GraphRefusal
from infra.local.graph.customers import REPLY_SECONDS, reply_to
from infra.local.graph.faults import FaultBoard, FaultSubject, recipient_key
from infra.local.graph.ledger import AcceptedLedger
from infra.local.graph.media import MediaStore
from infra.local.graph.outlet import NumberUpdate, WebhookOutlet
from infra.local.graph.statuses import AcceptedMessage, StatusPlan, plan_statuses
from infra.local.graph.templates import TemplateStore
from infra.local.simulator.bodies import SimulatedCustomer

_DAY_SECONDS = 86_400
_WAMID_START = secrets.token_bytes(10)


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """An answer, sent after `delay` seconds; with `dropped`, the connection is closed instead."""

    content: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    delay: float = 0.0
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class GraphState:
    """Everything that the stand-in knows, in memory."""

    accounts: BusinessAccounts
    templates: TemplateStore
    media: MediaStore
    faults: FaultBoard
    ledger: AcceptedLedger


class MessageSends:
    """Accepts messages, or refuses them like Meta."""

    def __init__(self, state: GraphState, outlet: WebhookOutlet) -> None:
        self._state = state
        self._faults = state.faults
        self._outlet = outlet
        self._count = 0
        self._seconds: dict[str, tuple[int, int]] = {}
        """Messages in the current second, by number."""
        self._people: OrderedDict[str, float] = OrderedDict()
        """When the people of the last 24 hours got their latest template, oldest first; counted while limited."""

    def post(self, number_id: str, raw: bytes, now: float) -> GraphAnswer:
        """Answers a post. `now`: seconds since 1970. Raises GraphRefusal."""
        number = self._state.accounts.number(number_id)
        body = _json(raw)
        posted = read_post(body, digits_of(number), self._state.media.check)
        if isinstance(posted, ReadReceipt):
            self._state.ledger.note_receipt(now, number_id, body)
            return GraphAnswer(b'{"success":true}')
        template = posted.template[0] if posted.template else None
        subject = FaultSubject(number_id, recipient_key(posted.recipient.given), template)
        if self._faults and (early := self._before(subject, now)) is not None:
            return early
        definition = self._definition(posted)
        if self._faults and definition is not None:
            self._limit_people(subject, now)
        return self._accept(number_id, body, posted, definition, subject, now)

    def _before(self, subject: FaultSubject, now: float) -> GraphAnswer | None:
        """Returns the answer of a fault that prevents the acceptance. Raises GraphRefusal for one that is an error."""
        hit = self._faults.hit
        hit("pause", subject)
        if hit("drop-request", subject):
            return GraphAnswer(dropped=True)
        if hit("token-expired", subject):
            raise expired_token()
        if rule := hit("error-before", subject):
            return _server_error(rule.value)
        if rule := hit("error", subject):
            code, status = rule.value
            raise GraphRefusal(code, "A fault of the stand-in.", status=status)
        if rule := hit("template-paused", subject):
            raise GraphRefusal(132015, f"template ({rule.value}) is paused")
        if rule := hit("throughput", subject):
            self._limit_throughput(subject.number, rule.value, now)
        return None

    def _definition(self, posted: PostedMessage) -> dict[str, Any] | None:
        if posted.template is None:
            return None
        return self._state.templates.sendable(*posted.template, posted.content.get("components") or [])

    def _accept(
        self,
        number_id: str,
        body: object,
        posted: PostedMessage,
        definition: dict[str, Any] | None,
        subject: FaultSubject,
        now: float,
    ) -> GraphAnswer:
        wamid, to = self._next_wamid(), posted.recipient
        customer = SimulatedCustomer("", to.wa_id, to.user_id)
        if self._faults and to.wa_id and (rule := self._faults.hit("other-wa-id", subject)):
            customer = replace(customer, wa_id=rule.value or f"{to.wa_id[:4]}9{to.wa_id[4:]}")
        self._state.ledger.accept(
            callback=posted.callback, to=to.given, wamid=wamid, at=now, number=number_id, body=body
        )
        message = AcceptedMessage(
            self._state.accounts.number(number_id),
            customer,
            wamid,
            now,
            posted.callback,
            definition["category"].lower() if definition else "service",
            posted.kind,
            definition or posted.content,
        )
        plan = self._follow_up(message, subject)
        contact = {"input": to.given, "wa_id": customer.wa_id or ""}
        if to.user_id is not None:
            contact["user_id"] = to.user_id
        answered: dict[str, str] = {"id": wamid}
        if definition is not None:
            answered["message_status"] = "held_for_quality_assessment" if plan.held else "accepted"
        content = json.dumps({"messaging_product": "whatsapp", "contacts": [contact], "messages": [answered]}).encode()
        answer = GraphAnswer(content, delay=plan.answer_delay)
        return self._after(answer, subject) if self._faults else answer

    def _follow_up(self, message: AcceptedMessage, subject: FaultSubject) -> StatusPlan:
        """Plans what is reported about a message."""
        plan = plan_statuses(message, self._faults, subject)
        for due in plan.statuses:
            self._outlet.put(NumberUpdate(subject.number, due.item), due.delay)
        if self._faults and (rule := self._faults.hit("replies", subject)):
            last = max((due.delay for due in plan.statuses), default=0.0)
            delay = last + (REPLY_SECONDS if rule.after is None else rule.after)
            answer = reply_to(message, rule.value, message.at + delay)
            self._outlet.put(NumberUpdate(subject.number, answer, message.customer), delay)
        return plan

    def _after(self, answer: GraphAnswer, subject: FaultSubject) -> GraphAnswer:
        """Returns the answer as faults change it, after the message was accepted."""
        hit = self._faults.hit
        if rule := hit("late-answer", subject):
            answer = replace(answer, delay=rule.value)
        if hit("drop-answer", subject):
            return replace(answer, dropped=True)
        if rule := hit("error-after", subject):
            return replace(_server_error(rule.value), delay=answer.delay)
        if hit("unreadable-answer", subject):
            return replace(answer, content=b'{"messages": [{"id": "wam')
        return answer

    def _limit_throughput(self, number: str, most: int, now: float) -> None:
        second, sent = self._seconds.get(number, (0, 0))
        sent = sent + 1 if second == int(now) else 1
        self._seconds[number] = (int(now), sent)
        if sent > most:
            raise GraphRefusal(130429, "Cloud API message throughput has been reached.")

    def _limit_people(self, subject: FaultSubject, now: float) -> None:
        rule = self._faults.state("people")
        if rule is None:
            return
        while self._people and next(iter(self._people.values())) <= now - _DAY_SECONDS:
            self._people.popitem(last=False)
        if subject.to not in self._people and len(self._people) >= rule.value:
            raise GraphRefusal(131048, "The limit of people in 24 hours has been reached.")
        self._people[subject.to] = now
        self._people.move_to_end(subject.to)

    def _next_wamid(self) -> str:
        self._count += 1
        return f"wamid.{base64.b64encode(_WAMID_START + self._count.to_bytes(8, 'big')).decode()}"


def expired_token() -> GraphRefusal:
    """Returns the error for a token that is no longer valid."""
    return GraphRefusal(190, "Error validating access token: Session has expired.", subcode=463)


def _server_error(status: int) -> GraphAnswer:
    return GraphAnswer(GraphRefusal(131000, "A fault of the stand-in.", status=status).body(), status)


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise GraphRefusal(100, "The request body is not valid JSON.") from None
