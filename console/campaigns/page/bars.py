"""The funnel of a campaign as bars, and why recipients did not get it. Every number leads to whom it counts."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from flask import url_for

from console.campaigns import texts
from console.request import person, translated, words
from domain.campaigns.campaign import Campaign
from domain.campaigns.funnel import Counted, Funnel, RecipientFilter
from domain.contract.texts import gettext_noop
from infra.postgres.campaigns.counts import RecipientCount

LEVELS_FOR_TEXTS = ("tenant_administrator",)
"""Who may open the conversations in which customers answered."""

_CELLS = {
    "rows": gettext_noop("Rows in the file"),
    "good": gettext_noop("Good"),
    "unique": gettext_noop("Different people"),
    "planned": gettext_noop("Planned"),
    "accepted": gettext_noop("Accepted"),
    "sent": gettext_noop("Sent"),
    "delivered": gettext_noop("Delivered"),
    "read": gettext_noop("Read"),
    "answered": gettext_noop("Answered"),
    "human": gettext_noop("Reached a human"),
    "resolved": gettext_noop("Resolved"),
    "unmanaged": gettext_noop("Answered but unmanaged"),
    "held": gettext_noop("Held back by Meta"),
    "bad": gettext_noop("With a problem"),
    "duplicate": gettext_noop("Duplicates"),
    "not_good": gettext_noop("Nothing is sent to these rows"),
    "skipped": gettext_noop("Skipped"),
    "to_come": gettext_noop("Waiting for their turn"),
}


class Bar(NamedTuple):
    """A row of the funnel. `width`: of its bar, in per cent; `note`: beside it; `begins`: a line stands above it."""

    name: str
    n: int
    address: str
    width: float
    note: str
    begins: bool = False


class LeftOut(NamedTuple):
    """A reason why recipients did not get it."""

    name: str
    about: str
    n: int
    address: str


def address(campaign: UUID, which: RecipientFilter) -> str:
    """The address of the recipients that a number counts."""
    given = {name: value for name, value in which._asdict().items() if value is not None}
    return url_for("campaign_recipients.show", id_=campaign, **given)


def cell_name(name: str) -> str:
    """The name of a cell of the funnel."""
    return translated(_CELLS[name]) if name in _CELLS else texts.recipient_state(name)


def bars_of(campaign: Campaign, funnel: Funnel) -> list[Bar]:
    """The steps of the funnel."""
    speech, n = words(), {each.name: each.n for each in (*funnel.steps, *funnel.answers)}

    def of(part: str, whole: str, text: str) -> str:
        return translated(text) % {"share": speech.percent(n[part], n[whole])} if n[whole] else ""

    def some(count: int, text: str) -> str:
        return text % {"num": speech.number(count)} if count else ""

    delivered, answered = gettext_noop("%(share)s of delivered"), gettext_noop("%(share)s of answered")
    bad, held, waiting = (funnel.cell(name).n for name in ("bad", "held", "to_come"))
    notes = {
        "good": some(bad, speech.ngettext("%(num)s had a problem", "%(num)s had a problem", bad)),
        "unique": part_text(funnel.cell("duplicate")) if funnel.cell("duplicate").n else "",
        "planned": part_text(funnel.cell("skipped")) if funnel.cell("skipped").n else "",
        "accepted": some(held, speech.ngettext("%(num)s held back by Meta", "%(num)s held back by Meta", held))
        or some(waiting, speech.ngettext("%(num)s waits for its turn", "%(num)s wait for their turn", waiting)),
        "delivered": of("delivered", "sent", gettext_noop("%(share)s of sent")),
        "read": of("read", "delivered", delivered),
        "answered": of("answered", "delivered", delivered),
        "human": of("human", "answered", answered),
        "resolved": of("resolved", "human", gettext_noop("%(share)s of them")),
    }
    return [
        Bar(
            cell_name(each.name),
            each.n,
            address(campaign.id, each.which),
            _width(each.n, funnel.rows),
            notes.get(each.name, ""),
            each.name == "accepted",
        )
        for each in (*funnel.steps, *funnel.answers)
    ]


def red_bar(campaign: Campaign, funnel: Funnel) -> Bar:
    """Who answered and was left alone. It leads to their conversations, for those who may read them."""
    each, answered = funnel.unmanaged, funnel.cell("answered").n
    reads = person().level in LEVELS_FOR_TEXTS
    where = url_for("unmanaged.show", campaign=campaign.id, status="all") if reads else address(campaign.id, each.which)
    shown = words().number(each.n)
    text = words().ngettext(
        "%(share)s of answered: show this one", "%(share)s of answered: show these %(num)s", each.n
    ) % {"share": words().percent(each.n, answered), "num": shown}
    return Bar(cell_name(each.name), each.n, where, _width(each.n, answered), text if each.n else "")


def _width(n: int, whole: int) -> float:
    return round(max(0.4, 100 * n / whole), 1) if n and whole else 0.0


def part_text(counted: Counted) -> str:
    """A part of the sum, e.g. 112 with a problem."""
    n, ngettext = counted.n, words().ngettext
    parts = {
        "bad": ngettext("%(num)s with a problem", "%(num)s with a problem", n),
        "duplicate": ngettext("%(num)s duplicate", "%(num)s duplicates", n),
        "skipped": ngettext("%(num)s skipped", "%(num)s skipped", n),
        "to_come": ngettext("%(num)s waiting", "%(num)s waiting", n),
        "accepted": ngettext("%(num)s accepted", "%(num)s accepted", n),
        "sent": ngettext("%(num)s sent", "%(num)s sent", n),
        "delivered": ngettext("%(num)s delivered", "%(num)s delivered", n),
        "read": ngettext("%(num)s read", "%(num)s read", n),
        "failed": ngettext("%(num)s failed", "%(num)s failed", n),
        "unknown": ngettext("%(num)s not confirmed", "%(num)s not confirmed", n),
        "assumed_sent": ngettext("%(num)s counted as arrived", "%(num)s counted as arrived", n),
        "cancelled": ngettext("%(num)s cancelled", "%(num)s cancelled", n),
    }
    return parts.get(counted.name, "%(num)s") % {"num": words().number(n)}


def skipped_causes(campaign: Campaign, funnel: Funnel) -> list[LeftOut]:
    """Good rows to which nothing is sent, by reason."""
    found = [
        LeftOut(*texts.skipped(each.which.reason or ""), each.n, address(campaign.id, each.which))
        for each in funnel.reasons
        if each.which.state == "skipped" and not texts.is_problem(each.which.reason or "")
    ]
    return sorted(found, key=lambda cause: -cause.n)


def failed_causes(campaign: Campaign, counts: Iterable[RecipientCount]) -> list[LeftOut]:
    """Messages that failed, by reason."""
    by_code: dict[str, int] = {}
    for each in counts:
        if each.state == "failed":
            by_code[each.reason] = by_code.get(each.reason, 0) + each.n
    return [
        LeftOut(*texts.failed(code), n, address(campaign.id, RecipientFilter(state="failed", reason=code)))
        for code, n in sorted(by_code.items(), key=lambda item: -item[1])
    ]


def unknown_cause(campaign: Campaign, counts: Iterable[RecipientCount]) -> LeftOut:
    """Messages that Meta did not confirm."""
    n = sum(each.n for each in counts if each.state == "unknown")
    name = translated(gettext_noop("Not confirmed: may have arrived"))
    return LeftOut(name, "", n, address(campaign.id, RecipientFilter(state="unknown")))
