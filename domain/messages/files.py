"""Files in messages: Meta's limits, and what a file is, judged by its first bytes and never by its name alone.

Limits: Meta's reference of media (docs/design/sending.md, *Files*).
"""

import zipfile
from collections.abc import Mapping
from typing import BinaryIO, Literal, NamedTuple

FileKind = Literal["image", "video", "audio", "document", "sticker"]

_MIB = 1024 * 1024
LIMITS: Mapping[str, int] = {
    "image": 5 * _MIB,
    "video": 16 * _MIB,
    "audio": 16 * _MIB,
    "voice": 16 * _MIB,
    "document": 100 * _MIB,
    "sticker": 500 * 1024,
}
"""Kind -> the greatest size in bytes."""
_STILL_STICKER = 100 * 1024
"""Greatest size of a sticker that does not move, in bytes."""
_STICKER_MEASURES = (512, 512)

HEAD_BYTES = 4096
"""How much of a file `sniffed_type` needs."""

_TEXT_BYTES = 65_536
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIPPED = {
    "word/": f"{_OFFICE}wordprocessingml.document",
    "xl/": f"{_OFFICE}spreadsheetml.sheet",
    "ppt/": f"{_OFFICE}presentationml.presentation",
}
"""Folder inside a zipped office file -> its MIME type."""
_COMPOUND = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
}
"""Extension of an office file in the older format -> its MIME type. All of them begin alike."""
_KINDS: Mapping[str, FileKind] = {
    "image/jpeg": "image",
    "image/png": "image",
    "image/webp": "sticker",
    "video/mp4": "video",
    "video/3gpp": "video",
    "audio/aac": "audio",
    "audio/amr": "audio",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/ogg": "audio",
    "application/pdf": "document",
    "text/plain": "document",
    **dict.fromkeys((*_ZIPPED.values(), *_COMPOUND.values()), "document"),
}
_TAKEN = (
    "pictures (JPEG, PNG), video (MP4, 3GP), audio (AAC, AMR, MP3, M4A, OGG with Opus), stickers (WebP), PDF, Word, "
    "Excel, PowerPoint and text"
)
_NOUNS: Mapping[FileKind, str] = {
    "image": "a picture",
    "video": "a video",
    "audio": "an audio file",
    "document": "a document",
    "sticker": "a sticker",
}


class CheckedFile(NamedTuple):
    """A file that Meta takes."""

    kind: FileKind
    mime_type: str
    size: int


class UnusableFile(Exception):
    """Meta would not take the file. The message says why, and names the limit."""


def limit_of(kind: str) -> int:
    """Returns the greatest size of a file in a message of this kind, in bytes."""
    return LIMITS.get(kind, LIMITS["document"])


def transfer_seconds(size: int) -> float:
    """Returns the longest time that a file of this size may take: half a minute, and a second per 100 kB."""
    return 30.0 + size / 100_000


def sniffed_type(head: bytes) -> str | None:
    """Returns the MIME type that the first `HEAD_BYTES` of a picture, video, audio file or PDF prove; None for anything
    else."""
    for magic, mime_type in _MAGIC:
        if head.startswith(magic):
            return mime_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"M4A ", b"M4B "):
            return "audio/mp4"
        return "video/3gpp" if brand[:2] == b"3g" else "video/mp4"
    if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "audio/aac"
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "audio/mpeg"
    return None


_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
)


def check_file(file: BinaryIO, name: str) -> CheckedFile:
    """Returns what a file is, if Meta takes it. Reads it from its beginning. `name`: its name, whose extension tells
    office files of the older format apart. Raises UnusableFile."""
    size = file.seek(0, 2)
    if size == 0:
        raise UnusableFile("the file is empty")
    file.seek(0)
    head = file.read(HEAD_BYTES)
    mime_type = sniffed_type(head) or _document_type(file, head, name)
    if mime_type is None:
        raise UnusableFile(f"WhatsApp does not take files of this type; it takes {_TAKEN}")
    kind = _KINDS[mime_type]
    if size > LIMITS[kind]:
        raise UnusableFile(
            f"{_NOUNS[kind]} may have at most {_size(LIMITS[kind])}, but this one has {_size(size)}: make it smaller"
        )
    if mime_type == "audio/ogg":
        _check_opus(head)
    if mime_type == "image/webp":
        _check_sticker(head, size)
    return CheckedFile(kind, mime_type, size)


def _document_type(file: BinaryIO, head: bytes, name: str) -> str | None:
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _COMPOUND.get(name.rpartition(".")[2].lower())
    if head.startswith(b"PK\x03\x04"):
        return _zipped_type(file)
    return "text/plain" if _is_text(file) else None


def _zipped_type(file: BinaryIO) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    return next((type_ for folder, type_ in _ZIPPED.items() if any(n.startswith(folder) for n in names)), None)


def _is_text(file: BinaryIO) -> bool:
    """Returns whether the beginning is text in UTF-8 without control characters of binary files."""
    file.seek(0)
    part = file.read(_TEXT_BYTES)
    if b"\x00" in part:
        return False
    try:
        part.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(part) - 3 and len(part) == _TEXT_BYTES
    return True


def _check_opus(head: bytes) -> None:
    at = head.find(b"OpusHead")
    if at < 0:
        raise UnusableFile("audio in OGG must have the codec Opus")
    if head[at + 9 : at + 10] != b"\x01":
        raise UnusableFile("audio in OGG must be mono: WhatsApp does not take stereo")


def _check_sticker(head: bytes, size: int) -> None:
    """`head`: the container's format is WebP; its first part tells width, height, and whether it moves."""
    moves = head[12:16] == b"VP8X" and bool(head[20:21]) and bool(head[20] & 2)
    if not moves and size > _STILL_STICKER:
        raise UnusableFile(
            f"a sticker that does not move may have at most {_size(_STILL_STICKER)}, but this one has {_size(size)}: "
            "make it smaller"
        )
    measures = _webp_measures(head)
    if measures is not None and measures != _STICKER_MEASURES:
        raise UnusableFile("a sticker must be 512 x 512 pixels, but this one is {} x {}".format(*measures))


def _webp_measures(head: bytes) -> tuple[int, int] | None:
    """Returns width and height in pixels; None: they cannot be read."""
    part = head[20:30]
    if len(part) < 10:
        return None
    if head[12:16] == b"VP8X":
        return int.from_bytes(part[4:7], "little") + 1, int.from_bytes(part[7:10], "little") + 1
    if head[12:16] == b"VP8L" and part[0] == 0x2F:
        bits = int.from_bytes(part[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 " and part[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(part[6:8], "little") & 0x3FFF, int.from_bytes(part[8:10], "little") & 0x3FFF
    return None


def _size(size: int) -> str:
    return f"{size / _MIB:.1f} MiB" if size >= _MIB else f"{size / 1024:.0f} KiB"
