"""`/directory/drafts`: what a draft changes and does, saving it, and putting it on top of what somebody else saved."""

from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.directory import view
from console.directory.editing import DraftStanding, carry_over_draft, directory_in, problems_of, save, standing
from console.directory.problems import shown_problems
from console.directory.trial import DAYS
from console.notices import LATE_SECONDS, kafka_unavailable
from console.phrases import actor_name, rejection
from console.request import words
from domain.directory_file.difference import carry_over, differences, document_of
from domain.ports import PublishFailed
from domain.statistics.reclassify import numbers_judged_differently
from infra.postgres import directory as stored
from infra.postgres import directory_versions
from infra.postgres.directory_versions import DirectoryDraft, DirectoryVersion

_EDITED = ("number", "skillset", "user")


def draft_pages(deps: Dependencies) -> Blueprint:
    """`/directory/drafts/ID`."""
    pages = Blueprint("directory_drafts", __name__, url_prefix="/directory/drafts/<uuid:draft>")

    @pages.get("")
    @gate.open_to("overview")
    def show(draft: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = _found(directory_versions.find_draft(conn, draft))
            earlier_id = request.args.get("of", type=UUID)
            earlier = directory_versions.find_draft(conn, earlier_id) if earlier_id else None
            state = standing(conn, found)
            named = {found.base, state.current, earlier.base if earlier else found.base}
            texts = {each: stored.text_of(conn, each) or "" for each in named}
            directory = deps.directory(conn)
            documents = {n: document_of(text) for n, text in texts.items()}
            after = document_of(found.text)
            changes = differences(documents[found.base], after)
            wanted, before = directory_in(found.text), directory_in(texts[found.base])
            known = view.shown_hints(before)
            others = differences(documents[found.base], documents[state.current]) if state.state == "conflict" else []
            disputed = earlier and carry_over(documents[earlier.base], document_of(earlier.text), documents[found.base])
            return render_template(
                "directory/draft.html",
                draft=found,
                state=state.state,
                standing=state,
                changes=view.shown_changes(changes),
                effects=view.effects(conn, changes, before, wanted) if state.state != "applied" else [],
                judged_differently=state.state != "applied" and numbers_judged_differently(before, wanted),
                trial_days=DAYS,
                hints=[hint for hint in view.shown_hints(wanted) if hint not in known],
                problems=shown_problems(problems_of(after), after, draft),
                others=view.shown_changes(others),
                others_versions=_between(directory_versions.listed(conn, None, 10), found.base),
                conflicts=view.shown_conflicts(disputed.conflicts if disputed else ()),
                lines=view.text_diff(texts[found.base], found.text),
                edited=next(((c.kind, c.id) for c in changes if c.kind in _EDITED and c.action != "removed"), None),
                why=rejection(state.command.reason) if state.command and state.command.reason else "",
                late=_is_late(state),
                author=lambda name: actor_name(directory, name) if name else "",
            )

    @pages.post("/save")
    def keep(draft: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = _found(directory_versions.find_draft(conn, draft))
            is_current = stored.version(conn) == found.base
        if is_current and found.applied is None:  # else the page says what became of it
            try:
                save(deps, draft)
            except PublishFailed:
                return kafka_unavailable()
        return redirect(url_for("directory_drafts.show", draft=draft, of=request.form.get("earlier") or None), 303)

    @pages.post("/carry-over")
    def again(draft: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = _found(directory_versions.find_draft(conn, draft))
            kept, disputed = carry_over_draft(conn, found)
        return redirect(url_for("directory_drafts.show", draft=kept, of=draft if disputed else None), 303)

    return pages


def _found(draft: DirectoryDraft | None) -> DirectoryDraft:
    if draft is None:
        abort(404)
    return draft


def _between(versions: list[DirectoryVersion], base: int) -> list[DirectoryVersion]:
    return [version for version in reversed(versions) if version.version > base]


def _is_late(state: DraftStanding) -> bool:
    return (
        state.state == "waiting"
        and state.command is not None
        and (words().now - state.command.at).total_seconds() > LATE_SECONDS
    )
