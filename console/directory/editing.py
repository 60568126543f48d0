"""Edits of the directory: what an edit begins with, the draft that it becomes, and what became of the draft."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from flask import abort
from psycopg import Connection

from console.commands import CommandRequest, command_id, submit
from console.dependencies import Dependencies
from console.directory.forms import KINDS
from console.request import person
from domain.command_bodies.directory import ChangeDirectory
from domain.directory import Directory
from domain.directory_file.difference import Document, carry_over, document_of, key_of, plain
from domain.directory_file.reader import DirectoryProblem, InvalidDirectory, directory_of
from domain.directory_file.toml_text import directory_document, directory_text, toml_text
from infra.postgres import directory as stored
from infra.postgres import directory_versions
from infra.postgres.console import audit
from infra.postgres.console.audit import RequestedCommand
from infra.postgres.directory_versions import DirectoryDraft

LONGEST_NOTE = 200
DraftState = Literal["open", "waiting", "applied", "conflict", "rejected"]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an edit begins with. `base`: the version; `document`: the directory as it is edited, which differs from that
    version where the edit goes on with a draft."""

    base: int
    document: dict[str, list[dict[str, object]]]
    note: str = ""

    def table(self, kind: str, id_: str) -> dict[str, object] | None:
        """A table by its id; None: there is none."""
        key = key_of(kind)
        return next((table for table in self.document.get(kind, ()) if table[key] == id_), None)

    def with_table(self, kind: str, id_: str | None, table: Mapping[str, object] | None) -> Document:
        """The document with another table in the place of one; None: without it. `id_` None: a new table."""
        key = key_of(kind)
        tables = [table if each[key] == id_ and table else each for each in self.document.get(kind, ())]
        if table is None:
            tables = [each for each in tables if each[key] != id_]
        elif id_ is None:
            tables.append(table)
        return {**self.document, kind: tables}


@dataclass(frozen=True, slots=True)
class DraftStanding:
    """A draft and how it stands. `conflict`: the directory has another version than the one that it began with;
    `command`: its last request to be saved."""

    draft: DirectoryDraft
    state: DraftState
    current: int
    command: RequestedCommand | None


def begin(conn: Connection[Any], base: int | None = None, draft: UUID | None = None) -> Beginning:
    """The beginning of an edit: of the current version, of version `base`, or of a draft. Aborts with 404 if there is
    none."""
    if draft is not None:
        found = directory_versions.find_draft(conn, draft)
        if found is None:
            abort(404)
        return Beginning(found.base, plain(document_of(found.text)), found.note)
    current, directory = stored.read(conn)  # both of the same moment: the request's own version may be older
    if base is None or base == current:
        return Beginning(current, plain(directory_document(directory)))
    text = stored.text_of(conn, base)
    if text is None:
        abort(404)
    return Beginning(base, plain(document_of(text)))


def problems_of(document: Document) -> Sequence[DirectoryProblem]:
    """What is wrong with a document; empty: nothing."""
    try:
        directory_of(plain(document))
    except InvalidDirectory as error:
        return error.problems
    return ()


def directory_in(text: str) -> Directory:
    """The directory that a text describes; an empty one for a text that describes none."""
    try:
        return directory_of(plain(document_of(text)))
    except InvalidDirectory:
        return Directory()


def keep_draft(conn: Connection[Any], form: str, document: Document, base: int, note: str) -> UUID:
    """Stores a draft and returns its id. The same form with the same contents is the same draft."""
    text = _canonical(document)
    draft = uuid5(NAMESPACE_OID, f"{form} {person().name} {base} {note} {text}")
    directory_versions.store_draft(conn, draft, person().name, base, note, text)
    return draft


def _canonical(document: Document) -> str:
    """The text of a document as its version will have it, so that both are compared line by line; of one that is no
    directory the text as it is."""
    ordered = {
        kind: sorted(tables, key=lambda table: str(table[key_of(kind)])) if kind in KINDS else tables
        for kind, tables in plain(document).items()
    }
    try:
        return directory_text(directory_of(ordered))
    except InvalidDirectory:
        return toml_text(ordered)


def carry_over_draft(conn: Connection[Any], draft: DirectoryDraft) -> tuple[UUID, bool]:
    """Stores a draft with the same changes on top of the current version. Returns its id, and whether others changed
    the same."""
    base = stored.text_of(conn, draft.base)
    if base is None:
        abort(404)
    current, directory = stored.read(conn)
    carried = carry_over(document_of(base), document_of(draft.text), directory_document(directory))
    id_ = keep_draft(conn, str(draft.id), carried.document, current, draft.note)
    return id_, bool(carried.conflicts)


def save(deps: Dependencies, draft: UUID) -> str:
    """Asks for a draft to become the directory; returns the command's id. Raises PublishFailed."""
    request = CommandRequest(ChangeDirectory(draft_id=draft), "directory", {"draft": str(draft)})
    return submit(deps, str(draft), [request])[0]


def standing(conn: Connection[Any], draft: DirectoryDraft) -> DraftStanding:
    """How a draft stands."""
    current = stored.version(conn)
    command = _last_request(conn, draft.id)
    if draft.applied is not None:
        return DraftStanding(draft, "applied", current, command)
    if command is not None and command.outcome is None:
        return DraftStanding(draft, "waiting", current, command)
    if current != draft.base:
        return DraftStanding(draft, "conflict", current, command)
    if command is not None and command.outcome == "rejected":
        return DraftStanding(draft, "rejected", current, command)
    return DraftStanding(draft, "applied" if command else "open", current, command)


def _last_request(conn: Connection[Any], draft: UUID) -> RequestedCommand | None:
    """The last command that asked for a draft: after a rejection a draft can be asked for again, by another command."""
    body, found, attempt = ChangeDirectory(draft_id=draft), None, 0
    while (command := audit.requested_command(conn, command_id(str(draft), body, attempt))) is not None:
        found, attempt = command, attempt + 1
    return found
