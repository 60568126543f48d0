"""The schema and its versions. Each version is a numbered SQL file here; Alembic tracks which of them a database has
(docs/decisions/0002). A version is named after its file, e.g. `0001_conversations`. Queries are elsewhere."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import scalar_row

_HERE = Path(__file__).parent
_LOCK = 0x7769_7469_6F70
"""Key of the advisory lock that a migration holds: the bytes of "witiop"."""
_LOCK_TIMEOUT = "10s"
VERSION_TABLE = "alembic_version"
"""The table with the schema's version."""


class SchemaIsNewer(Exception):
    """The database has the schema of a later version of the product than this one."""


def versions() -> list[str]:
    """Returns all versions of this product's schema, the oldest first."""
    return sorted(file.stem for file in _HERE.glob("*.sql"))


def pending(connection: psycopg.Connection[Any]) -> list[str]:
    """Returns the versions that the database lacks, the oldest first.

    Raises:
        SchemaIsNewer: the database has a version that this product does not know.
        psycopg.Error: the database cannot be read.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        if cursor.execute("select to_regclass('alembic_version')").fetchone() is None:
            return versions()
        current = cursor.execute("select version_num from alembic_version").fetchone()
    if current is None:
        return versions()
    if current not in versions():
        raise SchemaIsNewer(
            f"the database has schema version {current}, but this program knows only versions up to "
            f"{versions()[-1]}: run the newer version of the program"
        )
    return versions()[versions().index(current) + 1 :]


def migrate(dsn: str, to: str = "head") -> list[str]:
    """Migrates the schema to a version and returns the versions that were applied, the oldest first.

    Everything happens in one transaction. Of concurrent migrations, one works and the others wait for it. A migration
    that waits for the lock of a table for more than ten seconds fails, because other sessions queue behind it.

    Raises:
        SchemaIsNewer: the database has a version that this product does not know; nothing was changed.
        psycopg.Error: the migration failed; nothing was changed.
    """
    # Importing SQLAlchemy and Alembic takes a second, so no other code of the product imports them.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import DBAPIError

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(_HERE / "alembic"))
    try:
        with engine.begin() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            driver.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
            driver.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
            before = pending(driver)
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            after = pending(driver)
    except DBAPIError as error:
        raise error.orig or error from None
    finally:
        engine.dispose()
    return before[: len(before) - len(after)]


def execute(version: str) -> None:
    """Runs the SQL file of a version, on the connection of the running Alembic revision. Raises psycopg errors."""
    from alembic import op

    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute((_HERE / f"{version}.sql").read_bytes())
