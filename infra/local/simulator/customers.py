"""The customers of the demo at work: they write what `visits` says, and answer what the shop sends them."""

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from infra.local.graph.templates import first_quick_reply
from infra.local.simulator import bodies, subscribers
from infra.local.simulator.bodies import BodyObject, BusinessNumber, SimulatedCustomer, WebhookPost
from infra.local.simulator.customer_files import PHOTO, VOICE, Uploader, sent_file
from infra.local.simulator.visits import SLOT, Line, Seat, slot_at, visits

_ANSWERS_AFTER = timedelta(seconds=6)
_ANSWERS = {
    "template": (
        "Yes please, tell me more. I still have a question",
        "Sì grazie, ditemi di più. Avrei ancora una domanda",
    ),
    "first": ("Thank you for answering! That helps a lot", "Grazie della risposta! Mi è molto utile"),
    "second": ("Perfect, that is all. Bye!", "Perfetto, è tutto. A presto!"),
}
"""What customers answer to a template, to a first and to a second message: in English and in Italian."""
_AGAIN_AFTER = timedelta(minutes=10)
"""After two answers, a customer answers nothing but templates for this long, unless they write by themselves."""
_UNANSWERED = {"reaction"}
CAMPAIGN_TEMPLATES = (("autumn_check", "en"), ("autumn_check", "it"))
"""Templates that are for campaigns alone."""


_CAMPAIGN_FROM = 10
"""More templates than this within a minute are a campaign, which few people answer."""
_CAMPAIGN_WITHIN = timedelta(minutes=1)
_CHOOSES_AFTER = timedelta(seconds=12)
_TO_CAMPAIGN = (
    "How much is it for two bikes? And do I have to leave them with you?",
    "Quanto costa per due bici? E devo lasciarvele?",
)


class ReceivedMessage(NamedTuple):
    """What the Graph API accepted for a customer. `to`: digits of the phone, or the user id; `kind`: as in its API;
    `template`: name and language."""

    phone_number_id: str
    to: str
    wamid: str
    kind: str
    template: tuple[str, str] | None = None


@dataclass(slots=True)
class _Answering:
    """How often a customer has answered since `since`."""

    since: datetime
    times: int = 0


@dataclass(order=True, slots=True)
class _Planned:
    """A message that a customer writes at `due`. `kind`: text, button, photo or voice; `quoted`: the message it
    answers."""

    due: datetime
    at: datetime
    wamid: str
    line: BusinessNumber = field(compare=False)
    customer: SimulatedCustomer = field(compare=False)
    kind: str = field(compare=False)
    text: str = field(compare=False)
    quoted: str | None = field(compare=False, default=None)


