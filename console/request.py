"""The current request: the person, the language, and whether a whole page or a fragment is expected."""

from typing import cast
from urllib.parse import urlsplit

from flask import Response, current_app, g, render_template, request
from flask.typing import ResponseReturnValue

from console.levels import ADMITTED
from console.words import Words
from domain.routing.supervision import Supervision
from infra.postgres.console.sign_ins import Person
from infra.serving.http_connection import Stream
from infra.serving.response import Response as Answer
from infra.serving.wsgi_bridge import LENGTH_KEY, OTHERWISE_KEY, STREAM_KEY


def person() -> Person:
    """The person who is signed in. Only for views that require a session."""
    return cast(Person, g.person)


def supervision() -> Supervision | None:
    """What the person supervises, to which everything is restricted that they are shown; None: they are no
    supervisor."""
    return cast(Supervision | None, g.supervision)


def acts() -> bool:
    """Whether the person does something about conversations, besides looking at them."""
    return person().level in ADMITTED["actions"]


def words() -> Words:
    """The language and time zone of the page."""
    return cast(Words, g.words)


def translated(text: str) -> str:
    """The text in the language of the page."""
    return words().gettext(text)


def follow_with(stream: Stream, length: int | None = None, otherwise: Response | None = None) -> None:
    """Makes the server send the parts of this stream after the response, which must be a 200 or 206. `length`: of all
    parts together in bytes, if it is known; a stream that is shorter must fail. `otherwise`: the answer if it fails
    before its first part."""
    request.environ[STREAM_KEY] = stream
    if length is not None:
        request.environ[LENGTH_KEY] = length
    if otherwise is not None:
        page = current_app.process_response(otherwise)
        request.environ[OTHERWISE_KEY] = Answer(page.status_code, list(page.headers), page.get_data())


def target() -> str | None:
    """The id of the element that the script will replace; None: a whole page is expected."""
    if request.headers.get("HX-Request") != "true":
        return None
    return request.headers.get("HX-Target") or "body"


def address() -> str:
    """The client's network address; at most 64 characters of what a proxy says it is."""
    return (request.remote_addr or "")[:64]


def safe_redirect_target(path: str | None, otherwise: str) -> str:
    """Returns `path` if it stays within the console, else `otherwise`: a link to the console must not redirect to
    another site."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return otherwise
    split = urlsplit(path)
    return otherwise if split.scheme or split.netloc else path


def dialog(template: str, status: int = 200, **context: object) -> ResponseReturnValue:
    """A dialog: a fragment for the page that is open, or a page of its own without script."""
    return render_template(template, whole_page=target() is None, **context), status


def keep_page(response: Response) -> Response:
    """Makes the script show the response as a notice only, so that open forms keep what was typed."""
    if target() is not None:
        response.headers["HX-Reswap"] = "none"
    return response
