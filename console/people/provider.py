"""Signing in at the OpenID provider: the way there, and the way back.

State, nonce and the verifier of PKCE are derived from the browser's own token, so nothing is stored for strangers, and
what comes back counts in the browser that began only. The token is renewed when a sign-in ends, well or not: each
answer of the provider counts once.
"""

import base64
import hmac
from typing import Any, NamedTuple

import structlog
from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.wrappers import Response as BaseResponse

from console import gate
from console.dependencies import Dependencies
from console.pages.attempts import too_many_networks
from console.request import address, safe_redirect_target, words
from infra.openid.provider import OpenIdProvider, ProviderFailed, SignedInPerson
from infra.openid.roles import GivenLevel, level_by, text_of
from infra.postgres.console import audit, people, sign_ins
from infra.postgres.console.audit import AuditEntry
from infra.postgres.console.people import ListedSignIn

log = structlog.get_logger()

_NEXT_SECONDS = 600
"""How long a browser remembers where a sign-in leads."""


class _Refused(Exception):
    """Nobody is let in. `why`: as the sign-in page says it; `name`: of the person, as far as the provider said it."""

    def __init__(self, why: str, name: str | None = None) -> None:
        super().__init__(why)
        self.why, self.name = why, name


class _Secrets(NamedTuple):
    """The secrets of one sign-in of this browser."""

    state: str
    nonce: str
    verifier: str


def provider_pages(deps: Dependencies) -> Blueprint:
    """`/sign-in/provider`, `/sign-in/provider/return`."""
    pages = Blueprint("provider", __name__, url_prefix="/sign-in/provider")

    @pages.get("")
    @gate.open_to("everybody")
    def begin() -> ResponseReturnValue:
        provider = _provider(deps)
        try:
            answer = redirect(provider.sign_in_url(*_secrets()), 303)
        except ProviderFailed as error:
            return _turned_away(deps, _Refused(error.trouble), error.cause)
        next_ = safe_redirect_target(request.args.get("next"), "/")
        _remember(deps, answer, next_)
        return answer

    @pages.get("/return")
    @gate.open_to("everybody")
    def come_back() -> ResponseReturnValue:
        provider, expected = _provider(deps), _secrets()
        next_ = safe_redirect_target(request.cookies.get(_cookie(deps)), url_for("unmanaged.home"))
        try:
            if not hmac.compare_digest(request.args.get("state", "").encode(), expected.state.encode()):
                return _turned_away(deps, _Refused("other_browser"))  # a link of anybody: it ends nobody's session
            if "error" in request.args or "code" not in request.args:
                raise _Refused("denied" if request.args.get("error") == "access_denied" else "rejected")
            with deps.connection() as conn:
                if too_many_networks(conn):
                    raise _Refused("too_many")
            person = provider.person(request.args["code"], expected.nonce, expected.verifier, words().now)
            name = _let_in(deps, provider, person)
        except ProviderFailed as error:
            gate.renew_token()
            return _turned_away(deps, _Refused(error.trouble), error.cause)
        except _Refused as error:
            gate.renew_token()
            return _turned_away(deps, error)
        with deps.connection() as conn, conn.transaction():
            sign_ins.end_session(conn, gate.token_hash(gate.current_token()))
            new = gate.token_hash(gate.renew_token())
            sign_ins.begin_session(conn, new, name, deps.sessions, id_token=person.id_token)
            audit.write(conn, [AuditEntry("signed_in", name, address(), detail={"provider": True})])
        answer = redirect(next_, 303)
        answer.delete_cookie(_cookie(deps), path="/", secure=deps.secure, httponly=True, samesite="Lax")
        return answer

    return pages


def _provider(deps: Dependencies) -> OpenIdProvider:
    if deps.provider is None:
        abort(404)
    return deps.provider


def _secrets() -> _Secrets:
    token = gate.current_token().encode()
    made = (hmac.digest(token, b"openid " + what, "sha256") for what in (b"state", b"nonce", b"verifier"))
    return _Secrets(*(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in made))


def _cookie(deps: Dependencies) -> str:
    return "__Host-witiop-next" if deps.secure else "witiop-next"


def _remember(deps: Dependencies, answer: BaseResponse, next_: str) -> None:
    """Keeps where the sign-in leads in the browser: the provider, which logs addresses, does not learn it."""
    answer.set_cookie(
        _cookie(deps), next_, max_age=_NEXT_SECONDS, httponly=True, secure=deps.secure, samesite="Lax", path="/"
    )


def _turned_away(deps: Dependencies, refused: _Refused, cause: str = "") -> BaseResponse:
    """Leads back to the sign-in page, which says why."""
    log.warning("console.provider_refused", why=refused.why, cause=cause)
    deps.metrics.refused("provider")
    if refused.name is not None:
        gate.audit_refused_provider(deps, refused.name, refused.why)
    return redirect(url_for("account.sign_in", wrong=refused.why), 303)


def _let_in(deps: Dependencies, provider: OpenIdProvider, person: SignedInPerson) -> str:
    """The name of the person's sign-in, which has the level that the provider gives. Raises _Refused."""
    terms = provider.terms
    given = level_by(terms.roles, person.claims, terms.role_claim)
    name = text_of(person.claims, terms.name_claim)
    with deps.connection() as conn, conn.transaction():
        known = people.of_subject(conn, person.subject, deps.sessions) or _waiting_for(deps, conn, name)
        if known is not None and known.disabled_at is not None:
            raise _Refused("disabled", known.name)
        if terms.roles and given is None and known is None:
            raise _Refused("no_role", name or "")
        stored = known.name if known is not None else _created(conn, name, given)
        if not people.connect_subject(conn, stored, person.subject, text_of(person.claims, "name")):
            raise _Refused("name_taken", stored)
        if terms.roles:
            people.assign_level(conn, stored, *(given or GivenLevel(None, None)))
        has_level = given is not None or not terms.roles
        found = people.find(conn, stored, deps.sessions)
        is_let_in = has_level and found is not None and found.level is not None
        if not is_let_in:
            sign_ins.end_sessions(conn, stored)
            if known is None:
                raise _Refused("no_role", stored)
    if not is_let_in:
        raise _Refused("no_role", stored)
    return stored


def _waiting_for(deps: Dependencies, conn: Connection[Any], name: str | None) -> ListedSignIn | None:
    """The sign-in that an administrator made for this name at the provider, and that nobody has used yet. Another one
    of the name is somebody else's: what a provider calls a person must not open it."""
    found = people.find(conn, name, deps.sessions) if name is not None else None
    if found is None:
        return None
    if not found.provider or people.has_subject(conn, found.name):
        raise _Refused("name_taken", found.name)
    return found


def _created(conn: Connection[Any], name: str | None, given: GivenLevel | None) -> str:
    """Creates the sign-in of a person who comes for the first time; returns its name."""
    if given is None:
        raise _Refused("unknown", name or "")
    if name is None:
        raise _Refused("no_name", "")
    people.create(conn, name, None)
    audit.write(conn, [AuditEntry("sign_in_made", name, address(), detail={"of": name, "provider": True})])
    return name
