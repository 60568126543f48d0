"""The second factor of a sign-in with a password: asked for after the password, set up and removed by its person."""

from collections.abc import Sequence
from typing import Any, Literal

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from psycopg import Connection

from console import gate
from console.dependencies import Dependencies
from console.request import address, person, safe_redirect_target, words
from infra import one_time_codes
from infra.postgres.console import audit, second_factors, sign_ins
from infra.postgres.console.audit import AuditEntry, AuditEvent

log = structlog.get_logger()

TRIES = 10
"""Codes of one person within 15 minutes. Above it codes are rejected, also right ones: at three codes that count at a
time, guessing takes years."""

Wrong = Literal["code", "too_many"]


def second_factor_pages(deps: Dependencies) -> Blueprint:
    """`/sign-in/code`, `/account/second-factor`."""
    pages = Blueprint("second_factor", __name__)

    @pages.get("/sign-in/code")
    @gate.open_to("signed_in")
    def ask() -> ResponseReturnValue:
        if not person().awaits_code:
            return redirect(_next(), 303)
        return render_template("people/code.html", next=_next(), wrong=None)

    @pages.post("/sign-in/code")
    @gate.open_to("signed_in")
    def check() -> ResponseReturnValue:
        if not person().awaits_code:
            return redirect(_next(), 303)
        if (wrong := _wrong_with_code(deps)) is not None:
            status = 429 if wrong == "too_many" else 401
            return render_template("people/code.html", next=_next(), wrong=wrong), status
        name = person().name
        with deps.connection() as conn, conn.transaction():
            sign_ins.end_session(conn, gate.token_hash(gate.current_token()))
            sign_ins.begin_session(conn, gate.token_hash(gate.renew_token()), name, deps.sessions)
            audit.write(conn, [AuditEntry("signed_in", name, address(), detail={"second_factor": True})])
        return redirect(_next(), 303)

    @pages.get("/account/second-factor")
    @gate.open_to("signed_in")
    def show() -> ResponseReturnValue:
        return _page(deps)

    @pages.post("/account/second-factor")
    @gate.open_to("signed_in")
    def confirm() -> ResponseReturnValue:
        """Makes the offered secret count, or draws new recovery codes: in both cases by a code of the app."""
        if person().provider:
            return _page(deps)
        if (wrong := _wrong_with_code(deps, confirms=True)) is not None:
            return _page(deps, wrong, status=429 if wrong == "too_many" else 422)
        codes = one_time_codes.new_recovery_codes()
        event: AuditEvent = "recovery_codes_made" if person().has_factor else "factor_enrolled"
        with deps.connection() as conn, conn.transaction():
            factor = second_factors.read_locked(conn, person().name)
            step = factor.last_step if factor is not None else 0
            second_factors.confirm(conn, person().name, step, [one_time_codes.recovery_hash(each) for each in codes])
            if event == "factor_enrolled":
                sign_ins.end_sessions(conn, person().name, but=gate.token_hash(gate.current_token()))
            audit.write(conn, [AuditEntry(event, person().name, address())])
        return render_template("people/recovery_codes.html", codes=codes, home=gate.home())

    @pages.post("/account/second-factor/remove")
    @gate.open_to("signed_in")
    def remove() -> ResponseReturnValue:
        if person().level in deps.factor_levels:
            return _page(deps, status=403)
        if (wrong := _wrong_with_code(deps)) is not None:
            return _page(deps, wrong, status=429 if wrong == "too_many" else 422)
        with deps.connection() as conn, conn.transaction():
            second_factors.remove(conn, person().name)
            audit.write(conn, [AuditEntry("factor_removed", person().name, address())])
        return redirect(url_for("account.show", saved=1), 303)

    return pages


def _next() -> str:
    return safe_redirect_target(request.values.get("next"), url_for("unmanaged.home"))


def _page(deps: Dependencies, wrong: Wrong | None = None, status: int = 200) -> ResponseReturnValue:
    """The page of the person's second factor: how to set it up, or what can be done with it."""
    me = person()
    secret, left = "", 0
    with deps.connection() as conn, conn.transaction():
        if me.has_factor:
            left = second_factors.codes_left(conn, me.name)
        elif not me.provider:
            secret = second_factors.offer(conn, me.name, one_time_codes.new_secret())
    issuer = f"WitiOp {deps.organisation}".strip()
    picture = one_time_codes.enrolment_svg(secret, me.name, issuer) if secret else ""
    page = render_template(
        "people/second_factor.html",
        picture=Markup(picture),  # noqa: S704 - drawn from modules only
        secret=_in_groups(secret),
        left=left,
        required=me.level in deps.factor_levels,
        wrong=wrong,
    )
    return page, status


def _in_groups(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _wrong_with_code(deps: Dependencies, *, confirms: bool = False) -> Wrong | None:
    """What is wrong with the code of the form; None: it was right, and cannot be used again. `confirms`: the secret may
    be one that is not confirmed yet, and no recovery code counts."""
    me, given = person(), request.form.get("code", "")[:64]
    with deps.connection() as conn:
        too_many = sign_ins.count_try(conn, "c", me.name) > TRIES
    if too_many:
        gate.audit_refusal(deps, "code_refused", "too_many_attempts", why="too_many_tries")
        log.warning("console.too_many_codes")
        return "too_many"
    with deps.connection() as conn, conn.transaction():
        entries = _used(conn, me.name, given, deps, confirms=confirms)
        if entries is not None:
            sign_ins.forget_codes(conn, me.name)
            audit.write(conn, entries)
    if entries is None:
        gate.audit_refusal(deps, "code_refused", "wrong_code", why="wrong")
        return "code"
    return None


def _used(
    conn: Connection[Any], name: str, given: str, deps: Dependencies, *, confirms: bool
) -> Sequence[AuditEntry] | None:
    """Uses the code; returns what is to be noted about it. None: it is wrong."""
    factor = second_factors.read_locked(conn, name)
    if factor is None or not (factor.is_confirmed or confirms):
        return None
    step = one_time_codes.accepted_step(factor.secret, given, words().now, factor.last_step)
    if step is not None:
        second_factors.accept(conn, name, step)
        return []
    if confirms:
        return None
    left = second_factors.use_recovery_code(conn, name, one_time_codes.recovery_hash(given))
    return None if left is None else [AuditEntry("recovery_code_used", name, address(), detail={"left": left})]
