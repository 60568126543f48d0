"""The customers of the demo: who writes in an hour, what they answer, and what a person at the agents' page gets."""

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from domain.facts import CustomerTurn
from domain.inbound.whatsapp.reader import read
from domain.messages.files import sniffed_type
from infra.local.simulator import bike_shop
from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import WebhookPost
from infra.local.simulator.customer_files import PHOTO, VOICE, SimulatedFile
from infra.local.simulator.customers import ReceivedMessage, ShopCustomers
from infra.local.simulator.subscribers import habits_of, subscribers
from infra.local.simulator.visits import Seat, chooses_from_menu, people, slot_at, visits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = range(slot_at(NOW), slot_at(NOW + timedelta(hours=1)))
PERSON = Seat(["sales", "support"], is_idle=True)
GIULIA, LUCA = "393005550101", "393005550110"


class Played:
    """Customers, what they wrote, and the files that they sent."""

    def __init__(self) -> None:
        self.turns: list[CustomerTurn] = []
        self.files: list[SimulatedFile] = []
        self.customers = ShopCustomers(self.deliver, self.upload, bike_shop.customers(NOW), bike_shop.NUMBERS)

    def deliver(self, post: WebhookPost) -> None:
        for fact in read(post.body, NOW).facts:
            assert isinstance(fact, CustomerTurn)
            self.turns.append(fact)

    def upload(self, phone_number_id: str, file: SimulatedFile) -> str:
        self.files.append(file)
        return "77" + "0" * 13 + str(len(self.files))

    def run(self, seconds: int, begin: datetime = NOW) -> None:
        """Lets time pass."""
        for passed in range(0, seconds, 2):
            now = begin + timedelta(seconds=passed)
            self.customers.begin_slot(now, (), ())
            self.customers.step(now)

    def get(self, kind: str, wamid: str, at: datetime = NOW, to: str = GIULIA) -> None:
        """A customer gets a message, and has ten seconds to answer."""
        before = len(self.turns)
        self.customers.get([ReceivedMessage(SHOP.phone_number_id, to, wamid, kind)], at)
        self.customers.step(at + timedelta(seconds=5))
        assert before == len(self.turns)
        self.customers.step(at + timedelta(seconds=10))


@pytest.fixture
def played() -> Played:
    return Played()


def test_an_hour_has_customers_who_choose_customers_who_do_not_and_windows_that_end() -> None:
    kinds = Counter[str]()
    for slot in HOUR:
        for visit in visits(slot, (), ()):
            assert visit.customer == people()[str(visit.customer.wa_id)]
            first = visit.lines[0]
            if first.after < timedelta():
                kinds["ends"] += 1
                assert timedelta(hours=-24) < first.after < timedelta(hours=-23)
            elif first.text in ("1", "2", "3"):
                kinds[f"menu {first.text}"] += 1
                assert chooses_from_menu(str(visit.customer.wa_id))
            else:
                kinds[first.kind] += 1
    assert {"menu 1": 10, "menu 2": 10, "menu 3": 10, "text": 10, "photo": 10, "voice": 10, "ends": 10} == kinds


def test_nobody_who_waits_chooses_again_and_at_last_nobody_chooses() -> None:
    waiting = {phone for phone in people() if chooses_from_menu(phone)}
    chosen = [visit for slot in HOUR for visit in visits(slot, waiting, [PERSON]) if len(visit.lines) == 2]
    assert [] == chosen
    one = sorted(waiting)[0]
    chosen = [visit for slot in HOUR for visit in visits(slot, waiting - {one}, ()) if len(visit.lines) == 2]
    assert {one} == {visit.customer.wa_id for visit in chosen}


def test_a_person_who_is_idle_gets_a_customer_within_half_a_minute_and_none_of_the_others() -> None:
    """Customers who come anyway choose a skillset that the person does not have."""
    for slot in HOUR:
        offered = [visit.lines[0].text for visit in visits(slot, (), [PERSON]) if len(visit.lines) == 2]
        assert "1" == offered[0]
        busy = visits(slot, (), [PERSON._replace(is_idle=False)])
        assert {"2"} >= {visit.lines[0].text for visit in busy if len(visit.lines) == 2}


