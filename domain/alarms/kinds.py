"""The kinds of alarms, and how each is judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

AlarmLevel = Literal["amber", "red"]
"""Red: customers are lost or messages stand still until somebody acts; amber: somebody should look today."""
Detail = str | int | float | bool | None
AlarmDetails = Mapping[str, Detail]
"""What an alarm's text is filled with. Names of the company's own things, counts and codes; never a customer's data."""


class AlarmKind(StrEnum):
    """What an alarm is about; what its key names, if there may be several at once."""

    RULE = "rule"  # rule and conversation
    RULES_STOPPED = "rules_stopped"
    RULE_LIMIT = "rule_limit"
    SILENT_WHATSAPP = "silent_whatsapp"
    NOBODY_READY = "nobody_ready"
    LAG = "lag"
    OUTBOX_STUCK = "outbox_stuck"
    TIMER_HELD = "timer_held"
    ROUTING_HELD = "routing_held"
    PARKED = "parked"  # worker
    RESTORE_HELD = "restore_held"
    STANDBY_AWAY = "standby_away"
    DEAD_LETTERS = "dead_letters"
    UNKNOWN_SENDS = "unknown_sends"
    SENDS_STUCK = "sends_stuck"
    NUMBER_PAUSED = "number_paused"  # number
    NUMBER_QUALITY = "number_quality"  # number
    TEMPLATE_PAUSED = "template_paused"  # account, name and language
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - not a password
    ACCOUNT_RESTRICTED = "account_restricted"  # account
    UNKNOWN_MAILS = "unknown_mails"
    MAIL_PAUSED = "mail_paused"
    CAMPAIGN_PAUSED = "campaign_paused"  # campaign
    RUNNING_OUT = "running_out"  # name of the sign-in that asked for it
    TEST = "test"  # channel


@dataclass(frozen=True, slots=True)
class Judging:
    """How an alarm comes and goes. `after`: its condition has to hold for so long before it begins; `over_after`: and
    to be gone for so long before it ends, so that nothing flaps."""

    level: AlarmLevel
    after: timedelta = timedelta()
    over_after: timedelta = timedelta(minutes=2)


def _minutes(level: AlarmLevel, after: float, over_after: float = 2) -> Judging:
    return Judging(level, timedelta(minutes=after), timedelta(minutes=over_after))


JUDGING: Mapping[AlarmKind, Judging] = {
    AlarmKind.RULE: _minutes("red", 0, 0),
    AlarmKind.RULES_STOPPED: _minutes("amber", 0, 0),
    AlarmKind.RULE_LIMIT: _minutes("red", 0, 0),
    AlarmKind.SILENT_WHATSAPP: _minutes("red", 0, 0),
    AlarmKind.NOBODY_READY: _minutes("amber", 5, 1),
    AlarmKind.LAG: _minutes("red", 1),
    AlarmKind.OUTBOX_STUCK: _minutes("red", 1),
    AlarmKind.TIMER_HELD: _minutes("red", 1),
    AlarmKind.ROUTING_HELD: _minutes("red", 1),
    AlarmKind.PARKED: _minutes("amber", 1),
    AlarmKind.RESTORE_HELD: _minutes("red", 0, 0),
    AlarmKind.STANDBY_AWAY: _minutes("red", 0.5, 0.5),
    AlarmKind.DEAD_LETTERS: _minutes("amber", 0),
    AlarmKind.UNKNOWN_SENDS: _minutes("amber", 2),
    AlarmKind.SENDS_STUCK: _minutes("red", 2),
    AlarmKind.NUMBER_PAUSED: _minutes("red", 0),
    AlarmKind.NUMBER_QUALITY: _minutes("amber", 0),
    AlarmKind.TEMPLATE_PAUSED: _minutes("amber", 0),
    AlarmKind.TOKEN_REFUSED: _minutes("red", 1),
    AlarmKind.ACCOUNT_RESTRICTED: _minutes("red", 0),
    AlarmKind.UNKNOWN_MAILS: _minutes("amber", 2),
    AlarmKind.MAIL_PAUSED: _minutes("red", 2),
    AlarmKind.CAMPAIGN_PAUSED: _minutes("amber", 0, 0),
    AlarmKind.RUNNING_OUT: _minutes("amber", 0),
    AlarmKind.TEST: _minutes("amber", 0, 0),
}
"""Every kind has its entry. A condition that somebody ends, as a stop of all rules, begins and ends at once."""
