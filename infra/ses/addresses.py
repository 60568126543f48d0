"""Email addresses that SES can send to."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

_LONGEST = 320
"""In characters: 64 of the local part, @, and 255 of the domain (RFC 5321). Checked first, because the time of the
validation grows with the square of a long text of combining marks."""


def address(text: str) -> str | None:
    """Returns the address with its domain in ASCII and lower case. None if the text is not an email address, if the
    local part is not ASCII (SES does not support that), or if the domain cannot be on the internet, or mixes letters
    that look alike. Sends no DNS query."""
    if len(text) > _LONGEST:
        return None
    try:
        valid = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        return None
    return None if any(map(_is_mixed, valid.domain.split("."))) else valid.ascii_email


_ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}
"""Alphabets with letters that look the same."""


def _is_mixed(label: str) -> bool:
    """Returns whether a part of a domain mixes such alphabets: no registry allows that, only an imitation needs it."""
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in label if char.isalpha()}
    return len(scripts & _ALIKE) > 1
