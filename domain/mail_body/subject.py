"""The subject that is suggested for a mail."""

from datetime import datetime
from zoneinfo import ZoneInfo

from domain.directory import Number
from domain.mail_body.clean import clean, one_line
from domain.mail_body.wording import MAIL_TEXTS

_LONGEST_NAME = 80


def suggested_subject(customer_name: str | None, last_at: datetime, number: Number) -> str:
    """Returns who wrote and when, in the language of the number: a valid subject whatever the name is. `last_at`: the
    customer's last message."""
    wording = MAIL_TEXTS[number.language]
    name = one_line(clean(customer_name or "")).replace("=?", "= ?")[:_LONGEST_NAME].strip()
    return (
        f"{name or wording.a_customer}, WhatsApp, {wording.short_day(last_at.astimezone(ZoneInfo(number.time_zone)))}"
    )
