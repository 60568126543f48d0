"""The file of a backup: a ZIP archive with one member per table, in PostgreSQL's own text format for COPY, and a
manifest that says what must be in them."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from pydantic import AwareDatetime, BaseModel, ConfigDict

MANIFEST = "manifest.json"
FORMAT = 1
_LEVEL = 3
"""Of compression: higher ones take twice the time for 5 % less."""
_BLOCK_BYTES = 1024 * 1024
_DAMAGE = (BadZipFile, KeyError, EOFError, ValueError, RuntimeError, zlib.error)
"""What `zipfile` raises for a file of which some bytes are others: RuntimeError for one that claims to be encrypted,
and NotImplementedError, which is one, for an unknown compression or version."""


class BackupDamaged(Exception):
    """The file is no backup, is incomplete, or is not what was written. The message says which."""


class BackedUpTable(BaseModel):
    """A table in a backup. `digest`: SHA-256 of its member."""

    model_config = ConfigDict(frozen=True)

    columns: tuple[str, ...]
    rows: int
    digest: str


class BackedUpPartition(BaseModel):
    """A partition of a table that was not there from the beginning. `bound`: as PostgreSQL writes it."""

    model_config = ConfigDict(frozen=True)

    name: str
    parent: str
    bound: str


class BackupManifest(BaseModel):
    """What a backup holds. `taken_at`: the moment that it is of; `schema_version`: of the migrations; `sequences`:
    their last values."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    taken_at: AwareDatetime
    schema_version: str
    tables: dict[str, BackedUpTable]
    partitions: tuple[BackedUpPartition, ...] = ()
    sequences: dict[str, int]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())


class BackupWriter:
    """Writes the members of a backup, in the order in which they come. The file is readable by its owner only."""

    def __init__(self, path: Path) -> None:
        """Raises FileExistsError, OSError."""
        path.touch(mode=0o600, exist_ok=False)
        self._archive = ZipFile(path, "w", ZIP_DEFLATED, compresslevel=_LEVEL)

    def table(self, name: str, columns: tuple[str, ...], blocks: Iterator[bytes]) -> BackedUpTable:
        """Writes a table. `blocks`: its rows as COPY sends them."""
        rows, digest = 0, hashlib.sha256()
        with self._archive.open(_member(name), "w", force_zip64=True) as member:
            for block in blocks:
                member.write(block)
                digest.update(block)
                rows += block.count(b"\n")  # COPY writes the line breaks of texts as \n
        return BackedUpTable(columns=columns, rows=rows, digest=digest.hexdigest())

    def finish(self, manifest: BackupManifest) -> None:
        """Writes the manifest; without it the file is no backup."""
        self._archive.writestr(MANIFEST, manifest.model_dump_json(indent=2))
        self._archive.close()


class BackupReader:
    """Reads a backup. Raises BackupDamaged, also while rows are read."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError, OSError."""
        try:
            self._archive = ZipFile(path)
            self.manifest = BackupManifest.model_validate_json(self._archive.read(MANIFEST))
        except _DAMAGE as error:
            raise BackupDamaged(f"{path} is not a backup, or was not finished") from error
        if self.manifest.format != FORMAT:
            raise BackupDamaged(f"{path} has the format {self.manifest.format}; this program reads {FORMAT}")

    def rows_of(self, name: str) -> Iterator[bytes]:
        """Yields a table as blocks of bytes. After the last one, the table is what was written."""
        expected, digest = self.manifest.tables[name], hashlib.sha256()
        rows = 0
        try:
            with self._archive.open(_member(name)) as member:
                while block := member.read(_BLOCK_BYTES):
                    digest.update(block)
                    rows += block.count(b"\n")
                    yield block
        except _DAMAGE as error:
            raise BackupDamaged(f"the table {name} is damaged: {type(error).__name__}") from error
        if (rows, digest.hexdigest()) != (expected.rows, expected.digest):
            raise BackupDamaged(f"the table {name} is not what was written: {rows:,} rows of {expected.rows:,}")

    def check(self) -> BackupManifest:
        """Reads everything and returns the manifest."""
        for name in self.manifest.tables:
            for _ in self.rows_of(name):
                pass
        return self.manifest

    def close(self) -> None:
        """Closes the file."""
        self._archive.close()


def _member(table: str) -> str:
    return f"tables/{table}.copy"
