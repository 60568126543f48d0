"""Names of files that people are given."""

import pytest

from domain.messages.file_names import file_name


@pytest.mark.parametrize(
    ("given", "proven", "expected"),
    [
        (None, "image/jpeg", "image.jpg"),
        (None, None, "image.bin"),
        ("Fattura 12.xml.p7m", None, "Fattura 12.xml.p7m"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("photo.exe", "image/jpeg", "photo.exe.jpg"),
        ("invoice.pdf.exe", None, "invoice.pdf.exe.bin"),
        ("page.HTML", None, "page.HTML.bin"),
        ("../../etc/passwd", None, "-..-etc-passwd.bin"),
        ("C:\\boot.ini", None, "C--boot.ini"),
        ("in\r\nvoice\x00.pdf", "application/pdf", "invoice.pdf"),
        ("\u202efdp.exe", None, "fdp.exe.bin"),
        ("...", "application/pdf", "image.pdf"),
        (".pdf", "application/pdf", "pdf.pdf"),
        ("März \u2013 Übersicht.pdf", "application/pdf", "März \u2013 Übersicht.pdf"),
        ("x" * 300 + ".pdf", "application/pdf", "x" * 70 + ".pdf"),
        ("no extension", None, "no extension.bin"),
        ("a.b c", None, "a.b c.bin"),
    ],
)
def test_a_name_is_one_safe_line_with_the_extension_that_the_bytes_prove(
    given: str | None, proven: str | None, expected: str
) -> None:
    assert expected == file_name(given, "image", proven)
