"""The table of who may use what (docs/design/sign-in.md, *Levels*). A view that is not marked otherwise is for
administrators alone, so that a new one is shut until somebody opens it."""

from collections.abc import Collection, Mapping
from typing import Literal, get_args

from domain.directory import Level

ROOT: tuple[Level, ...] = ("tenant_administrator",)
ViewAccess = Literal["everybody", "signed_in", "overview", "lists", "actions", "messages", "desk", "campaigns"]
"""`everybody`: also without a sign-in. `overview`: shows everything of its kind. `lists`: shows what the person may
see, by SQL. `actions`: changes something about a conversation. `messages`: shows a part of a conversation, and asks
`console.gate.may_read`. `desk`: the agents' page. `campaigns`: campaigns and opt-outs."""

ADMITTED: Mapping[ViewAccess | None, Collection[Level]] = {
    None: ROOT,
    "overview": (*ROOT, "read_only"),
    "lists": (*ROOT, "read_only", "supervisor"),
    "actions": (*ROOT, "supervisor"),
    "messages": (*ROOT, "read_only", "supervisor", "agent"),
    "desk": (*ROOT, "supervisor", "agent"),
    "campaigns": (*ROOT, "campaign_manager"),
    "signed_in": get_args(Level),
}
"""Access of a view -> the levels that it admits. Besides, `console.gate` lets nobody of `read_only` send a form but
those of their own account, and a supervisor below no address of a conversation that they do not supervise."""
