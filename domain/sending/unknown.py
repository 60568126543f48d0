"""Sends of which nobody knows whether Meta accepted them: what settles them without a person, and what is known of the
others (docs/design/sending.md, *Unknown sends*)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from domain.phone_numbers import phone_key
from domain.sending.sends import Send

REPORTED_WITHIN = timedelta(minutes=10)
"""Meta reports what became of a message within this time after its post; a silence that is longer says something."""
_CLOCKS = timedelta(seconds=2)
"""Meta's times are whole seconds, of its own clock."""

ResendPolicy = Literal["never", "free_form"]
"""What is sent again without a person when it was probably not sent: nothing, or messages that are no templates."""


class Silence(NamedTuple):
    """What was heard since an unknown send was posted. `claimed_at`: before its post; `heard_until`: everything that
    Meta's webhooks brought until then has been processed; `heard_at`: when they last brought something about its
    number; None: never."""

    claimed_at: datetime
    heard_until: datetime
    heard_at: datetime | None

    @property
    def is_telling(self) -> bool:
        """Whether the message was probably not sent: its statuses would have come, and other news did come."""
        return (
            self.heard_until >= self.claimed_at + REPORTED_WITHIN
            and self.heard_at is not None
            and self.heard_at > self.claimed_at
        )


class UnnamedFailure(NamedTuple):
    """A `failed` status that names no send: Meta puts no callback data into it, and the answer with the message's id
    was lost. `recipients`: the customer's phone and business-scoped user id, as far as the status has them."""

    phone_number_id: str
    recipients: tuple[str, ...]
    at: datetime


def send_that_failed(failure: UnnamedFailure, candidates: Iterable[Send]) -> Send | None:
    """Returns the send that a failure is about; None: none of the candidates, or more than one, fits number, recipient
    and time. `candidates`: sends whose message's id is not known."""
    fitting = [send for send in candidates if _fits(send, failure)]
    return fitting[0] if len(fitting) == 1 else None


def _fits(send: Send, failure: UnnamedFailure) -> bool:
    if send.claimed_at is None or send.wamid is not None or send.phone_number_id != failure.phone_number_id:
        return False
    if not send.claimed_at - _CLOCKS <= failure.at <= send.claimed_at + REPORTED_WITHIN:
        return False
    return phone_key(send.address) in {phone_key(recipient) for recipient in failure.recipients}


def is_repeated_by_itself(send: Send, silence: Silence, policy: ResendPolicy) -> bool:
    """Returns whether an unknown send is posted again without a person: never a template, whatever the policy."""
    return policy == "free_form" and send.kind != "template" and send.state == "unknown" and silence.is_telling
