"""A file with recipients is sent: by the page's script in chunks, with progress; without script in one form, which has
room for a small one."""

from uuid import UUID, uuid4

from flask import Blueprint, abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from console import gate
from console.campaigns.new.draft import Draft
from console.dependencies import Dependencies
from console.request import person
from domain.campaigns.files.refusals import MAX_FILE_BYTES
from infra.postgres.campaigns.pages import uploads

CHUNK_BYTES = 512 * 1024
"""What the script sends at a time: half of the largest request."""
_MOST_CHUNKS = MAX_FILE_BYTES // CHUNK_BYTES + 1
_OCTETS, _MULTIPART = "application/octet-stream", "multipart/form-data"


def upload_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/new/file`. The form token of a chunk is in a header."""
    pages = Blueprint("campaign_upload", __name__, url_prefix="/campaigns/new/file")

    @pages.post("")
    @gate.open_to("campaigns")
    @gate.takes(_MULTIPART)
    def whole() -> ResponseReturnValue:
        """The whole file in one form, without script."""
        given = request.files.get("file")
        content = given.read() if given is not None else b""
        draft = Draft.read(request.form)
        if given is None or not content:
            return redirect(url_for("new_campaign.show", **draft.args()), 303)
        file = uuid4()
        with deps.connection() as conn, conn.transaction():
            uploads.begin(conn, file, file_name_of(given.filename or ""), person().name)
            for number, start in enumerate(range(0, len(content), CHUNK_BYTES)):
                uploads.add_chunk(conn, file, person().name, number, content[start : start + CHUNK_BYTES])
            uploads.complete(conn, file, person().name, len(content))
        return redirect(url_for("new_campaign.show", **draft.args(file=file, columns=None)), 303)

    @pages.post("/<uuid:file>/<int:number>")
    @gate.open_to("campaigns")
    @gate.takes(_OCTETS)
    def chunk(file: UUID, number: int) -> ResponseReturnValue:
        """A chunk; with the first, the address names the file."""
        return take_chunk(deps, file, number)

    @pages.post("/<uuid:file>")
    @gate.open_to("campaigns")
    def complete(file: UUID) -> ResponseReturnValue:
        """All chunks were sent. The answer says where the draft goes on."""
        size = request.form.get("size", type=int) or 0
        with deps.connection() as conn:
            if not uploads.complete(conn, file, person().name, size):
                abort(409)
        given: MultiDict[str, str] = MultiDict(request.form)
        return jsonify(next=url_for("new_campaign.show", **Draft.read(given).args(file=file, columns=None)))

    return pages


def take_chunk(deps: Dependencies, file: UUID, number: int) -> ResponseReturnValue:
    """Stores a chunk of a file that the script sends."""
    content = request.get_data()
    if not content or len(content) > CHUNK_BYTES or number >= _MOST_CHUNKS:
        abort(413)
    with deps.connection() as conn:
        if number == 0:
            uploads.begin(conn, file, file_name_of(request.args.get("name", "")), person().name)
        if not uploads.add_chunk(conn, file, person().name, number, content):
            abort(413)
    return "", 204


def file_name_of(text: str) -> str:
    """The name of a file, without the folders that some browsers send."""
    return text.replace("\\", "/").rpartition("/")[2].replace("\0", "").strip()[:200] or "–"
