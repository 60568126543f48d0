"""`witiop campaigns list`, `show` and `recipients`: reads campaigns and what became of their recipients."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from witiop.cli.reading import CursorType
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.campaigns.funnel import FunnelCell
    from domain.campaigns.recipients import RecipientState
    from infra.postgres.lists.cursor import Cursor
    from witiop.cli.views.campaigns import ShownCampaign
    from witiop.installation import Installation

STATES = (
    "importing",
    "planning",
    "ready",
    "unconfirmed",
    "scheduled",
    "missed",
    "running",
    "paused",
    "finishing",
    "finished",
    "cancelled",
)
"""`domain.campaigns.campaign.CAMPAIGN_STATES`, whose import would make every command slower."""
RECIPIENT_STATES = (
    "imported",
    "planned",
    "deferred",
    "claimed",
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "unknown",
    "assumed_sent",
    "skipped",
    "cancelled",
)
"""`domain.campaigns.recipients.RECIPIENT_STATES`."""
CELLS = (
    "rows",
    "good",
    "unique",
    "planned",
    "accepted",
    "sent",
    "delivered",
    "read",
    "answered",
    "human",
    "resolved",
    "unmanaged",
    "held",
    "bad",
    "duplicate",
    "not_good",
    "skipped",
    "to_come",
)
"""`domain.campaigns.funnel.FUNNEL_CELLS`."""
_ROWS = click.IntRange(10, 100)


@click.command("list")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows per page.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only campaigns in this state.")
@click.option("--number", metavar="ID", help="Only campaigns of this phone number id.")
@click.option("--name", default="", metavar="TEXT", help="Only campaigns with this in their name.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation",
    rows: int,
    states: tuple[str, ...],
    number: str | None,
    name: str,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List campaigns, newest first."""
    from infra.postgres.campaigns.pages.history import HistoryFilter, campaign_page
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from witiop.cli.views.campaigns import campaign_lines, listed_document
    from witiop.cli.views.display import show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = campaign_page(connection, HistoryFilter(states, number, name), rows, after or START)
    if as_json:
        show_json({"rows": [listed_document(row) for row in found.rows], "next": found.next and str(found.next)})
    else:
        show(campaign_lines(found))


@click.command("show")
@click.argument("campaign_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", campaign_id: UUID, as_json: bool) -> None:
    """Show a campaign: how many recipients came how far, why others did not, and everything that happened to it."""
    from witiop.cli.views.campaigns import shown_document, shown_lines
    from witiop.cli.views.display import show, show_json

    shown = read(installation, campaign_id)
    if as_json:
        show_json(shown_document(shown))
    else:
        show(shown_lines(shown))


@click.command()
@click.argument("campaign_id", metavar="ID", type=click.UUID)
@click.option("--state", type=click.Choice(RECIPIENT_STATES), help="Only those in this state.")
@click.option("--reason", metavar="R", help="Only those with this reason: a problem, a word, or Meta's code.")
@click.option("--cell", type=click.Choice(CELLS), help="Only those that this number of the funnel counts.")
@click.option("--wave", type=click.IntRange(1), metavar="N", help="Only those whose last message is of this wave.")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows per page.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="ROW", help="Continue behind this row of the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.option("--xlsx", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT", help="Write all to a workbook.")
@click.pass_obj
def recipients(
    installation: "Installation",
    campaign_id: UUID,
    state: "RecipientState | None",
    reason: str | None,
    cell: "FunnelCell | None",
    wave: int | None,
    rows: int,
    after: int,
    as_json: bool,
    xlsx: Path | None,
) -> None:
    """List recipients of a campaign in the order of its file, with what became of each and why."""
    from domain.campaigns.funnel import RecipientFilter
    from infra.postgres.campaigns import campaigns, listing
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.campaigns import recipient_document, recipient_lines
    from witiop.cli.views.display import show, show_json

    if cell is not None and (state is not None or reason is not None):
        raise click.UsageError("--cell: use it without --state and --reason")
    if reason is not None and state is None:
        raise click.UsageError("--reason needs --state")
    which = RecipientFilter(cell, state, reason, wave)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        if campaigns.find(connection, campaign_id) is None:
            raise unknown(campaign_id)
        if xlsx is not None:
            from witiop.cli.campaigns.workbooks import write_recipients

            written = write_recipients(connection, campaign_id, which, xlsx)
            click.echo(f"{xlsx}: {written:,} recipients")
            return
        found = listing.page(connection, campaign_id, which, rows, after)
    if as_json:
        show_json({"rows": [recipient_document(each) for each in found.recipients], "next": found.next})
    else:
        show(recipient_lines(found))


def read(installation: "Installation", campaign_id: UUID) -> "ShownCampaign":
    """Returns a campaign with all that is shown of it. Raises CommandFailed if there is none."""
    from infra.postgres.campaigns import campaigns
    from infra.postgres.campaigns.answers import answer_counts_of
    from infra.postgres.campaigns.budget import cost_so_far, waits_for_limit_until
    from infra.postgres.campaigns.counts import counts_of
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.campaigns import ShownCampaign

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        campaign = campaigns.find(connection, campaign_id)
        if campaign is None:
            raise unknown(campaign_id)
        return ShownCampaign(
            campaign,
            campaigns.templates_of(connection, campaign),
            counts_of(connection, campaign_id),
            answer_counts_of(connection, campaign_id),
            campaigns.log_of(connection, campaign_id),
            cost_so_far(connection, campaign),
            waits_for_limit_until(connection, campaign),
        )


def unknown(campaign_id: UUID) -> CommandFailed:
    """Returns the error for a campaign that does not exist."""
    return CommandFailed(f"there is no campaign {campaign_id}", "campaign_unknown")
