"""Who writes to the demo's shop while it runs, and what: invented people, who come again and again.

Everything follows from the time, which is cut into slots of half a minute: nothing is stored, and nothing is random.
Phone numbers are from ranges reserved for fiction (see `bike_shop`).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from infra.local.simulator.bodies import SimulatedCustomer

LineKind = Literal["text", "photo", "voice"]

SLOT = timedelta(seconds=30)
_CYCLE = 12
"""Slots after which the same kinds of visits begin again: six minutes."""
_MENU = {0: "sales", 4: "workshop", 8: "support"}
"""Slots of a cycle in which a customer chooses from the menu, and what."""
_UNANSWERED: Mapping[int, LineKind] = {2: "text", 6: "photo", 10: "voice"}
"""Slots in which a customer chooses nothing."""
_ENDING = 5
"""The slot in which a window comes to its end."""
_CHOICES = {"sales": "1", "workshop": "2", "support": "3"}
_PAUSE = timedelta(seconds=2)
"""Between two messages of a customer."""
_LEFT = timedelta(minutes=4)
"""What is left of the window that comes to its end."""
_WINDOW = timedelta(hours=24)


class Line(NamedTuple):
    """A message of a customer. `text`: empty for a voice message. `after`: the beginning of the slot."""

    after: timedelta
    kind: LineKind
    text: str = ""


class Visit(NamedTuple):
    """A customer who writes to the shop."""

    customer: SimulatedCustomer
    lines: Sequence[Line]


class Seat(NamedTuple):
    """A person who is ready on the agents' page. `is_idle`: they could take a customer, and are busy with none."""

    skillsets: Collection[str]
    is_idle: bool


class _Person(NamedTuple):
    """An invented person. `first`, `second`: what they write."""

    name: str
    phone: str
    first: str
    second: str


_CHOOSING = (
    _Person(
        "Irene Bassi", "393005550301", "Vorrei una bici da città, usata va benissimo", "Buongiorno, la catena salta"
    ),
    _Person("Owen Hughes", "447700900301", "Do you have lights that charge by USB?", "My brakes squeal, can you look?"),
    _Person("Paola Serra", "393005550302", "Avete borse da viaggio impermeabili?", "Quanto costa un tagliando?"),
    _Person("Amelia Shaw", "447700900302", "Is the blue Zefiro still available in M?", "Flat tyre, twice this week"),
    _Person("Fabio Neri", "393005550303", "Fate un preventivo per due e-bike?", "Il motore fa un rumore strano"),
    _Person("Jack Turner", "447700900303", "Can I try the cargo bike on Saturday?", "How long does a new wheel take?"),
    _Person("Carla Riva", "393005550304", "Cerco un casco per bambina, 5 anni", "Ho perso la chiave del lucchetto"),
    _Person("Grace Ellis", "447700900304", "Which pump fits French valves?", "The gears need adjusting, I think"),
    _Person("Dario Costa", "393005550305", "Avete la sella in gel?", "Si è rotto il cavalletto"),
    _Person("Noah Bennett", "447700900305", "Do you take old bikes in exchange?", "Can you true a wheel today?"),
    _Person(
        "Silvia Mori", "393005550306", "Mi fate una fattura per l'ordine di ieri?", "Quando posso ritirare la bici?"
    ),
    _Person("Ruby Foster", "447700900306", "I would like to change my order", "My bell fell off, do you sell spares?"),
    _Person("Gino Prati", "393005550307", "Avete gomme invernali per la bici?", "I freni non tengono più"),
)
"""Those who choose from the menu, and then write: for sales the first text, else the second.
Their number has no divisor in common with the slots of a cycle, so that all of them have their turn."""

_SILENT = (
    _Person(
        "Bruno Leone", "393005550311", "Ci sono ancora posti per il giro di domenica?", "Ecco la bici, quanto vale?"
    ),
    _Person(
        "Freya Marsh", "447700900311", "Hi, I saw your bikes at the market", "This is mine. Do you have it in red?"
    ),
    _Person("Lucia Testa", "393005550312", "Siete aperti il lunedì?", "Mi hanno lasciato questa, è vostra?"),
    _Person("Harry Wells", "447700900312", "Hello? A question about insurance", "Found this outside your shop"),
    _Person("Teresa Gallo", "393005550313", "Buongiorno, vorrei parlare con qualcuno", "Che modello è questo?"),
    _Person("Evie Rhodes", "447700900313", "Can a person call me back, please?", "Is this frame too small for me?"),
    _Person("Aldo Ferro", "393005550314", "Noleggiate anche per un mese?", "Il telaio è dritto, secondo voi?"),
    _Person("Leo Parsons", "447700900314", "Do you buy used bikes?", "What would you pay for this one?"),
    _Person("Nadia Rossini", "393005550315", "Cerco un regalo, mi consigliate?", "La vorrei uguale a questa"),
    _Person("Isla Grady", "447700900315", "None of these. It is about a job", "I painted it myself, do you like it?"),
)
"""Those who choose nothing. They write the first text, and the second one below a picture."""

