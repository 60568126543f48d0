"""Media of the Graph API: upload with Meta's limits, information, download and deletion. Kept in memory."""

import hashlib
import hmac
import io
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from infra.local.graph.checks.refusals import GraphRefusal, required, wrong

KEPT_BYTES = 256 * 1024 * 1024
"""All media together; beyond that the oldest are forgotten."""
URL_SECONDS = 300
"""How long the address of a download is valid."""
MEDIA_ID = re.compile(r"77\d{14}")
"""Ids of media. All other ids are those of phone numbers and accounts."""
_MB = 1024 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument"
_KINDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "audio": (16 * _MB, ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")),
    "image": (5 * _MB, ("image/jpeg", "image/png")),
    "sticker": (500 * 1024, ("image/webp",)),
    "video": (16 * _MB, ("video/mp4", "video/3gpp")),
    "document": (
        100 * _MB,
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            f"{_OFFICE}.wordprocessingml.document",
            f"{_OFFICE}.spreadsheetml.sheet",
            f"{_OFFICE}.presentationml.presentation",
        ),
    ),
}
"""Greatest size in bytes and MIME types, by kind."""


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """An uploaded file. `kind`: of messages that may contain it, besides documents."""

    id: str
    number: str
    kind: str
    mime_type: str
    content: bytes


class MediaStore:
    """The uploaded files."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._files: OrderedDict[str, StoredMedia] = OrderedDict()
        self._size = 0
        self._key = secrets.token_bytes(16)

    def upload(self, number: str, content_type: str, body: io.BytesIO, size: int) -> dict[str, Any]:
        """Stores the file of a multipart body and returns Meta's answer. Raises GraphRefusal."""
        media_type, options = parse_options_header(content_type)
        if media_type != "multipart/form-data":
            raise wrong("file", "must be uploaded as multipart/form-data")
        body.seek(0)
        _, form, files = FormDataParser().parse(body, media_type, size, options)
        if form.get("messaging_product") != "whatsapp":
            raise required("messaging_product")
        file = files.get("file")
        if file is None:
            raise required("file")
        stored = _checked(number, file.mimetype, file.mimetype_params, file.read())
        self._files[stored.id] = stored
        self._size += len(stored.content)
        while self._size > self._kept_bytes and len(self._files) > 1:
            self._size -= len(self._files.popitem(last=False)[1].content)
        return {"id": stored.id}

    def check(self, kind: str, media_id: str) -> None:
        """Raises GraphRefusal unless a message of this kind may contain the file."""
        stored = self._files.get(media_id)
        if stored is None or kind not in (stored.kind, "document"):
            raise wrong(f"{kind}['id']", "is not a valid whatsapp business account media attachment ID")

    def info(self, media_id: str, number: str | None, base_url: str, now: float) -> dict[str, Any]:
        """Returns what Meta tells about a file. `number`: the phone number id that must have uploaded it, if given."""
        stored = self._known(media_id, number)
        expires = int(now) + URL_SECONDS
        return {
            "messaging_product": "whatsapp",
            "url": f"{base_url}/_media/{media_id}?ext={expires}&hash={self._seal(media_id, expires)}",
            "mime_type": stored.mime_type,
            "sha256": hashlib.sha256(stored.content).hexdigest(),
            "file_size": len(stored.content),
            "id": media_id,
        }

    def download(self, media_id: str, expires: str, seal: str, now: float) -> StoredMedia:
        """Returns the file for an address that `info` returned and that has not expired."""
        valid = expires.isdecimal() and hmac.compare_digest(seal.encode(), self._seal(media_id, int(expires)).encode())
        if not valid or now > int(expires):
            raise GraphRefusal(100, "The download URL has expired or is not valid.", status=404, subcode=33)
        return self._known(media_id, None)

    def delete(self, media_id: str, number: str | None) -> dict[str, Any]:
        """Deletes a file."""
        stored = self._known(media_id, number)
        del self._files[media_id]
        self._size -= len(stored.content)
        return {"success": True}

    def _known(self, media_id: str, number: str | None) -> StoredMedia:
        stored = self._files.get(media_id)
        if stored is None or number not in (None, stored.number):
            raise GraphRefusal(100, f"Object with ID '{media_id}' does not exist.", subcode=33)
        return stored

    def _seal(self, media_id: str, expires: int) -> str:
        return hmac.new(self._key, f"{media_id}.{expires}".encode(), "sha256").hexdigest()[:32]


def _checked(number: str, mime_type: str, parameters: dict[str, str], content: bytes) -> StoredMedia:
    kind = next((kind for kind, (_, types) in _KINDS.items() if mime_type in types), None)
    if kind is None:
        raise GraphRefusal(131053, f"Media of type {mime_type[:64] or 'unknown'} is not supported.")
    most, _ = _KINDS[kind]
    if not content:
        raise GraphRefusal(131053, "The file is empty.")
    if len(content) > most:
        raise GraphRefusal(131053, f"The file has {len(content)} bytes; a file of this type may have {most}.")
    if mime_type == "audio/ogg":
        if (at := content.find(b"OpusHead")) < 0 or parameters.get("codecs", "opus") != "opus":
            raise GraphRefusal(131053, "Audio in OGG must have the codec opus.")
        if content[at + 9 : at + 10] != b"\x01":
            raise GraphRefusal(131053, "Audio in OGG must be mono.")
    return StoredMedia(f"77{secrets.randbelow(10**14):014}", number, kind, mime_type, content)
