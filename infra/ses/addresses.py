"""Addresses that SES can send to."""

from email_validator import EmailNotValidError, validate_email


def address(text: str) -> str | None:
    """The address with its domain in ASCII and lower case; None for what is none, for a local part that is not ASCII
    (SES takes none) and for domains that cannot be on the internet. Asks no name server."""
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        return None
    return found.ascii_email
