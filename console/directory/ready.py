"""`/directory/ready`: who is ready now, with free slots, and why somebody gets nothing, by the rules of routing."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.request import translated, words
from console.words import folded
from domain.contract.texts import gettext_noop
from domain.directory import User
from domain.routing.agents import Member, PresenceState
from domain.routing.obstacles import Obstacle, obstacle
from infra.postgres.console.roster import RosterEntry, first_waiting, roster
from infra.postgres.conversations.agents import Agents
from infra.postgres.lists.desk import waiting_for
from infra.postgres.messaging.offsets import inbound_watermark

_WHY: Mapping[Obstacle, str] = {
    "never_seen": gettext_noop("has never said that they are ready"),
    "offline": gettext_noop("offline"),
    "paused": gettext_noop("paused"),
    "desk_silent": gettext_noop("desk silent for {minutes} min: counts as offline"),
    "page_gone": gettext_noop("no open page that rings: counts as offline"),
    "no_capacity": gettext_noop("may have 0 conversations"),
    "at_capacity": gettext_noop("at capacity: {taken} of {most}"),
    "no_skillset": gettext_noop("no skillset: only gets what is transferred by name"),
    "nothing_waits": gettext_noop("nothing waits"),
    "waits_for_others": gettext_noop("nothing waits for their skillsets"),
    "declined": gettext_noop("declined or missed what waits for them: gets it again after their next “ready”"),
}
_STATES: Mapping[PresenceState, str] = {
    "ready": gettext_noop("Ready"),
    "paused": gettext_noop("Paused"),
    "offline": gettext_noop("Offline"),
}
_NEXT = gettext_noop("gets the next one")


class ShownMember(NamedTuple):
    """A user of the list. `state`: as routing sees it; `why`: why they get nothing, or that they get the next one."""

    user: User
    member: Member
    entry: RosterEntry
    state: PresenceState
    state_text: str
    since: datetime | None
    why: str
    gets: bool


def ready_pages(deps: Dependencies) -> Blueprint:
    """`/directory/ready`."""
    pages = Blueprint("ready", __name__, url_prefix="/directory")

    @pages.get("/ready")
    @gate.open_to("overview")
    def show() -> ResponseReturnValue:
        skillset = request.args.get("skillset", "")
        with deps.connection() as conn:
            directory = deps.directory(conn)
            members, entries = Agents(conn).all_with_presence(), roster(conn)
            waiting = first_waiting(conn, list(members), list(directory.skillsets))
            watermark = min(words().now, inbound_watermark(conn, deps.inbound_topic))
            waits = waiting_for(conn)
        timeout = deps.terms.presence_timeout
        people = []
        for id_, user in directory.users.items():
            if (skillset and skillset not in user.skillsets) or id_ not in members or id_ not in entries:
                continue
            member, entry = members[id_], entries[id_]
            found = obstacle(member, waiting, words().now, watermark, timeout)
            stale = member.is_presence_stale(words().now, timeout)
            state: PresenceState = "offline" if stale else member.state
            people.append(
                ShownMember(
                    user,
                    member,
                    entry,
                    state,
                    translated(_STATES[state]),
                    entry.since if not stale else member.seen_at,
                    _why(found, member),
                    found is None,
                )
            )
        people.sort(key=lambda each: (_ORDER[each.state], not each.gets, folded(each.user.name)))
        context = {
            "people": people,
            "directory": directory,
            "skillset": skillset,
            "waits": waits,
            "ready": sum(each.state == "ready" for each in people),
            "free": sum(each.member.free_capacity for each in people if each.state == "ready"),
        }
        mark = hashlib.sha256(repr((people, waits, words().language)).encode()).hexdigest()[:16]
        if request.args.get("seen") == mark:
            return "", 204
        return make_response(render_template("directory/ready.html", mark=mark, **context))

    return pages


_ORDER = {"ready": 0, "paused": 1, "offline": 2}


def _why(found: Obstacle | None, member: Member) -> str:
    if found is None:
        return translated(_NEXT)
    silent = int((words().now - member.seen_at).total_seconds() // 60) if member.seen_at else 0
    values = {"minutes": silent, "taken": member.active_conversations, "most": member.max_conversations}
    text = translated(_WHY[found])
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", words().number(value))
    return text
