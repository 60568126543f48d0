"""Words by which customers stop messages and want them again: the whole text, or the button that they tapped. A word
inside a longer text says nothing: *please stop by tomorrow* is no opt-out."""

from functools import lru_cache
from typing import Literal
from unicodedata import category, normalize

from domain.conversations.evidence.menu import normalise
from domain.directory import Number
from domain.facts import CustomerTurn

OptOutWord = Literal["stop", "start"]

STOP_WORDS: dict[str, tuple[str, ...]] = {
    "en": ("stop", "stop all", "stopall", "stop messages", "unsubscribe", "unsubscribe me", "opt out", "optout"),
    "it": ("disiscrivimi", "disiscrizione", "cancellami", "annulla iscrizione", "basta messaggi", "stop messaggi"),
    "es": ("baja", "dar de baja", "darme de baja", "cancelar suscripción", "no más mensajes"),
    "de": ("stopp", "abmelden", "abbestellen", "austragen", "keine werbung", "keine nachrichten mehr"),
    "fr": ("arrêt", "désabonner", "me désabonner", "désabonnement", "désinscription", "plus de messages"),
    "pt": ("parar", "parar mensagens", "descadastrar", "cancelar inscrição", "cancelar subscrição"),
}
"""Language -> words that stop messages. All are understood at every number: customers write in their own language."""

START_WORDS: dict[str, tuple[str, ...]] = {
    "en": ("start", "unstop", "subscribe", "opt in", "optin"),
    "it": ("iscrivimi", "iscrizione", "riattiva messaggi"),
    "es": ("alta", "darme de alta", "suscribirme"),
    "de": ("anmelden", "abonnieren"),
    "fr": ("m'abonner", "abonnement", "réabonner", "me réabonner"),
    "pt": ("cadastrar", "inscrever", "quero receber"),
}
"""Language -> words that end an opt-out."""


def opt_out_word(turn: CustomerTurn, number: Number) -> OptOutWord | None:
    """Returns what a customer's turn says about messages to them; None: nothing. `number`: has words of its own. What
    is on its menu is a choice; what is written in a group or below a picture is no such word."""
    if turn.customer.group_id is not None or turn.media is not None or not turn.text:
        return None
    return _words(number.stop_words, number.start_words, tuple(number.choices)).get(plain(turn.text))


def plain(text: str) -> str:
    """Returns a text as words are compared: without case, accents, and what stands around it; a hyphen is a blank.
    Empty for a text that is too long to be a word."""
    folded = normalize("NFKD", normalise(text)).replace("-", " ").replace("\u2019", "'")
    return " ".join("".join(char for char in folded if category(char) != "Mn").split())


@lru_cache(maxsize=256)
def _words(
    more_stops: tuple[str, ...], more_starts: tuple[str, ...], choices: tuple[str, ...]
) -> dict[str, OptOutWord]:
    """The words of a number; of a word that both stops and starts, stopping counts."""
    words: dict[str, OptOutWord] = {}
    for told, lists, more in (("start", START_WORDS, more_starts), ("stop", STOP_WORDS, more_stops)):
        for word in (*(word for each in lists.values() for word in each), *more):
            words[plain(word)] = "stop" if told == "stop" else "start"
    for choice in ("", *map(plain, choices)):
        words.pop(choice, None)
    return words
