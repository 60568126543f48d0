"""Transfers on reply of many conversations: what they would come to, and one command for each whose customer would get
the template."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.pages.bulk_results import results
from console.pages.deferred.on_reply import HOURS
from console.pages.recipients import agent_options, first_choice, skillset_options
from console.phrases import rejection
from console.request import dialog, person, target, translated, words
from console.sending.box import refusal_text
from console.sending.template_form import (
    FilledForm,
    chosen_template,
    filled_form,
    template_key,
    template_message,
    wrong_with,
)
from domain.commands import Rejection, TransferOnReply
from domain.contract.texts import gettext_noop
from domain.ports import PublishFailed
from domain.sending.templates import Template
from infra.postgres.lists import console as console_list
from infra.postgres.sending.library import templates_of_number
from infra.postgres.wish_plans import plan_wishes

MOST = 1000
"""The most conversations of one action."""
SECOND_LOOK = 100
"""An action on more conversations than this is confirmed by typing their number."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What the action would come to. `able`: the conversations whose customers would get the template;
    `beyond_limit`: how many of them wait for Meta's limit of people a day; `unable`: how many would not get it, by
    reason; `key`: of what was filled in."""

    able: Sequence[UUID]
    unable: Counter[str]
    beyond_limit: int
    key: str


def on_reply_of_many_pages(deps: Dependencies) -> Blueprint:
    """`/bulk/on-reply`."""
    pages = Blueprint("on_reply_of_many", __name__)

    @pages.post("/bulk/on-reply")
    @gate.open_to("actions")
    def next_step() -> ResponseReturnValue:
        picked, do = _ids(deps, "picked"), request.form.get("do")
        if do not in ("check", "send"):
            return on_reply_dialog(deps, picked)
        with deps.connection() as conn:
            template = chosen_template(_templates(conn, picked))
        if template is None:  # another one is shown in its place, and must not be sent instead by pressing again
            return on_reply_dialog(deps, picked, refusal_text(Rejection.TEMPLATE_UNKNOWN), status=422)
        kind, _, chosen = request.form.get("to", "").partition(":")
        if kind not in ("user", "skillset") or not chosen:
            return on_reply_dialog(deps, picked, translated(gettext_noop("Choose a recipient first.")), status=422)
        if error := wrong_with(template, request.form):
            return on_reply_dialog(deps, picked, error, status=422)
        command = _command(template, kind, chosen)
        if do == "check" or request.form.get("checked") != _key(command):
            return on_reply_dialog(deps, picked, dry_run=_dry_run(deps, command, picked))
        return _send(deps, command, picked, _ids(deps, "able"))

    return pages


def on_reply_dialog(
    deps: Dependencies,
    picked: Sequence[UUID],
    error: str = "",
    *,
    dry_run: DryRun | None = None,
    status: int = 200,
    cut: bool = False,
) -> ResponseReturnValue:
    """The dialog with what was chosen and typed. `cut`: more match than can be processed at once."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
        usable = _templates(conn, picked)
        skillsets, users = skillset_options(deps, conn, directory), agent_options(deps, conn, directory)
    first = first_choice(skillsets) or next((each.id for each in skillsets), None)
    return dialog(
        "on_reply_of_many.html",
        status,
        picked=picked,
        cut="cut" in request.form or cut,
        most=MOST,
        templates=usable,
        filled=_filled(usable),
        users=users,
        skillsets=skillsets,
        chosen=request.form.get("to") or (f"skillset:{first}" if first else ""),
        mode=request.form.get("mode") or "exclusive",
        hours=request.form.get("hours", type=int) or HOURS[2],
        all_hours=HOURS,
        error=error,
        dry_run=dry_run,
        second_look=SECOND_LOOK,
        form=request.form.get("form") or new_form(),
    )


def _filled(usable: Sequence[Template]) -> FilledForm | None:
    template = chosen_template(usable) or (usable[0] if usable else None)
    return filled_form(template, request.form) if template else None


def _ids(deps: Dependencies, name: str) -> list[UUID]:
    """The conversations of a hidden field. Aborts with 403 if the person may not act on all of them."""
    try:
        found = [UUID(each) for each in request.form.get(name, "").split()[:MOST]]
    except ValueError:
        abort(400)
    gate.require_reach(deps, found)
    return found


def _templates(conn: Connection[Any], picked: Sequence[UUID]) -> list[Template]:
    """The templates that can be sent from at least one of the numbers; the others' customers are refused."""
    numbers = {row.phone_number_id for row in console_list.by_ids(conn, picked).values()}
    found: dict[str, Template] = {}
    for number in sorted(numbers):
        for each in templates_of_number(conn, number):
            if each.is_sendable and each.header_kind in ("none", "text"):
                found.setdefault(template_key(each), each)
    return sorted(found.values(), key=template_key)


def _command(template: Template, kind: str, chosen: str) -> TransferOnReply:
    """The command, still without its conversation."""
    return body(
        TransferOnReply,
        conversation_id=UUID(int=0),
        template=template_message(template, request.form).model_dump(exclude_none=True),
        target={"kind": kind, "id": chosen},
        mode=request.form.get("mode", "exclusive"),
        holds_hours=request.form.get("hours", type=int) or HOURS[2],
        batch_id=str(uuid5(NAMESPACE_OID, request.form.get("form", ""))),
    )


def _key(command: TransferOnReply) -> str:
    return str(uuid5(NAMESPACE_OID, json.dumps(command.model_dump(mode="json"), sort_keys=True)))


def _dry_run(deps: Dependencies, command: TransferOnReply, picked: Sequence[UUID]) -> DryRun:
    with deps.connection() as conn:
        directory = deps.directory(conn)
        plan = plan_wishes(conn, command, picked, person().name, deps.sending, directory, words().now)
    unable = Counter(rejection(refused.rejection) for refused in plan.refused.values())
    return DryRun(plan.able, unable, plan.beyond_limit, _key(command))


def _send(
    deps: Dependencies, command: TransferOnReply, picked: Sequence[UUID], able: Sequence[UUID]
) -> ResponseReturnValue:
    if len(able) > SECOND_LOOK and request.form.get("confirmed", "").strip() != str(len(able)):
        error = translated(gettext_noop("Nothing was done yet: type the number of conversations to confirm."))
        return on_reply_dialog(deps, picked, error, dry_run=_dry_run(deps, command, picked), status=422)
    assert command.batch_id is not None
    to = {"kind": command.target.kind, "target": command.target.id}
    requests = [CommandRequest(command.model_copy(update={"conversation_id": id_}), "on_reply", {**to}) for id_ in able]
    try:
        submit(deps, request.form.get("form", ""), requests, command.batch_id)
    except PublishFailed:
        error = translated(
            gettext_noop("Not sent: the message queue (Kafka) is not responding. Try again in a moment.")
        )
        return on_reply_dialog(deps, picked, error, dry_run=_dry_run(deps, command, picked), status=503)
    if target() is None:
        return redirect(url_for("bulk_results.show", batch=command.batch_id), 303)
    return results(deps, command.batch_id)
