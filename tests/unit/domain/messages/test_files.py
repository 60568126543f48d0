"""What a file is, by its bytes, and whether Meta takes it."""

import io
import zipfile

import pytest
from PIL import Image

from domain.messages.files import LIMITS, UnusableFile, check_file, limit_of, sniffed_type, transfer_seconds

JPEG, PNG, PDF = b"\xff\xd8\xff\xe0 a photo", b"\x89PNG\r\n\x1a\n picture", b"%PDF-1.7 text"
OGG = b"OggS" + bytes(24) + b"OpusHead\x01" + b"\x01" + bytes(30)
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
MP4, M4A, GP3 = (b"\x00\x00\x00\x18ftyp" + brand + bytes(20) for brand in (b"isom", b"M4A ", b"3gp5"))
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)


def zipped(folder: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(f"{folder}document.xml", "<x/>")
    return out.getvalue()


def webp(size: tuple[int, int] = (512, 512), lossless: bool = False) -> bytes:
    """A still picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size).save(out, "WEBP", lossless=lossless)
    return out.getvalue()


def moving(size: tuple[int, int] = (512, 512)) -> bytes:
    """A picture that moves."""
    out = io.BytesIO()
    first, second = Image.new("RGB", size), Image.new("RGB", size, "red")
    first.save(out, "WEBP", save_all=True, append_images=[second])
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "kind", "mime_type"),
    [
        (JPEG, "a.jpg", "image", "image/jpeg"),
        (PNG, "a.jpg", "image", "image/png"),
        (WEBP, "a", "sticker", "image/webp"),
        (webp(), "a", "sticker", "image/webp"),
        (webp(lossless=True), "a", "sticker", "image/webp"),
        (moving() + bytes(101 * 1024), "a", "sticker", "image/webp"),
        (MP4, "a.mp4", "video", "video/mp4"),
        (GP3, "a.3gp", "video", "video/3gpp"),
        (M4A, "a.m4a", "audio", "audio/mp4"),
        (OGG, "a.ogg", "audio", "audio/ogg"),
        (b"ID3\x04 song", "a.mp3", "audio", "audio/mpeg"),
        (b"\xff\xfb\x90 song", "a.mp3", "audio", "audio/mpeg"),
        (b"\xff\xf1\x50 song", "a.aac", "audio", "audio/aac"),
        (b"#!AMR\n", "a.amr", "audio", "audio/amr"),
        (PDF, "a.exe", "document", "application/pdf"),
        ("Größe".encode(), "a.txt", "document", "text/plain"),
        (b"<script>alert(1)</script>", "a.html", "document", "text/plain"),
        (COMPOUND, "A.XLS", "document", "application/vnd.ms-excel"),
        (
            zipped("word/"),
            "a.zip",
            "document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (zipped("xl/"), "a", "document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_a_file_is_what_its_bytes_say(content: bytes, name: str, kind: str, mime_type: str) -> None:
    """The name alone proves nothing."""
    assert (kind, mime_type, len(content)) == check_file(io.BytesIO(content), name)


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "a.txt", "is empty"),
        (b"MZ\x90\x00\x03", "photo.jpg", "does not take files of this type"),
        (COMPOUND, "a.msi", "does not take files of this type"),
        (zipped("other/"), "a.docx", "does not take files of this type"),
        (b"PK\x03\x04 broken", "a.docx", "does not take files of this type"),
        (b"\xff\xfe text in UTF-16", "a.txt", "does not take files of this type"),
        (b"OggS" + bytes(24) + b"\x01vorbis", "a.ogg", "must have the codec Opus"),
        (OGG.replace(b"OpusHead\x01\x01", b"OpusHead\x01\x02"), "a.ogg", "must be mono"),
        (JPEG + bytes(5 * 1024 * 1024), "a.jpg", "a picture may have at most 5.0 MiB, but this one has 5.0 MiB"),
        (moving() + bytes(600 * 1024), "a.webp", "a sticker may have at most 500 KiB, but this one has 6"),
        (
            webp() + bytes(101 * 1024),
            "a.webp",
            "a sticker that does not move may have at most 100 KiB, but this one has 1",
        ),
        (webp(size=(640, 480)), "a.webp", "must be 512 x 512 pixels, but this one is 640 x 480"),
        (webp(size=(100, 512)), "a.webp", "must be 512 x 512 pixels, but this one is 100 x 512"),
        (webp(lossless=True, size=(512, 100)), "a.webp", "but this one is 512 x 100"),
        (moving((64, 32)), "a.webp", "but this one is 64 x 32"),
    ],
)
def test_what_meta_would_refuse_is_refused_in_words(content: bytes, name: str, why: str) -> None:
    with pytest.raises(UnusableFile, match=why):
        check_file(io.BytesIO(content), name)


def test_a_text_may_be_cut_in_the_middle_of_a_character_by_the_part_that_is_looked_at() -> None:
    assert "text/plain" == check_file(io.BytesIO(b"x" + "é".encode() * 50_000), "a.txt").mime_type


def test_nothing_that_a_browser_would_run_is_a_type_to_be_shown() -> None:
    assert [None] * 3 == [sniffed_type(each) for each in (b"<html>", b"<svg xmlns=''>", b"<?xml version='1.0'?>")]


def test_an_unknown_kind_has_the_limit_of_documents() -> None:
    assert LIMITS["document"] == limit_of("new kind")


def test_a_larger_file_may_take_longer() -> None:
    assert (30.0, 130.0) == (transfer_seconds(0), transfer_seconds(10_000_000))
