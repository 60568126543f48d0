"""`/desk/choices`: what agents choose from on their page. Administrators keep it, and agents their own quick
replies."""

import re
from uuid import UUID, uuid4

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.desk import view
from console.request import address, person, translated
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.messages.outgoing import MAX_TEXT
from infra.postgres.console import audit, choices
from infra.postgres.console.audit import AuditEntry
from infra.postgres.console.choices import Outcome, QuickReply, QuickScope

_SHORTCUT = re.compile(r"[^\s/]{1,30}")
_LONGEST = 60
"""Characters of a reason or an outcome."""


def choice_pages(deps: Dependencies) -> Blueprint:
    """`/desk/choices`. Each form changes one thing and leads back to the page."""
    pages = Blueprint("choices", __name__, url_prefix="/desk/choices")

    @pages.get("")
    @gate.open_to("desk")
    def show() -> ResponseReturnValue:
        return _page(deps)

    @pages.post("/quick")
    @gate.open_to("desk")
    def keep_quick() -> ResponseReturnValue:
        scope, owner = _for_whom(request.form.get("for", ""))
        shortcut = request.form.get("shortcut", "").strip().removeprefix("/")
        text = request.form.get("text", "").replace("\r\n", "\n").strip()
        if not _SHORTCUT.fullmatch(shortcut):
            return _page(deps, translated(gettext_noop("A shortcut is one word of at most 30 characters.")))
        if not text or len(text) > MAX_TEXT or "\0" in text:
            return _page(deps, translated(gettext_noop("A quick reply has between 1 and 4,096 characters.")))
        with deps.connection() as conn, conn.transaction():
            if not _exists(deps.directory(conn), scope, owner):
                abort(400)
            choices.keep_quick_reply(conn, QuickReply(uuid4(), scope, owner, shortcut, text))
            audit.write(conn, [_entry("quick_reply", scope=scope, owner=owner, shortcut=shortcut)])
        return _back()

    @pages.post("/quick/<uuid:id_>/delete")
    @gate.open_to("desk")
    def delete_quick(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn, conn.transaction():
            choices.delete_quick_reply(conn, id_, person().name, shared=_keeps_all())
            audit.write(conn, [_entry("quick_reply_deleted", id=str(id_))])
        return _back()

    @pages.post("/reasons")
    def change_reason() -> ResponseReturnValue:
        reason = _named("reason")
        with deps.connection() as conn, conn.transaction():
            if "delete" in request.form:
                choices.delete_pause_reason(conn, reason)
            elif reason and reason != view.NO_SOUND:
                choices.add_pause_reason(conn, reason)
            audit.write(conn, [_entry("pause_reason", reason=reason, deleted="delete" in request.form)])
        return _back()

    @pages.post("/outcomes")
    def change_outcome() -> ResponseReturnValue:
        outcome = Outcome(request.form.get("skillset", ""), _named("outcome"))
        with deps.connection() as conn, conn.transaction():
            if outcome.skillset and outcome.skillset not in deps.directory(conn).skillsets:
                abort(400)
            if "delete" in request.form:
                choices.delete_outcome(conn, outcome)
            elif outcome.outcome:
                choices.add_outcome(conn, outcome)
            audit.write(conn, [_entry("outcome", **outcome._asdict(), deleted="delete" in request.form)])
        return _back()

    return pages


def _page(deps: Dependencies, error: str = "") -> ResponseReturnValue:
    with deps.connection() as conn:
        directory = deps.directory(conn)
        page = render_template(
            "desk_choices.html",
            replies=choices.kept_quick_replies(conn, person().name),
            reasons=choices.pause_reasons(conn),
            outcomes=choices.outcomes(conn),
            directory=directory,
            keeps_all=_keeps_all(),
            known={**view.REASONS, **view.OUTCOMES},
            error=error,
        )
    return page, 422 if error else 200


def _keeps_all() -> bool:
    return person().level == "tenant_administrator"


def _for_whom(chosen: str) -> tuple[QuickScope, str]:
    """The scope and its owner that a form names. Aborts with 403 if the person keeps only their own."""
    kind, _, owner = chosen.partition(":")
    if kind == "user":
        return "user", person().name
    if not _keeps_all():
        abort(403)
    scopes: dict[str, QuickScope] = {"skillset": "skillset", "number": "number", "all": "all"}
    if kind not in scopes:
        abort(400)
    return scopes[kind], owner if kind != "all" else ""


def _exists(directory: Directory, scope: QuickScope, owner: str) -> bool:
    return {"skillset": owner in directory.skillsets, "number": owner in directory.numbers}.get(scope, True)


def _named(field: str) -> str:
    return request.form.get(field, "").replace("\0", "").strip()[:_LONGEST]


def _entry(what: str, **detail: object) -> AuditEntry:
    return AuditEntry("choices_changed", person().name, address(), detail={"what": what, **detail})


def _back() -> ResponseReturnValue:
    return redirect(url_for("choices.show"), 303)
