"""What a conversation shows of the file in a message: a picture, a player, a download, or words that say why not."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from flask import url_for
from psycopg import Connection

from console.request import translated, words
from domain.contract.texts import gettext_noop
from domain.conversations.reading.transcript import TranscriptItem
from domain.messages.file_names import file_name
from domain.messages.files import limit_of
from domain.sending.sends import Send
from infra.postgres.media import received, uploads
from infra.postgres.media.received import ReceivedFile
from infra.postgres.media.uploads import UploadedFile

FileLook = Literal["picture", "sticker", "audio", "video", "document", "none"]
_UNPLAYABLE = ("audio/amr",)
"""Browsers have no player for it."""


class ShownFile(NamedTuple):
    """A file in a message. `id`: of the message or send that has it; `url`: its address, `small_url`: that of the
    picture made small; `name`: for a download; `size`: in words; `note`: why there is nothing to show, in words, with
    the look `none`."""

    look: FileLook
    id: str = ""
    url: str = ""
    small_url: str = ""
    name: str = ""
    size: str = ""
    note: str = ""


class ShownFiles(NamedTuple):
    """The files of a part of a conversation. `received`: by message, without those that the customer deleted; `sent`:
    by send."""

    received: Mapping[UUID, ShownFile]
    sent: Mapping[UUID, ShownFile]


NO_FILES = ShownFiles({}, {})


def shown_files(
    conn: Connection[Any], items: Sequence[TranscriptItem], sends: Sequence[Send], *, available: bool
) -> ShownFiles:
    """The files of messages and sends. `available`: this installation keeps files."""
    found = received.of_messages(conn, [item.id for item in items if not item.deleted])
    uploaded = uploads.read(conn, {send.upload_id for send in sends if send.upload_id is not None})
    return ShownFiles(
        {id_: _received(file, available) for id_, file in found.items() if not file.is_deleted},
        {
            send.id: _sent(send.id, uploaded[send.upload_id], available)
            for send in sends
            if send.upload_id is not None and send.upload_id in uploaded
        },
    )


def look_of(kind: str, proven_type: str | None, *, opened: bool) -> FileLook:
    """How a file is shown, by what its bytes prove. `opened`: it is no picture, or one that could be opened."""
    if proven_type is None or proven_type in _UNPLAYABLE:
        return "document"
    match proven_type.partition("/")[0]:
        case "image":
            return ("sticker" if kind == "sticker" else "picture") if opened else "document"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document"


def map_url(extra: Mapping[str, Any]) -> str:
    """The address of a map with the place that a message names; empty if it names none."""
    place = extra.get("location")
    degrees = [place.get(name) for name in ("latitude", "longitude")] if isinstance(place, Mapping) else []
    match degrees:
        case [int() | float() as north, int() | float() as east]:
            if abs(north) <= 90 and abs(east) <= 180:  # neither infinite, nor NaN, nor an integer too large for a float
                return f"https://www.openstreetmap.org/?mlat={north:.6f}&mlon={east:.6f}#map=17/{north:.6f}/{east:.6f}"
    return ""


def _received(file: ReceivedFile, available: bool) -> ShownFile:
    if file.state != "stored" or not available:
        return ShownFile("none", note=_why_not(file))
    look = look_of(file.kind, file.shown_type, opened=file.has_thumbnail)
    return ShownFile(
        look,
        str(file.message_id),
        url_for("media.received", id_=file.message_id),
        url_for("media.small", id_=file.message_id) if look == "picture" else "",
        file_name(file.file_name, file.kind, file.shown_type),
        words().size(file.size or 0),
    )


def _sent(send_id: UUID, file: UploadedFile, available: bool) -> ShownFile:
    if not available:
        return ShownFile("none", note=translated(_GONE))
    url = url_for("media.sent", id_=send_id)
    look = look_of(file.kind, file.mime_type, opened=True)
    name = file_name(file.file_name, file.kind, file.mime_type)
    return ShownFile(look, str(send_id), url, url, name, words().size(file.size))


_GONE = gettext_noop("This file is no longer available.")
_FETCHING = gettext_noop("This file is being fetched.")
_AGAIN = gettext_noop("This file could not be fetched yet. It is tried again by itself.")
_EXPIRED = gettext_noop(
    "This file could not be fetched, and WhatsApp no longer has it. Ask the customer to send it again."
)
_TOO_LARGE = gettext_noop("This file is too large: at most %(size)s are fetched.")


def _why_not(file: ReceivedFile) -> str:
    match file.state:
        case "waiting":
            return translated(_AGAIN if file.reason else _FETCHING)
        case "failed" if file.is_expired:
            return translated(_EXPIRED)
        case "failed":
            return translated(_TOO_LARGE) % {"size": words().size(limit_of(file.kind))}
        case _:
            return translated(_GONE)
