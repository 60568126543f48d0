"""Signing in and out, and the account page: language, time zone, password."""

import structlog
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import agent_facts, gate
from console.dependencies import Dependencies
from console.pages.attempts import network_keys, too_many_attempts
from console.phrases import PROVIDER_WRONG
from console.request import address, person, safe_redirect_target, words
from console.words import LANGUAGES, zone_meant, zones
from domain.ports import PublishFailed
from infra.passwords import LONGEST, SHORTEST, weakness
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.audit import AuditEntry

log = structlog.get_logger()

_LONGEST_NAME = 256


def account_pages(deps: Dependencies) -> Blueprint:
    """`/sign-in`, `/sign-out`, `/account`."""
    pages = Blueprint("account", __name__)

    @pages.get("/sign-in")
    @gate.open_to("everybody")
    def sign_in() -> ResponseReturnValue:
        next_ = safe_redirect_target(request.args.get("next"), url_for("unmanaged.home"))
        if g.person is not None and g.person.level is not None:
            return redirect(next_, 303)
        return _sign_in_page(deps, next_, request.args.get("wrong"))

    @pages.post("/sign-in")
    @gate.open_to("everybody")
    def try_sign_in() -> ResponseReturnValue:
        if not deps.local_sign_in:
            abort(404)
        name = request.form.get("name", "").strip().replace("\x00", "")[:_LONGEST_NAME]
        password = request.form.get("password", "")
        next_ = safe_redirect_target(request.form.get("next"), url_for("unmanaged.home"))
        with deps.connection() as conn:
            too_many = too_many_attempts(conn, name)
            known = sign_ins.password_of(conn, name)
        if too_many:
            deps.metrics.refused("too_many_attempts")
            log.warning("console.too_many_sign_in_attempts")
            return _sign_in_page(deps, next_, "too_many", name), 429
        fits = deps.passwords.verify(known[1] if known else None, password)
        if known is None or not fits or known[0].level is None:
            gate.audit_refused_sign_in(deps, name)
            return _sign_in_page(deps, next_, "wrong", name), 401
        awaits_code = known[0].has_factor
        with deps.connection() as conn, conn.transaction():
            sign_ins.forget_tries(conn, name, network_keys())
            sign_ins.end_session(conn, gate.token_hash(g.token))
            new = gate.token_hash(gate.renew_token())
            sign_ins.begin_session(conn, new, name, deps.sessions, awaits_code=awaits_code)
            if not awaits_code:
                audit.write(conn, [AuditEntry("signed_in", name, address())])
        return redirect(url_for("second_factor.ask", next=next_) if awaits_code else next_, 303)

    @pages.post("/sign-out")
    @gate.open_to("signed_in")
    def sign_out() -> ResponseReturnValue:
        if not person().awaits_code:  # else it was not proven that it is them
            try:
                agent_facts.leave(deps, person().name)
            except PublishFailed:
                log.warning("console.leaving_not_published")
        with deps.connection() as conn, conn.transaction():
            id_token = sign_ins.end_session(conn, gate.token_hash(g.token))
            audit.write(conn, [AuditEntry("signed_out", person().name, address())])
        gate.renew_token()
        elsewhere = deps.provider.sign_out_url(id_token) if deps.provider is not None and id_token else None
        return redirect(elsewhere or url_for("account.sign_in"), 303)

    @pages.get("/account")
    @gate.open_to("signed_in")
    def show() -> ResponseReturnValue:
        return _account()

    @pages.post("/account/words")
    @gate.open_to("signed_in")
    def change_words() -> ResponseReturnValue:
        language, typed = request.form.get("language", ""), request.form.get("zone", "").strip()
        chosen = zone_meant(typed)
        if typed and chosen is None:
            return _account("zone", 422)
        with deps.connection() as conn:
            sign_ins.prefer_words(
                conn, person().name, language if language in LANGUAGES else None, chosen.key if chosen else None
            )
        return redirect(url_for("account.show", saved=1), 303)

    @pages.post("/account/password")
    @gate.open_to("signed_in")
    def change_password() -> ResponseReturnValue:
        wrong = _change_password(deps)
        if wrong is None:
            return redirect(url_for("account.show", saved=1), 303)
        return _account(wrong, 429 if wrong == "too_many" else 422)

    return pages


def _sign_in_page(deps: Dependencies, next_: str, wrong: str | None = None, name: str = "") -> str:
    provider = deps.provider
    return render_template(
        "sign_in.html",
        next=next_,
        name=name,
        error=wrong if wrong in ("wrong", "too_many", *PROVIDER_WRONG) else None,
        local=deps.local_sign_in,
        provider=(provider.terms.label or deps.organisation or provider.terms.origin) if provider else None,
    )


def _change_password(deps: Dependencies) -> str | None:
    """Changes the password and ends every other session. Returns what is wrong; None: it was changed."""
    me = person()
    new = request.form.get("new", "")
    with deps.connection() as conn:
        too_many = too_many_attempts(conn, me.name)
        known = sign_ins.password_of(conn, me.name)
    if too_many:
        gate.audit_refusal(deps, "password_refused", "too_many_attempts", why="too_many_tries")
        return "too_many"
    if known is None or not deps.passwords.verify(known[1], request.form.get("password", "")):
        gate.audit_refusal(deps, "password_refused", "wrong_password", why="wrong")
        return "password"
    with deps.connection() as conn, conn.transaction():  # the password is known, so this was not a guess
        sign_ins.forget_tries(conn, me.name, network_keys())
    if new != request.form.get("again", ""):
        return "again"
    if me.must_change and new == request.form.get("password", ""):
        return "same"
    if weak := weakness(new, [me.name, me.shown_name]):
        return weak
    hashed = deps.passwords.hash(new)
    with deps.connection() as conn, conn.transaction():
        sign_ins.set_password(conn, me.name, hashed)
        sign_ins.end_sessions(conn, me.name)
        sign_ins.begin_session(conn, gate.token_hash(gate.renew_token()), me.name, deps.sessions)
        audit.write(conn, [AuditEntry("password_changed", me.name, address())])
    return None


def _account(wrong: str | None = None, status: int = 200) -> ResponseReturnValue:
    saved = wrong is None and "saved" in request.args
    context = {"languages": LANGUAGES, "zones": zones(words().language), "wrong": wrong, "saved": saved}
    page = render_template(
        "account.html", **context, shortest=SHORTEST, longest=LONGEST, zone_now=words().zone.key, typed=request.form
    )
    return page, status
