"""The guard before every view: the session, the form token, and the level that a view requires.

A browser has one cookie with a random token; the database has the hash of a session's token. The tokens of forms are
derived from it, so a form of one session is invalid in another, and after signing in or out.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

from flask import Flask, Response, abort, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import bounds
from console import words as speech
from console.dependencies import Dependencies
from console.levels import ADMITTED, ROOT, ViewAccess
from console.metrics import Refusal
from console.request import acts, address, keep_page, person, supervision, target, words
from domain.routing.supervision import Supervision
from domain.sending.acceptance import may_finish
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.audit import AuditEntry
from infra.postgres.lists import own
from infra.postgres.lists.conversation_page import read_conversation
from infra.postgres.lists.supervised import supervised_among

_TOKEN_BYTES, _LONGEST_TOKEN = 32, 64
_SAFE = {"GET", "HEAD", "OPTIONS"}
_LIVE = ("live", "desk_live", "campaigns_live", "directory_live")
"""The blueprints of the streams."""
_FILES = "media"
"""The blueprint of the files that a page shows: a browser loads them by itself whenever a customer sends one."""

AUDITED_PER_PERSON, AUDITED_SIGN_INS = 100, 1000
"""Refusals of one person, and refused sign-ins of everybody together, that are stored within `sign_ins.TRIES_SPAN`; all
of them are counted. So nobody can fill the database with the traces of what was refused."""

CSRF = "csrf"
"""The field of every form that holds its token."""
TOKEN_HEADER = "X-Form-Token"  # noqa: S105 - its name
"""The header that holds it where what is sent is part of a file. Another site's page cannot send it."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

_OF_ONE = "/conversations/<uuid:id_>"
"""Where the addresses of one conversation begin."""
_OWN_FORMS = ("account", "second_factor", "personal_alarms")
"""The blueprints of forms about nothing but the person's own account: of the others, who only reads sends none."""
SignInStep = Literal["code", "password", "factor"]
_STEPS: Mapping[SignInStep, Sequence[str]] = {
    "code": ("second_factor.ask", "second_factor.check"),
    "password": ("account.show", "account.change_words", "account.change_password"),
    "factor": ("second_factor.show", "second_factor.confirm"),
}
"""What somebody who signed in has to do first -> the only pages that are open until then, the first one leads there:
the code of the second factor, another password than an administrator's, or setting up a second factor."""
_ACCESS, _TAKES = "_console_access", "_console_takes"


T = TypeVar("T", bound=Callable[..., Any])


def open_to(access: ViewAccess) -> Callable[[T], T]:
    """Marks a view that others than administrators may use (`console.levels`)."""

    def mark(view: T) -> T:
        setattr(view, _ACCESS, access)
        return view

    return mark


def takes(*mimetypes: str) -> Callable[[T], T]:
    """Marks a view to which a file is sent: its requests have these types, not that of a form."""

    def mark(view: T) -> T:
        setattr(view, _TAKES, mimetypes)
        return view

    return mark


