"""Reasons why a conversation is unmanaged (mission.md, Words). The codes are stored: new ones may be added, none may
change."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons in the order in which they are checked: the first that applies is used (domain.md, Reason)."""

    BOT_CLOSED = "bot_closed"
    TAKEN_NOT_ANSWERED = "taken_not_answered"
    NO_REPLY = "no_reply"
    NOBODY_TOOK_IT = "nobody_took_it"
    RESERVATION_EXPIRED = "reservation_expired"
    UNREADABLE = "unreadable"
    OUT_OF_HOURS = "out_of_hours"
    NUMBER_HAS_NO_MENU = "number_has_no_menu"
    INVALID_CHOICE = "invalid_choice"
    NO_CHOICE = "no_choice"

    @property
    def code(self) -> int:
        """The reason's code in the database."""
        return _CODES[self]

    @staticmethod
    def of_code(code: int) -> "Reason":
        return _REASONS[code]


_CODES: dict[Reason, int] = {
    Reason.BOT_CLOSED: 1,
    Reason.NOBODY_TOOK_IT: 2,
    Reason.RESERVATION_EXPIRED: 3,
    Reason.OUT_OF_HOURS: 4,
    Reason.NUMBER_HAS_NO_MENU: 5,
    Reason.INVALID_CHOICE: 6,
    Reason.NO_CHOICE: 7,
    Reason.UNREADABLE: 8,
    Reason.TAKEN_NOT_ANSWERED: 9,
    Reason.NO_REPLY: 10,
}
_REASONS = {code: reason for reason, code in _CODES.items()}
