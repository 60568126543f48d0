"""The schema and its versions. What a version changes is plain SQL in the numbered files here; Alembic keeps the books
(docs/decisions/0002). A version is named after its file, as `0001_conversations`."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import scalar_row

_HERE = Path(__file__).parent
_LOCK = 0x7769_7469_6F70
"""Advisory lock of whoever migrates: "witiop"."""
_LOCK_TIMEOUT = "10s"


class SchemaIsNewer(Exception):
    """The database was migrated by a later version of the product than this one."""


def versions() -> list[str]:
    """Every version that this product knows, the oldest first."""
    return sorted(file.stem for file in _HERE.glob("*.sql"))


def pending(connection: psycopg.Connection[Any]) -> list[str]:
    """The versions that this database lacks, the oldest first.

    Raises:
        SchemaIsNewer: it has one that this product does not know.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        if cursor.execute("select to_regclass('alembic_version')").fetchone() is None:
            return versions()
        current = cursor.execute("select version_num from alembic_version").fetchone()
    if current is None:
        return versions()
    if current not in versions():
        raise SchemaIsNewer(
            f"the database has the schema {current}, this program knows {versions()[-1]} at the latest: "
            "run the newer version of the program"
        )
    return versions()[versions().index(current) + 1 :]


def migrate(dsn: str, to: str = "head") -> list[str]:
    """Bring the schema up to a version; gives those that were applied, the oldest first.

    All of it is one transaction, and who comes second waits for the first. A table that somebody else holds for more
    than ten seconds ends it, so that nobody queues behind us for longer.

    Raises:
        SchemaIsNewer: nothing was changed.
        psycopg.Error: nothing was changed.
    """
    # SQLAlchemy and Alembic cost every process a second that imports them: only this function does.
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
    """Run the statements of a version: what its revision of Alembic does."""
    from alembic import op

    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute((_HERE / f"{version}.sql").read_bytes())
