"""`witiop campaigns example` and `problems`: workbooks to fill in, and to mend."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from witiop.cli.campaigns.reading import unknown
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from witiop.installation import Installation


@click.command()
@click.argument("template", metavar="TEMPLATE")
@click.argument("out", metavar="[OUT]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--language", default="en", show_default=True, help="Its language, as Meta writes it, e.g. pt_BR.")
@click.pass_obj
def example(installation: "Installation", template: str, out: Path | None, language: str) -> None:
    """Write the example file of a template.

    Its columns are understood without --map. OUT is TEMPLATE.xlsx unless given.
    """
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.library import templates
    from infra.sheets.example import example_file
    from witiop.cli.campaigns.workbooks import write_parts
    from witiop.cli.views.display import harmless

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = [each for each in templates(connection, template) if each.language == language]
        now = database_now(connection)
    if not found:
        raise CommandFailed(f"there is no template {harmless(template)} in {harmless(language)}", "template_unknown")
    to = out or Path(f"{found[0].name}.xlsx")
    write_parts(example_file(found[:1], now), to)
    click.echo(str(to))


@click.command()
@click.argument("campaign_id", metavar="ID", type=click.UUID)
@click.argument("out", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def problems(installation: "Installation", campaign_id: UUID, out: Path) -> None:
    """Write the rows of a campaign's file that nothing is sent to, with a column that says why.

    Mended, the file can be imported as it is.
    """
    from domain.command_bodies.campaigns import ColumnMapping
    from infra.postgres.campaign_files.uploads import uploaded
    from infra.postgres.campaigns import campaigns
    from infra.postgres.connections.pool import connect
    from witiop.cli.campaigns.workbooks import write_problems

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        campaign = campaigns.find(connection, campaign_id)
        if campaign is None:
            raise unknown(campaign_id)
        source = campaign.source.get("file")
        file = uploaded(connection, UUID(source["file_id"])) if source else None
        if source is None or file is None or file.headings is None:
            raise CommandFailed("there is no file of the campaign any more", "file_unknown")
        mapping = ColumnMapping.model_validate(source["mapping"])
        written = write_problems(connection, campaign_id, file.headings["columns"], mapping, out)
    click.echo(f"{out}: {written:,} rows")