class ShopCustomers:
    """The customers. `deliver` posts to a webhook; `upload` brings a file to the Graph API for a number and returns its
    id. `known`: who answers, by phone or user id; others never do. `numbers`: the demo's."""

    def __init__(
        self,
        deliver: Callable[[WebhookPost], None],
        upload: Uploader,
        known: Mapping[str, SimulatedCustomer],
        numbers: Sequence[BusinessNumber],
    ) -> None:
        self._deliver = deliver
        self._upload = upload
        self._known = known
        self._numbers = {number.phone_number_id: number for number in numbers}
        self._shop = numbers[0]
        self._slot: int | None = None
        self._planned: list[_Planned] = []
        self._answering: dict[str, _Answering] = {}
        self._templates_at: list[datetime] = []

    def begin_slot(self, now: datetime, waiting: Collection[str], seats: Sequence[Seat]) -> None:
        """Plans the visits of the slot, once. See `visits`."""
        slot = slot_at(now)
        if slot == self._slot:
            return
        self._slot = slot
        begins = datetime.fromtimestamp(slot * SLOT.total_seconds(), now.tzinfo)
        for visit in visits(slot, waiting, seats):
            self._answering.pop(str(visit.customer.wa_id), None)
            for place, line in enumerate(visit.lines):
                wamid = _wamid(str(slot), str(visit.customer.wa_id), str(place))
                self._plan(begins, line, wamid, visit.customer)

    def get(self, received: Sequence[ReceivedMessage], now: datetime) -> None:
        """The customers read what they were sent, and will answer some of it."""
        for message in received:
            customer, line = self._known.get(message.to), self._numbers.get(message.phone_number_id)
            if customer is None or line is None or message.kind in _UNANSWERED:
                continue
            if message.kind == "template" and self._is_of_campaign(message, now):
                self._react(message, customer, line, now)
                continue
            answer = self._answer(message, now)
            if answer is not None:
                text = _ANSWERS[answer][_is_italian(customer)]
                due = now + _ANSWERS_AFTER
                wamid = _wamid("answer", message.wamid)
                self._planned.append(_Planned(due, due, wamid, line, customer, "text", text, message.wamid))

    def _is_of_campaign(self, message: ReceivedMessage, now: datetime) -> bool:
        self._templates_at = [at for at in self._templates_at if now - at < _CAMPAIGN_WITHIN] + [now]
        return message.template in CAMPAIGN_TEMPLATES or len(self._templates_at) > _CAMPAIGN_FROM

    def _react(
        self, message: ReceivedMessage, customer: SimulatedCustomer, line: BusinessNumber, now: datetime
    ) -> None:
        """A few answer a campaign: by its button, in words, or to get no more of them."""
        reaction = subscribers.reaction_to(message.to, message.wamid)
        if reaction is None:
            return
        button = first_quick_reply(*message.template) if message.template else None
        kind, text = "text", _TO_CAMPAIGN[_is_italian(customer)]
        if reaction == "stop":
            text = "STOP"
        elif reaction == "button" and button is not None:
            kind, text = "button", button
        due = now + timedelta(seconds=subscribers.seconds_until_reaction(message.to, message.wamid))
        wamid = _wamid("answer", message.wamid)
        self._planned.append(_Planned(due, due, wamid, line, customer, kind, text, message.wamid))
        if kind == "button" and subscribers.chooses_then(message.to, message.wamid):
            then = due + _CHOOSES_AFTER
            self._planned.append(_Planned(then, then, _wamid("choice", message.wamid), line, customer, "text", "1"))

    def step(self, now: datetime) -> None:
        """Delivers what is due. Raises the errors of `deliver` and `upload`; what was due is then not tried again."""
        due = sorted(each for each in self._planned if each.due <= now)
        self._planned = [each for each in self._planned if each.due > now]
        for each in due:
            kind, content = self._content(each)
            item = bodies.message(each.customer, each.wamid, each.at, kind, **content)
            self._deliver(bodies.from_meta(each.line, messages=[item], senders=[each.customer]))

    def _plan(self, begins: datetime, line: Line, wamid: str, customer: SimulatedCustomer) -> None:
        at = begins + line.after
        self._planned.append(_Planned(max(at, begins), at, wamid, self._shop, customer, line.kind, line.text))

    def _answer(self, message: ReceivedMessage, now: datetime) -> str | None:
        if message.kind == "template":
            return "template"
        known = self._answering.get(message.to)
        if known is None or now - known.since >= _AGAIN_AFTER:
            known = self._answering[message.to] = _Answering(now)
        known.times += 1
        return {1: "first", 2: "second"}.get(known.times)

    def _content(self, planned: _Planned) -> tuple[str, BodyObject]:
        quoted = {} if planned.quoted is None else {"context": {"id": planned.quoted}}
        if planned.kind == "button":
            return "button", {"button": {"payload": planned.text, "text": planned.text}, **quoted}
        if planned.kind == "text":
            return "text", {"text": {"body": planned.text}, **quoted}
        file = PHOTO if planned.kind == "photo" else VOICE
        sent = sent_file(file, self._upload(planned.line.phone_number_id, file))
        if planned.kind == "photo":
            return "image", {"image": {**sent, "caption": planned.text}}
        return "audio", {"audio": {**sent, "voice": True}}


def _is_italian(customer: SimulatedCustomer) -> bool:
    return bool(customer.wa_id and customer.wa_id.startswith("39"))


def _wamid(*parts: str) -> str:
    """Returns an id that is the same for the same parts, so that a message that is sent again is a repeat."""
    return "wamid." + base64.b64encode(hashlib.sha256(":".join(("shop", *parts)).encode()).digest()).decode()
