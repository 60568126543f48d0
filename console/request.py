"""One request: who asks, how the page speaks, and whether a whole page or a piece of one is wanted."""

from typing import cast
from urllib.parse import urlsplit

from flask import Response, g, render_template, request
from flask.typing import ResponseReturnValue

from console.words import Words
from infra.postgres.console.sign_ins import Person


def person() -> Person:
    """Who is signed in; only where nobody else comes."""
    return cast(Person, g.person)


def words() -> Words:
    """How this page speaks."""
    return cast(Words, g.words)


def translated(text: str) -> str:
    """In the language of this page."""
    return words().gettext(text)


def target() -> str | None:
    """The part of the page that is wanted; None: all of it, by a browser that has no script or shows it first."""
    if request.headers.get("HX-Request") != "true":
        return None
    return request.headers.get("HX-Target") or "body"


def address() -> str:
    """Where the request comes from."""
    return request.remote_addr or ""


def safe_redirect_target(path: str | None, otherwise: str) -> str:
    """The path, if it leads to a place of ours; so nobody is sent elsewhere by a link that looks like ours."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return otherwise
    parts = urlsplit(path)
    return otherwise if parts.scheme or parts.netloc else path


def dialog(template: str, status: int = 200, **context: object) -> ResponseReturnValue:
    """A dialog: by itself over the page that is open, else as a page of its own."""
    return render_template(template, alone=target() is None, **context), status


def over_the_page(response: Response) -> Response:
    """A notice leaves what is open as it is, with all that was typed."""
    if target() is not None:
        response.headers["HX-Reswap"] = "none"
    return response
