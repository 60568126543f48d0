"""The directory and the stories from which `benchmarks.setup.world` is generated.

Ten numbers: four with a menu, two with a menu and opening hours, two with neither, two with a Softbot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from domain.directory import Directory, Number, Opening, Skillset
from domain.facts import AgentMessage, BotHandoff, BotSessionEnded, CustomerTurn, Fact, MessageStatus, Party
from domain.ids import fact_id

NUMBERS = range(10)
_WITH_HOURS, _PLAIN, _BOT = range(4, 6), range(6, 8), range(8, 10)

GREETING = "Good morning, I would like to know when my order will arrive"

NAME = "Maria Rossi"


def number_id(place: int) -> str:
    """Returns the `phone_number_id` of one of the ten numbers."""
    return f"10654035224292{place}"


def _number(place: int) -> Number:
    return Number(
        number_id(place),
        name=f"Number {place}",
        softbot=place in _BOT,
        menu={} if place in _PLAIN or place in _BOT else {"1": "sales", "2": "support"},
        hours={"mon": (Opening(time(9), time(18)),)} if place in _WITH_HOURS else None,
    )


DIRECTORY = Directory(
    numbers={number_id(place): _number(place) for place in NUMBERS},
    skillsets={"sales": Skillset("sales", "Sales"), "support": Skillset("support", "Support")},
)


@dataclass(frozen=True, slots=True)
class BenchStory:
    """A customer's conversation: two facts that are half an hour apart, and further facts.

    `weight` is the number of conversations like this one among twenty of the number.
    """

    weight: int
    customer: str
    facts: tuple[Fact, ...]


def stories(place: int, begin: datetime, active: bool) -> list[BenchStory]:
    """Returns the stories of a number, which begin at this time. Half of the conversations are managed by an agent."""
    tell = _Teller(number_id(place), begin)
    if place in _PLAIN:
        return [tell.managed(10), tell.unanswered(10)]
    if place in _BOT and active:
        return [tell.managed(10), tell.handed_off(5), tell.unanswered(5)]
    if place in _BOT:
        return [tell.managed(10), tell.bot_closed(6), tell.handed_off(2), tell.unanswered(2)]
    return [tell.managed(10), tell.unanswered(3, "1"), tell.unanswered(2, "7"), tell.unanswered(5)]


def turn(number: str, wa_id: str, at: datetime, text: str, cause: str) -> CustomerTurn:
    """Returns a customer turn. `cause` makes its id unique."""
    return _turn(_base(number, wa_id, at, cause), text)


class _Teller:
    def __init__(self, number: str, begin: datetime) -> None:
        self._number = number
        self._begin = begin
        self._count = 0

    def unanswered(self, weight: int, text: str = GREETING) -> BenchStory:
        customer, at = self._next()
        return BenchStory(weight, customer, (_turn(at(0), GREETING), _turn(at(30), text)))

    def managed(self, weight: int) -> BenchStory:
        customer, at = self._next()
        wamid = _wamid(at(30))
        answer = AgentMessage(**at(30), agent_id="anna", text="It will be there tomorrow", wamid=wamid)
        read = MessageStatus(
            id=fact_id(wamid, "read"),
            phone_number_id=self._number,
            at=answer.at,
            sent_at=answer.at,
            wamid=wamid,
            recipient=customer,
            status="read",
        )
        return BenchStory(weight, customer, (_turn(at(0), GREETING), answer, read))

    def bot_closed(self, weight: int) -> BenchStory:
        customer, at = self._next()
        return BenchStory(weight, customer, (_turn(at(0), GREETING), BotSessionEnded(**at(30), session_id="session-1")))

    def handed_off(self, weight: int) -> BenchStory:
        customer, at = self._next()
        handoff = BotHandoff(**at(30), session_id="session-1", skillset="support")
        return BenchStory(weight, customer, (_turn(at(0), GREETING), handoff))

    def _next(self) -> tuple[str, Callable[[int], dict[str, Any]]]:
        self._count += 1
        cause = f"{self._number}:{self._count}:{self._begin}"
        customer = f"38{fact_id(cause).int % 10**10:010}"
        return customer, lambda minute: _base(
            self._number, customer, self._begin + timedelta(minutes=minute), f"{cause}:{minute}"
        )


def _base(number: str, wa_id: str, at: datetime, cause: str) -> dict[str, Any]:
    return {
        "id": fact_id(number, cause),
        "phone_number_id": number,
        "customer": Party(wa_id=wa_id, name=NAME),
        "at": at,
        "sent_at": at,
    }


def _turn(base: dict[str, Any], text: str) -> CustomerTurn:
    return CustomerTurn(**base, type="text", wamid=_wamid(base), text=text)


def _wamid(base: dict[str, Any]) -> str:
    """Returns an id as long as Meta's."""
    return f"wamid.HBgM{base['id']}ARIYFjNFQjA2"
