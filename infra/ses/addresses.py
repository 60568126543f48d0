"""Email addresses that SES can send to."""

from email_validator import EmailNotValidError, validate_email

_LONGEST = 320
"""In characters: 64 of the local part, @, and 255 of the domain (RFC 5321). Checked first, because the time of the
validation grows with the square of a long text of combining marks."""


def address(text: str) -> str | None:
    """Returns the address with its domain in ASCII and lower case. None if the text is not an email address, if the
    local part is not ASCII (SES does not support that), or if the domain cannot be on the internet. Sends no DNS
    query."""
    if len(text) > _LONGEST:
        return None
    try:
        valid = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        return None
    return valid.ascii_email
