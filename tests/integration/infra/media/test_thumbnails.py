"""Pictures are made small in a process of their own, and say nothing about where and with what they were taken."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO

import pytest
from PIL import Image

from infra.media.thumbnails import thumbnail


@contextmanager
def file_with(content: bytes) -> Iterator[BinaryIO]:
    with TemporaryFile() as file:
        file.write(content)
        yield file


def picture(size: tuple[int, int] = (1200, 800), kind: str = "JPEG", mode: str = "RGB", **more: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, kind, **more)
    return out.getvalue()


def small(content: bytes) -> bytes | None:
    with file_with(content) as file:
        return thumbnail(file)


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("PNG", "P")]
)
def test_a_picture_is_made_small_and_keeps_its_shape(kind: str, mode: str) -> None:
    made = small(picture(kind=kind, mode=mode))
    assert made is not None
    with Image.open(io.BytesIO(made)) as found:
        assert ("JPEG", (480, 320)) == (found.format, found.size)


def test_nothing_is_left_of_what_the_camera_wrote() -> None:
    """Place, time, device, comments, and the picture inside the picture."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "Camera of Anna", {1: "N", 2: (51.0, 30.0, 0.0)}
    made = small(picture(exif=exif, comment=b"private note"))
    assert made is not None
    with Image.open(io.BytesIO(made)) as found:
        assert not dict(found.getexif())
        assert not {"exif", "comment", "xmp", "icc_profile"} & found.info.keys()
    assert b"private note" not in made
    assert b"Camera of Anna" not in made


def test_a_picture_is_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = small(picture((1200, 800), exif=exif))
    assert made is not None
    with Image.open(io.BytesIO(made)) as found:
        assert (320, 480) == found.size


def bomb() -> bytes:
    """A PNG of a few kilobytes that claims 30,000 x 30,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe0 no photo", b"<svg/>", picture()[:500], picture(kind="GIF")]
)
def test_what_cannot_be_opened_has_no_thumbnail(content: bytes) -> None:
    assert small(content) is None


def test_a_picture_that_claims_to_be_huge_is_not_opened() -> None:
    assert small(bomb()) is None
