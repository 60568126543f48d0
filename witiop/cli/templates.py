"""`witiop templates` and `witiop numbers`: what Meta says of our templates and numbers."""

import time
from typing import TYPE_CHECKING, Any

import click

from witiop.exit_codes import CommandFailed, NotReachable

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.sending.templates import Template
    from witiop.installation import Installation

_SYNC_SECONDS = 30.0


def parameter_values(written: tuple[str, ...], *, named: bool) -> tuple[str, ...] | dict[str, str]:
    """Returns the parameters of a template's body, as its options give them. `named`: each is written as NAME=VALUE."""
    if not named:
        return written
    if not all("=" in each for each in written):
        raise click.UsageError("--param: write NAME=VALUE")
    return {key: value for key, _, value in (each.partition("=") for each in written)}


@click.group()
def templates() -> None:
    """Templates, as Meta reported them last."""


@templates.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_templates(installation: "Installation", as_json: bool) -> None:
    """List all templates."""
    from rich.text import Text

    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.library import templates as read_templates
    from witiop.cli.views.display import aligned, harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = read_templates(connection)
    if as_json:
        show_json({"rows": [_document(each) for each in found]})
        return
    if not found:
        show(["There are no templates; `witiop templates sync` reads them from Meta."])
        return
    head = [Text(title, "bold") for title in ("NAME", "LANGUAGE", "STATUS", "CATEGORY", "QUALITY", "TEXT")]
    rows = [(each.name, each.language, each.status, each.category, each.quality, each.body[:80]) for each in found]
    show(aligned([head, *([Text(harmless(cell)) for cell in row] for row in rows)]))


@templates.command("show")
@click.argument("name")
@click.option("--language", help="Only in this language.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def show_template(installation: "Installation", name: str, language: str | None, as_json: bool) -> None:
    """Show a template as the customer will read it, and the parameters that it needs."""
    from domain.sending.templates import preview
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.library import templates as read_templates
    from witiop.cli.views.display import harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = [each for each in read_templates(connection, name) if language in (None, each.language)]
    if not found:
        raise CommandFailed(f"there is no template {harmless(name)}", "no_such_template")
    if as_json:
        show_json({"rows": [_document(each) for each in found]})
        return
    for each in found:
        show([f"{each.name} ({each.language}), {each.status}, {each.category}", "", *preview(each).split("\n")])
        show([f"parameters: {', '.join(each.variables) or 'none'}", ""])


@templates.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def sync(installation: "Installation", as_json: bool) -> None:
    """Read templates and numbers from Meta now."""
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.hints import SYNC
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.accounts import accounts
    from witiop.cli.views.display import show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        asked_at = database_now(connection)
        connection.execute(f"notify {SYNC}")
        deadline = time.monotonic() + _SYNC_SECONDS
        while True:
            found = accounts(connection)
            if found and all((a.synchronised_at or asked_at) > asked_at or a.failure for a in found):
                break
            if time.monotonic() > deadline:
                raise NotReachable("no sender answered; `witiop doctor` says more")
            time.sleep(0.1)
    failed = [each for each in found if each.failure]
    if as_json:
        show_json({"accounts": [{"id": each.account_id, "failure": each.failure} for each in found]})
    else:
        show(f"account {each.account_id}: {each.failure or 'up to date'}" for each in found)
    if failed:
        raise CommandFailed(f"Meta did not answer for account {failed[0].account_id}", "not_synchronised")


@click.group()
def numbers() -> None:
    """Business numbers: limits, quality, and what holds them back."""


@numbers.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_numbers(installation: "Installation", as_json: bool) -> None:
    """List all numbers."""
    from rich.text import Text

    from domain.contract.send_help import pause_help
    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.accounts import numbers as read_numbers
    from witiop.cli.views.display import aligned, harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = read_numbers(connection)
    if as_json:
        rows = [each._asdict() | {"help": pause_help(each.reason)} for each in found]
        for row in rows:
            for key in ("paused_until", "templates_paused_until", "restricted_at"):
                row[key] = row[key] and rfc3339(row[key])
        show_json({"rows": rows})
        return
    if not found:
        show(["There are no numbers."])
        return
    head = [
        Text(t, "bold")
        for t in ("ID", "PHONE", "NAME", "QUALITY", "PER SECOND", "PEOPLE A DAY", "WAITING", "PAUSED", "RESTRICTED")
    ]
    cells = [
        (
            n.phone_number_id,
            n.display or "",
            n.name or "",
            n.quality or "unknown",
            str(n.throughput),
            "unknown" if n.people_per_day is None else f"{n.people_reached:,} of {n.people_per_day:,}",
            str(n.queued),
            "; ".join(filter(None, (n.reason, pause_help(n.reason)))),
            n.restriction or "",
        )
        for n in found
    ]
    show(aligned([head, *([Text(harmless(cell)) for cell in row] for row in cells)]))


def _document(template: "Template") -> dict[str, Any]:
    from domain.sending.templates import preview

    return {
        "account_id": template.account_id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "quality": template.quality,
        "header": template.header_kind,
        "parameters": template.variables,
        "buttons": len(list(template.dynamic_buttons())),
        "text": preview(template),
        "fingerprint": template.fingerprint,
    }
