"""A new database for every test, cloned in milliseconds from one that was migrated once."""

from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from infra.postgres.migrations import migrate


class Databases:
    """Creates and drops databases on one server. Names are never used twice, so test runs can share a server."""

    def __init__(self, admin_dsn: str) -> None:
        self._admin_dsn = admin_dsn
        self._template: str | None = None

    def create(self) -> str:
        """Creates an empty database with the current schema and returns its connection string."""
        if self._template is None:
            template = self.create_blank()
            migrate(template)
            self._template = template
        return self.create_blank(like=_name(self._template))

    def create_blank(self, *, like: str = "template1") -> str:
        """Creates a database from a template and returns its connection string. The template must not be in use."""
        name = f"test_{uuid4().hex}"
        self._administer("create database {} template {}", name, like)
        return make_conninfo(self._admin_dsn, dbname=name)

    def drop(self, dsn: str) -> None:
        """Drops a database, also if it is still in use."""
        self._administer("drop database {} with (force)", _name(dsn))

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._admin_dsn, autocommit=True) as connection:
            connection.execute(SQL(statement).format(*map(Identifier, names)))


def _name(dsn: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
