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
    who = user_name(directory, campaign.changed_by)
    values: Mapping[str, str] = {
        "n": words().number(waiting),
        "who": who,
        "why": texts.reason(campaign.reason) or campaign.detail or "",
        "at": words().day_and_clock(campaign.start_at) if campaign.start_at else "",
        "until": words().day_and_clock(campaign.canary_until) if campaign.canary_until else "",
        "limit": words().day_and_clock(waits_until) if waits_until else "",
        "rows": words().number(sum(each.n for each in counts)),
    }
    if waits_until:
        sentence = words().ngettext(
            "%(n)s person goes out from %(limit)s on, when WhatsApp's limit allows it.",
            "%(n)s people go out from %(limit)s on, when WhatsApp's limit allows it.",
            waiting,
        )
    else:
        sentence = _sentence(campaign, waiting)
    return sentence % values


def _sentence(campaign: Campaign, waiting: int) -> str:
    """The sentence in the language of the page, not filled in."""
    state, by_itself = campaign.state, campaign.changed_by == BY_ITSELF
    if state in ("paused", "cancelled"):
        sentence = translated((_BY_ITSELF if by_itself else _BY_PERSON)[state])
        if state == "paused":
            sentence += " " + words().ngettext("%(n)s person waits.", "%(n)s people wait.", waiting)
        return sentence
    if state == "scheduled" and campaign.in_own_time:
        return translated(_IN_OWN_TIME)
    if state == "running" and campaign.canary_until is not None:
        return translated(_CANARY)
    if state == "running" and waiting:
        return words().ngettext(
            "%(n)s person still waits for their turn.", "%(n)s people still wait for their turn.", waiting
        )
    of_state = _NOBODY_WAITS if state == "running" else _SENTENCES[state]
    return translated(of_state)


_SENTENCES = {
    "importing": gettext_noop("%(rows)s rows are read so far."),
    "planning": gettext_noop("Who gets it, and when, is being worked out."),
    "ready": gettext_noop("Nothing is sent before somebody starts it."),
    "unconfirmed": gettext_noop("%(who)s wants to start it. Somebody else has to confirm."),
    "scheduled": gettext_noop("It starts %(at)s."),
    "missed": gettext_noop("It was to start %(at)s, and nothing was running then. Start it again if it still fits."),
    "finishing": gettext_noop("Nobody waits any more; statuses still come."),
    "finished": gettext_noop("Everybody was sent it, and no more statuses are expected."),
}
_BY_ITSELF = {
    "paused": gettext_noop("It paused by itself: %(why)s."),
    "cancelled": gettext_noop("It ended by itself: %(why)s."),
}
_BY_PERSON = {
    "paused": gettext_noop("Paused by %(who)s."),
    "cancelled": gettext_noop("Cancelled by %(who)s. Who had not got it does not get it."),
}
_IN_OWN_TIME = gettext_noop("It starts at this time of day in each person's own time zone: %(at)s.")
_CANARY = gettext_noop("The first ones are sent. If few of them failed by %(until)s, the rest follows by itself.")
_NOBODY_WAITS = _SENTENCES["finishing"]


def answers_of(campaign: Campaign, directory: Directory) -> str:
    """Who gets the answers; empty: nobody in particular."""
    to = campaign.answers_to
    return owner_name(directory, to["target"]["kind"], to["target"]["id"]) if to else ""
