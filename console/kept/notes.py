"""Notes and tags of a conversation, and the list of notes that mention a person. Each action answers with all notes and
tags as they are then."""

from uuid import NAMESPACE_OID, UUID, uuid5

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import new_form
from console.dependencies import Dependencies
from console.kept.around import kept_around
from console.kept.mentions import mentioned
from console.request import address, person, target
from domain.commands import MAX_NOTE
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.kept import notes, tags
from infra.postgres.kept.tags import MAX_TAG
from infra.postgres.lists.conversation_page import read_conversation


def note_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/notes` and below, `/mentions`."""
    pages = Blueprint("notes", __name__)
    of_one = "/conversations/<uuid:id_>/notes"

    @pages.get(of_one)
    @gate.open_to("messages")
    def show(id_: UUID) -> ResponseReturnValue:
        return _shown(deps, id_)

    @pages.post(of_one)
    @gate.open_to("messages")
    def add(id_: UUID) -> ResponseReturnValue:
        text = request.form.get("text", "").replace("\r\n", "\n").replace("\x00", "").strip()[:MAX_NOTE]
        if text:
            _require(deps, id_)
            note = uuid5(NAMESPACE_OID, f"{request.form.get('form', '')} {id_} {text}")
            with deps.connection() as conn:
                people = mentioned(text, notes.colleagues(conn))
                notes.add_note(conn, note, id_, person().name, text, people - {person().name})
        return _shown(deps, id_)

    @pages.post(f"{of_one}/<uuid:note>/delete")
    @gate.open_to("messages")
    def delete(id_: UUID, note: UUID) -> ResponseReturnValue:
        _require(deps, id_)
        others = person().level == "tenant_administrator"
        with deps.connection() as conn:
            author = notes.delete_note(conn, note, id_, person().name, others=others)
            if author is not None:
                audit.write(conn, [AuditEntry("note_deleted", person().name, address(), id_, detail={"of": author})])
        return _shown(deps, id_)

    @pages.post(f"{of_one}/tags")
    @gate.open_to("messages")
    def tag(id_: UUID) -> ResponseReturnValue:
        word = clean_tag(request.form.get("tag", ""))
        if word:
            _require(deps, id_)
            with deps.connection() as conn:
                tags.add_tag(conn, id_, word, person().name)
        return _shown(deps, id_)

    @pages.post(f"{of_one}/tags/remove")
    @gate.open_to("messages")
    def untag(id_: UUID) -> ResponseReturnValue:
        _require(deps, id_)
        word = request.form.get("tag", "").replace("\x00", "")
        with deps.connection() as conn:
            if tags.remove_tag(conn, id_, word):
                audit.write(conn, [AuditEntry("tag_removed", person().name, address(), id_, detail={"tag": word})])
        return _shown(deps, id_)

    @pages.get("/mentions")
    @gate.open_to("messages")
    def mentions() -> ResponseReturnValue:
        with deps.connection() as conn:
            found = notes.mentions_of(conn, person().name)
            readable = gate.readable_among(conn, {each.conversation_id for each in found})
            for hidden in {each.conversation_id for each in found if not each.seen} - set(readable):
                notes.mark_seen(conn, hidden, person().name)  # there is nothing to be opened
        return render_template("mentions.html", mentions=found, readable=readable, most=notes.MAX_MENTIONS)

    return pages


def clean_tag(text: str) -> str:
    """A tag as it is stored: lower case, one line, without the # that people write before it."""
    return " ".join(text.replace("\x00", "").casefold().split()).lstrip("#").strip()[:MAX_TAG]


def _require(deps: Dependencies, id_: UUID) -> None:
    """Aborts with 403 unless the person of the request may read the conversation, and with 404 if there is none: its
    customer may have been erased while a page shows it."""
    with deps.connection() as conn:
        if not gate.may_read(conn, id_):
            abort(403)
        if read_conversation(conn, id_) is None:
            abort(404)


def _shown(deps: Dependencies, id_: UUID) -> ResponseReturnValue:
    _require(deps, id_)
    if request.method == "POST" and target() is None:
        return redirect(url_for("notes.show", id_=id_), 303)
    with deps.connection() as conn:
        kept = kept_around(conn, id_)
    return render_template("kept.html", kept=kept, form=new_form(), whole_page=target() is None)
