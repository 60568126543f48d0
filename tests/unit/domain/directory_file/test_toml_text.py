"""The directory is written as the text of a directory file."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given

from domain.directory import Directory
from domain.directory_file.toml_text import directory_text
from tests.unit.domain.directory_file.directories import directories
from witiop.directory_file import read_directory


@given(directories())
def test_a_directory_that_is_written_to_a_file_is_read_back_unchanged(directory: Directory) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "company.toml")
        file.write_text(directory_text(directory), encoding="utf-8")
        assert directory == read_directory(file)
