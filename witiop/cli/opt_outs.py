"""`witiop opt-outs`: customers who want no messages that they did not ask for (docs/design/campaigns.md)."""

import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from witiop.cli.commands import carry_out, command_options, issuer_or_default
from witiop.cli.reading import CursorType
from witiop.exit_codes import REFUSED, CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.command_bodies.campaigns import OptOutScope
    from domain.opt_outs.opt_out import OptOutSource
    from infra.postgres.lists.cursor import Cursor
    from infra.postgres.opt_outs.listed import ListedOptOut
    from witiop.installation import Installation

_SOURCES = ("meta", "keyword", "admin", "import")
_MOST_CUSTOMERS = 1000
"""Customers of one command."""

_scope_option = click.option(
    "--scope",
    type=click.Choice(["marketing", "all"]),
    default="all",
    show_default=True,
    help="marketing: no templates of that category; all: no templates at all. Answers still reach them.",
)
_number_option = click.option("--number", metavar="ID", help="Of this phone number id only (default: all numbers).")
_customers_argument = click.argument("customers", metavar="CUSTOMER...", nargs=-1, required=True)


@click.group("opt-outs")
def opt_outs() -> None:
    """Customers who want no messages that they did not ask for."""


@opt_outs.command("list")
@click.option("--rows", type=click.IntRange(10, 100), default=10, show_default=True, help="Rows per page.")
@click.option("--number", metavar="ID", help="Only those of this phone number id; `all`: those of all numbers.")
@click.option("--source", type=click.Choice(_SOURCES), help="Only those that became known like this.")
@click.option("--customer", metavar="CUSTOMER", help="Only those of this phone or user id.")
@click.option("--ended", is_flag=True, help="Also those that have ended.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation",
    rows: int,
    number: str | None,
    source: "OptOutSource | None",
    customer: str | None,
    ended: bool,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List opt-outs, the latest first."""
    from rich.text import Text

    from domain.opt_outs.opt_out import ALL_NUMBERS
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.opt_outs.listed import OptOutFilter, opt_out_page
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute

    which = OptOutFilter(ALL_NUMBERS if number == "all" else number, source, customer, ended)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        page = opt_out_page(connection, which, rows, after or START)
    if as_json:
        show_json({"rows": [_document(row) for row in page.rows], "next": page.next and str(page.next)})
        return
    if not page.rows:
        show(["There are no opt-outs."])
        return
    titles = ("SINCE (UTC)", "CUSTOMER", "NUMBER", "SCOPE", "SOURCE", "BY", "EVIDENCE", "ENDED (UTC)")
    cells = [
        (
            utc_minute(row.at),
            f"{'+' if row.is_phone else ''}{harmless(row.address)}" if not row.is_erased else "(erased)",
            row.number or "all",
            row.scope,
            row.source,
            harmless(row.actor),
            harmless((row.evidence or "")[:60]),
            utc_minute(row.ended_at) if row.ended_at else "",
        )
        for row in page.rows
    ]
    show(aligned([[Text(title, "bold") for title in titles], *([Text(cell) for cell in line] for line in cells)]))
    if page.next is not None:
        show([f"More: --after {page.next}"])


@opt_outs.command()
@_customers_argument
@_scope_option
@_number_option
@click.option("--evidence", metavar="TEXT", help="How that is known.")
@command_options
@click.pass_obj
def add(
    installation: "Installation",
    /,
    customers: tuple[str, ...],
    scope: "OptOutScope",
    number: str | None,
    evidence: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Note that customers opted out.

    CUSTOMER is a phone with its country code, or a user id.
    """
    from domain.command_bodies.campaigns import OptOut

    body = {"customers": _at_most(customers), "scope": scope, "phone_number_id": number, "evidence": evidence}
    carry_out(installation, OptOut, body, **options)


@opt_outs.command()
@_customers_argument
@_number_option
@click.option("--evidence", metavar="TEXT", help="How that is known.")
@command_options
@click.pass_obj
def end(
    installation: "Installation",
    /,
    customers: tuple[str, ...],
    number: str | None,
    evidence: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """End what customers opted out of.

    What they stopped in WhatsApp itself only they can allow again.
    """
    from domain.command_bodies.campaigns import OptIn

    body = {"customers": _at_most(customers), "phone_number_id": number, "evidence": evidence}
    carry_out(installation, OptIn, body, **options)


@opt_outs.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig", errors="replace"))
@_scope_option
@_number_option
@click.option("--evidence", metavar="TEXT", help="How that is known (default: the name of the file).")
@click.option("--as", "issuer", metavar="USER", callback=issuer_or_default, help="Who imports it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def import_(
    installation: "Installation",
    file: TextIO,
    scope: "OptOutScope",
    number: str | None,
    evidence: str | None,
    issuer: str,
    as_json: bool,
) -> None:
    """Import opt-outs from a file.

    FILE has one phone or user id a line, or is a CSV whose first column has them; - reads from the standard input. The
    first line may be a heading. What was imported stays imported if the import ends early, and may be imported again.
    Exits with 1 if lines could not be read.
    """
    from domain.opt_outs.opt_out import ALL_NUMBERS
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.accounts import known_numbers
    from witiop.cli.views.display import harmless, show, show_json
    from witiop.operations.opt_out_import import OptOutImport
    from witiop.wiring import from_settings

    settings = installation.settings("postgres_dsn")
    name = evidence or f"import of {harmless(file.name)}"[:200]
    with connect(settings.postgres_dsn.get_secret_value(), "cli", autocommit=True) as connection:
        if number is not None and number not in known_numbers(connection):
            raise CommandFailed(f"nobody has told anything of the number {number}", "number_unknown")
        topics = from_settings.topics(settings)
        done = OptOutImport(connection, topics, number or ALL_NUMBERS, scope, issuer, name).read(file)
    if as_json:
        problems = [{"line": line, "value": value} for line, value in done.bad]
        show_json({"new": done.new, "known": done.known, "bad": done.n_bad, "problems": problems})
    else:
        show([f"{done.new} new, {done.known} known, {done.n_bad} bad"])
        show([f"line {line}: not a phone or user id: {harmless(value[:60])}" for line, value in done.bad])
        if done.n_bad > len(done.bad):
            show([f"and {done.n_bad - len(done.bad)} more lines"])
    sys.exit(REFUSED if done.n_bad else 0)


def _at_most(customers: tuple[str, ...]) -> tuple[str, ...]:
    if len(customers) > _MOST_CUSTOMERS:
        raise click.UsageError(f"at most {_MOST_CUSTOMERS} customers at a time; use `witiop opt-outs import`")
    return customers


def _document(row: "ListedOptOut") -> dict[str, Any]:
    """Returns a row of the list. Keys may be added, never removed."""
    from domain.times import rfc3339

    return {
        "id": str(row.id),
        "phone_number_id": row.number,
        "customer": {
            "wa_id": row.address or None if row.is_phone else None,
            "user_id": None if row.is_phone else row.address or None,
        },
        "scope": row.scope,
        "source": row.source,
        "at": rfc3339(row.at),
        "actor": row.actor,
        "evidence": row.evidence,
        "conversation_id": str(row.conversation_id) if row.conversation_id else None,
        "ended_at": rfc3339(row.ended_at) if row.ended_at else None,
        "ended_by": row.ended_by,
        "ended_evidence": row.ended_evidence,
    }
