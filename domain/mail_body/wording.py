"""The texts of mail bodies in each language that a number may have (domain.md, *Mail*).

`{}` in a text is a placeholder. To add a language, add one more `MailTexts`; no other module depends on the languages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.conversations.transcript import Speaker
from domain.directory import Language


@dataclass(frozen=True, slots=True)
class MailTexts:
    """The texts of one language. `day_and_time`: a format of `strftime`; `kinds`: the label of each kind of transcript
    item except `text`."""

    language: Language
    speakers: Mapping[Speaker, str]
    number: str
    opened: str
    status: str
    active_until: str
    closed_on: str
    conversation: str
    edited: str
    deleted: str
    day_and_time: str
    kinds: Mapping[str, str]

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Returns day and time in the zone, with the UTC offset: it distinguishes the hour that occurs twice in
        autumn."""
        local = at.astimezone(zone)
        return f"{local.strftime(self.day_and_time)} (UTC{local.isoformat(timespec='seconds')[19:]})"


MAIL_TEXTS: dict[Language, MailTexts] = {
    "en": MailTexts(
        language="en",
        speakers={"customer": "Customer", "bot": "Bot", "agent": "Agent", "system": "System"},
        number="Number",
        opened="Opened",
        status="Status",
        active_until="active until {}",
        closed_on="closed on {}",
        conversation="Conversation",
        edited="edited",
        deleted="deleted",
        day_and_time="%Y-%m-%d %H:%M:%S",
        kinds={
            "image": "image",
            "audio": "audio",
            "voice": "voice message",
            "video": "video",
            "document": "document",
            "sticker": "sticker",
            "location": "location",
            "contacts": "contact",
            "interactive": "option chosen",
            "button": "option chosen",
            "order": "order",
            "reaction": "reaction",
            "call": "call",
            "edit": "edited a message",
            "revoke": "deleted a message",
            "system": "notice from WhatsApp",
            "unsupported": "unsupported message",
            "identity.changed": "phone number or account changed",
            "thread_control.passed": "handed over by Meta's AI",
            "session.started": "conversation started",
            "session.ended": "conversation ended",
            "menu.shown": "menu",
            "choice.made": "option chosen",
            "handoff.requested": "asked for an agent",
            "conversation.accepted": "took the conversation",
            "conversation.declined": "declined the conversation",
            "conversation.closed": "closed the conversation",
        },
    ),
    "it": MailTexts(
        language="it",
        speakers={"customer": "Cliente", "bot": "Bot", "agent": "Operatore", "system": "Sistema"},
        number="Numero",
        opened="Inizio",
        status="Stato",
        active_until="attiva fino al {}",
        closed_on="chiusa il {}",
        conversation="Conversazione",
        edited="modificato",
        deleted="eliminato",
        day_and_time="%d/%m/%Y %H:%M:%S",
        kinds={
            "image": "immagine",
            "audio": "audio",
            "voice": "messaggio vocale",
            "video": "video",
            "document": "documento",
            "sticker": "sticker",
            "location": "posizione",
            "contacts": "contatto",
            "interactive": "opzione scelta",
            "button": "opzione scelta",
            "order": "ordine",
            "reaction": "reazione",
            "call": "chiamata",
            "edit": "ha modificato un messaggio",
            "revoke": "ha eliminato un messaggio",
            "system": "avviso di WhatsApp",
            "unsupported": "messaggio non supportato",
            "identity.changed": "numero di telefono o account cambiato",
            "thread_control.passed": "trasferita dall'IA di Meta",
            "session.started": "conversazione iniziata",
            "session.ended": "conversazione terminata",
            "menu.shown": "menu",
            "choice.made": "opzione scelta",
            "handoff.requested": "ha chiesto un operatore",
            "conversation.accepted": "ha preso in carico la conversazione",
            "conversation.declined": "ha rifiutato la conversazione",
            "conversation.closed": "ha chiuso la conversazione",
        },
    ),
}
