"""The bounds of forms take what the forms themselves let people write."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.exceptions import RequestEntityTooLarge

import console
from console import bounds
from console.pages.deferred.on_reply_of_many import MOST

_TEXTAREA = re.compile(r'<textarea[^>]*?name="(\w+)"[^>]*?maxlength="(\d+)"', re.S)
TEMPLATES = Path(console.__file__).parent / "templates"


def sent(**fields: str) -> None:
    """Checks a form as it comes from a browser."""
    with Flask("browser").test_request_context(method="POST", data=fields):
        bounds.check_form()


def test_as_many_conversations_as_can_be_promised_at_once_fit_into_the_form() -> None:
    named = " ".join(str(uuid4()) for _ in range(MOST))
    sent(picked=named, able=named)
    with pytest.raises(RequestEntityTooLarge):
        sent(other=named)


def test_a_thousand_customers_who_opted_out_fit_into_the_form() -> None:
    sent(customers="\r\n".join(f"+39 333 {n:07}" for n in range(1000)))


def test_what_fits_into_the_field_of_a_page_is_not_refused() -> None:
    """Line ends count twice in a form."""
    fields = [found for page in TEMPLATES.rglob("*.html") for found in _TEXTAREA.findall(page.read_text())]
    assert {"body", "customers", "text"} <= {name for name, _ in fields}
    for name, most in fields:
        assert 2 * int(most) <= bounds.LONG_FIELDS.get(name, bounds.MAX_FIELD), name
