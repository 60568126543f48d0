"""`/directory/versions`: the versions of the directory, what differs between two, and going back to one."""

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import new_form
from console.dependencies import Dependencies
from console.directory import view
from console.directory.editing import keep_draft
from console.phrases import actor_name
from console.request import person, translated
from domain.contract.texts import gettext_noop
from domain.directory_file.difference import differences, document_of
from infra.postgres import directory as stored
from infra.postgres import directory_versions

_ROWS = 25


def version_pages(deps: Dependencies) -> Blueprint:
    """`/directory/versions`."""
    pages = Blueprint("directory_versions", __name__, url_prefix="/directory/versions")

    @pages.get("")
    @gate.open_to("overview")
    def show() -> ResponseReturnValue:
        before = request.args.get("before", type=int)
        with deps.connection() as conn:
            directory = deps.directory(conn)
            found = directory_versions.listed(conn, before, _ROWS + 1)
        return render_template(
            "directory/versions.html",
            versions=found[:_ROWS],
            older=found[_ROWS - 1].version if len(found) > _ROWS else None,
            before=before,
            current=person().directory,
            author=lambda name: actor_name(directory, name),
            short=lambda version: view.short_changes(version.changes, version.changed, directory),
            form=new_form(),
        )

    @pages.get("/diff")
    @gate.open_to("overview")
    def diff() -> ResponseReturnValue:
        before, after = request.args.get("before", type=int), request.args.get("after", type=int)
        with deps.connection() as conn:
            texts = [stored.text_of(conn, each) if each is not None else None for each in (before, after)]
        if texts[0] is None or texts[1] is None:
            abort(404)
        changes = differences(document_of(texts[0]), document_of(texts[1]))
        return render_template(
            "directory/diff.html",
            before=before,
            after=after,
            current=person().directory,
            changes=view.shown_changes(changes),
            lines=view.text_diff(texts[0], texts[1]),
            form=new_form(),
        )

    @pages.get("/<int:version>.toml")
    @gate.open_to("overview")
    def text(version: int) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = stored.text_of(conn, version)
        if found is None:
            abort(404)
        headers = {"Content-Disposition": f'attachment; filename="directory-{version}.toml"'}
        return Response(found, content_type="application/toml; charset=utf-8", headers=headers)

    @pages.post("/<int:version>/roll-back")
    def roll_back(version: int) -> ResponseReturnValue:
        """Prepares the directory as it was: the draft's page says what that changes."""
        with deps.connection() as conn:
            found = stored.text_of(conn, version)
            if found is None:
                abort(404)
            note = translated(gettext_noop("Version {n} again")).replace("{n}", str(version))
            form = request.form.get("form", "")
            kept = keep_draft(conn, form, document_of(found), stored.version(conn), note)
        return redirect(url_for("directory_drafts.show", draft=kept), 303)

    return pages
