"""The plan of a campaign: which of its rows get a message, in which time zone, with which of its templates, and why the
others get none (docs/design/campaigns.md, *Plan*)."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from domain.campaigns.campaign import CampaignTemplate
from domain.campaigns.recipients import RecipientState, SkipReason
from domain.sending.sends import AddressKind

_NO_MARKETING_TO = "US"
"""Meta has delivered no marketing to phones of this country since April 2025."""


class PlanRules(NamedTuple):
    """The installation's rules for plans. `allows`: whether anything may be sent to an address; `us_marketing`: whether
    marketing is sent to phones of the United States all the same."""

    allows: Callable[[AddressKind, str], bool]
    us_marketing: bool = False


class ImportedRow(NamedTuple):
    """A good row that was read. `zone`, `language`: that it names; `customer`: whose address it is at the campaign's
    number, after merges; None: nobody has written from it; `country`: of the phone (ISO 3166), empty: unknown;
    `country_zone`: the only time zone of that country; None: it has several."""

    row_no: int
    address: str
    address_kind: AddressKind
    address_key: str
    zone: str | None
    language: str | None
    customer: UUID | None
    country: str = ""
    country_zone: str | None = None

    @property
    def person(self) -> str:
        """Who it is: two rows of the same person are one recipient."""
        return str(self.customer) if self.customer is not None else self.address_key


class KnownPeople(NamedTuple):
    """What is known about the people of some rows. `earlier`: person -> the row by which the plan has them already; the
    others are rows: of who opted out, has an active conversation, or got a campaign within the frequency cap."""

    earlier: Mapping[str, int]
    opted_out: Collection[int] = ()
    active: Collection[int] = ()
    recently_reached: Collection[int] = ()


class PlannedRow(NamedTuple):
    """What the plan makes of a row. `person`: None for a row that repeats another, `repeats`."""

    row_no: int
    person: str | None
    repeats: int | None
    zone: str
    variant: int
    state: RecipientState
    reason: SkipReason | None
    country: str


def variant_of(row: ImportedRow, templates: Sequence[CampaignTemplate]) -> CampaignTemplate:
    """Returns the template that a row gets: always the same one for an address, among those in the row's language if
    there is one."""
    fitting = [each for each in templates if each.template.language == row.language] or templates
    if len(fitting) == 1:
        return fitting[0]
    hashed = hashlib.sha256(row.address_key.encode()).digest()
    return fitting[int.from_bytes(hashed[:8]) % len(fitting)]


def plan_rows(
    rows: Iterable[ImportedRow],
    standing: KnownPeople,
    templates: Sequence[CampaignTemplate],
    rules: PlanRules,
    zone: str,
) -> list[PlannedRow]:
    """Returns what the plan makes of rows, in the order of the file. `zone`: of recipients of whom none is known."""
    first = dict(standing.earlier)
    planned = []
    for row in rows:
        repeats = first.get(row.person)
        if repeats is None:
            first[row.person] = row.row_no
        chosen = variant_of(row, templates)
        reason = "duplicate" if repeats is not None else _why_not(row, chosen, standing, rules)
        planned.append(
            PlannedRow(
                row.row_no,
                row.person if repeats is None else None,
                repeats,
                row.zone or row.country_zone or zone,
                chosen.variant,
                "skipped" if reason is not None else "planned",
                reason,
                row.country,
            )
        )
    return planned


def _why_not(row: ImportedRow, chosen: CampaignTemplate, standing: KnownPeople, rules: PlanRules) -> SkipReason | None:
    if not rules.allows(row.address_kind, row.address):
        return "recipient_not_allowed"
    if row.row_no in standing.opted_out:
        return "opted_out"
    if chosen.template.is_marketing and row.country == _NO_MARKETING_TO and not rules.us_marketing:
        return "us_marketing"
    if row.row_no in standing.active:
        return "active_conversation"
    if row.row_no in standing.recently_reached:
        return "recently_reached"
    return None
