"""The file that the heading of a template shows to everybody: sent once, in chunks as one with recipients is, checked
by Meta's limits, and kept in the store of files. The `media` process uploads it to Meta before the first message."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console import gate
from console.campaigns.new.draft import Draft
from console.campaigns.new.upload import file_name_of, take_chunk
from console.dependencies import Dependencies
from console.request import person, translated
from domain.campaigns.content import HEADER
from domain.contract.texts import gettext_noop
from domain.messages.files import UnusableFile, check_file
from domain.sending.templates import Template
from infra.media.store import StoreUnavailable
from infra.postgres.campaigns.pages import uploads as arriving
from infra.postgres.media import uploads
from infra.postgres.media.uploads import UploadedFile

FILE_HEADINGS = ("image", "video", "document")
"""Kinds of headings that show a file."""
_TAKEN = {
    "image": gettext_noop("WhatsApp takes a picture as JPEG or PNG, at most 5 MB."),
    "video": gettext_noop("WhatsApp takes a video as MP4 or 3GP, at most 16 MB."),
    "document": gettext_noop("WhatsApp takes a PDF, Word, Excel, PowerPoint or text file, at most 100 MB."),
}


class _Wrong(Exception):
    """The file is not what the template's heading shows."""


def heading_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/new/heading`. The form token of a chunk is in a header."""
    pages = Blueprint("heading", __name__, url_prefix="/campaigns/new/heading")

    @pages.post("")
    @gate.open_to("campaigns")
    @gate.takes("multipart/form-data")
    def whole() -> ResponseReturnValue:
        """The whole file in one form, without script."""
        given, draft = request.files.get("file"), Draft.read(request.form)
        content = given.read() if given is not None else b""
        if given is None or not content:
            return redirect(url_for("new_campaign.show", **draft.args()), 303)
        return redirect(_next(deps, draft, uuid4(), file_name_of(given.filename or ""), [content]), 303)

    @pages.post("/<uuid:file>/<int:number>")
    @gate.open_to("campaigns")
    @gate.takes("application/octet-stream")
    def chunk(file: UUID, number: int) -> ResponseReturnValue:
        return take_chunk(deps, file, number)

    @pages.post("/<uuid:file>")
    @gate.open_to("campaigns")
    def complete(file: UUID) -> ResponseReturnValue:
        """All chunks were sent. The answer says where the draft goes on."""
        given: MultiDict[str, str] = MultiDict(request.form)
        with deps.connection() as conn:
            name = arriving.arrived(conn, file, person().name, request.form.get("size", type=int) or 0)
            if name is None:
                abort(409)
            parts = arriving.content(conn, file)
            return jsonify(next=_next(deps, Draft.read(given), file, name, parts, conn))

    return pages


def file_heading(templates: Sequence[Template]) -> str:
    """The kind of file that the headings show; empty: none."""
    kind = templates[0].header_kind
    return kind if kind in FILE_HEADINGS else ""


def heading_file(conn: Connection[Any], values: Mapping[str, str], kind: str) -> UploadedFile | None:
    """The file that was chosen for the heading; None: none, or of another kind."""
    try:
        found = uploads.find(conn, UUID(values.get(HEADER, "")))
    except ValueError:
        return None
    return found if found is not None and found.kind == kind else None


def taken(kind: str) -> str:
    """What Meta takes for a heading, in words."""
    return translated(_TAKEN[kind])


def _next(
    deps: Dependencies,
    draft: Draft,
    id_: UUID,
    name: str,
    content: Iterable[bytes],
    conn: Connection[Any] | None = None,
) -> str:
    """Keeps the file and returns the address at which the draft goes on. Aborts with 503 if the store does not take
    it."""
    kind = request.form.get("kind", "")
    if deps.files is None or kind not in FILE_HEADINGS:
        abort(404)
    try:
        if conn is not None:
            _keep(deps, conn, id_, kind, name, content)
        else:
            with deps.connection() as own:
                _keep(deps, own, id_, kind, name, content)
    except (_Wrong, UnusableFile):
        return url_for("new_campaign.show", **draft.args(), wrong="heading")
    except StoreUnavailable:
        abort(503)
    return url_for("new_campaign.show", **draft.args(values={**draft.values, HEADER: str(id_)}))


def _keep(deps: Dependencies, conn: Connection[Any], id_: UUID, kind: str, name: str, content: Iterable[bytes]) -> None:
    """Stores the file and notes it, once, however often the browser asks. Raises UnusableFile, StoreUnavailable."""
    assert deps.files is not None
    if uploads.find(conn, id_) is not None:
        return
    with TemporaryFile() as file:
        file.writelines(content)
        checked = check_file(file, name)
        if checked.kind != kind:
            raise _Wrong
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        deps.files.put(sha256, file)
    uploads.add(conn, UploadedFile(id_, kind, checked.mime_type, name, checked.size, sha256, person().name))
