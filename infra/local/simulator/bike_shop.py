"""The demo's story: two days of Cicli Zefiro, an invented bike shop in Verona, with its unmanaged conversations.

The list then has every reason that does not depend on a person's decision, both active and closed. Other conversations
are queued or managed. Phone numbers are from ranges reserved for fiction (Ofcom, BNetzA, Arcep, ComReg, PTS, ACMA,
555-01xx). Italy reserves none, so Italian numbers use the prefix 300, which belongs to no operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

from domain.directory import Directory, Opening, Weekday
from infra.local.simulator import subscribers, visits
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Chat, Story, TimedPost
from infra.local.simulator.customer_files import Uploader

DIRECTORY_FILE = Path(__file__).with_name("bike_shop.toml")
"""Numbers, skillsets and users, in the format of `witiop directory apply`. The rental's number is missing on
purpose."""

_ACCOUNT = "550100000000000"
SHOP = BusinessNumber("550100000000001", "+39 300 555 0001", _ACCOUNT)
ASSISTANT = BusinessNumber("550100000000002", "+39 300 555 0002", _ACCOUNT)
WORKSHOP = BusinessNumber("550100000000003", "+39 300 555 0003", _ACCOUNT)
RENTAL = BusinessNumber("550100000000004", "+39 300 555 0004", _ACCOUNT)
AGENT_WITH_SIGN_IN = "giada"
"""The agent whom nobody simulates: `witiop dev` makes a sign-in for a person."""
READER, SUPERVISOR = "nadia", "bruno"
"""Who only reads; and who supervises the workshop."""
NUMBERS = (SHOP, ASSISTANT, WORKSHOP, RENTAL)


def story_posts(now: datetime, upload: Uploader | None = None) -> Sequence[TimedPost]:
    """Returns the posts of the story up to `now` (aware UTC), in order of time. `upload`: as for `Story`."""
    return _told(now, upload).posts


def customers(now: datetime) -> Mapping[str, SimulatedCustomer]:
    """Returns everybody who writes to the shop, in the story and later, by phone and by user id."""
    ids = ((id_, each) for each in _told(now).customers for id_ in (each.wa_id, each.user_id) if id_ is not None)
    return {**dict(ids), **visits.people(), **subscribers.subscribers()}


def recipients(now: datetime) -> Sequence[SimulatedCustomer]:
    """Returns to whom the shop writes its offers, by phone: those of the story, those who come again and again, and the
    subscribers."""
    regular = [*visits.people().values()][: visits.REGULAR]
    known = [each for each in (*_told(now).customers, *regular) if each.wa_id]
    return [*{str(each.wa_id): each for each in (*known, *subscribers.subscribers().values())}.values()]


def _told(now: datetime, upload: Uploader | None = None) -> Story:
    story = Story("bike-shop", now, upload)
    story.agent_is("9:00", "anna", "ready")
    story.agent_is("9:02", "marco", "ready")
    story.agent_is("0:50", "marco", "paused")
    _at_the_shop(story)
    _managed_or_queued(story)
    _with_the_assistant(story)
    _at_the_workshop(story)
    _at_the_rental(story)
    return story


def closed_now(directory: Directory, now: datetime) -> Directory:
    """Returns the directory with new opening hours for the workshop: on no day do they include the time from twelve
    hours before `now` to three hours after it."""
    workshop = directory.numbers[WORKSHOP.phone_number_id]
    opens = (now.astimezone(ZoneInfo(workshop.time_zone)).hour + 4) % 24
    closes = opens + 8
    day: tuple[Opening, ...] = (Opening(time(opens), _clock(min(closes, 24))),)
    if closes > 24:
        day = (Opening(time(0), _clock(closes - 24)), *day)
    hours: dict[Weekday, tuple[Opening, ...]] = dict.fromkeys(get_args(Weekday), day)
    return replace(directory, numbers={**directory.numbers, workshop.phone_number_id: replace(workshop, hours=hours)})


def _clock(hour: int) -> time:
    return time.max if hour == 24 else time(hour)


def _at_the_shop(story: Story) -> None:
    """A number with a menu: 1 sales, 2 workshop, 3 support."""
    giulia = story.chat(SHOP, SimulatedCustomer("Giulia Ferri", "393005550101", "IT.55010000000000000101"))
    giulia.writes("3:10", "Buongiorno! Avete ancora la Graziella verde che era in vetrina?")
    giulia.writes("3:08", "È per mia figlia, compie dodici anni sabato")
    giulia.writes("0:42", "Se c'è ancora passo stasera con la caparra")

    tom = story.chat(SHOP, SimulatedCustomer("Tom Whitfield", "447700900142"))
    tom.writes("1:25", "Hi, do you ship touring bikes to the UK?")
    tom.shows("1:24", "This one, size 58 if possible")

    lukas = story.chat(SHOP, SimulatedCustomer("Lukas Brandt", "491713920042", "DE.55010000000000000102"))
    lukas.writes("21:40", "Guten Tag, haben Sie Kindersitze für hinten?")

    chiara = story.chat(SHOP, SimulatedCustomer("Chiara Montanari", user_id="IT.55010000000000000103"))
    chiara.writes("2:05", "Salve, vorrei sapere i tempi per un tagliando")
    chiara.writes("2:04", "5")

    emily = story.chat(SHOP, SimulatedCustomer("Emily Carter", "12025550143"))
    emily.taps("0:55", "spring-sale", "Show me the offers")

    sofia = story.chat(SHOP, SimulatedCustomer("Sofia Greco", "393005550104"))
    sofia.writes("28:15", "Ciao! Fate sconti per studenti?")
    sofia.writes("27:50", "Mi serve una bici per l'università, budget 300 euro")

    davide = story.chat(SHOP, SimulatedCustomer("Davide Rinaldi", "393005550105"))
    davide.writes("26:40", "9")
    davide.writes("26:31", "Nessuno mi risponde? Volevo parlare con il responsabile")

    marta = story.chat(SHOP, SimulatedCustomer("Marta Conti", "393005550106"))
    marta.writes("31:20", "Buonasera")
    marta.writes("31:19", "2")
    marta.writes("30:55", "La ruota dietro è storta, posso passare domattina?")

    hannah = story.chat(SHOP, SimulatedCustomer("Hannah Price", "447700900177"))
    hannah.writes("47:05", "1")
    hannah.writes("47:03", "I'd like to order two city bikes for our B&B")

    prize = story.chat(SHOP, SimulatedCustomer("Prize Centre", "12025550199"))
    prize.writes("8:30", "CONGRATULATIONS! You won a phone, claim at https://prize.example/zefiro")
    prize.agent_closes("8:21", "marco", "spam")


def _managed_or_queued(story: Story) -> None:
    """The shop's number: conversations that are queued or managed. None of them is on the list."""
    pietro = story.chat(SHOP, SimulatedCustomer("Pietro Sala", "393005550107"))
    pietro.writes("0:25", "1")
    pietro.writes("0:24", "Vorrei provare la cargo elettrica, è possibile oggi?")

    claire = story.chat(SHOP, SimulatedCustomer("Claire Dubois", "33639980112"))
    claire.writes("0:13", "Bonjour, mon dérailleur saute")
    claire.writes("0:12", "2.")

    elisa = story.chat(SHOP, SimulatedCustomer("Elisa Moretti", "393005550108"))
    elisa.writes("5:30", "1")
    elisa.writes("5:29", "Il casco in vetrina c'è anche taglia S?")
    elisa.agent_accepts("5:27", "anna")
    answer = elisa.agent_says("5:26", "anna", "Ciao Elisa, sì: S e M, 49 euro. Te ne metto via uno?")
    elisa.reacts("5:24", answer, "❤️")
    elisa.writes("5:23", "Sì grazie, passo domani!")

    francesca = story.chat(SHOP, SimulatedCustomer("Francesca Longo", user_id="IT.55010000000000000109"))
    francesca.writes("4:15", "Sabato siete aperti?")
    francesca.echoes("4:02", "Certo, fino alle 13. A sabato!")

    ryan = story.chat(SHOP, SimulatedCustomer("Ryan Cooper", "12025550171"))
    ryan.writes("29:00", "3")
    ryan.writes("28:59", "The lock I bought on Monday does not open any more")
    ryan.agent_accepts("28:54", "marco")
    ryan.agent_message_fails("28:53", "marco", "Sorry to hear that!", 131026)
    ryan.agent_says("28:50", "marco", "Sorry to hear that! Bring it back with the receipt and you get a new one.")
    ryan.writes("28:41", "Great, thanks")
    ryan.agent_closes("28:30", "marco", "exchange agreed")


