"""The demo's subscribers: people on the shop's list who did not write first, and what becomes of a campaign to them.

Everything follows from the phone and the message: nothing is stored, and nothing is random. The phones have the prefix
300, which belongs to no operator (see `bike_shop`).
"""

import hashlib
from collections.abc import Mapping
from typing import Literal, NamedTuple

from infra.local.simulator.bodies import SimulatedCustomer

Reaction = Literal["button", "text", "stop"]
"""What a subscriber answers: the first quick reply, words, or STOP."""

_NUMBER = 850
"""So many that a campaign takes some seconds, and fewer than are tried out first."""
_FIRST = 393005551000
_GIVEN = (
    "Alice", "Bianca", "Carlo", "Daniela", "Edoardo", "Federica", "Gabriele", "Helena", "Ilaria", "Jacopo", "Katia",
    "Lorenzo", "Martina", "Nicola", "Olivia", "Pamela", "Riccardo", "Serena", "Tommaso", "Umberto", "Vera", "Walter",
    "Zoe", "Adele", "Bruna", "Cesare", "Dora", "Elio", "Flavia", "Guido",
)  # fmt: skip
_FAMILY = (
    "Amati", "Basso", "Cattaneo", "Donati", "Esposti", "Fabbri", "Gatti", "Ibba", "Lanza", "Marini", "Negri", "Orsini",
    "Parisi", "Quaranta", "Rizzi", "Santoro", "Tosi", "Urso", "Valli", "Zanetti", "Arena", "Bellini", "Caruso",
    "De Santis", "Farina", "Grasso", "Lupi", "Monti", "Pace",
)  # fmt: skip
_ABSENT_EACH, _HELD = 97, 41
"""Every so many-th is not on WhatsApp; to this one Meta holds a template back."""
_HELD_SECONDS = 25.0
_REACTIONS: Mapping[Reaction, int] = {"button": 25, "text": 20, "stop": 5}
"""How many of a thousand."""
_READS = 0.7


class SubscriberHabits(NamedTuple):
    """What becomes of a template. `sent`, `delivered`, `read`: seconds until then; `read`: None: they do not read it;
    `held_for`: seconds for which Meta holds it back first."""

    sent: float
    delivered: float
    read: float | None
    is_on_whatsapp: bool = True
    held_for: float = 0.0


def subscribers() -> Mapping[str, SimulatedCustomer]:
    """Returns all of them by their phone."""
    return {str(_FIRST + n): SimulatedCustomer(_name(n), str(_FIRST + n)) for n in range(_NUMBER)}


def habits_of(phone: str, wamid: str) -> SubscriberHabits | None:
    """Returns what becomes of a template to a subscriber; None: the phone is not one's."""
    if not (phone.isdecimal() and 0 <= int(phone) - _FIRST < _NUMBER):
        return None
    number, chance = int(phone) - _FIRST, _chance(phone, wamid)
    delivered = 0.6 + 5 * chance
    return SubscriberHabits(
        sent=0.2 + chance,
        delivered=delivered,
        read=delivered + 1 + 6 * _chance(wamid, phone) if _chance("reads", phone, wamid) < _READS else None,
        is_on_whatsapp=number % _ABSENT_EACH != _ABSENT_EACH - 1,
        held_for=_HELD_SECONDS if number == _HELD else 0.0,
    )


def reaction_to(phone: str, wamid: str) -> Reaction | None:
    """Returns what a person does with a template of a campaign; None: nothing, as most do."""
    habits = habits_of(phone, wamid)
    if habits is not None and not habits.is_on_whatsapp:
        return None
    place = _chance("reacts", phone, wamid) * 1000
    for reaction, share in _REACTIONS.items():
        if place < share:
            return reaction
        place -= share
    return None


def seconds_until_reaction(phone: str, wamid: str) -> float:
    """Returns how long a person takes to answer: longer than to read it."""
    return 14 + 26 * _chance("takes", phone, wamid)


def chooses_then(phone: str, wamid: str) -> bool:
    """Returns whether a person who pressed the button goes on and chooses from the number's menu."""
    return _chance("chooses", phone, wamid) < 0.5


def _name(number: int) -> str:
    return f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number % len(_FAMILY)]}"


def _chance(*parts: str) -> float:
    """Returns a number from 0 to 1 that is the same for the same parts."""
    return int.from_bytes(hashlib.sha256(":".join(parts).encode()).digest()[:4], "big") / 2**32
