"""The typed parts of a WhatsApp message: its file, the message that it quotes, and the advertisement that it came from.
A part that cannot be used is None; the message itself is always read."""

import base64
import binascii
import re
from typing import Any

from domain.inbound.json_body import JsonObject, identifier, nested, text
from domain.messages.received import MAX_NAME, AdReferral, ReceivedMedia

MEDIA_KINDS = frozenset({"image", "audio", "voice", "video", "document", "sticker"})
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MAX_URL = 2048
_MAX_CLICK = 1024
_MAX_TEXT = 4096
_MAX_SECONDS = 7 * 24 * 3600


def parts_of(kind: str, message: JsonObject) -> dict[str, Any]:
    """Returns the fields `media` and `quotes` of the fact about a message."""
    return {"media": media_of(kind, message), "quotes": identifier(nested(message, "context"), "id")}


def media_of(kind: str, message: JsonObject) -> ReceivedMedia | None:
    """Returns the file of a message; None for other kinds, and for a file without an id that can be asked for."""
    if kind not in MEDIA_KINDS:
        return None
    file = nested(message, kind)
    id_ = file.get("id")
    if not isinstance(id_, str) or not _MEDIA_ID.fullmatch(id_):
        return None
    return ReceivedMedia(
        id=id_,
        mime_type=_short(file, "mime_type", MAX_NAME),
        file_name=_short(file, "filename", MAX_NAME),
        caption=_short(file, "caption", _MAX_TEXT),
        sha256=sha256_of(file.get("sha256")),
        seconds=_seconds(file.get("duration")),
        voice=kind == "voice" or file.get("voice") is True,
    )


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= _MAX_SECONDS else None


def sha256_of(value: object) -> str | None:
    """Returns a hash as 64 hexadecimal digits. Meta writes it in base64 in webhooks, and in hexadecimal digits
    elsewhere; None for anything else."""
    if not isinstance(value, str):
        return None
    if _HEX.fullmatch(value):
        return value.lower()
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None


def referral_of(message: JsonObject) -> AdReferral | None:
    """Returns the advertisement or post that a customer came from."""
    referral = nested(message, "referral")
    found = AdReferral(
        source_type=_short(referral, "source_type", MAX_NAME),
        source_id=_short(referral, "source_id", MAX_NAME),
        source_url=_short(referral, "source_url", _MAX_URL),
        headline=_short(referral, "headline", _MAX_TEXT),
        body=_short(referral, "body", _MAX_TEXT),
        click_id=_short(referral, "ctwa_clid", _MAX_CLICK),
    )
    return found if found != AdReferral() else None


def _short(holder: JsonObject, key: str, most: int) -> str | None:
    value = text(holder, key)
    return value and value[:most]
