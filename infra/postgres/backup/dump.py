"""Makes a backup, while everything runs: all tables as they were at one moment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL, Identifier

from infra.postgres.backup.archive import BackedUpPartition, BackedUpTable, BackupManifest, BackupReader, BackupWriter
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.pool import conninfo
from infra.postgres.migrations import VERSION_TABLE

_TABLES = (
    "select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') "
    "and not relispartition and relname <> %b order by relname"
)
_COLUMNS = (
    "select attname from pg_attribute where attrelid = %b::regclass and attnum > 0 and not attisdropped "
    "and attgenerated = '' order by attnum"
)
_PARTITIONS = (
    "select c.relname, p.relname, pg_get_expr(c.relpartbound, c.oid) from pg_inherits i "
    "join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent "
    "where c.relispartition and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace order by c.relname"
)
_SEQUENCES = (
    "select relname, pg_sequence_last_value(oid) from pg_class "
    "where relnamespace = current_schema()::regnamespace and relkind = 'S' order by relname"
)


def back_up(dsn: str, path: Path) -> BackupManifest:
    """Writes a backup of the database to a new file, reads it again, and returns its manifest. Nobody waits for it; it
    sees nothing that is committed after it began. `path` appears when it is complete.

    Raises:
        FileExistsError: there is such a file.
        OSError: the file cannot be written.
        BackupDamaged: what was written cannot be read.
        psycopg.Error: the database failed, or has no schema.
    """
    if path.exists():
        raise FileExistsError(path)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        _write(dsn, unfinished)
        reader = BackupReader(unfinished)
        try:
            manifest = reader.check()
        finally:
            reader.close()
        unfinished.rename(path)
        return manifest
    finally:
        unfinished.unlink(missing_ok=True)


def _write(dsn: str, path: Path) -> None:
    with psycopg.connect(conninfo(dsn, "backup", statement_seconds=0)) as connection:
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        taken_at = database_now(connection)  # the transaction sees what was committed until this statement
        version = connection.execute(SQL("select version_num from {}").format(Identifier(VERSION_TABLE))).fetchone()
        writer = BackupWriter(path)
        tables = {name: _table(connection, writer, name) for (name,) in connection.execute(_TABLES, [VERSION_TABLE])}
        partitions = tuple(
            BackedUpPartition(name=name, parent=parent, bound=bound)
            for name, parent, bound in connection.execute(_PARTITIONS)
        )
        sequences = {name: last for name, last in connection.execute(_SEQUENCES) if last is not None}
        writer.finish(
            BackupManifest(
                taken_at=taken_at,
                schema_version=str(version and version[0]),
                tables=tables,
                partitions=partitions,
                sequences=sequences,  # read after the tables: never behind their rows
            )
        )


def _table(connection: Connection[Any], writer: BackupWriter, name: str) -> BackedUpTable:
    columns = tuple(column for (column,) in connection.execute(_COLUMNS, [f'"{name}"']))
    return writer.table(name, columns, _rows(connection, name, columns))


def _rows(connection: Connection[Any], name: str, columns: tuple[str, ...]) -> Iterator[bytes]:
    listed = SQL(", ").join(map(Identifier, columns))
    statement = SQL("copy (select {} from {}) to stdout").format(listed, Identifier(name))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            yield bytes(block)
