"""The head of a workbook's printed pages has the title, and its sheet a name: texts that people typed."""

import io
from datetime import UTC, datetime
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from infra.sheets.workbook import Sheet, workbook


@pytest.mark.parametrize("sign", ["&", "<", "a&", "😀"])
@pytest.mark.parametrize("before", range(4))
def test_a_long_title_leaves_a_valid_file(sign: str, before: int) -> None:
    title = "x" * before + sign * 250
    sheet = Sheet("Rows", title, datetime(2026, 11, 30, tzinfo=UTC), [("A", 10)])
    with ZipFile(io.BytesIO(b"".join(workbook(sheet, [])))) as archive:
        root = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    head = root.findtext(".//{*}oddHeader")
    assert head is not None
    shown = head.removeprefix("&L")
    assert 255 >= len(head.encode("utf-16-le")) // 2
    assert title.startswith(shown.replace("&&", "&"))
    assert "&" not in shown.replace("&&", "")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("History", "History_"),
        ("?/*", "–"),
        ("a\x00[b]", "a  b"),
        ("😀" * 31, "😀" * 15),
        ("Autumn & co", "Autumn & co"),
    ],
)
def test_what_a_campaign_is_called_names_a_sheet_that_excel_takes(typed: str, name: str) -> None:
    sheet = Sheet(typed, "Rows", datetime(2026, 11, 30, tzinfo=UTC), [("A", 10)])
    with ZipFile(io.BytesIO(b"".join(workbook(sheet, [])))) as archive:
        root = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    found = root.find(".//{*}sheet")
    assert found is not None
    assert name == found.get("name")