def _with_the_assistant(story: Story) -> None:
    """A number with Softbot, whose events report the customer's choice."""
    _a_long_conversation(
        story.chat(ASSISTANT, SimulatedCustomer("Luca Marchetti", "393005550110", "IT.55010000000000000110"))
    )

    nina = story.chat(ASSISTANT, SimulatedCustomer("Nina Walsh", "61491570156"))
    nina.writes("0:19", "Hi! Can I bring my own pedals to a fitting?")
    _greets(nina, "0:19", "Hi Nina! What can I do for you?")
    nina.writes("0:18", "Neither of these. I would rather ask a person")

    matteo = story.chat(ASSISTANT, SimulatedCustomer("Matteo Galli", "393005550111"))
    matteo.writes("1:12", "Vorrei assicurare la bici contro il furto")
    _greets(matteo, "1:12", "Ciao Matteo! Che cosa posso fare per te?")
    matteo.bot_notes_choice("1:11", "insurance", "insurance")

    sara = story.chat(ASSISTANT, SimulatedCustomer("Sara Esposito", "393005550112"))
    sara.writes("0:41", "La mia e-bike non si accende più")
    _greets(sara, "0:41", "Ciao Sara! Che cosa posso fare per te?")
    sara.writes("0:40", "Si è spenta in salita, sono ferma a Bosco Chiesanuova")
    sara.bot_hands_over("0:39", "workshop")

    jakob = story.chat(ASSISTANT, SimulatedCustomer("Jakob Lindqvist", "46701740612"))
    jakob.writes("6:20", "Hello, which e-bikes can carry two kids?")
    _greets(jakob, "6:20", "Hi Jakob! What can I do for you?")
    jakob.bot_notes_choice("6:19", "buy", "sales")
    jakob.agent_accepts("6:15", "anna")
    jakob.agent_says("6:13", "anna", "Hi Jakob, the Zefiro Longtail does. Shall I send you the data sheet?")
    jakob.writes("6:10", "Yes please")

    aoife = story.chat(ASSISTANT, SimulatedCustomer("Aoife Byrne", "353209100142"))
    aoife.writes("27:00", "Is the guided tour on Sunday suitable for beginners?")
    _greets(aoife, "27:00", "Hi Aoife! What can I do for you?")
    aoife.bot_says("26:58", "All our tours are listed at https://zefiro.example/tours. Have a nice day!")
    aoife.bot_ends("26:57", "answered")

    simone = story.chat(ASSISTANT, SimulatedCustomer("Simone Ricci", "393005550113"))
    simone.writes("33:00", "Devo cambiare le pastiglie dei freni")
    _greets(simone, "33:00", "Ciao Simone! Che cosa posso fare per te?")
    simone.bot_notes_choice("32:58", "repair", "workshop")
    simone.bot_says("32:58", "Un meccanico ti risponde appena possibile.")
    simone.writes("30:10", "Ancora niente?")


