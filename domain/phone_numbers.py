"""Normalising phone numbers, of which one customer may have several forms (webhooks.md, Who is the customer)."""

import re

_VARIANTS = (
    # Brazil: area code, a ninth digit, then eight. If the eight begin with 2 to 5, it is a landline without a ninth
    # digit.
    re.compile(r"(55[1-9][1-9])9([016-9][0-9]{7})"),
    re.compile(r"(54)9([0-9]{10})"),  # Argentina: the 9 of a mobile
    re.compile(r"(52)1([0-9]{10})"),  # Mexico: the 1 of a mobile
)
_SHOWN = re.compile(r"[-+0-9 ()./]+")
_USER_ID = re.compile(r"[A-Za-z]+\.\S+")


def phone_key(wa_id: str) -> str:
    """Returns the same key for all national variants of a phone: the number without Brazil's ninth digit, Argentina's 9
    or Mexico's 1. Any other text, also one that is not a phone, is returned unchanged."""
    if len(wa_id) == 13 and wa_id.startswith("5"):
        for variant in _VARIANTS:
            if match := variant.fullmatch(wa_id):
                return match[1] + match[2]
    return wa_id


def split_ids(phone: str | None, user_id: str | None) -> tuple[str | None, str | None]:
    """Returns `(wa_id, user_id)`, also when the user id is in the place of the phone, e.g. `US.1349`."""
    if phone is not None and _USER_ID.fullmatch(phone):
        return None, user_id or phone
    return phone, user_id


def wa_id_of(shown: str | None) -> str | None:
    """Returns the wa_id (digits only) of a phone written with +, spaces or dashes. A text that is not a phone is
    returned unchanged."""
    if shown is None or not _SHOWN.fullmatch(shown):
        return shown
    return "".join(char for char in shown if char.isdecimal()) or None
