"""One customer, several spellings (webhooks.md, Who is the customer)."""

import re

_VARIANTS = (
    # Brazil: area code, the ninth digit, then eight. Eight that begin with 2 to 5 are a landline's, which has no ninth.
    re.compile(r"(55[1-9][1-9])9([016-9][0-9]{7})"),
    re.compile(r"(54)9([0-9]{10})"),  # Argentina: the 9 of a mobile
    re.compile(r"(52)1([0-9]{10})"),  # Mexico: the 1 of a mobile
)
_SHOWN = re.compile(r"[-+0-9 ()./]+")
_USER_ID = re.compile(r"[A-Za-z]+\.\S+")


def phone_key(wa_id: str) -> str:
    """The one name of all national variants of a phone: without Brazil's ninth digit, Argentina's 9, Mexico's 1.
    Anything else is its own key, also what is no phone."""
    if len(wa_id) == 13 and wa_id.startswith("5"):
        for variant in _VARIANTS:
            if found := variant.fullmatch(wa_id):
                return found[1] + found[2]
    return wa_id


def split_ids(phone: str | None, user_id: str | None) -> tuple[str | None, str | None]:
    """`(wa_id, user_id)`, also when the user id stands where the phone is due, as in `US.1349`."""
    if phone is not None and _USER_ID.fullmatch(phone):
        return None, user_id or phone
    return phone, user_id


def wa_id_of(shown: str | None) -> str | None:
    """A phone as a wa_id has it, from one written for the eye with +, spaces or dashes. What is no phone stays."""
    if shown is None or not _SHOWN.fullmatch(shown):
        return shown
    return "".join(char for char in shown if char.isdecimal()) or None
