"""The second step from customers: Meta's warning, and the filter of those who have written."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from psycopg import Connection
from pydantic import ValidationError

from console.campaigns.new.draft import Draft
from console.campaigns.new.mapping import label_of, variables
from console.campaigns.new.message import CampaignPreview, shown_message
from console.request import translated
from domain.campaigns.plan.customers import NAME
from domain.command_bodies.campaigns import FromCustomers
from domain.contract.texts import gettext_noop
from domain.sending.templates import Template
from infra.phones.countries import calling_codes_of
from infra.postgres.campaigns.customers import count_fitting, filter_of
from infra.postgres.campaigns.pages.history import HistoryFilter, ListedCampaign, campaign_page
from infra.postgres.media.uploads import UploadedFile

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt")
"""Languages that customers can be chosen by; their country's official one counts."""
_TAGS = 100
"""Earlier campaigns that are offered."""


class CustomersView(NamedTuple):
    """The filter as the page shows it. `values`: variable, its name on the page, and the value for everybody;
    `missing`: variables that nothing fills in; `tags`: earlier campaigns of the number."""

    values: Sequence[tuple[str, str, str]]
    missing: Sequence[str]
    previews: Sequence[tuple[str, CampaignPreview]]
    tags: Sequence[ListedCampaign]

    @property
    def is_complete(self) -> bool:
        return not self.missing


def customers_view(
    conn: Connection[Any], draft: Draft, templates: Sequence[Template], heading: UploadedFile | None
) -> CustomersView:
    """What the step shows. `heading`: the file that the heading shows."""
    needed = variables(templates)
    example = translated(gettext_noop("Anna"))
    shown = {name: value.replace(NAME, example) for name, value in draft.values.items()}
    return CustomersView(
        [(name, label_of(templates, name), draft.values.get(name, "")) for name in needed],
        [label_of(templates, name) for name in needed if not draft.values.get(name, "").strip()],
        [(each.name, shown_message(each, shown, heading)) for each in templates],
        campaign_page(conn, HistoryFilter(number=draft.number), _TAGS).rows,
    )


def count(conn: Connection[Any], draft: Draft, zone: ZoneInfo) -> int | None:
    """How many customers fit the filter now; None: it cannot be understood. O(customers)."""
    try:
        source = FromCustomers.model_validate(draft.filter(zone))
    except ValidationError:
        return None
    codes = calling_codes_of(source.language) if source.language else None
    return count_fitting(conn, filter_of(source, draft.number, codes))
