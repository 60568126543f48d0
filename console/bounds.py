"""Bounds of a request, checked before any work is done on it. What is not listed here is bounded too: a new field of a
form has at most `MAX_FIELD` characters, unless it is one of `LONG_FIELDS`."""

from collections.abc import Collection

from flask import request
from werkzeug.exceptions import MethodNotAllowed, RequestEntityTooLarge, RequestURITooLarge, UnsupportedMediaType

METHODS = ("GET", "HEAD", "OPTIONS", "POST")
MAX_PATH = 512
"""Bytes of a path."""
MAX_QUERY = 16 * 1024
"""Bytes of a query: the stream names each row of a page of 100."""
MAX_HEADER = 1024
"""Characters of a header that the console interprets. Python compares non-ASCII hosts by normalising them, in time that
grows with the square of their length."""
_INTERPRETED = ("Accept-Encoding", "Accept-Language", "Content-Type", "HX-Target", "Host", "Origin", "Sec-Fetch-Site")

MAX_FIELDS = 1200
"""Fields of a form: a bulk action names a thousand conversations."""
MAX_FIELD_NAME = 100
MAX_FIELD = 4096
"""Characters of a field."""
LONG_FIELDS = {
    "able": 64 * 1024,
    "body": 64 * 1024,
    "customers": 128 * 1024,
    "mail_text": 256 * 1024,
    "mail_to": 32 * 1024,
    "picked": 64 * 1024,
    "text": 16 * 1024,
    "to": 16 * 1024,
}
"""Fields that may be longer: the conversations of a bulk action, the text and the recipients of a mail, also in a rule,
customers who opted out, and an answer. Line ends count twice in a form."""
FORM = "application/x-www-form-urlencoded"


def check_head() -> None:
    """Checks everything but the form. Raises the HTTP exception to answer with; reads no body."""
    if request.method not in METHODS:
        raise MethodNotAllowed(METHODS)
    if len(request.environ["PATH_INFO"]) > MAX_PATH or len(request.environ["QUERY_STRING"]) > MAX_QUERY:
        raise RequestURITooLarge
    if any(len(request.headers.get(name, "")) > MAX_HEADER for name in _INTERPRETED):
        raise RequestEntityTooLarge


def check_form(mimetypes: Collection[str] = (FORM,)) -> None:
    """Checks the form before and after it is taken apart. `mimetypes`: that the view takes. Raises the HTTP exception
    to answer with."""
    content = request.get_data()
    if content and request.mimetype not in mimetypes:
        raise UnsupportedMediaType
    if request.mimetype == FORM and content.count(b"&") >= MAX_FIELDS:
        raise RequestEntityTooLarge
    for name, value in request.form.items(multi=True):
        if len(name) > MAX_FIELD_NAME or len(value) > LONG_FIELDS.get(name, MAX_FIELD):
            raise RequestEntityTooLarge
