"""`witiop campaigns check`: what a campaign would send, to how many, and what keeps it from being sent."""

import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from witiop.cli.campaigns.reading import read
from witiop.exit_codes import REFUSED

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from psycopg import Connection

    from witiop.cli.views.campaign_checks import CheckedMessage
    from witiop.cli.views.campaigns import ShownCampaign
    from witiop.installation import Installation

_SHOWN = 20


@click.command()
@click.argument("campaign_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def check(installation: "Installation", campaign_id: UUID, as_json: bool) -> None:
    """Check a campaign before its start.

    Shows twenty messages as the recipients will read them, how many rows are good, how it fits into Meta's limit of
    people a day, what it costs at most, and what keeps it from being sent. Exits with 1 if something does.
    """
    from infra.postgres.campaigns import budget
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.campaign_checks import CampaignMeans, check_document, check_lines
    from witiop.cli.views.display import show, show_json

    shown = read(installation, campaign_id)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        messages, hindrances = _messages(connection, shown), _hindrances(connection, installation, shown)
        day = (shown.campaign.start_at or database_now(connection)).date()
        means = CampaignMeans(
            budget.people_budget_of(connection, shown.campaign),
            budget.cost_at_most(connection, shown.campaign, shown.templates, day),
        )
    if as_json:
        show_json(check_document(shown, messages, means, hindrances))
    else:
        show(check_lines(shown, messages, means, hindrances))
    sys.exit(REFUSED if hindrances else 0)


def _messages(connection: "Connection[Any]", shown: "ShownCampaign") -> "list[CheckedMessage]":
    """Returns the first messages as the recipients will read them."""
    from domain.campaigns.content import content_of
    from domain.campaigns.funnel import RecipientFilter
    from infra.postgres.campaigns import listing, recipients
    from witiop.cli.views.campaign_checks import CheckedMessage

    campaign = shown.campaign.id
    listed = listing.page(connection, campaign, RecipientFilter("planned"), _SHOWN).recipients
    people = {each.row_no: each for each in listed}
    rows = recipients.frozen_rows(connection, campaign, [*people])
    return [
        CheckedMessage(
            row.row_no,
            people[row.row_no].address or "",
            content_of(shown.templates[row.variant].template, row.parameters).text,
        )
        for row in rows
    ]


def _hindrances(connection: "Connection[Any]", installation: "Installation", shown: "ShownCampaign") -> list[str]:
    """Returns what keeps the campaign from being sent."""
    from domain.campaigns.acceptance import template_refusal
    from domain.contract.texts import REJECTION_TEXTS
    from infra.postgres.sending.library import StoredLibrary

    campaign, library, found = shown.campaign, StoredLibrary(connection), []
    if not installation.settings().sending_enabled:
        found.append("sending messages is switched off here (WITIOP_SENDING_ENABLED)")
    for planned in shown.templates:
        template = planned.template
        now = library.template(campaign.phone_number_id, template.name, template.language)
        refused = template_refusal(template, now)
        if refused is not None:
            found.append(f"{REJECTION_TEXTS[refused.rejection]}: {refused.detail}")
    if campaign.state not in ("importing", "planning") and not shown.funnel.cell("planned").n:
        found.append("there is nobody to send it to")
    return found
