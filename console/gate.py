"""Who comes in, and what every request must have: a session, a form of ours, a level (issue of the console, part 3).

A browser has one cookie with a random token. Its hash is a session or it is not; and what forms carry is made of it, so
a form made for one session is worth nothing in another, nor after the sign-in or the sign-out.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import words as speech
from console.dependencies import Dependencies
from console.request import address, over_the_page, person, target
from infra.postgres.console import audit, sign_ins

_TOKEN_BYTES = 32
_ROOT = ("tenant_administrator",)
_SAFE = {"GET", "HEAD", "OPTIONS"}
_LIVE = "live"
"""The view that open pages listen to."""

CSRF = "csrf"
"""The field of every form."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

ViewAccess = Literal["everybody", "signed_in"]
_ACCESS = "_console_access"


T = TypeVar("T", bound=Callable[..., Any])


def open_to(access: ViewAccess) -> Callable[[T], T]:
    """Of a view that not only administrators may use."""

    def mark(view: T) -> T:
        setattr(view, _ACCESS, access)
        return view

    return mark


def install(app: Flask, parts: Dependencies) -> None:
    """Puts the gate before every view of the application, and the usual headers on every answer."""

    @app.before_request
    def enter() -> ResponseReturnValue | None:
        view = app.view_functions.get(request.endpoint or "")
        g.person, g.new_token, g.token, g.holding = None, None, "", ExitStack()
        g.words = words_of(parts)
        if request.endpoint == "static":
            return None
        token = request.cookies.get(_cookie(parts), "")
        if len(token) < _TOKEN_BYTES:
            token = g.new_token = secrets.token_urlsafe(_TOKEN_BYTES)
        else:
            if request.method in _SAFE:
                g.connection = g.holding.enter_context(parts.pool.connection())
            with parts.connection() as conn:
                g.person = sign_ins.person_of(conn, token_hash(token), parts.sessions, uses=not _by_itself())
        g.token = token
        g.words = words_of(parts)
        if request.method not in _SAFE and not _is_ours():
            _audit(parts, "form_refused")
            return _refused("form", 403)
        return _admit(parts, getattr(view, _ACCESS, None))

    @app.after_request
    def guard(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", _POLICY)
        headers.setdefault("X-Frame-Options", "DENY")
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Console"] = "1"  # an answer without it comes from something between us and the browser
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        if parts.secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint == "static":
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            headers.setdefault("Cache-Control", "no-store")
            headers.add("Vary", "HX-Request")
        if g.get("new_token"):
            _set_cookie(parts, response, g.new_token)
        return response

    @app.teardown_request
    def let_go(_: BaseException | None) -> None:
        g.pop("connection", None)
        g.holding.close()

    app.jinja_env.globals["csrf"] = form_token


def token_hash(token: str) -> bytes:
    """As it is kept."""
    return hashlib.sha256(token.encode()).digest()


def renew_token() -> str:
    """A new token for this browser, sent with the answer: the old one and its forms are worth nothing from now on."""
    g.token = g.new_token = secrets.token_urlsafe(_TOKEN_BYTES)
    g.pop("form_token", None)
    return str(g.token)


def form_token() -> str:
    """What the forms of a page carry, different for each page: compressed ones must not tell it (BREACH)."""
    if "form_token" not in g:
        secret = _form_secret()
        mask = secrets.token_bytes(len(secret))
        g.form_token = base64.urlsafe_b64encode(mask + _masked(secret, mask)).decode()
    return cast(str, g.form_token)


def _form_secret() -> bytes:
    return hmac.digest(g.token.encode(), b"form", "sha256")


def _masked(secret: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(secret, mask, strict=True))


def _by_itself() -> bool:
    """Whether an open page asks without its person. A browser's EventSource sends no header of ours, and comes back
    whenever it was cut off."""
    return request.blueprint == _LIVE or "X-Live" in request.headers


def _is_ours() -> bool:
    """Whether this browser got the form from us. Other sites' forms come without our cookie (SameSite); this holds
    where that fails."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    try:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return False
        given = base64.urlsafe_b64decode(request.form.get(CSRF, ""))
    except ValueError:
        return False
    secret = _form_secret()
    size = len(secret)
    return len(given) == 2 * size and hmac.compare_digest(_masked(given[size:], given[:size]), secret)


def _admit(parts: Dependencies, access: ViewAccess | None) -> ResponseReturnValue | None:
    if access == "everybody" or request.endpoint is None:
        return None
    if g.person is None or g.person.level is None:
        if target() is not None or request.method not in _SAFE or request.blueprint == _LIVE:
            return _refused("signed_out", 401)
        return redirect(url_for("account.sign_in", next=request.full_path.rstrip("?")), 303)
    if access is None and person().level not in _ROOT:
        _audit(parts, "forbidden")
        return _refused("level", 403)
    return None


def _audit(parts: Dependencies, event: audit.AuditEvent) -> None:
    name = g.person.name if g.person else None
    with parts.connection() as conn:
        audit.write(conn, [audit.AuditEntry(event, name, address(), detail={"path": request.path})])


def _refused(why: str, status: int) -> ResponseReturnValue:
    """A page, or a notice over the page that is open. Who is still signed in gets what forms must carry now."""
    response = Response(render_template("refused.html", why=why, alone=target() is None), status)
    if why == "form" and g.person is not None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        response.headers["X-Form-Token"] = form_token()
    return over_the_page(response)


def words_of(parts: Dependencies) -> speech.Words:
    """How this page speaks: as the person chose, else as their browser likes it."""
    chosen = g.person.language if g.person else None
    zone = speech.zone(g.person.time_zone if g.person else None) or speech.zone(request.cookies.get("zone"))
    language = chosen if chosen in speech.LANGUAGES else speech.negotiate_language(request.accept_languages.values())
    return speech.Words(language, zone or speech.UTC_ZONE, parts.clock())


def _cookie(parts: Dependencies) -> str:
    return "__Host-witiop" if parts.secure else "witiop"


def _set_cookie(parts: Dependencies, response: Response, token: str) -> None:
    response.set_cookie(_cookie(parts), token, httponly=True, secure=parts.secure, samesite="Lax", path="/")
