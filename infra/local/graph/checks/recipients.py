"""The recipient of a message: a phone in `to` or a business-scoped user id in `recipient`."""

import re
from dataclasses import dataclass
from typing import Any

from infra.local.graph.checks.fields import optional_text
from infra.local.graph.checks.refusals import GraphRefusal, required, wrong

_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9._-]{1,128}")
_PHONE = re.compile(r"\+?[0-9 ()./-]+")
_NATIONAL_DIGITS = 10
_SHORTEST, _LONGEST = 7, 15
"""Digits of a phone number with its country code."""


@dataclass(frozen=True, slots=True)
class GraphRecipient:
    """`given`: as in the request. A phone has a `wa_id`, a business-scoped user id has none."""

    given: str
    wa_id: str | None = None
    user_id: str | None = None


def recipient_of(body: dict[str, Any], sender_digits: str) -> GraphRecipient:
    """Returns the recipient of a message; the phone wins if both are given. `sender_digits`: the business number, of
    which a national number gets the country code."""
    phone, user_id = optional_text(body, "to"), optional_text(body, "recipient")
    if phone is not None:
        wa_id = _wa_id(phone, sender_digits)
        if wa_id == sender_digits:
            raise GraphRefusal(131021, "The recipient's phone number is the sender's.")
        return GraphRecipient(phone, wa_id)
    if user_id is None:
        raise required("to")
    if not _USER_ID.fullmatch(user_id):
        raise wrong("recipient", "must be a business-scoped user id, such as US.13491208655302741918")
    return GraphRecipient(user_id, user_id=user_id)


def _wa_id(phone: str, sender_digits: str) -> str:
    digits = "".join(filter(str.isdigit, phone))
    if not _PHONE.fullmatch(phone.strip()):
        raise wrong("to", "must be a phone number with country code")
    if not phone.strip().startswith("+") and (digits.startswith("0") or len(digits) <= _NATIONAL_DIGITS):
        # What Meta does too: without "+" a national number goes to somebody in the sender's country.
        digits = sender_digits[:2] + digits.removeprefix("0")
    if not _SHORTEST <= len(digits) <= _LONGEST:
        raise GraphRefusal(131026, "The recipient's phone number is not a WhatsApp number.")
    return digits
