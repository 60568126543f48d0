"""Notices about submitted commands: over the open page, or as pages of their own without script."""

from flask import Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console.commands import new_form
from console.dependencies import Dependencies
from console.phrases import actor_name, command_notice, owner_name
from console.request import keep_page, person, safe_redirect_target, target, words
from console.table.rows import row_view
from infra.postgres.console import audit
from infra.postgres.lists import console as console_list
from infra.postgres.lists.conversation_page import last_actor

LATE_SECONDS = 15
"""A notice without a result says so from then on."""


def kafka_unavailable() -> ResponseReturnValue:
    """A notice that nothing was submitted. Sending the form again submits the same command."""
    page = render_template("refused.html", why="kafka", whole_page=target() is None, form=request.form)
    return keep_page(Response(page, 503))


def submitted(deps: Dependencies, id_: str) -> ResponseReturnValue:
    """The notice about a submitted command: over the open page, or as a page of its own."""
    if target() is None:
        return redirect(url_for("conversations.command", command_id=id_, back=back()), 303)
    return notice(deps, id_, new=True)


def notice(deps: Dependencies, id_: str, *, new: bool = False) -> ResponseReturnValue:
    """What became of a command of this person. `new`: it was just submitted."""
    with deps.connection() as conn:
        command = audit.requested_command(conn, id_)
        if command is None or command.name != person().name:
            abort(404)
        directory = deps.directory(conn)
        about = console_list.by_ids(conn, [command.conversation_id]) if command.conversation_id else {}
        row = next(iter(about.values()), None)
        actor = last_actor(conn, row.id) if row and command.outcome == "rejected" else None
    late = command.outcome is None and (words().now - command.at).total_seconds() > LATE_SECONDS
    if not new and target() and command.outcome is None and late == ("late" in request.args):
        return "", 204  # the notice already says this
    return render_template(
        "command_notice.html",
        command=command,
        notice=command_notice(directory, command, row),
        line=row_view(row, directory) if row else None,
        late=late,
        new=new,
        form=new_form(),
        whole_page=target() is None,
        back=safe_redirect_target(request.args.get("back"), url_for("unmanaged.home")),
        owner=row and row.owner and owner_name(directory, row.owner.kind, row.owner.id),
        actor=actor and actor_name(directory, actor),
    )


def back() -> str:
    """The page from which a form was sent."""
    return safe_redirect_target(request.values.get("back"), url_for("unmanaged.home"))
