"""The console as a Flask application. It opens nothing: everything it needs is handed to it."""

import gzip
import hashlib
from functools import lru_cache, partial
from pathlib import Path

import psycopg
import psycopg_pool
import structlog
from flask import Blueprint, Flask, Response, abort, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from console import gate, phrases
from console.commands import new_form
from console.dependencies import Dependencies
from console.live.broadcast import MAX_VIEWERS
from console.live.watch import changes_for, watched_list
from console.pages.account import account_pages
from console.pages.bulk import bulk_pages
from console.pages.conversation import conversation_pages
from console.pages.unmanaged import unmanaged_pages
from console.pages.waiting import waiting_pages
from console.request import over_the_page, target, words
from console.words import LANGUAGES, UTC_ZONE, Words, catalogue, phone, safe
from infra.serving.health import health_pages
from infra.serving.rsgi_bridge import STREAM_KEY

MAX_BODY_BYTES = 1024 * 1024
"""The largest form: a thousand conversations, or a mail's text."""
_STATIC = Path(__file__).with_name("static")
_COMPRESSED = 1000
"""Bytes from which an answer is worth compressing."""
_LEVEL = 1
"""Some kilobytes more than at the usual 6, in a third of the time."""

log = structlog.get_logger()


def create_app(parts: Dependencies) -> Flask:
    """The application with every page. What `/live` answers is followed by a stream, which who serves it sends."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's own provider, which is typed as any
    _speak(app, parts)
    gate.install(app, parts)
    for pages in (
        account_pages,
        unmanaged_pages,
        waiting_pages,
        conversation_pages,
        bulk_pages,
        _live_pages,
        _health_pages,
    ):
        app.register_blueprint(pages(parts))
    _answer_errors(app, parts)
    app.after_request(_compress)
    if parts.proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=parts.proxies, x_proto=1, x_host=1)
        app.wsgi_app = proxied  # type: ignore[method-assign]  # the way that Flask documents
    return app


def _speak(app: Flask, parts: Dependencies) -> None:
    """Templates know our words; an unknown variable is an error, not an empty place."""
    env = app.jinja_env
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    versions = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in _STATIC.iterdir()}
    env.globals.update(
        _=_said,
        ngettext=_said_of,
        pgettext=_said_about,
        url_for=lru_cache(4096)(url_for),  # an address depends on nothing but what it is made of
        words=words,
        phrases=phrases,
        phone=phone,
        languages=LANGUAGES,
        organisation=parts.organisation,
        new_form=new_form,
        asset=lambda name: url_for("static", filename=name, v=versions[name]),
        person=lambda: g.get("person"),
        mails=parts.post is not None,
    )


def _said(text: str, **filled: object) -> Markup:
    """In templates: a text of ours in the language of the page. What it is filled with is escaped."""
    said = safe(words().language, text)
    return said % filled if filled else said


def _said_of(one: str, many: str, n: int) -> Markup:
    """The same, as it is said of `n`."""
    return Markup(words().ngettext(one, many, n)) % {"num": n}  # noqa: S704 - of our own catalogues


def _said_about(what: str, text: str) -> Markup:
    """The same, where the words for `what` differ from those for other things."""
    return Markup(catalogue(words().language).pgettext(what, text))  # noqa: S704 - of our own catalogues


def _live_pages(parts: Dependencies) -> Blueprint:
    """`/live`: what changes in the list that a browser shows, for as long as it listens. `/live/may`: whether it still
    may, for who was cut off."""
    pages = Blueprint("live", __name__)

    @pages.get("/live")
    def hints() -> ResponseReturnValue:
        if parts.live.viewers >= MAX_VIEWERS:
            abort(503)
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # what the proxy stands for
        drawing = partial(changes_for, app, parts.clock)
        request.environ[STREAM_KEY] = partial(parts.live.stream, watched_list(gate.token_hash(g.token)), drawing)
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return Response(b"retry: 2000\n\n", content_type="text/event-stream", headers=headers)

    @pages.get("/live/may")
    def may() -> ResponseReturnValue:
        return "", 204

    return pages


def _health_pages(parts: Dependencies) -> Blueprint:
    """The console is ready when it can read from PostgreSQL. It stays ready without Kafka: pages can be read then, and
    commands are rejected with an explanation."""

    def not_ready_reasons() -> list[str]:
        try:
            with parts.pool.connection(timeout=1) as conn:
                conn.execute("select from sign_ins limit 1")
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            return [f"postgres: {type(error).__name__}"]
        return []

    return health_pages(not_ready_reasons, gate.open_to("everybody"))


def _answer_errors(app: Flask, parts: Dependencies) -> None:
    def refused(error: HTTPException) -> ResponseReturnValue:
        if error.code is None or error.response is not None:
            return error
        page = render_template("error.html", code=error.code, alone=target() is None)
        response = Response(page, error.code)
        if allowed := dict(error.get_headers()).get("Allow"):
            response.headers["Allow"] = allowed
        return over_the_page(response)

    def away(error: Exception) -> ResponseReturnValue:
        log.warning("console.database_away", error=type(error).__name__)
        g.setdefault("words", Words("en", UTC_ZONE, parts.clock()))
        g.setdefault("person", None)
        g.setdefault("token", "")
        page = render_template("error.html", code=503, alone=target() is None)
        return over_the_page(Response(page, 503, {"Retry-After": "2"}))

    def failed(error: Exception) -> ResponseReturnValue:  # a programming error: its place is logged, never its text
        log.error("console.failed", exc_info=error)
        return over_the_page(Response(render_template("error.html", code=500, alone=target() is None), 500))

    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(psycopg_pool.PoolTimeout, away)
    app.register_error_handler(psycopg.OperationalError, away)
    app.register_error_handler(Exception, failed)


def _compress(response: Response) -> Response:
    """Text goes compressed to who can read it; what forms carry is masked, so that its length tells nothing."""
    kind = response.mimetype or ""
    if (
        (kind.startswith("text/") or kind in ("application/javascript", "image/svg+xml"))
        and kind != "text/event-stream"
        and response.status_code == 200
        and request.accept_encodings.quality("gzip") > 0
        and "Content-Encoding" not in response.headers
    ):
        response.direct_passthrough = False
        content = response.get_data()
        if len(content) >= _COMPRESSED:
            response.set_data(gzip.compress(content, _LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
    response.headers.add("Vary", "Accept-Encoding")
    return response
