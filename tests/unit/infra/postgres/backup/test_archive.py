"""A backup of which a byte has changed is either read as it was written, or said to be damaged."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from infra.postgres.backup.archive import BackupDamaged, BackupManifest, BackupReader, BackupWriter

ROWS = b"1\thello\n" * 20 + b"2\tworld\n"


def test_no_changed_byte_is_an_unexpected_error_or_another_row(tmp_path: Path) -> None:
    whole, changed = tmp_path / "whole", tmp_path / "changed"
    writer = BackupWriter(whole)
    table = writer.table("entries", ("id", "body"), iter([ROWS]))
    writer.finish(
        BackupManifest(taken_at=datetime.now(UTC), schema_version="0001", tables={"entries": table}, sequences={})
    )
    content = whole.read_bytes()
    damaged = 0
    for place in range(len(content)):
        for flipped in (1, 128):
            other = bytearray(content)
            other[place] ^= flipped
            changed.write_bytes(other)
            damaged += 1
            with suppress(BackupDamaged, OSError):  # OSError: the file system cannot go where the file says
                reader = BackupReader(changed)
                assert ROWS == b"".join(reader.rows_of("entries"))
                damaged -= 1
    assert damaged > len(content)
