"""Text files of any program: every usual delimiter and encoding."""

import pytest

from tests.support.sheets import described, first_rows

ROWS = [["+393331234567", "Niccolò, detto Nico"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_text_is_read_in_its_encoding(encoding: str) -> None:
    content = 'Phone;Name\r\n+393331234567;"Niccolò, detto Nico"\r\n'.encode(encoding)
    assert ROWS == first_rows(content)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_text_is_divided_at_its_delimiter(delimiter: str) -> None:
    """Other delimiters within texts do not count."""
    content = f'Phone{delimiter}Name{delimiter}City\n+393331234567{delimiter}"Rossi, Anna; A|B"{delimiter}Roma\n'
    assert [["+393331234567", "Rossi, Anna; A|B", "Roma"]] == first_rows(content.encode())


def test_a_list_of_phones_alone_has_one_column() -> None:
    found = described(b"+393331234567\n+393331234568\n")
    assert ([""], 2, 0) == (found["headings"]["columns"], found["rows"], found["headings"]["guess"]["phone"])


def test_a_line_that_names_the_delimiter_is_no_row() -> None:
    """Spreadsheet programs do not show it."""
    found = described(b"sep=;\r\nPhone;Name\r\n+393331234567;Anna\r\n")
    assert (1, ["Phone", "Name"]) == (found["headings"]["row"], found["headings"]["columns"])


def test_rows_are_numbered_as_a_spreadsheet_program_does() -> None:
    """A line break within quotes begins no row, an empty line is one."""
    found = described(b'Phone,Name\n\n+393331234567,"Anna\nRossi"\n+393331234568,Emma\n')
    assert [3, 4] == [each["row"] for each in found["headings"]["first"]]


def test_a_text_formula_keeps_its_zeros_and_an_error_is_one() -> None:
    """As programs export them."""
    content = b'Phone,Name,City\n="00393331234567",#N/D,#1 of Rome\n'
    assert [["00393331234567", {"error": "#N/D"}, "#1 of Rome"]] == first_rows(content)