def install(app: Flask, deps: Dependencies) -> None:
    """Puts the guard before every view of the application, and security headers on every response."""

    # signing out is a form that leads to the provider, where that session ends too
    leads_to = f" {deps.provider.terms.origin}" if deps.provider is not None else ""
    policy = _POLICY.replace("form-action 'self'", f"form-action 'self'{leads_to}")

    @app.before_request
    def enter() -> ResponseReturnValue | None:
        view = app.view_functions.get(request.endpoint or "")
        g.person, g.supervision, g.new_token, g.token = None, None, None, ""
        g.words = speech.Words("en", speech.UTC_ZONE, deps.clock())  # of the page that a broken bound answers
        bounds.check_head()
        g.words = words_of(deps)
        if request.endpoint == "static":
            return None
        token = request.cookies.get(_cookie(deps), "")
        if not _TOKEN_BYTES <= len(token) <= _LONGEST_TOKEN:
            token = g.new_token = secrets.token_urlsafe(_TOKEN_BYTES)
        else:
            with deps.connection() as conn:
                g.person = sign_ins.person_of(conn, token_hash(token), deps.sessions, uses=not _is_automatic())
                if g.person is not None and g.person.level == "supervisor":
                    g.supervision = Supervision.of(g.person.skillsets, deps.directory(conn))
        g.token = token
        g.words = words_of(deps)
        if request.method not in _SAFE:
            bounds.check_form(getattr(view, _TAKES, (bounds.FORM,)))
            if not _is_own_form():
                audit_refusal(deps, "form_refused", "form")
                return _refused("form", 403)
        return _admit(deps, getattr(view, _ACCESS, None))

    @app.after_request
    def guard(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("X-Frame-Options", "DENY")
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Console"] = "1"  # a response without it was sent by a proxy
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        if deps.secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint == "static" and response.status_code < 400:
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            headers.setdefault("Cache-Control", "no-store")
            headers.add("Vary", "HX-Request")
        if g.get("new_token"):
            _set_cookie(deps, response, g.new_token)
        return response

    app.jinja_env.globals.update(csrf=form_token, admits=admits, acts=acts)


def token_hash(token: str) -> bytes:
    """The hash under which the database has a session's token."""
    return hashlib.sha256(token.encode()).digest()


def current_token() -> str:
    """The token of the browser's session."""
    return cast(str, g.token)


def renew_token() -> str:
    """Gives the browser a new token with the response; the old one and its forms become invalid."""
    g.token = g.new_token = secrets.token_urlsafe(_TOKEN_BYTES)
    g.pop("form_token", None)
    return str(g.token)


def form_token() -> str:
    """The token for the forms of this page. It is masked differently on each page, so that the length of compressed
    responses does not reveal it (BREACH)."""
    if "form_token" not in g:
        secret = _form_secret()
        mask = secrets.token_bytes(len(secret))
        g.form_token = base64.urlsafe_b64encode(mask + _masked(secret, mask)).decode()
    return cast(str, g.form_token)


def _form_secret() -> bytes:
    return hmac.digest(g.token.encode(), b"form", "sha256")


def _masked(secret: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(secret, mask, strict=True))


def _is_automatic() -> bool:
    """Whether the page's script sent the request without its person. An EventSource cannot send a header, so the
    stream is recognised by its blueprint, as is a picture."""
    return request.blueprint in (*_LIVE, _FILES) or "X-Live" in request.headers


def _is_own_form() -> bool:
    """Whether the console sent this form to this browser. The cookie's SameSite attribute already keeps other sites'
    forms out; this check does where a browser ignores that."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    try:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return False
        given = base64.urlsafe_b64decode(request.form.get(CSRF) or request.headers.get(TOKEN_HEADER, ""))
    except ValueError:
        return False
    secret = _form_secret()
    size = len(secret)
    return len(given) == 2 * size and hmac.compare_digest(_masked(given[size:], given[:size]), secret)


def _admit(deps: Dependencies, access: ViewAccess | None) -> ResponseReturnValue | None:
    if access == "everybody" or request.endpoint is None:
        return None
    if g.person is None or g.person.level is None:
        deps.metrics.refused("signed_out")
        if target() is not None or request.method not in _SAFE or request.blueprint in _LIVE:
            return _refused("signed_out", 401)
        return redirect(url_for("account.sign_in", next=request.full_path.rstrip("?")), 303)
    if (step := _step(deps)) is not None and request.endpoint not in (*_STEPS[step], "account.sign_out"):
        if target() is not None or request.method not in _SAFE or request.blueprint in _LIVE:
            return _refused("signed_out", 401)
        return redirect(url_for(_STEPS[step][0], next=request.full_path.rstrip("?")), 303)
    if person().level not in ADMITTED[access] or not _may_send() or not _may_be_at(deps):
        audit_refusal(deps, "forbidden", "level")
        return _refused("level", 403)
    return None


def _step(deps: Dependencies) -> SignInStep | None:
    """What the person has to do first; None: they are signed in."""
    me = person()
    if me.awaits_code:
        return "code"
    if me.must_change:
        return "password"
    return "factor" if me.level in deps.factor_levels and not me.provider and not me.has_factor else None


def _may_send() -> bool:
    """Whether the person may send forms at all, or sends one about their own account."""
    return person().level != "read_only" or request.method in _SAFE or request.blueprint in _OWN_FORMS


def _may_be_at(deps: Dependencies) -> bool:
    """Whether the address is not that of a conversation which a supervisor must not see."""
    if supervision() is None or request.url_rule is None or not request.url_rule.rule.startswith(_OF_ONE):
        return True
    with deps.connection() as conn:
        return may_read(conn, (request.view_args or {})["id_"])


def audit_refusal(
    deps: Dependencies,
    event: audit.AuditEvent,
    counted: Refusal,
    conversation_id: UUID | None = None,
    **detail: object,
) -> None:
    """Counts a request that was refused, and stores it in the audit log if a person is signed in, up to
    `AUDITED_PER_PERSON`."""
    deps.metrics.refused(counted)
    if g.person is not None:
        name, detail = g.person.name, {"path": request.path, **detail}
        _store(deps, AuditEntry(event, name, address(), conversation_id, detail=detail), name, AUDITED_PER_PERSON)


def audit_refused_sign_in(deps: Dependencies, name: str) -> None:
    """Counts a sign-in with a wrong password or an unknown name, and stores it in the audit log up to
    `AUDITED_SIGN_INS`, in the same time for each name."""
    deps.metrics.refused("wrong_password")
    _store(deps, AuditEntry("sign_in_refused", name, address(), detail={"why": "wrong"}), "", AUDITED_SIGN_INS)


def audit_refused_provider(deps: Dependencies, name: str, why: str) -> None:
    """Stores that somebody whom the OpenID provider knows was not let in, as `audit_refused_sign_in` does."""
    _store(deps, AuditEntry("provider_refused", name, address(), detail={"why": why}), "", AUDITED_SIGN_INS)


def _store(deps: Dependencies, entry: AuditEntry, counted_for: str, most: int) -> None:
    with deps.connection() as conn:
        if sign_ins.count_try(conn, "r", counted_for) <= most:
            audit.write(conn, [entry])


def _refused(why: str, status: int) -> ResponseReturnValue:
    """A page, or a notice over the open page. A person who is still signed in also gets a valid form token."""
    response = Response(render_template("refused.html", why=why, whole_page=target() is None), status)
    if why == "form" and g.person is not None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        response.headers[TOKEN_HEADER] = form_token()
    return keep_page(response)


def may_read(conn: Connection[Any], conversation: UUID) -> bool:
    """Whether the person of the request may read a conversation: who sees all lists each, supervisors those that they
    supervise, agents those of their own customers, and those whose window ended while they had them, campaign managers
    none."""
    if person().level not in ADMITTED["messages"]:
        return False
    if person().level in ADMITTED["overview"] or conversation in within_reach(conn, [conversation]):
        return True
    if own.may_read(conn, person().name, conversation):
        return True
    found = read_conversation(conn, conversation)
    return found is not None and may_finish(found, person().name, words().now)


def readable_among(conn: Connection[Any], conversations: Collection[UUID]) -> Collection[UUID]:
    """Those of these conversations that the person of the request may read."""
    reach = set(within_reach(conn, conversations))
    return reach | {id_ for id_ in set(conversations) - reach if may_read(conn, id_)}


def within_reach(conn: Connection[Any], conversations: Collection[UUID]) -> Collection[UUID]:
    """Those of these conversations that the person of the request may act on as an administrator may: a supervisor on
    what they supervise."""
    if person().level in ROOT:
        return conversations
    within = supervision()
    return supervised_among(conn, conversations, within) if within is not None else ()


def require_reach(deps: Dependencies, conversations: Collection[UUID]) -> None:
    """Aborts with 403 if the person of the request may not act on all of these conversations."""
    if supervision() is None:
        return
    with deps.connection() as conn:
        beyond = set(conversations) - set(within_reach(conn, conversations))
    if beyond:
        audit_refusal(deps, "forbidden", "level", min(beyond))
        abort(403)


def admits(endpoint: str) -> bool:
    """Whether the person of the request may open this page. For menus."""
    return person().level in ADMITTED[getattr(current_app.view_functions[endpoint], _ACCESS, None)]


def home() -> str:
    """The address of the page on which the person of the request begins."""
    begins = {"agent": "desk.show", "campaign_manager": "campaigns.history"}
    return url_for(begins.get(person().level or "", "unmanaged.show"))


def words_of(deps: Dependencies) -> speech.Words:
    """The language and time zone that the person chose, else those of their browser. The time is the database's, which
    windows, reservations and commands are judged by; a person whose session was read brought it along."""
    chosen = g.person.language if g.person else None
    zone = speech.zone(g.person.time_zone if g.person else None) or speech.zone(request.cookies.get("zone"))
    language = chosen if chosen in speech.LANGUAGES else speech.negotiate_language(request.accept_languages.values())
    return speech.Words(language, zone or speech.UTC_ZONE, g.person.now if g.person else deps.clock())


def _cookie(deps: Dependencies) -> str:
    return "__Host-witiop" if deps.secure else "witiop"


def _set_cookie(deps: Dependencies, response: Response, token: str) -> None:
    response.set_cookie(_cookie(deps), token, httponly=True, secure=deps.secure, samesite="Lax", path="/")
