"""The line on every page that says how the installation is, and what a person is to be told there."""

from datetime import timedelta
from typing import Literal, NamedTuple

from flask import Blueprint, abort, g, render_template, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.alarms.said import said
from console.dependencies import Dependencies
from console.levels import ADMITTED
from console.request import person, translated, words
from domain.alarms.kinds import JUDGING, AlarmKind, AlarmLevel
from domain.contract.texts import gettext_noop
from infra.postgres.alarms.board import BoardAlarm, InstallationHealth
from infra.postgres.alarms.personal import PersonalAlarm

UNWATCHED_AFTER = timedelta(seconds=60)
"""Somebody judges every five seconds."""
_EMPTY = gettext_noop("Nothing has come from WhatsApp yet")
_EMPTY_CURE = gettext_noop("Connect Meta's webhook as docs/whatsapp.md says, then write to the number yourself.")
_UNWATCHED = gettext_noop("Nobody looks for troubles of this installation")
_UNWATCHED_CURE = gettext_noop("Check that the process alarms is running.")
_LAST = gettext_noop("Last message from WhatsApp %(ago)s")

_PLACES = {
    AlarmKind.UNKNOWN_SENDS: "sending.unknown",
    AlarmKind.SENDS_STUCK: "sending.show_numbers",
    AlarmKind.NUMBER_PAUSED: "sending.show_numbers",
    AlarmKind.NUMBER_QUALITY: "sending.show_numbers",
}
"""Pages on which something can be done about an alarm."""


class HealthLine(NamedTuple):
    """`level`: `well` if nothing is wrong; `what`: a sentence without its full stop; `cure`: what to do, '' if nothing;
    `url`: where to look; `more`: how many more alarms there are."""

    level: Literal["well", "amber", "red"]
    what: str
    cure: str = ""
    url: str = ""
    more: int = 0


class PersonalTold(NamedTuple):
    """What a person wanted to be told. `customers`: how many run out; `text`: that in words, '' if none does."""

    wanted: PersonalAlarm
    customers: int
    text: str


def line_pages(deps: Dependencies) -> Blueprint:
    """`/health-line`: the line for a page that is open."""
    pages = Blueprint("health_line", __name__)

    @pages.get("/health-line")
    @gate.open_to("signed_in")
    def show() -> ResponseReturnValue:
        if health_line(deps) is None:
            abort(503)
        return render_template("alarms/line.html")

    return pages


def health_line(deps: Dependencies) -> HealthLine | None:
    """The line for the person of this request; None: there is none to be shown."""
    health = deps.health.read(deps.connection) if g.get("person") is not None else None
    return _line(health) if health is not None else None


def personal_told(deps: Dependencies) -> PersonalTold | None:
    """What the person of this request wanted to be told; None: nothing."""
    health = deps.health.read(deps.connection) if g.get("person") is not None else None
    wanted = health.wishes.get(person().name) if health is not None else None
    if wanted is None or person().level not in ADMITTED["lists"]:
        return None
    count = deps.health.count(deps.connection, person().name)
    text = words().ngettext(
        "%(num)s customer has less than %(minutes)s minutes left",
        "%(num)s customers have less than %(minutes)s minutes left",
        count,
    )
    return PersonalTold(
        wanted, count, text % {"num": words().number(count), "minutes": wanted.minutes} if count else ""
    )


def _line(health: InstallationHealth) -> HealthLine:
    if health.alarms:
        first = health.alarms[0]
        words_ = said(first.kind, first.details)
        level: AlarmLevel = JUDGING[first.kind].level
        return HealthLine(level, words_.what, words_.cure, _url(first), len(health.alarms) - 1)
    if health.heard_at is None:
        return HealthLine("amber", translated(_EMPTY), translated(_EMPTY_CURE), _setup_url())
    if health.judged_at is None or health.now - health.judged_at > UNWATCHED_AFTER:
        return HealthLine("amber", translated(_UNWATCHED), translated(_UNWATCHED_CURE))
    return HealthLine("well", translated(_LAST) % {"ago": words().ago(health.heard_at)})


def _setup_url() -> str:
    return url_for("setup.show") if gate.admits("setup.show") else ""


def _url(alarm: BoardAlarm) -> str:
    """Where the person can do something; '' if nowhere."""
    if alarm.conversation_id is not None and gate.admits("unmanaged.show"):
        return url_for("unmanaged.show", open=alarm.conversation_id)
    if alarm.kind is AlarmKind.CAMPAIGN_PAUSED and gate.admits("campaign.show"):
        return url_for("campaign.show", id_=alarm.key)
    place = _PLACES.get(alarm.kind, "alarms.show")
    return url_for(place) if gate.admits(place) else ""
