"""`/media/...`: the files of messages, for people who may read the conversation. A browser never takes one for a page:
what it may show has a type that the bytes prove, everything else is a download, and each response forbids scripts."""

from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.dependencies import Dependencies
from console.downloads import disposition
from console.media.shown import look_of
from console.request import address, follow_with, person, target, words
from domain.mail_body.files import LINK_LIFE
from domain.messages.file_names import file_name
from infra.media.store import THUMBNAIL
from infra.postgres import mails
from infra.postgres.campaigns.pages.checks import shows_heading
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.media import received, uploads
from infra.postgres.media.received import ReceivedFile
from infra.postgres.media.uploads import UploadedFile
from infra.postgres.sending import sends

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""Browsers show a picture in a page of their own, which has a style."""
_DOWNLOAD_TYPE = "application/octet-stream"


class _Served(NamedTuple):
    """A file that is to be sent. `proven_type`: what its bytes prove; `inline`: the browser may show it."""

    key: str
    size: int
    proven_type: str | None
    name: str
    inline: bool


def media_pages(deps: Dependencies) -> Blueprint:
    """`/media/ID`: the file of a message; `/media/ID/small`: a picture made small; `/media/ID/deleted`: the file of a
    message that the customer deleted; `/media/sent/ID`: the file of a send; `/media/heading/ID`: of a campaign. With
    `download` it is saved, not shown."""
    pages = Blueprint("media", __name__, url_prefix="/media")

    @pages.get("/<uuid:id_>", endpoint="received")
    @gate.open_to("messages")
    def received_file(id_: UUID) -> ResponseReturnValue:
        return _send(deps, _served(_readable(deps, id_)))

    @pages.get("/<uuid:id_>/small")
    @gate.open_to("messages")
    def small(id_: UUID) -> ResponseReturnValue:
        file = _readable(deps, id_)
        if not file.has_thumbnail or deps.files is None:
            abort(404)
        key = f"{file.sha256}{THUMBNAIL}"
        answer = _unchanged(key) or Response(b"", content_type="image/jpeg")
        if answer.status_code == 200 and request.method == "GET":
            follow_with(partial(deps.files.small, key), otherwise=_unreadable())
        return _with_headers(answer, key, disposition("small.jpg", inline=True))

    @pages.get("/sent/<uuid:id_>")
    @gate.open_to("messages")
    def sent(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = sends.find(conn, id_)
            send = found[0] if found is not None else None
            upload = uploads.find(conn, send.upload_id) if send is not None and send.upload_id is not None else None
            if send is None or upload is None or not _may_read(deps, conn, send.conversation_id):
                abort(404)
        return _send(deps, _uploaded(upload))

    @pages.get("/heading/<uuid:id_>")
    @gate.open_to("campaigns")
    def heading(id_: UUID) -> ResponseReturnValue:
        """The file above the text of a campaign's template: for who uploaded it, and for all once a campaign has it."""
        with deps.connection() as conn:
            upload = uploads.find(conn, id_)
            if upload is None or not (upload.actor == person().name or shows_heading(conn, id_)):
                abort(404)
        return _send(deps, _uploaded(upload))

    @pages.post("/<uuid:id_>/deleted")
    def deleted(id_: UUID) -> ResponseReturnValue:
        """Saves a file of a message that the customer deleted: as for its text, by administrators, and recorded
        first."""
        with deps.connection() as conn:
            file = received.find(conn, id_)
            if file is None or file.conversation_id is None or not file.is_deleted:
                abort(404)
            detail: dict[str, object] = {"file": str(id_)}
            audit.write(
                conn, [AuditEntry("deleted_opened", person().name, address(), file.conversation_id, detail=detail)]
            )
        return _send(deps, _served(file)._replace(inline=False))

    return pages


