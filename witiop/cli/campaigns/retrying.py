"""`witiop campaigns retry`: tries those again whose message failed."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from witiop.cli.campaigns.reading import unknown
from witiop.cli.campaigns.steering import campaign_options, carry_out_about

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from witiop.installation import Installation


@click.command()
@campaign_options
@click.option(
    "--codes",
    metavar="CODES",
    help="Only with these reasons: Meta's codes, or words, `no_code` for none, comma separated (default: all that can "
    "succeed).",
)
@click.option("--yes", is_flag=True, help="Try them again. Without it nothing is sent: this is the dry run.")
@click.pass_obj
def retry(
    installation: "Installation",
    /,
    campaign_id: UUID,
    codes: str | None,
    yes: bool,
    as_json: bool,
    **named: Any,  # noqa: ANN401
) -> None:
    """Try those again whose message failed.

    Says how many can succeed now, how many later, and how many never. With --yes they become another wave.
    """
    from domain.campaigns.waves import retry_preview
    from domain.command_bodies.campaigns import StartWave
    from infra.postgres.campaigns import campaigns, waves
    from infra.postgres.campaigns.counts import counts_of
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.campaign_checks import retry_document, retry_lines
    from witiop.cli.views.display import show, show_json

    chosen = [code.strip() for code in codes.split(",") if code.strip()] if codes is not None else None
    if chosen == []:
        raise click.UsageError("--codes: write at least one")
    if yes:
        about = {**named, "campaign_id": campaign_id, "as_json": as_json}
        carry_out_about(installation, StartWave, about, codes=chosen)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        if campaigns.find(connection, campaign_id) is None:
            raise unknown(campaign_id)
        waiting = waves.waiting_to_retry(connection, campaign_id)
        preview = retry_preview(
            counts_of(connection, campaign_id), waiting.by_code, waiting.first, waiting.last, chosen
        )
    if as_json:
        show_json(retry_document(campaign_id, preview))
    else:
        show(retry_lines(preview))
