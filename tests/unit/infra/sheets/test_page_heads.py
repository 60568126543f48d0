"""The head of a workbook's printed pages has the title, which may be what somebody searched."""

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
