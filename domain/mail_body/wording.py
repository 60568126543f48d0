"""The texts of mail bodies in each language that a number may have (domain.md, *Mail*).

`{}` in a text is a placeholder. To add a language, add one more `MailTexts`; no other module depends on the languages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.conversations.reading.transcript import Speaker
from domain.directory import Language


@dataclass(frozen=True, slots=True)
class MailTexts:
    """The texts of one language. `weekdays` from Monday, `months` from January; `kinds`: what an item of the transcript
    is, for each kind except `text`, in front of its text; `reasons`: why nobody answered, by the code of the reason;
    `owners`: by the state of the owner."""

    language: Language
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    day_and_time: str
    speakers: Mapping[Speaker, str]
    a_customer: str
    organisation: str
    number: str
    group: str
    reason: str
    reasons: Mapping[str, str]
    owner: str
    owners: Mapping[str, str]
    opened: str
    status: str
    active_until: str
    closed_on: str
    link: str
    conversation: str
    times: str
    times_in: str
    left_out: str
    attached: str
    linked: str
    not_attached: str
    edited: str
    deleted: str
    note: str
    notes: str
    notes_are: str
    other_kind: str
    reaction_removed: str
    kinds: Mapping[str, str]

    def day(self, local: datetime) -> str:
        """Returns the day with its weekday."""
        return f"{self.weekdays[local.weekday()]} {self.short_day(local)} {local.year}"

    def short_day(self, local: datetime) -> str:
        """Returns the day and the month."""
        return f"{local.day} {self.months[local.month - 1]}"

    def moment(self, local: datetime) -> str:
        """Returns the day and the time of day."""
        return self.day_and_time.format(self.day(local), clock(local))

    def zone(self, local: datetime, name: str) -> str:
        """Returns the sentence about the time zone with this name, at this time."""
        return self.times_in.format(name, utc_offset(local))


def clock(local: datetime) -> str:
    """Returns the time of day."""
    return f"{local.hour:02}:{local.minute:02}"


def utc_offset(local: datetime) -> str:
    """Returns the offset from UTC, with its sign."""
    return f"UTC{local.isoformat(timespec='seconds')[19:]}"


MAIL_TEXTS: dict[Language, MailTexts] = {
    "en": MailTexts(
        language="en",
        weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            *("January", "February", "March", "April", "May", "June"),
            *("July", "August", "September", "October", "November", "December"),
        ),
        day_and_time="{}, {}",
        speakers={"customer": "Customer", "bot": "Bot", "agent": "Agent", "system": "WhatsApp"},
        a_customer="A customer",
        organisation="Company",
        number="Number",
        group="Group",
        reason="Why nobody answered",
        reasons={
            "no_choice": "The customer did not choose anything from the menu.",
            "invalid_choice": "The customer chose something that is not on the menu.",
            "unreadable": "The customer sent something that WhatsApp does not pass on.",
            "out_of_hours": "The customer only wrote outside working hours.",
            "number_has_no_menu": "There is no menu and no bot that could lead the customer to somebody.",
            "nobody_took_it": "The customer waited for somebody, and nobody took the conversation.",
            "reservation_expired": "The conversation was reserved, and nobody took it in time.",
            "taken_not_answered": "Somebody took the conversation, and did not answer.",
            "no_reply": "Somebody had answered, and nobody has replied since.",
            "bot_closed": "The bot ended the conversation before a person got involved.",
        },
        owner="In whose hands",
        owners={"queued": "{}, in the queue", "reserved": "{}, reserved", "assigned": "{}, offered", "accepted": "{}"},
        opened="Began",
        status="Time to answer",
        active_until="on WhatsApp until {}",
        closed_on="over since {}",
        link="Open in the console",
        conversation="Conversation",
        times="Times",
        times_in="as in {} ({})",
        left_out="Here {} messages are left out, because the email would be too large.",
        attached="attached: {}",
        linked="not attached: {}, {}, for colleagues with a sign-in until {}",
        not_attached="not attached: {}, {}",
        edited="edited",
        deleted="deleted by the customer",
        note="Internal note",
        notes="Internal notes",
        notes_are="Colleagues wrote them for each other. The customer has not seen them.",
        other_kind="Sent something else",
        reaction_removed="Removed a reaction",
        kinds={
            "image": "Photo",
            "audio": "Audio",
            "voice": "Voice message",
            "video": "Video",
            "document": "Document",
            "sticker": "Sticker",
            "location": "Location",
            "contacts": "Contact",
            "interactive": "Chose",
            "button": "Chose",
            "order": "Order",
            "template": "Message",
            "reaction": "Reaction",
            "call": "Call",
            "edit": "Changed a message",
            "revoke": "Deleted a message",
            "system": "Notice",
            "unsupported": "Sent something that WhatsApp does not pass on",
            "identity.changed": "The phone number or account changed",
            "thread_control.passed": "Meta's assistant handed the conversation over",
            "session.started": "Began the conversation",
            "session.ended": "Ended the conversation",
            "menu.shown": "Showed a menu",
            "choice.made": "The customer chose",
            "handoff.requested": "Asked for an agent",
            "conversation.accepted": "Took the conversation",
            "conversation.declined": "Declined the conversation",
            "conversation.closed": "Closed the conversation",
        },
    ),
    "it": MailTexts(
        language="it",
        weekdays=("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
        months=(
            *("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno"),
            *("luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"),
        ),
        day_and_time="{}, ore {}",
        speakers={"customer": "Cliente", "bot": "Bot", "agent": "Operatore", "system": "WhatsApp"},
        a_customer="Un cliente",
        organisation="Azienda",
        number="Numero",
        group="Gruppo",
        reason="Perché nessuno ha risposto",
        reasons={
            "no_choice": "Il cliente non ha scelto nulla dal menu.",
            "invalid_choice": "Il cliente ha scelto qualcosa che non è nel menu.",
            "unreadable": "Il cliente ha inviato qualcosa che WhatsApp non trasmette.",
            "out_of_hours": "Il cliente ha scritto solo fuori dall'orario di lavoro.",
            "number_has_no_menu": "Non c'è un menu né un bot che possa indirizzare il cliente a qualcuno.",
            "nobody_took_it": "Il cliente ha aspettato qualcuno, e nessuno ha preso la conversazione.",
            "reservation_expired": "La conversazione era riservata, e nessuno l'ha presa in tempo.",
            "taken_not_answered": "Qualcuno ha preso la conversazione, e non ha risposto.",
            "no_reply": "Qualcuno aveva risposto, e da allora nessuno ha replicato.",
            "bot_closed": "Il bot ha chiuso la conversazione prima che intervenisse una persona.",
        },
        owner="In mano a",
        owners={"queued": "{}, in coda", "reserved": "{}, riservata", "assigned": "{}, offerta", "accepted": "{}"},
        opened="Inizio",
        status="Tempo per rispondere",
        active_until="su WhatsApp fino a {}",
        closed_on="finito {}",
        link="Apri nella console",
        conversation="Conversazione",
        times="Orari",
        times_in="di {} ({})",
        left_out="Qui sono stati omessi {} messaggi, perché l'email sarebbe troppo grande.",
        attached="allegato: {}",
        linked="non allegato: {}, {}, per colleghi con accesso fino al {}",
        not_attached="non allegato: {}, {}",
        edited="modificato",
        deleted="eliminato dal cliente",
        note="Nota interna",
        notes="Note interne",
        notes_are="Scritte da colleghi per i colleghi. Il cliente non le ha viste.",
        other_kind="Ha inviato altro",
        reaction_removed="Ha tolto una reazione",
        kinds={
            "image": "Foto",
            "audio": "Audio",
            "voice": "Messaggio vocale",
            "video": "Video",
            "document": "Documento",
            "sticker": "Sticker",
            "location": "Posizione",
            "contacts": "Contatto",
            "interactive": "Ha scelto",
            "button": "Ha scelto",
            "order": "Ordine",
            "template": "Messaggio",
            "reaction": "Reazione",
            "call": "Chiamata",
            "edit": "Ha modificato un messaggio",
            "revoke": "Ha eliminato un messaggio",
            "system": "Avviso",
            "unsupported": "Ha inviato qualcosa che WhatsApp non trasmette",
            "identity.changed": "Il numero di telefono o l'account è cambiato",
            "thread_control.passed": "L'assistente di Meta ha passato la conversazione",
            "session.started": "Ha iniziato la conversazione",
            "session.ended": "Ha terminato la conversazione",
            "menu.shown": "Ha mostrato un menu",
            "choice.made": "Il cliente ha scelto",
            "handoff.requested": "Ha chiesto un operatore",
            "conversation.accepted": "Ha preso in carico la conversazione",
            "conversation.declined": "Ha rifiutato la conversazione",
            "conversation.closed": "Ha chiuso la conversazione",
        },
    ),
}
