"""Outcomes of an attempt: one call to a system that cannot recognise repeats (`consumers.workers.attempt_loop`).

An attempt is made once. Only a transient failure may be followed by another attempt without a person's decision.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver accepted the message. `message_id`: the receiver's own id of it."""

    message_id: str


@dataclass(frozen=True, slots=True)
class TransientFailure:
    """The message was certainly not sent, and the same attempt may succeed later: e.g. throttled, or no connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class PermanentFailure:
    """The message was certainly not sent, and the same attempt would fail again."""

    reason: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The message may have been sent: a server error, a timeout, a lost answer, or a sender that died."""

    reason: str


AttemptOutcome = Accepted | TransientFailure | PermanentFailure | OutcomeUnknown
"""How one attempt ended."""
