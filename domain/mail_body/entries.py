"""The transcript in words: who said what, without terms of this program, and no more than fits in a mail."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import NamedTuple

from domain.conversations.reading.transcript import TranscriptItem
from domain.directory import Directory
from domain.facts import Party
from domain.mail_body.clean import clean, one_line
from domain.mail_body.files import MailFile, MailFiles
from domain.mail_body.wording import MailTexts

MAX_ENTRIES = 5_000
"""Most entries of a mail; nobody reads more."""
_FIRST = 0.25
"""Share of both limits for the beginning of a conversation that is too long; the rest is for its end."""
_ROW_BYTES = 220
"""Bytes of an entry besides its texts: times, markup, a new day."""


class MailNote(NamedTuple):
    """A note that a colleague wrote about the conversation. `author`: the name of a sign-in."""

    at: datetime
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the transcript, as texts for readers. `kind`: what was sent or happened, if it is not only a text;
    `marks`: what became of it; `file`: that of the message, with the address of a `link` to it, if it is not attached.
    Without `at` and `speaker`: a note about what was left out."""

    at: datetime | None
    speaker: str
    kind: str
    text: str
    marks: str = ""
    link: str = ""
    file: MailFile | None = None

    @property
    def size(self) -> int:
        """Bytes in the mail."""
        texts = self.speaker + self.kind + self.text + self.marks + self.link
        return len(texts.encode()) + len(escape(texts).encode()) + _ROW_BYTES


class Entries:
    """Words the transcript of one conversation. `shown`: cleans and masks a text; `customer`: the customer's name,
    shown; `is_group`: the customer is a group, in which each line says who wrote it; `files`: of its messages."""

    def __init__(
        self,
        directory: Directory,
        wording: MailTexts,
        shown: Callable[[str], str],
        customer: str,
        is_group: bool = False,
        files: MailFiles | None = None,
    ) -> None:
        self._directory = directory
        self._wording = wording
        self._shown = shown
        self._customer = customer
        self._is_group = is_group
        self._files = files
        self._options: dict[str, str] = {}

    def with_notes(self, entries: Iterable[Entry], notes: Iterable[MailNote]) -> list[Entry]:
        """Returns the entries with those of notes, each behind what was said before it. Their speakers say what they
        are."""
        waiting = [self.of_note(note) for note in notes]
        found: list[Entry] = []
        for entry in entries:
            while waiting and entry.at is not None and waiting[0].at is not None and waiting[0].at < entry.at:
                found.append(waiting.pop(0))
            found.append(entry)
        return found + waiting

    def of_note(self, note: MailNote) -> Entry:
        """Returns the entry of a note."""
        author = self._directory.users.get(note.author)
        name = one_line(clean(author.name if author else note.author))
        return Entry(note.at, f"{self._wording.note} {name}", "", self._shown(note.text))

    def within_limits(self, transcript: Sequence[TranscriptItem], most_bytes: int) -> list[Entry]:
        """Returns the entries of the transcript. If they are too many or too large, a note takes the place of those in
        the middle; they are not composed. `most_bytes`: of plain text and HTML together."""
        self._options = _menu_options(transcript)
        begin, size = self._taken(transcript, int(MAX_ENTRIES * _FIRST), int(most_bytes * _FIRST))
        rest = transcript[len(begin) :]
        end, _ = self._taken(reversed(rest), MAX_ENTRIES - len(begin), most_bytes - size)
        left_out = len(rest) - len(end)
        note = [Entry(None, "", "", self._wording.left_out.format(left_out))] if left_out else []
        return [*begin, *note, *reversed(end)]

    def _taken(self, items: Iterable[TranscriptItem], most: int, most_bytes: int) -> tuple[list[Entry], int]:
        """Returns the first entries that fit, and their bytes."""
        taken, size = list[Entry](), 0
        for item in items:
            if len(taken) == most:
                break
            entry = self._entry(item)
            if size + entry.size > most_bytes:
                break
            taken.append(entry)
            size += entry.size
        return taken, size

    def _entry(self, item: TranscriptItem) -> Entry:
        wording = self._wording
        agent_id = item.agent_id or ""
        agent = self._directory.users.get(agent_id)
        name = self._sender(item.sender) if item.speaker == "customer" else clean(agent.name if agent else agent_id)
        kind = "" if item.kind == "text" else wording.kinds.get(item.kind, wording.other_kind)
        # what the customer deleted leaves in no mail
        text = "" if item.deleted else self._shown(self._text(item))
        if item.kind == "reaction" and not text:
            kind = wording.reaction_removed
        marks = [wording.edited] if item.edited else []
        marks += [wording.deleted] if item.deleted else []
        file, link = None, ""
        if self._files is not None and not item.deleted and (file := self._files.of(item.id)) is not None:
            said, link = self._files.words(file)
            marks.append(said)
        speaker = f"{wording.speakers[item.speaker]} {name}".strip()
        return Entry(item.at, speaker, kind, text, ", ".join(marks), link, file)

    def _sender(self, sender: Party | None) -> str:
        """Returns who of the customer's people wrote an item: the name; in a group, where names are not enough to tell
        people apart, with the phone or the user id, which is no phone number."""
        if sender is None:
            return self._customer
        names = [self._shown(sender.name or "")]
        if self._is_group:
            names.append(self._shown(sender.wa_id) if sender.wa_id else clean(sender.user_id or ""))
        return one_line(" ".join(filter(None, names))) or self._customer

    def _text(self, item: TranscriptItem) -> str:
        """Returns the text of an item without ids of options, skillsets and outcomes: they are terms of programs."""
        text = item.text or ""
        if item.kind == "menu.shown":
            return " · ".join(_option(line)[1] for line in text.splitlines())
        if item.kind == "choice.made":
            return self._options.get(text, text)
        if item.kind == "handoff.requested":
            skillset = self._directory.skillsets.get(text)
            return skillset.name if skillset else text
        return "" if item.kind == "session.ended" else text


def _menu_options(transcript: Iterable[TranscriptItem]) -> dict[str, str]:
    """Returns option id -> what the customer saw, of all menus of the conversation; of the same id the last counts."""
    menus = (item.text or "" for item in transcript if item.kind == "menu.shown")
    return dict(_option(line) for menu in menus for line in menu.splitlines())


def _option(line: str) -> tuple[str, str]:
    """Returns the id and the words of an option. A number is part of the words: the customer answers with it."""
    id_, _, title = line.partition(" ")
    return id_, line if id_.isdecimal() or not title else title
