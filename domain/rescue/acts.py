"""What a rule does about a conversation: one act for each of its actions, each at most once (R1).

An act is a command, and an alarm beside. A command names the version of the conversation that the rule saw; if that has
changed, or the customer wrote meanwhile, nothing was done, and the conversation is judged again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from domain.command_bodies.parts import TransferMode
from domain.commands import RULE_ISSUER, Rejection
from domain.ids import fact_id
from domain.rules.rule import ActionKind, Rule

ActState = Literal["asked", "done", "refused", "again", "unknown"]
"""`asked`: its command is on its way; `refused`: the command was rejected and is not issued again; `again`: it is
issued again if the rule still fits; `unknown`: nothing was heard of it, so it may have been carried out."""

EXPIRES_AFTER = timedelta(minutes=5)
"""A command that is carried out later is rejected: what the rule saw is too old."""
LOST_AFTER = 3 * EXPIRES_AFTER
"""Of a command that has no result by then, none will come."""
MOST_ATTEMPTS = 10
"""So often a rule's command is issued for a conversation that goes on changing."""

_CHANGED = (Rejection.VERSION_CONFLICT, Rejection.CUSTOMER_WROTE_MEANWHILE, Rejection.EXPIRED)
_NOBODY_FREE = (Rejection.NO_AGENT_READY, Rejection.USER_NOT_READY, Rejection.USER_AT_CAPACITY)


class RuleAct(NamedTuple):
    """An action of a rule on a conversation. `attempt`: from 0; `mode`: of a transfer; `version`: of the conversation
    that the rule saw; `command_id`: of the latest attempt, None: an alarm; `rejection`: why that was rejected;
    `detail`: to whom: target, addresses or channel; `at`: when the rule fitted; `asked_at`: when the latest command was
    issued. The fields have the order of the columns of their table."""

    conversation_id: UUID
    rule_id: str
    action: ActionKind
    rule_name: str
    phone_number_id: str
    state: ActState
    attempt: int
    mode: TransferMode | None
    version: int
    command_id: UUID | None
    rejection: str | None
    detail: Mapping[str, Any]
    at: datetime
    asked_at: datetime

    @property
    def key(self) -> tuple[UUID, str, str]:
        return self.conversation_id, self.rule_id, self.action


def issuer_of(rule_id: str) -> str:
    """Returns the issuer of a rule's commands."""
    return f"{RULE_ISSUER}{rule_id}"


def act_id(conversation: UUID, rule_id: str, action: ActionKind, attempt: int) -> UUID:
    """Returns the id of the command of an attempt, the same however often it is decided."""
    return fact_id("rule", rule_id, str(conversation), action, str(attempt))


def after_result(act: RuleAct, rejection: str | None) -> RuleAct:
    """Returns an act whose command was carried out, or rejected."""
    if rejection is None:
        return act._replace(state="done", rejection=None)
    may_repeat = act.attempt + 1 < MOST_ATTEMPTS
    if rejection in _CHANGED and may_repeat:
        return act._replace(state="again", rejection=rejection)
    if rejection in _NOBODY_FREE and act.mode == "immediate" and may_repeat:
        return act._replace(state="again", rejection=rejection, mode="exclusive")
    return act._replace(state="refused", rejection=rejection)


def has_acted(rule: Rule, acts: Mapping[ActionKind, RuleAct]) -> bool:
    """Returns whether a rule has nothing more to do about a conversation. `acts`: its own there."""
    return bool(acts) and not to_do(rule, acts)


def to_do(rule: Rule, acts: Mapping[ActionKind, RuleAct]) -> list[ActionKind]:
    """Returns the actions to take when a rule fits: all, or those that were not taken because the conversation had
    changed. `acts`: its own in the conversation."""
    if not acts:
        return list(rule.actions)
    return [action for action in rule.actions if action in acts and acts[action].state == "again"]
