"""Signing in and out, and the account page: language, time zone, password."""

import ipaddress
from typing import Any, NamedTuple

import structlog
from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import agent_facts, gate
from console.dependencies import Dependencies
from console.request import address, person, safe_redirect_target, words
from console.words import LANGUAGES, zone_meant, zones
from domain.ports import PublishFailed
from infra.passwords import LONGEST, SHORTEST, weakness
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.audit import AuditEntry

log = structlog.get_logger()

TRIES_PER_NETWORK, TRIES_PER_NAME, TRIES_ANYWHERE = 40, 10, 1000
"""Sign-in attempts within 15 minutes: from one network, from one network for one name, and for one name from anywhere.
Above a limit, attempts are rejected even with the right password. The last limit is far above the others, so that
locking a person out takes a hundred networks, or 33 sites with IPv6; it is too low to guess a password that `weakness`
accepts."""
SITE_TRIES, SITE_TRIES_PER_NAME = 160, 30
"""The same for a site with IPv6, which may have 65,536 networks."""
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
        return render_template("sign_in.html", next=next_)

    @pages.post("/sign-in")
    @gate.open_to("everybody")
    def try_sign_in() -> ResponseReturnValue:
        name = request.form.get("name", "").strip().replace("\x00", "")[:_LONGEST_NAME]
        password = request.form.get("password", "")
        next_ = safe_redirect_target(request.form.get("next"), url_for("unmanaged.home"))
        with deps.connection() as conn:
            too_many = _too_many(conn, name)
            known = sign_ins.password_of(conn, name)
        if too_many:
            deps.metrics.refused("too_many_attempts")
            log.warning("console.too_many_sign_in_attempts")
            return render_template("sign_in.html", next=next_, name=name, error="too_many"), 429
        fits = deps.passwords.verify(known[1] if known else None, password)
        if known is None or not fits or known[0].level is None:
            gate.audit_refused_sign_in(deps, name)
            return render_template("sign_in.html", next=next_, name=name, error="wrong"), 401
        with deps.connection() as conn, conn.transaction():
            sign_ins.forget_tries(conn, name, [each.key for each in _networks(address())])
            sign_ins.end_session(conn, gate.token_hash(g.token))
            sign_ins.begin_session(conn, gate.token_hash(gate.renew_token()), name, deps.sessions)
            audit.write(conn, [AuditEntry("signed_in", name, address())])
        return redirect(next_, 303)

    @pages.post("/sign-out")
    @gate.open_to("signed_in")
    def sign_out() -> ResponseReturnValue:
        try:
            agent_facts.leave(deps, person().name)
        except PublishFailed:
            log.warning("console.leaving_not_published")
        with deps.connection() as conn, conn.transaction():
            sign_ins.end_session(conn, gate.token_hash(g.token))
            audit.write(conn, [AuditEntry("signed_out", person().name, address())])
        gate.renew_token()
        return redirect(url_for("account.sign_in"), 303)

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


def _change_password(deps: Dependencies) -> str | None:
    """Changes the password and ends every other session. Returns what is wrong; None: it was changed."""
    me = person()
    new = request.form.get("new", "")
    with deps.connection() as conn:
        too_many = _too_many(conn, me.name)
        known = sign_ins.password_of(conn, me.name)
    if too_many:
        gate.audit_refusal(deps, "password_refused", "too_many_attempts", why="too_many_tries")
        return "too_many"
    if known is None or not deps.passwords.verify(known[1], request.form.get("password", "")):
        gate.audit_refusal(deps, "password_refused", "wrong_password", why="wrong")
        return "password"
    with deps.connection() as conn, conn.transaction():  # the password is known, so this was not a guess
        sign_ins.forget_tries(conn, me.name, [each.key for each in _networks(address())])
    if new != request.form.get("again", ""):
        return "again"
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


def _too_many(conn: Connection[Any], name: str) -> bool:
    """Counts an attempt. One that a limit stops does not count towards the next limit: a network that guesses too often
    uses up its own attempts, never those of the person."""
    sign_ins.forget_old_tries(conn)
    return (
        any(
            sign_ins.count_try(conn, "a", each.key) > each.tries
            or sign_ins.count_try(conn, "b", sign_ins.network_and_name(each.key, name)) > each.tries_per_name
            for each in _networks(address())
        )
        or sign_ins.count_try(conn, "n", name) > TRIES_ANYWHERE
    )


class _Network(NamedTuple):
    """A network that attempts are counted for, and its limits."""

    key: str
    tries: int = TRIES_PER_NETWORK
    tries_per_name: int = TRIES_PER_NAME


def _networks(text: str) -> tuple[_Network, ...]:
    """The networks of an address, the largest first. An IPv6 client usually has a whole /64 network, and its site up to
    a /48. A server that listens on both families sees IPv4 addresses as IPv6 ones; they count one by one."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return (_Network(text),)
    if found.version == 4:
        return (_Network(str(found)),)
    if found.ipv4_mapped is not None:
        return (_Network(str(found.ipv4_mapped)),)
    site, network = (str(ipaddress.ip_network((found.packed, bits), strict=False)) for bits in (48, 64))
    return (_Network(site, SITE_TRIES, SITE_TRIES_PER_NAME), _Network(network))
