"""The results of a bulk action: grouped by what happened, with a way on for what was refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import kafka_unavailable
from console.phrases import command_notice, owner_name, undo_of
from console.request import dialog, person, target, translated
from console.table.rows import customer_name
from domain.commands import Recall, Rejection, Transfer
from domain.contract.texts import NO_NAME
from domain.ports import PublishFailed
from domain.wishes.wish import wish_id
from infra.postgres.console import audit
from infra.postgres.console.audit import RequestedCommand
from infra.postgres.lists import console as console_list

WOULD_WAIT = (Rejection.USER_NOT_READY, Rejection.USER_AT_CAPACITY, Rejection.NO_AGENT_READY)
"""Rejections of immediate transfers that a reservation would not meet."""


@dataclass(slots=True)
class ResultGroup:
    """Conversations of a bulk action to which the same happened. `names`: of the customers."""

    state: Literal["pending", "done", "rejected"]
    text: str
    names: list[str] = field(default_factory=list)


def bulk_results_pages(deps: Dependencies) -> Blueprint:
    """`/bulk/BATCH`: the results, undo, and reserving what was refused."""
    pages = Blueprint("bulk_results", __name__)

    @pages.get("/bulk/<uuid:batch>")
    @gate.open_to("actions")
    def show(batch: UUID) -> ResponseReturnValue:
        return results(deps, str(batch))

    @pages.post("/bulk/<uuid:batch>/undo")
    @gate.open_to("actions")
    def undo(batch: UUID) -> ResponseReturnValue:
        return _submit_next(deps, [_undoing(each) for each in _commands(deps, batch) if _can_be_undone(each)])

    @pages.post("/bulk/<uuid:batch>/reserve")
    @gate.open_to("actions")
    def reserve(batch: UUID) -> ResponseReturnValue:
        """Reserves for the same recipient what could not be offered immediately."""
        refused = [each for each in _commands(deps, batch) if _would_wait(each)]
        with deps.connection() as conn:
            rows = console_list.by_ids(conn, [each.conversation_id for each in refused if each.conversation_id])
        requests = [
            CommandRequest(
                body(
                    Transfer,
                    conversation_id=each.conversation_id,
                    target={"kind": each.detail["kind"], "id": each.detail["target"]},
                    mode="exclusive",
                    expected_version=rows[each.conversation_id].version,
                    batch_id=_next_batch(),
                ),
                "exclusive",
                {"kind": each.detail["kind"], "target": each.detail["target"]},
            )
            for each in refused
            if each.conversation_id in rows
        ]
        return _submit_next(deps, requests)

    return pages


def results(deps: Dependencies, batch: str) -> ResponseReturnValue:
    """The results of a batch of the person who looks. Aborts with 404 if it is not theirs."""
    with deps.connection() as conn:
        commands = audit.requested_batch(conn, batch)
        if not commands or commands[0].name != person().name:
            abort(404)
        directory = deps.directory(conn)
        rows = console_list.by_ids(conn, [each.conversation_id for each in commands if each.conversation_id])
    groups: dict[str, ResultGroup] = {}
    for each in commands:
        row = rows.get(each.conversation_id) if each.conversation_id else None
        notice = command_notice(directory, each, row)
        group = groups.setdefault(notice.text, ResultGroup(notice.state, notice.text))
        group.names.append(customer_name(row) if row else translated(NO_NAME))
    states = Counter(_state(each) for each in commands)
    if states["pending"] and request.args.get("pending", type=int) == states["pending"]:
        return "", 204  # the dialog already shows this
    # undo would leave out a mail that has no result yet, and it would be sent
    undoable = any(map(_can_be_undone, commands)) and not any(
        each.outcome is None and not _can_be_undone(each) for each in commands
    )
    waiting = [] if states["pending"] else [each for each in commands if _would_wait(each)]
    detail = commands[0].detail
    return dialog(
        "bulk_results.html",
        batch=batch,
        groups=sorted(groups.values(), key=lambda each: ("done", "rejected", "pending").index(each.state)),
        states=states,
        answered=sum(each.outcome in ("applied", "rejected") for each in commands),
        undoable=undoable,
        reservable=len(waiting),
        recipient=owner_name(directory, detail["kind"], detail["target"]) if waiting else "",
        form=new_form(),
    )


def _commands(deps: Dependencies, batch: UUID) -> Sequence[RequestedCommand]:
    """The commands of a batch of the person who asks. Aborts with 404 if it is not theirs."""
    with deps.connection() as conn:
        commands = audit.requested_batch(conn, str(batch))
    if not commands or commands[0].name != person().name:
        abort(404)
    return commands


def _next_batch() -> str:
    return str(uuid5(NAMESPACE_OID, request.form.get("form", "")))


def _submit_next(deps: Dependencies, requests: Sequence[CommandRequest]) -> ResponseReturnValue:
    batch = _next_batch()
    try:
        submit(deps, request.form.get("form", ""), requests, batch)
    except PublishFailed:
        return kafka_unavailable()
    return results(deps, batch) if target() else redirect(url_for("bulk_results.show", batch=batch), 303)


def _state(command: RequestedCommand) -> Literal["pending", "done", "rejected"]:
    if command.outcome is None:
        return "pending"
    return "done" if command.outcome == "applied" else "rejected"


def _would_wait(command: RequestedCommand) -> bool:
    refused = command.outcome in ("rejected", "held_back") and command.reason in WOULD_WAIT
    return refused and command.detail["what"] == "immediate"


def _undoing(command: RequestedCommand) -> CommandRequest:
    """What undoes a command that can be undone."""
    about = command.conversation_id
    match undo_of(command):
        case "mail":
            return CommandRequest(Recall(mail_command_id=command.command_id), "recall_mail", about=about)
        case "promise":
            return CommandRequest(Recall(deferred_id=wish_id(command.command_id)), "cancel_deferred", about=about)
        case _:
            return CommandRequest(Recall(conversation_id=about, expected_version=command.version), "recall")


def _can_be_undone(command: RequestedCommand) -> bool:
    """A transfer can be undone before it has a result: its recall follows it on the same partition. The recall of a
    mail is processed elsewhere and could overtake it."""
    undo = undo_of(command)
    return undo is not None and (command.outcome == "applied" or (command.outcome is None and undo == "conversation"))