def _greets(chat: Chat, ago: str, text: str) -> None:
    chat.bot_starts(ago)
    chat.bot_says(ago, text)
    chat.bot_offers(ago, buy="Comprare / Buy", repair="Riparare / Repair", order="Il mio ordine / My order")


def _a_long_conversation(luca: Chat) -> None:
    """A long transcript with many kinds of messages. The bot wrongly reports that it solved the problem."""
    luca.writes("2:41", "Buongiorno, la bici che ho comprato da voi fa un rumore strano")
    _greets(luca, "2:41", "Ciao Luca! Sono l'assistente di Cicli Zefiro. Che cosa posso fare per te?")
    mistake = luca.writes("2:40", "Cigola ogni volta che pedalo in discesa")
    luca.edits("2:39", mistake, "Cigola ogni volta che pedalo in salita")
    luca.bot_says("2:38", "Mi dispiace! Puoi mandarmi una foto della trasmissione?")
    luca.shows("2:36", "Ecco, il pignone piccolo mi sembra consumato")
    luca.speaks("2:35")
    wrong = luca.writes("2:34", "Il mio IBAN per il rimborso è nel prossimo messaggio")
    luca.deletes("2:33", wrong)
    advice = luca.bot_says("2:32", "Grazie. Spesso basta pulire e oliare la catena: https://zefiro.example/catena")
    luca.reacts("2:30", advice, "👎")
    luca.writes("2:29", "L'ho già fatto due volte, il rumore resta. È ancora in garanzia?")
    luca.bot_says("2:28", "La garanzia dura due anni dalla data dello scontrino.")
    luca.attaches("2:26", "scontrino.pdf", "Comprata otto mesi fa")
    luca.writes("2:25", "Vorrei parlare con un meccanico, per favore")
    luca.bot_says("2:24", "Felice di averti aiutato! Buona pedalata da Cicli Zefiro.")
    luca.bot_ends("2:23", "solved")


