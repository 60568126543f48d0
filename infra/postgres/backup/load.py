"""Restores a backup into an empty database, with everything held that may have been posted since
(`infra.postgres.messaging.restores`)."""

from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from infra.postgres.backup.archive import BackedUpPartition, BackupManifest, BackupReader
from infra.postgres.connections.pool import conninfo
from infra.postgres.messaging import restores
from infra.postgres.migrations import SchemaIsNewer, migrate, versions


class DatabaseNotEmpty(Exception):
    """The database has tables. The message names it and says what to do."""


def restore(dsn: str, reader: BackupReader) -> BackupManifest:
    """Restores a backup that was checked (`BackupReader.check`), and returns its manifest. The schema is that of the
    backup afterwards; nobody is signed in to the console. Blocks until everything is written.

    Raises:
        DatabaseNotEmpty: the database has tables; nothing was changed.
        SchemaIsNewer: the backup is of a later version of the product; nothing was changed.
        BackupDamaged: the file changed after it was checked. The tables are empty then.
        psycopg.Error: the database failed. The tables are empty then.
    """
    manifest = reader.manifest
    if manifest.schema_version not in versions():
        raise SchemaIsNewer(
            f"the backup has schema version {manifest.schema_version}, but this program knows only versions up to "
            f"{versions()[-1]}: restore it with the version of the program that made it, or a later one"
        )
    with psycopg.connect(conninfo(dsn, "restore")) as connection:
        _require_empty(connection, str(conninfo_to_dict(dsn).get("dbname", "")))
    migrate(dsn, manifest.schema_version)
    with psycopg.connect(conninfo(dsn, "restore", statement_seconds=0)) as connection:
        for partition in manifest.partitions:
            _make(connection, partition)
        names = SQL(", ").join(map(Identifier, manifest.tables))
        connection.execute(SQL("truncate {}").format(names))  # what migrations have inserted
        for name in manifest.tables:
            _load(connection, reader, name)
        for name, last in manifest.sequences.items():
            connection.execute("select setval(%b::regclass, %b)", [f'"{name}"', last])
        connection.execute("delete from console_sessions")  # some may have been ended since, because they were stolen
        restores.forget_unconfirmed(connection)
        restores.recognise(connection)
    with psycopg.connect(conninfo(dsn, "restore", statement_seconds=0), autocommit=True) as connection:
        connection.execute("analyze")  # without statistics the first queries take the wrong indexes
    return manifest


def _require_empty(connection: Connection[Any], database: str) -> None:
    row = connection.execute(
        "select count(*), min(relname) from pg_class "
        "where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm')"
    ).fetchone()
    if row is not None and row[0]:
        raise DatabaseNotEmpty(
            f"the database {database} has {row[0]:,} tables, e.g. {row[1]}: create an empty one, and name it in "
            "WITIOP_POSTGRES_DSN"
        )


def _make(connection: Connection[Any], partition: BackedUpPartition) -> None:
    """Creates a partition unless the migrations have made it."""
    known = connection.execute("select to_regclass(%b)", [f'"{partition.name}"']).fetchone()
    if known is None or known[0] is None:
        name, parent = Identifier(partition.name), Identifier(partition.parent)
        bound = SQL(partition.bound)  # written by PostgreSQL, in a file that its owner made
        connection.execute(SQL("create table {} partition of {} {}").format(name, parent, bound))


def _load(connection: Connection[Any], reader: BackupReader, name: str) -> None:
    columns = SQL(", ").join(map(Identifier, reader.manifest.tables[name].columns))
    statement = SQL("copy {} ({}) from stdin").format(Identifier(name), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in reader.rows_of(name):
            copy.write(block)