def test_a_photo_and_a_voice_message_can_be_fetched_and_are_what_they_say(played: Played) -> None:
    played.run(360)
    kinds = Counter(turn.type for turn in played.turns)
    assert (1, 1) == (kinds["image"], kinds["audio"])
    assert {PHOTO, VOICE} == {*played.files}
    for file, type_ in ((PHOTO, "image/jpeg"), (VOICE, "audio/ogg")):
        assert type_ == sniffed_type(file.content)
        assert len(file.content) < 32_768
    (photo,) = (turn for turn in played.turns if turn.type == "image")
    assert photo.media is not None
    assert hashlib.sha256(PHOTO.content).hexdigest() == photo.media.sha256


def test_customers_who_are_played_again_send_repeats(played: Played) -> None:
    """A shop that is opened again in the same half minute adds nothing to the list."""
    played.run(20)
    first = [turn.id for turn in played.turns]
    assert first
    again = Played()
    again.run(20)
    assert first == [turn.id for turn in again.turns]


def test_a_customer_answers_twice_and_then_no_more_for_a_while(played: Played) -> None:
    for n in range(4):
        played.get("text", f"wamid.{n}", NOW + timedelta(minutes=n))
    assert ["Grazie della risposta! Mi è molto utile", "Perfetto, è tutto. A presto!"] == [
        turn.text for turn in played.turns
    ]
    assert {"wamid.0", "wamid.1"} == {turn.quotes for turn in played.turns}
    played.get("text", "wamid.5", NOW + timedelta(minutes=15))
    assert 3 == len(played.turns)


def test_a_template_is_always_answered_a_reaction_never_and_strangers_do_not_answer(played: Played) -> None:
    for n in range(3):
        played.get("template", f"wamid.{n}", NOW + timedelta(seconds=20 * n), to=LUCA)
    assert 3 == len(played.turns)
    played.get("reaction", "wamid.r", NOW + timedelta(minutes=2), to=LUCA)
    played.get("text", "wamid.s", NOW + timedelta(minutes=3), to="393005550198")
    assert 3 == len(played.turns)


def test_everybody_in_the_story_answers_also_by_user_id() -> None:
    known = bike_shop.customers(NOW)
    assert {"Giulia Ferri", "Chiara Montanari", "Luca Marchetti"} <= {each.name for each in known.values()}
    assert "Chiara Montanari" == known["IT.55010000000000000103"].name


def test_few_answer_a_campaign_by_button_in_words_or_by_stop(played: Played) -> None:
    """The same ones however often it is played; who is not on WhatsApp answers nothing."""
    for number, phone in enumerate(subscribers()):
        message = ReceivedMessage(SHOP.phone_number_id, phone, f"wamid.{number}", "template", ("autumn_check", "it"))
        played.customers.get([message], NOW)
    played.customers.step(NOW + timedelta(minutes=2))
    texts = Counter(turn.text for turn in played.turns)
    assert {"button": True, "text": True, "stop": True, "menu": True} == {
        "button": 10 < texts["Sì, grazie"] < 40,
        "text": 8 < texts["Quanto costa per due bici? E devo lasciarvele?"] < 35,
        "stop": 1 < texts["STOP"] < 12,
        "menu": 3 < texts["1"] < texts["Sì, grazie"],
    }
    absent = [phone for phone in subscribers() if not is_on_whatsapp(phone)]
    assert 5 < len(absent) < 15
    assert set() == {turn.customer.wa_id for turn in played.turns} & {*absent}


def test_many_templates_at_once_are_a_campaign(played: Played) -> None:
    """A single one is answered always."""
    for number in range(200):
        phone = [*subscribers()][number]
        message = ReceivedMessage(SHOP.phone_number_id, phone, f"wamid.{number}", "template", ("order_update", "it"))
        played.customers.get([message], NOW)
    played.customers.step(NOW + timedelta(minutes=2))
    assert 10 <= len(played.turns) < 35


def is_on_whatsapp(phone: str) -> bool:
    habits = habits_of(phone, "wamid")
    assert habits is not None
    return habits.is_on_whatsapp