def mail_file_pages(deps: Dependencies) -> Blueprint:
    """`/mails/ID/files/ID`: where the links of a mail lead: to the file, as long as they have not ended."""
    pages = Blueprint("mail_files", __name__)

    @pages.get("/mails/<uuid:mail_id>/files/<uuid:message>")
    @gate.open_to("messages")
    def follow(mail_id: UUID, message: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found, file = mails.find(conn, mail_id), received.find(conn, message)
        if found is None or file is None or found[0].conversation_id != file.conversation_id:
            abort(404)
        if words().now >= found[0].requested_at + LINK_LIFE:
            abort(410)
        return redirect(url_for("media.received", id_=message), 303)

    return pages


def _readable(deps: Dependencies, id_: UUID) -> ReceivedFile:
    """The file of a message that the person of the request may see."""
    with deps.connection() as conn:
        file = received.find(conn, id_)
        if file is None or file.is_deleted or not _may_read(deps, conn, file.conversation_id):
            abort(404)
    return file


def _may_read(deps: Dependencies, conn: Connection[Any], conversation: UUID | None) -> bool:
    if conversation is None:
        return False
    if may := gate.may_read(conn, conversation):
        return may
    gate.audit_refusal(deps, "forbidden", "level", conversation)
    return False


def _served(file: ReceivedFile) -> _Served:
    if file.sha256 is None or file.size is None:
        abort(404)
    name = file_name(file.file_name, file.kind, file.shown_type)
    inline = look_of(file.kind, file.shown_type, opened=file.has_thumbnail) != "document"
    return _Served(file.sha256, file.size, file.shown_type, name, inline)


def _uploaded(upload: UploadedFile) -> _Served:
    name = file_name(upload.file_name, upload.kind, upload.mime_type)
    inline = look_of(upload.kind, upload.mime_type, opened=True) != "document"
    return _Served(upload.sha256, upload.size, upload.mime_type, name, inline)


def _send(deps: Dependencies, file: _Served) -> Response:
    """The response with a file, or with the part of it that a player asks for."""
    files = deps.files
    if files is None:
        abort(404)
    inline = file.inline and "download" not in request.args
    begin, end = 0, file.size
    answer = _unchanged(file.key)
    if answer is None:
        # a download is never answered in parts: browsers put those together without looking whether they fit
        asked = _range(file) if inline else None
        begin, end = asked or (0, file.size)
        answer = Response(b"", 200 if asked is None else 206, content_type=file.proven_type or _DOWNLOAD_TYPE)
        answer.headers["Content-Length"] = str(end - begin)
        if asked is not None:
            answer.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{file.size}"
        if request.method != "HEAD":
            follow_with(partial(files.stream, file.key, begin, end), end - begin, _unreadable())
    if inline:
        answer.headers["Accept-Ranges"] = "bytes"
    return _with_headers(answer, file.key, disposition(file.name, inline=inline))


def _unreadable() -> Response:
    """The page of a file that the store does not give."""
    page = render_template("error.html", code=503, of_store=True, whole_page=target() is None)
    return Response(page, 503, {"Retry-After": "2"})


def _range(file: _Served) -> tuple[int, int] | None:
    """The first and the last byte but one that the request asks for; None: the whole file. Several parts at once are
    answered with the whole file."""
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    if_range = request.if_range
    if (if_range.etag or if_range.date) and if_range.etag != file.key:
        return None
    found = asked.range_for_length(file.size)
    if found is None:
        abort(Response(b"", 416, {"Content-Range": f"bytes */{file.size}"}))
    return found


def _unchanged(key: str) -> Response | None:
    """The answer to a browser that has the file already."""
    return Response(b"", 304) if request.method in ("GET", "HEAD") and key in request.if_none_match else None


def _with_headers(answer: Response, key: str, named: str) -> Response:
    answer.set_etag(key)
    headers = answer.headers
    # a browser keeps the bytes, and asks each time whether it may still show them
    headers["Cache-Control"] = "private, no-cache" if request.method in ("GET", "HEAD") else "no-store"
    headers["Content-Security-Policy"] = _POLICY
    headers["Content-Disposition"] = named
    return answer
