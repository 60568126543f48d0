"""Renders what a campaign would send, and whom another wave would try again. Keys of documents are only added."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from rich.text import Text

from domain.campaigns.budget import PeopleBudget
from domain.campaigns.prices import Cost
from domain.campaigns.waves import RetryPreview
from witiop.cli.views.campaigns import ShownCampaign, import_lines, plain, shown_document
from witiop.cli.views.display import aligned, harmless, utc_minute


class CheckedMessage(NamedTuple):
    """A message of a campaign as its recipient will read it."""

    row_no: int
    to: str
    text: str


class CampaignMeans(NamedTuple):
    """How a campaign fits into Meta's limit, and what it costs at most."""

    budget: PeopleBudget
    cost: Cost


def check_document(
    shown: ShownCampaign, messages: Sequence[CheckedMessage], means: CampaignMeans, hindrances: Sequence[str]
) -> dict[str, Any]:
    """Returns what a campaign would send, when and for how much, and what keeps it from being sent."""
    budget, cost = means
    return {
        **shown_document(shown),
        "messages": [message._asdict() for message in messages],
        "budget": {
            "needed": budget.needed,
            "limit": budget.limit,
            "used": budget.used,
            "now": budget.now,
            "later": [plain(share._asdict()) for share in budget.later],
            "rest": budget.rest,
        },
        "cost": {
            "at_most": {currency: str(amount) for currency, amount in cost.amounts.items()},
            "unpriced": cost.unpriced,
        },
        "hindrances": [*hindrances],
    }


def check_lines(
    shown: ShownCampaign, messages: Sequence[CheckedMessage], means: CampaignMeans, hindrances: Sequence[str]
) -> Iterator[Text]:
    """Yields the lines of the same."""
    yield from import_lines(shown)
    yield from _means_lines(means)
    for message in messages:
        yield Text()
        yield Text(f"row {message.row_no}, to {harmless(message.to)}", "dim")
        yield from (Text(f"  {harmless(line)}") for line in message.text.split("\n"))
    if hindrances:
        yield Text()
        yield from (Text(f"it cannot be sent: {hindrance}", "red") for hindrance in hindrances)


def _means_lines(means: CampaignMeans) -> Iterator[Text]:
    budget, cost = means
    limit = f"{budget.used:,} of {budget.limit:,} people a day used" if budget.limit is not None else "no limit"
    yield Text(f"{budget.needed:,} people outside their 24 hours ({limit})")
    if budget.later:
        yield Text(f"  {budget.now:,} now")
    for share in budget.later:
        yield Text(f"  {share.people:,} from {utc_minute(share.at)} UTC")
    if budget.rest:
        yield Text(f"  {budget.rest:,} at a time that cannot be foreseen")
    amounts = ", ".join(f"{currency} {amount:,.2f}" for currency, amount in sorted(cost.amounts.items()))
    if amounts:
        yield Text(f"costs at most {amounts}")
    if cost.unpriced:
        yield Text(f"no price is known for {cost.unpriced:,} (witiop prices import)", "dim")


def retry_document(campaign_id: UUID, preview: RetryPreview) -> dict[str, Any]:
    """Returns what another wave could do."""
    return {
        "campaign_id": str(campaign_id),
        **plain(preview._asdict() | {"codes": None}),
        "codes": [
            {"reason": reason or None, "recipients": n, "retry": retry} for reason, (n, retry) in preview.codes.items()
        ],
    }


def retry_lines(preview: RetryPreview) -> Iterator[Text]:
    """Yields the lines of what another wave could do."""
    later = ""
    if preview.later_from is not None and preview.later_until is not None:
        later = f", from {utc_minute(preview.later_from)} to {utc_minute(preview.later_until)} UTC"
    yield Text(f"{preview.now:,} can be tried again now")
    yield Text(f"{preview.later:,} later{later}")
    yield Text(f"{preview.never:,} are not tried again")
    if preview.unknown:
        yield Text(f"{preview.unknown:,} are unknown and not included: settle them first (witiop campaigns resolve)")
    if preview.codes:
        yield Text()
        yield from aligned(
            [
                [Text(f"  {reason or 'no reason'}"), Text(f"{n:,}"), Text(retry)]
                for reason, (n, retry) in preview.codes.items()
            ]
        )
