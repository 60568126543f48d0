"""Why an agent gets no conversation, by the rules that routing goes by (docs/design/directory.md, *Who is ready*)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from domain.conversations.conversation import Conversation
from domain.routing.agents import PRESENCE_TIMEOUT, Member
from domain.routing.transfers import is_eligible, is_parked, waits_for

Obstacle = Literal[
    "never_seen",
    "offline",
    "paused",
    "desk_silent",
    "page_gone",
    "no_capacity",
    "at_capacity",
    "no_skillset",
    "nothing_waits",
    "waits_for_others",
    "declined",
]
"""`desk_silent`: nothing was reported for too long; `page_gone`: no page is open on which an offer would ring;
`nothing_waits`: for anybody; `waits_for_others`: for nobody with the agent's skillsets; `declined`: the agent has
declined or missed all that waits for them, since they last said that they are ready."""


def obstacle(
    member: Member,
    waiting: Iterable[Conversation],
    now: datetime,
    watermark: datetime,
    presence_timeout: timedelta = PRESENCE_TIMEOUT,
) -> Obstacle | None:
    """Returns why a member gets none of the conversations that wait, the first reason that holds; None: they get the
    next one, or are after members with more free capacity. `watermark`: of the inbound topic, as for routing."""
    if member.seen_at is None:
        return "never_seen"
    if member.state == "offline":
        return "offline"
    if member.is_presence_stale(now, presence_timeout):
        return "desk_silent" if now - member.seen_at >= presence_timeout else "page_gone"
    if not member.is_ready(now, presence_timeout):
        return "paused"
    if not member.is_available(now, presence_timeout):
        return "at_capacity" if member.max_conversations else "no_capacity"
    offered = [each for each in waiting if not is_parked(each, now)]
    own = [each for each in offered if waits_for(each, member, watermark)]
    if any(is_eligible(each, member, watermark) for each in own):
        return None
    if own:
        return "declined"
    if not member.skillsets:
        return "no_skillset"
    return "waits_for_others" if offered else "nothing_waits"
