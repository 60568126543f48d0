"""How a campaign stands, in words: what happens now and why, from which number, and who gets the answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from console.campaigns import texts
from console.phrases import owner_name, user_name
from console.request import translated, words
from domain.campaigns.campaign import BY_ITSELF, Campaign, CampaignTemplate
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.campaigns.counts import RecipientCount


def line_of(campaign: Campaign, templates: Sequence[CampaignTemplate], directory: Directory) -> str:
    """The templates, the number, and when it begins or began."""
    first = templates[0].template
    names = f"{first.name} · {first.language}" if len(templates) == 1 else ", ".join(t.template.name for t in templates)
    number = directory.number(campaign.phone_number_id).name or campaign.phone_number_id
    begins = campaign.started_at or campaign.start_at
    when = words().day_and_clock(begins) if begins else ""
    return " · ".join(part for part in (names, number, when) if part)


def progress_of(
    campaign: Campaign,
    directory: Directory,
    counts: Sequence[RecipientCount],
    waiting: int,
    waits_until: datetime | None = None,
) -> str:
    """What happens now, and why, as a sentence. `waits_until`: when it goes on, if it waits for Meta's limit."""
    rows = sum(each.n for each in counts)
    values: Mapping[str, str] = {
        "n": words().number(waiting),
        "who": user_name(directory, campaign.changed_by),
        "why": texts.reason(campaign.reason) or campaign.detail or "",
        "at": words().day_and_clock(campaign.start_at) if campaign.start_at else "",
        "until": words().day_and_clock(campaign.canary_until) if campaign.canary_until else "",
        "limit": words().day_and_clock(waits_until) if waits_until else "",
        "rows": words().number(rows),
    }
    return (_counted(campaign, waiting, rows, waits_until) or translated(_sentence(campaign))) % values


def _counted(campaign: Campaign, waiting: int, rows: int, waits_until: datetime | None) -> str:
    """The sentence in the plural form of what it counts; empty: it counts nothing."""
    ngettext, by_itself = words().ngettext, campaign.changed_by == BY_ITSELF
    if waits_until:
        return ngettext(
            "%(n)s person goes out from %(limit)s on, when WhatsApp's limit allows it.",
            "%(n)s people go out from %(limit)s on, when WhatsApp's limit allows it.",
            waiting,
        )
    match campaign.state:
        case "importing":
            return ngettext("%(rows)s row is read so far.", "%(rows)s rows are read so far.", rows)
        case "paused" if by_itself:
            return ngettext(
                "It paused by itself: %(why)s. %(n)s person waits.",
                "It paused by itself: %(why)s. %(n)s people wait.",
                waiting,
            )
        case "paused":
            return ngettext("Paused by %(who)s. %(n)s person waits.", "Paused by %(who)s. %(n)s people wait.", waiting)
        case "running" if waiting and campaign.canary_until is None:
            return ngettext(
                "%(n)s person still waits for their turn.", "%(n)s people still wait for their turn.", waiting
            )
        case _:
            return ""


def _sentence(campaign: Campaign) -> str:
    match campaign.state:
        case "cancelled":
            return _ENDED_BY_ITSELF if campaign.changed_by == BY_ITSELF else _CANCELLED
        case "scheduled" if campaign.in_own_time:
            return _IN_OWN_TIME
        case "running" if campaign.canary_until is not None:
            return _CANARY
        case state:
            return _SENTENCES[state]


_NOBODY_WAITS = gettext_noop("Nobody waits any more; statuses still come.")
_SENTENCES = {
    "planning": gettext_noop("Who gets it, and when, is being worked out."),
    "ready": gettext_noop("Nothing is sent before somebody starts it."),
    "unconfirmed": gettext_noop("%(who)s wants to start it. Somebody else has to confirm."),
    "scheduled": gettext_noop("It starts %(at)s."),
    "missed": gettext_noop("It was to start %(at)s, and nothing was running then. Start it again if it still fits."),
    "running": _NOBODY_WAITS,
    "finishing": _NOBODY_WAITS,
    "finished": gettext_noop("Everybody was sent it, and no more statuses are expected."),
}
_ENDED_BY_ITSELF = gettext_noop("It ended by itself: %(why)s.")
_CANCELLED = gettext_noop("Cancelled by %(who)s. Who had not got it does not get it.")
_IN_OWN_TIME = gettext_noop("It starts at this time of day in each person's own time zone: %(at)s.")
_CANARY = gettext_noop("The first ones are sent. If few of them failed by %(until)s, the rest follows by itself.")


def answers_of(campaign: Campaign, directory: Directory) -> str:
    """Who gets the answers; empty: nobody in particular."""
    to = campaign.answers_to
    return owner_name(directory, to["target"]["kind"], to["target"]["id"]) if to else ""
