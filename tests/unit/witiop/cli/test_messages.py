"""`witiop messages`, as far as it needs no database."""

from domain.sending.sends import SEND_STATES
from witiop.cli.sending.messages import STATES


def test_messages_are_listed_by_every_state_that_they_may_have() -> None:
    assert SEND_STATES == STATES
