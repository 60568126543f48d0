"""Files of customers in a mail: attached up to a total, else named with a link that ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from domain.mail import MAX_BYTES, Mail
from domain.mail_body.clean import clean
from domain.mail_body.wording import MailTexts
from domain.messages.file_names import file_name

LINK_LIFE = timedelta(days=30)
"""How long after a mail was requested its links lead to files."""
_RESERVED = 1_500_000
"""Room for headers and a transcript."""
_HEAD = 1_000
"""Bytes of the head of a part."""


@dataclass(frozen=True, slots=True)
class MailFile:
    """The file of a message. `key`: in the store; `proven_type`: the MIME type that its bytes prove; `content`: of one
    that is attached; None: a preview, which needs none."""

    message: UUID
    kind: str
    name: str | None
    proven_type: str | None
    key: str
    size: int
    is_attached: bool = False
    content: bytes | None = None

    @property
    def mime_type(self) -> str:
        """The type to attach it with: never one that a mail reader takes for a page."""
        return self.proven_type or "application/octet-stream"


def attachable(mail: Mail, files: Sequence[MailFile], most_bytes: int) -> list[MailFile]:
    """Returns the files to attach, the latest first, as many as fit beside the administrator's text. `files`: in the
    order of their messages; `most_bytes`: of all of them together."""
    text = 2 * len(mail.body.encode())
    room = (MAX_BYTES - _RESERVED) * 57 // 78 - text
    left, found = min(most_bytes, room), []
    for file in reversed(files):
        if file.size + _HEAD <= left:
            found.append(file)
            left -= file.size + _HEAD
    return found


def with_attachable(mail: Mail, files: Sequence[MailFile], most_bytes: int) -> dict[UUID, MailFile]:
    """Returns the files by message, those that `attachable` names as attached: what a mail has if all can be read."""
    attached = {file.message: replace(file, is_attached=True) for file in attachable(mail, files, most_bytes)}
    return {file.message: file for file in files} | attached


def encoded_bytes(files: Sequence[MailFile]) -> int:
    """Returns how many bytes the attached files take in a mail."""
    return sum(file.size * 78 // 57 + _HEAD for file in files if file.is_attached)


class MailFiles:
    """The files of one mail, worded for their messages. `console_url`: None without a public console."""

    def __init__(
        self, mail: Mail, files: Mapping[UUID, MailFile], wording: MailTexts, console_url: str | None, is_masked: bool
    ) -> None:
        self._mail = mail
        self._files = files
        self._wording = wording
        self._console_url = console_url
        self._is_masked = is_masked

    def of(self, message: UUID) -> MailFile | None:
        """Returns the file of a message, with the name that the mail gives it: if phone numbers are masked, no name of
        the customer's."""
        file = self._files.get(message)
        if file is None:
            return None
        given = None if self._is_masked else clean(file.name or "")
        return replace(file, name=file_name(given, file.kind, file.proven_type))

    def words(self, file: MailFile) -> tuple[str, str]:
        """Returns what is said about a file, and the link to it; empty if there is none."""
        name = file.name or ""
        if file.is_attached:
            return self._wording.attached.format(name), ""
        size = f"{max(file.size / 1_000_000, 0.1):.1f} MB"
        if self._console_url is None:
            return self._wording.not_attached.format(name, size), ""
        until = self._mail.requested_at + LINK_LIFE
        words = self._wording.linked.format(name, size, f"{self._wording.short_day(until)} {until.year}")
        return words, f"{self._console_url.rstrip('/')}/mails/{self._mail.id}/files/{file.message}"
