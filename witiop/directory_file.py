"""Opens a directory file. What it says is read by `domain.directory_file.reader`."""

import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domain.directory import Directory
from domain.directory_file.reader import InvalidDirectory, parse_directory

STANDARD_INPUT = Path("-")
"""In place of a file: for a container, which sees no file of its machine."""
_MAX_BYTES = 8 * 1024 * 1024
"""Ten thousand numbers and users with everything need a quarter of it."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A problem and its fix; `line` is None when it belongs to no line."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class DirectoryFileError(Exception):
    """The file is invalid. `problems` has all problems, ordered by line; the message lists them."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def read_directory(file: Path) -> Directory:
    """Returns the directory that the file describes; with STANDARD_INPUT reads until its end. Raises DirectoryFileError
    if the file is invalid."""
    try:
        return parse_directory(_text(file))
    except InvalidDirectory as error:
        problems = dict.fromkeys(FileProblem(file, each.line, each.message) for each in error.problems)
        raise DirectoryFileError(problems) from None


def _text(file: Path) -> str:
    try:
        if file == STANDARD_INPUT:
            return _limited(file, sys.stdin.buffer.read(_MAX_BYTES + 1)).decode("utf-8-sig")
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for its writer
            raise DirectoryFileError([FileProblem(file, None, "not a file; check the path")])
        with file.open("rb") as opened:
            return _limited(file, opened.read(_MAX_BYTES + 1)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DirectoryFileError([FileProblem(file, line, "not UTF-8; save the file as UTF-8")]) from None
    except OSError as error:
        raise DirectoryFileError(
            [FileProblem(file, None, f"cannot be read ({error.strerror}); check the path")]
        ) from None


def _limited(file: Path, content: bytes) -> bytes:
    """Returns the content. Raises DirectoryFileError if it is too large."""
    if len(content) > _MAX_BYTES:
        larger = f"larger than {_MAX_BYTES >> 20} MiB, which no directory needs; check the path"
        raise DirectoryFileError([FileProblem(file, None, larger)])
    return content
