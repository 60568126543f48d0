"""Text files of any program: every usual delimiter and encoding."""

import pytest

from domain.campaigns.files.refusals import RefusedFile
from tests.support.sheets import described, first_rows

ROWS = [["+393331234567", "Niccolò, detto Nico"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
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


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        ('+393331234567,Emma\n+393331234568,"Anna\n+393331234569,Ava\n', 3),  # to the end of the file
        ('+393331234567,"Anna\n+393331234568,"Emma"\n+393331234569,Ava\n', 2),  # to the quote of another row
    ],
)
def test_a_quote_that_is_never_closed_swallows_no_rows(lines: str, at: int) -> None:
    """Its line is named. Text behind a closed quote, and line breaks within quotes, are what they look like."""
    with pytest.raises(RefusedFile) as refused:
        described(f"Phone,Name\n{lines}".encode())
    assert ("open_quote", f"line {at}") == (refused.value.problem, refused.value.detail)
    fine = b'Phone,Name\n+393331234567,"Anna" Rossi\n+393331234568,"Emma\r\n""Em"" Bianchi"'
    assert [["+393331234567", "Anna Rossi"], ["+393331234568", 'Emma\r\n"Em" Bianchi']] == first_rows(fine)


def test_rows_of_two_encodings_keep_their_letters() -> None:
    """Files of two programs were put together, or one name was cut off."""
    content = "Phone,Name\n+393331234567,Niccolò\n".encode() + "+393331234568,Renée – O’Neil\n".encode("cp1252")
    assert [["+393331234567", "Niccolò"], ["+393331234568", "Renée – O’Neil"]] == first_rows(content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["محمد عبد الله الرحمن بن سلمان آل سعود", "山" * 60], ids=["arabic", "chinese"])
def test_any_script_is_read_without_a_byte_order_mark(encoding: str, name: str) -> None:
    assert [["+393331234567", name]] == first_rows(f"Phone,Name\n+393331234567,{name}\n".encode(encoding))


def test_a_zero_byte_in_a_text_is_left_out() -> None:
    """PostgreSQL cannot store it."""
    assert [["+393331234567", "Anna"]] == first_rows(b"Phone,Name\n+393331234567,An\0na\n")


def test_a_blank_before_a_quote_belongs_to_neither_cell() -> None:
    """Else the comma in the name would move all cells behind it."""
    content = b'Phone, Name, City\n+393331234567, "Rossi, Anna", Roma\n'
    assert [["+393331234567", "Rossi, Anna", "Roma"]] == first_rows(content)


@pytest.mark.parametrize("first", ["sep=\r\n", 'sep="\n', "sep=\n"])
def test_a_line_that_names_no_delimiter_does_not_matter(first: str) -> None:
    assert ROWS == first_rows(f'{first}Phone;Name\n+393331234567;"Niccolò, detto Nico"\n'.encode())