def _at_the_workshop(story: Story) -> None:
    """A number with a menu and with opening hours. It is closed now."""
    andrea = story.chat(WORKSHOP, SimulatedCustomer("Andrea Fontana", "393005550114"))
    andrea.writes("1:50", "Ho bucato sulla ciclabile, riuscite a venire a prendermi?")
    place = {"latitude": 45.4642, "longitude": 10.9916, "name": "Ciclabile dell'Adige", "address": "Verona"}
    andrea.sends("1:49", "location", location=place)

    sean = story.chat(WORKSHOP, SimulatedCustomer("Sean Doyle", "353209100177"))
    sean.writes("0:35", "Hi, my front disc is rubbing. When do you open?")
    sean.speaks("0:34")

    valentina = story.chat(WORKSHOP, SimulatedCustomer("Valentina Bruno", user_id="IT.55010000000000000115"))
    valentina.writes("27:10", "Buonasera, la mia bici è pronta?")

    giorgio = story.chat(
        WORKSHOP, SimulatedCustomer("Giorgio Villa", "393005550116")
    )  # queued, although the workshop is closed
    giorgio.writes("0:51", "1")
    giorgio.writes("0:50", "Preventivo per un cambio nuovo, grazie")


def _at_the_rental(story: Story) -> None:
    """A number that is not in the directory yet."""
    oliver = story.chat(RENTAL, SimulatedCustomer("Oliver Grant", "447700900103", "GB.55010000000000000117"))
    oliver.writes("0:09", "Hello, can we rent four bikes for Saturday?")
    oliver.writes("0:08", "Two adults, two kids (8 and 11)")

    katrin = story.chat(RENTAL, SimulatedCustomer("Katrin Weber", "491713920077"))
    katrin.shows("6:45", "Können wir dieses Modell auch am Gardasee zurückgeben?")

    jeanne = story.chat(RENTAL, SimulatedCustomer("Jeanne Perrin", "33639980145"))
    jeanne.writes("29:40", "Bonsoir, louez-vous des remorques pour chien ?")
