"""`witiop prices`: what Meta charges for messages, for the costs of campaigns."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from witiop.installation import Installation


@click.group()
def prices() -> None:
    """Meta's prices, by country and category."""


@prices.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def import_(installation: "Installation", file: Path) -> None:
    """Import a CSV file with the columns country (ISO 3166, or * for all others), category (marketing, utility,
    authentication, ...), currency, price (of one message, with a point) and valid_from (a day).

    Prices of the same country, category, currency and day are replaced."""
    from domain.campaigns.prices import WrongPrices, read_prices
    from infra.postgres.campaigns.budget import import_prices
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import show

    try:
        found = read_prices(file.read_text(encoding="utf-8-sig").splitlines())
    except WrongPrices as error:
        raise CommandFailed(f"{file.name}, {error}", "wrong_prices") from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file.name}: is no text in UTF-8", "wrong_prices") from None
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        count = import_prices(connection, found)
    show([f"{count} prices imported"])


@prices.command("list")
@click.option("--country", help="Only this country (ISO 3166, or *).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_prices(installation: "Installation", country: str | None, as_json: bool) -> None:
    """List the prices that were imported."""
    from rich.text import Text

    from infra.postgres.campaigns.budget import prices as read
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import aligned, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = [each for each in read(connection) if country in (None, each.country)]
    if as_json:
        rows = [
            {**each._asdict(), "price": str(each.price), "valid_from": each.valid_from.isoformat()} for each in found
        ]
        show_json({"rows": rows})
        return
    if not found:
        show(["There are no prices; `witiop prices import` reads them from a file."])
        return
    head = [Text(title, "bold") for title in ("COUNTRY", "CATEGORY", "CURRENCY", "PRICE", "VALID FROM")]
    lines = [[Text(_cell(value)) for value in each] for each in found]
    show(aligned([head, *lines]))


def _cell(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
