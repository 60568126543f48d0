"""What was promised for the case that a customer writes again: a decision that comes before menu and bot."""

from collections.abc import Callable
from typing import NamedTuple

from domain.conversations.conversation import Conversation, Decisions
from domain.conversations.events import Cause
from domain.facts import CustomerTurn
from domain.ids import FactId


class Promise(NamedTuple):
    """A promise for a customer's next turn. `decide`: returns the decisions about the conversation to which a turn
    belongs, None: the promise is not for this turn; `command` and `actor`: what was asked, and who asked."""

    decide: Callable[[Conversation, CustomerTurn], Decisions | None]
    command: FactId
    actor: str

    def cause(self, turn: CustomerTurn) -> Cause:
        """Returns why the conversation is transferred."""
        return Cause((turn.id, self.command), self.actor)
