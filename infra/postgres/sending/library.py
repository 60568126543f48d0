"""What a message may refer to: templates as last synchronised, and files that were uploaded. Raises psycopg errors."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from domain.command_bodies.campaigns import OptOutScope
from domain.facts import Party
from domain.sending.acceptance import Recipient, Upload
from domain.sending.templates import Template
from infra.postgres.opt_outs.in_force import scope_of
from infra.postgres.sending.reports import TEMPLATES

_TEMPLATE: LiteralString = (
    "account_id, name, language, status, category, parameter_format, components, quality, ttl_seconds"
)


_ACCOUNT: LiteralString = (
    "coalesce((select account_id from graph_numbers where phone_number_id = %b), "
    "(select min(account_id) from graph_accounts having count(*) = 1))"
)
"""The account of a number; for a number that Meta has not told us of, the only account."""


def account_of(connection: Connection[Any], phone_number_id: str) -> str | None:
    """Returns the account of a number; for a number that Meta has not told us of, the only account; None: there is
    none."""
    row = connection.execute(f"select {_ACCOUNT}", [phone_number_id]).fetchone()
    return row[0] if row is not None else None


class StoredLibrary:
    """Implements `domain.sending.acceptance.Library`. It lives as long as a transaction: a template is read once."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._templates: dict[tuple[str, str, str], Template | None] = {}

    def template(self, phone_number_id: str, name: str, language: str) -> Template | None:
        """Returns the template of the number's account; for a number that Meta has not told us of, of the only
        account."""
        asked = phone_number_id, name, language
        if asked not in self._templates:
            query: LiteralString = f"where account_id = {_ACCOUNT} and name = %b and language = %b"
            rows = _templates(self._connection, f"select {_TEMPLATE} from {TEMPLATES} t {query}", asked)
            self._templates[asked] = rows[0] if rows else None
        return self._templates[asked]

    def opt_out_of(self, to: Recipient) -> OptOutScope | None:
        """Returns which messages the customer does not want from the number."""
        customer = Party(wa_id=to.wa_id, user_id=to.user_id, group_id=to.group_id)
        return scope_of(self._connection, to.phone_number_id, customer, to.customer_id)

    def upload(self, upload_id: UUID) -> Upload | None:
        """Returns the upload with this id."""
        with self._connection.cursor(row_factory=class_row(Upload)) as cursor:
            return cursor.execute("select id, kind, file_name from uploads where id = %b", [upload_id]).fetchone()


def templates(connection: Connection[Any], name: str | None = None) -> list[Template]:
    """Returns all templates, or those of one name, by name, language and account."""
    where: LiteralString = "where name = %b " if name is not None else ""
    return _templates(
        connection,
        f"select {_TEMPLATE} from {TEMPLATES} t {where}order by name, language, account_id",
        [name] if name is not None else [],
    )


def templates_of_number(connection: Connection[Any], phone_number_id: str) -> list[Template]:
    """Returns the templates of a number's account, by name and language."""
    return _templates(
        connection,
        f"select {_TEMPLATE} from {TEMPLATES} t where account_id = {_ACCOUNT} order by name, language",
        [phone_number_id],
    )


def store_templates(connection: Connection[Any], account_id: str, found: Iterable[Template], at: datetime) -> None:
    """Replaces the templates of an account with those that Meta reported at `at`."""
    with connection.transaction():
        for template in found:
            connection.execute(
                "insert into templates (account_id, name, language, status, category, parameter_format, components, "
                "quality, ttl_seconds, fingerprint, synchronised_at) "
                "values (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b) "
                "on conflict (account_id, name, language) do update set status = excluded.status, "
                "category = excluded.category, parameter_format = excluded.parameter_format, "
                "components = excluded.components, quality = excluded.quality, "
                "ttl_seconds = excluded.ttl_seconds, fingerprint = excluded.fingerprint, "
                "synchronised_at = excluded.synchronised_at",
                [*template[:6], Jsonb(list(template.components)), *template[7:], template.fingerprint, at],
            )
        connection.execute("delete from templates where account_id = %b and synchronised_at < %b", [account_id, at])


def _templates(connection: Connection[Any], query: LiteralString, values: Sequence[object]) -> list[Template]:
    with connection.cursor(row_factory=kwargs_row(Template)) as cursor:
        return cursor.execute(query, values).fetchall()