REGULAR = len(_CHOOSING) + len(_SILENT)
"""So many of `people`, the first ones, come again and again."""
_GIVEN = ("Ada", "Ben", "Clara", "Diego", "Emma", "Franco", "Greta", "Hugo", "Ivana", "Joel")
_FAMILY = ("Alder", "Bruni", "Corsi", "Dale", "Ewing", "Fonti", "Grassi", "Holt", "Iori", "Jansen")
_PEOPLE = 500
"""How many people have a window that ends, until the first of them writes again."""
_YESTERDAY = (
    "I asked yesterday already: is my bike ready?",
    "Avete ricevuto il mio ordine?",
    "Could somebody tell me the price of the tour?",
    "Nessuno mi ha ancora risposto sul preventivo",
)


def people() -> Mapping[str, SimulatedCustomer]:
    """Returns all of them by their phone."""
    regular = (SimulatedCustomer(each.name, each.phone) for each in (*_CHOOSING, *_SILENT))
    everybody = [*regular, *map(_late, range(_PEOPLE))]
    return {str(customer.wa_id): customer for customer in everybody}


def chooses_from_menu(phone: str) -> bool:
    """Returns whether this is the phone of one of those who choose from the menu."""
    return any(each.phone == phone for each in _CHOOSING)


def slot_at(now: datetime) -> int:
    """Returns the number of the slot. `now`: aware."""
    return int(now.timestamp() // SLOT.total_seconds())


def visits(slot: int, waiting: Collection[str], seats: Sequence[Seat]) -> Sequence[Visit]:
    """Returns who writes in a slot. `waiting`: the phones of those who have a conversation with the shop that is not
    over; they choose nothing from the menu. `seats`: people at the agents' page. Each of them who is idle gets
    a customer, and the other customers choose what these people do not have to answer."""
    cycle, place = divmod(slot, _CYCLE)
    found: list[Visit] = []
    free = [each for each in _rotated(_CHOOSING, slot) if each.phone not in waiting]
    for seat in seats:
        wanted = next((each for each in _CHOICES if each in seat.skillsets), None)
        if wanted is not None and seat.is_idle and free:
            found.append(_chooses(free.pop(0), wanted))
    if place in _MENU and free:
        taken = {skillset for seat in seats for skillset in seat.skillsets}
        others = [each for each in _CHOICES if each not in taken]
        wanted = _MENU[place] if not seats else next(iter(others), None)
        if wanted is not None:
            found.append(_chooses(free[0], wanted))
    if place in _UNANSWERED:
        found.append(_asks(_rotated(_SILENT, slot // 4)[0], _UNANSWERED[place], waiting))
    if place == _ENDING:
        text = _YESTERDAY[cycle % len(_YESTERDAY)]
        found.append(Visit(_late(cycle % _PEOPLE), [Line(_LEFT - _WINDOW, "text", text)]))
    return found


def _asks(person: _Person, kind: LineKind, waiting: Collection[str]) -> Visit:
    again = "Mi leggete?" if person.phone.startswith("39") else "Hello? Is anybody there?"
    texts = {"photo": person.second, "voice": "", "text": again if person.phone in waiting else person.first}
    return Visit(SimulatedCustomer(person.name, person.phone), [Line(timedelta(), kind, texts[kind])])


def _chooses(person: _Person, skillset: str) -> Visit:
    text = person.first if skillset == "sales" else person.second
    lines = [Line(timedelta(), "text", _CHOICES[skillset]), Line(_PAUSE, "text", text)]
    return Visit(SimulatedCustomer(person.name, person.phone), lines)


def _late(number: int) -> SimulatedCustomer:
    name = f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number // len(_GIVEN) % len(_FAMILY)]}"
    return SimulatedCustomer(name, f"447700900{400 + number:03}")


def _rotated(everybody: Sequence[_Person], by: int) -> Sequence[_Person]:
    start = by % len(everybody)
    return [*everybody[start:], *everybody[:start]]
