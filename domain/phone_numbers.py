"""Phone numbers, of which one customer may have several forms, and which every system writes in its own way
(webhooks.md, Who is the customer)."""

import re
from functools import lru_cache
from typing import NamedTuple
from unicodedata import decimal, normalize

from domain.outside_names import INVISIBLE

_VARIANTS = (
    # Brazil: area code, a ninth digit, then eight. If the eight begin with 2 to 5, it is a landline without a ninth
    # digit.
    re.compile(r"(55[1-9][1-9])9([016-9][0-9]{7})"),
    re.compile(r"(54)9([0-9]{10})"),  # Argentina: the 9 of a mobile
    re.compile(r"(52)1([0-9]{10})"),  # Mexico: the 1 of a mobile
)
_USER_ID = re.compile(r"[A-Za-z]{2}(?:\.[A-Za-z0-9_-]{1,128}){1,2}")
"""A country, then letters and digits; of a parent portfolio with a mark between them."""
_NO_PHONE = re.compile(r"[A-Za-z]+\.\S+")
"""What Meta writes in the place of a phone is a user id, also if it should look a little different one day."""
_SCHEME = re.compile(
    r"(?:(?:https?://)?(?:wa\.me/|api\.whatsapp\.com/send/?\?phone=)|whatsapp://send/?\?phone=)(?:%2B)?"
    r"|(?:whatsapp|tel|sms|callto)\s*:\s*",
    re.I,
)
"""What programs write before a phone: channels, RFC 3966's scheme, WhatsApp's links."""
_ACCOUNT = re.compile(r"(?:(?:\.[0-9]{1,3})?:[0-9]{1,5})?@(?:s\.whatsapp\.net|c\.us)$|:[0-9]{1,5}$", re.I)
"""What WhatsApp's own clients write after it, with the agent and the device: `:3@s.whatsapp.net`."""
_AROUND = " '\"`,;"
"""What is copied with a phone from a text or a sheet of a spreadsheet program."""
_DECIMAL = re.compile(r"(?<=[0-9]{8})\.0$")
"""The fraction of a phone that a spreadsheet program took for a number."""
_CONTEXT = re.compile(r";phone-context=(\+[-0-9.() ]+)", re.I)
"""The beginning of a local number of RFC 3966."""
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
_LONGEST = 200
"""Longest text that is read as a phone, in characters: a link with a phone in it is shorter."""
_SEPARATORS = re.compile(r"[\s()\[\]_./\-\u00b7\u2010-\u2015\u2212]+")
_INTERNATIONAL = re.compile(r"[1-9][0-9]{4,14}")
"""Digits with a country code. E.164 has at most 15 of them; no country code begins with 0."""
_DIGITS = re.compile(r"[0-9]{3,17}")
_PLAIN = re.compile(r"(\+|00)?([0-9]{3,17})")
_ITALIAN = re.compile(r"(39)\0(?!3[1-9][0-9]{8}$)|(378)\0")
"""Italy and San Marino, where the zero before an area code is part of the international number; not a mobile."""


def phone_key(wa_id: str) -> str:
    """Returns the same key for all national variants of a phone: the number without Brazil's ninth digit, Argentina's 9
    or Mexico's 1. Any other text, also one that is not a phone, is returned unchanged."""
    if len(wa_id) == 13 and wa_id.startswith("5"):
        for variant in _VARIANTS:
            if match := variant.fullmatch(wa_id):
                return match[1] + match[2]
    return wa_id


@lru_cache(maxsize=4096)
def read_phone(written: str) -> str | None:
    """Returns the wa_id (the digits with the country code, as Meta writes them) of a phone in any usual spelling; None
    if it is not a phone, or has no country code.

    Understood are `+` or `00` before the country code, blanks, dots, dashes and brackets between the digits, digits of
    any script, `tel:` (RFC 3966), `whatsapp:` and links to wa.me before it, and the `@c.us` or `:3@s.whatsapp.net` of
    WhatsApp's own clients behind it. Without a prefix the digits begin with the country code."""
    if written.isascii() and _INTERNATIONAL.fullmatch(written):
        return written
    phone = phone_as_written(written)
    return phone.digits if phone is not None and _INTERNATIONAL.fullmatch(phone.digits) else None


class WrittenPhone(NamedTuple):
    """A phone as somebody wrote it. `digits`: without what stands before the country code; `is_international`: whether
    it says that it has one. Otherwise it may also be a national number."""

    digits: str
    is_international: bool


def phone_as_written(written: str) -> WrittenPhone | None:
    """Returns the digits of a phone in any spelling that `read_phone` understands, also of one without a country code;
    None if it is not a phone."""
    if plain := _PLAIN.fullmatch(written):
        return WrittenPhone(plain[2], bool(plain[1]))
    if len(written) > _LONGEST:
        return None
    text = INVISIBLE.sub("", normalize("NFKC", INVISIBLE.sub("", written))).strip().strip(_AROUND)
    text = "".join(str(decimal(char)) if char.isdecimal() else char for char in text)
    scheme = _SCHEME.match(text)
    text = text[scheme.end() :] if scheme else text
    context = _CONTEXT.search(text)
    text = (context[1] if context else "") + re.split("[;?&]", text, maxsplit=1)[0]
    account = _ACCOUNT.search(text := text.strip())
    digits = _SEPARATORS.sub("", _TRUNK_ZERO.sub("\0", _DECIMAL.sub("", text[: account.start()] if account else text)))
    prefix = 1 if digits.startswith("+") else 2 if digits.startswith("00") else 0
    is_international = bool(prefix or account or (scheme and "tel" not in scheme[0] and "sms" not in scheme[0]))
    if prefix or _INTERNATIONAL.fullmatch(digits.replace("\0", "", 1)):
        digits = _ITALIAN.sub(r"\1\g<2>0", digits[prefix:]).replace("\0", "", 1)
    digits = digits.replace("\0", "0", 1)  # of a national number it is a digit
    return WrittenPhone(digits, is_international) if _DIGITS.fullmatch(digits) else None


def split_ids(phone: str | None, user_id: str | None) -> tuple[str | None, str | None]:
    """Returns `(wa_id, user_id)`, also when the user id is in the place of the phone, e.g. `US.1349`. A phone is
    returned as Meta writes it, if it can be read."""
    if phone is None:
        return None, user_id
    read = read_phone(phone)
    if read is None and _NO_PHONE.fullmatch(phone):
        return None, user_id or phone
    return read or phone, user_id


def is_user_id(text: str) -> bool:
    """Returns whether a text has the form of a business-scoped user id, as Meta makes them: no email address and no
    name has it."""
    return _USER_ID.fullmatch(text) is not None
