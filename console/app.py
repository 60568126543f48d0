"""The console as a Flask application."""

import gzip
import hashlib
from functools import lru_cache, partial
from pathlib import Path

import psycopg
import psycopg_pool
import structlog
from flask import Blueprint, Flask, Response, abort, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from console import gate, phrases
from console.alarms.channels import channel_pages
from console.alarms.line import health_line, line_pages, personal_told
from console.alarms.pages import alarm_pages
from console.alarms.personal import personal_pages
from console.analytics.pages import analytics_pages
from console.analytics.replay import replay_pages
from console.campaigns.history import history_pages
from console.campaigns.new.check import check_pages
from console.campaigns.new.heading import heading_pages
from console.campaigns.new.pages import new_campaign_pages
from console.campaigns.new.start import start_pages
from console.campaigns.new.upload import upload_pages
from console.campaigns.page.actions import campaign_actions
from console.campaigns.page.live import campaign_live_pages
from console.campaigns.page.pages import campaign_pages
from console.campaigns.page.recipients import recipient_pages
from console.commands import new_form
from console.dependencies import Dependencies
from console.desk.choices import choice_pages
from console.desk.pages import desk_live_pages, desk_pages
from console.desk.releases import release_pages
from console.desk.replies import reply_pages
from console.directory.drafts import draft_pages
from console.directory.edit import edit_pages
from console.directory.live import directory_live_pages
from console.directory.pages import directory_pages
from console.directory.ready import ready_pages
from console.directory.trial import directory_trial_pages
from console.directory.versions import version_pages
from console.kept.around import unseen_of
from console.kept.pages import KEPT_PAGES
from console.live.watch import changes_for
from console.live.watched_list import watched_list
from console.media.pages import mail_file_pages, media_pages
from console.opt_outs.pages import opt_out_pages
from console.pages.bulk import bulk_pages
from console.pages.bulk_results import bulk_results_pages
from console.pages.conversation import conversation_pages
from console.pages.deferred.on_reply import deferred_pages
from console.pages.deferred.on_reply_of_many import on_reply_of_many_pages
from console.pages.panel_parts import panel_parts_pages
from console.pages.sign_in import account_pages
from console.pages.unmanaged import unmanaged_pages
from console.pages.waiting import waiting_pages
from console.people.audit_log import audit_log_pages
from console.people.provider import provider_pages
from console.people.second_factor import second_factor_pages
from console.people.sign_ins import sign_in_pages
from console.privacy.pages import privacy_pages
from console.request import follow_with, keep_page, target, words
from console.rules.changes import rule_changes
from console.rules.pages import rule_pages
from console.rules.trial import trial_pages
from console.sending.answers import answer_pages
from console.sending.quick import quick_pages
from console.sending.standing import standing_pages
from console.sending.template_dialog import template_pages
from console.setup.pages import setup_pages
from console.words import LANGUAGES, UTC_ZONE, Words, catalogue, phone
from infra.serving.health import health_pages

MAX_BODY_BYTES = 1024 * 1024
"""The largest form is a bulk action on a thousand conversations, or a mail's text."""
_STATIC = Path(__file__).with_name("static")
_COMPRESSED_FROM = 1000
"""Bytes from which compressing a response pays off."""
_COMPRESSION = 1
"""Some kilobytes more than at the default level of 6, in a third of the time."""

log = structlog.get_logger()


def create_app(deps: Dependencies) -> Flask:
    """The application with every page. The server sends the stream that follows the response to `/live`
    (`console.request.follow_with`)."""
    app = Flask(__name__, static_url_path=f"/static/{_version_of(_STATIC)}")
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    _set_up_templates(app, deps)
    gate.install(app, deps)
    for pages in (
        account_pages,
        second_factor_pages,
        provider_pages,
        sign_in_pages,
        audit_log_pages,
        privacy_pages,
        unmanaged_pages,
        waiting_pages,
        conversation_pages,
        *KEPT_PAGES,
        deferred_pages,
        on_reply_of_many_pages,
        panel_parts_pages,
        media_pages,
        mail_file_pages,
        answer_pages,
        template_pages,
        quick_pages,
        standing_pages,
        bulk_pages,
        bulk_results_pages,
        desk_live_pages,
        desk_pages,
        release_pages,
        choice_pages,
        reply_pages,
        history_pages,
        opt_out_pages,
        analytics_pages,
        rule_pages,
        rule_changes,
        trial_pages,
        replay_pages,
        new_campaign_pages,
        upload_pages,
        heading_pages,
        check_pages,
        start_pages,
        campaign_pages,
        campaign_live_pages,
        campaign_actions,
        recipient_pages,
        directory_pages,
        edit_pages,
        directory_live_pages,
        draft_pages,
        directory_trial_pages,
        version_pages,
        ready_pages,
        line_pages,
        alarm_pages,
        channel_pages,
        personal_pages,
        setup_pages,
        _live_pages,
        _health_pages,
    ):
        app.register_blueprint(pages(deps))
    _handle_errors(app, deps)
    app.after_request(_compress)
    if deps.proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=deps.proxies, x_proto=1, x_host=1)
        app.wsgi_app = proxied  # type: ignore[method-assign]  # the way that Flask documents
    return app


def _version_of(directory: Path) -> str:
    """A hash of all files. It is part of their addresses, which browsers cache for ever; modules import each other by
    relative addresses, so a page never mixes versions."""
    digest = hashlib.sha256()
    for file in sorted(directory.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _set_up_templates(app: Flask, deps: Dependencies) -> None:
    """Gives templates their functions. An unknown variable raises an error."""
    env = app.jinja_env
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    env.globals.update(
        mentions_unseen=unseen_of(deps),
        _=_gettext,
        ngettext=_ngettext,
        pgettext=_pgettext,
        words=words,
        phrases=phrases,
        phone=phone,
        languages=LANGUAGES,
        organisation=deps.organisation,
        new_form=new_form,
        asset=lambda name: _address(request.script_root, "static", filename=name),
        page_address=lambda endpoint: _address(request.script_root, endpoint),
        modules=sorted(
            file.name for file in _STATIC.glob("*.js") if file.name != "main.js" and "htmx" not in file.name
        ),
        styles=(
            "page.css",
            "list.css",
            "panel.css",
            "forms.css",
            "answer.css",
            "desk.css",
            "campaigns.css",
            "analytics.css",
            "people.css",
            "directory.css",
            "alarms.css",
            "rules.css",
            "setup.css",
            "print.css",
        ),
        person=lambda: g.get("person"),
        health_line=partial(health_line, deps),
        personal_told=partial(personal_told, deps),
        mails=deps.mailing is not None,
        sends=deps.sending.enabled,
    )


@lru_cache(512)
def _address(_root: str, endpoint: str, filename: str | None = None) -> str:
    """The address of a page or file that every page links to: sixty of them are most of what an empty page costs.
    `_root`: below which path the console is; `filename`: of the endpoint `static`."""
    return url_for(endpoint, filename=filename) if filename else url_for(endpoint)


def _gettext(text: str, **values: object) -> Markup:
    """A translated text for templates. Values are escaped."""
    found = Markup(words().gettext(text))  # noqa: S704 - from our own catalogues
    return found % values if values else found


def _ngettext(one: str, many: str, n: int, /, **values: object) -> Markup:
    """A translated text in the plural form for `n`, for templates. Values are escaped."""
    return Markup(words().ngettext(one, many, n)) % {"num": words().number(n), **values}  # noqa: S704 - from our own catalogues


def _pgettext(context: str, text: str) -> Markup:
    """A text translated in a context, for templates."""
    return Markup(catalogue(words().language).pgettext(context, text))  # noqa: S704 - from our own catalogues


def _live_pages(deps: Dependencies) -> Blueprint:
    """`/live`: the stream of changes of the list that a browser shows. `/live/may`: 204 if the session may still open
    the stream; a browser asks after its stream was cut off."""
    pages = Blueprint("live", __name__)

    @pages.get("/live")
    @gate.open_to("lists")
    def stream() -> ResponseReturnValue:
        session = gate.token_hash(g.token)
        if not deps.live.has_room(session):
            abort(503)
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the stream outlives the request
        render = partial(changes_for, app)
        follow_with(partial(deps.live.stream, session, watched_list(session), render))
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return Response(b"retry: 2000\n\n", content_type="text/event-stream", headers=headers)

    @pages.get("/live/may")
    @gate.open_to("lists")
    def may() -> ResponseReturnValue:
        return "", 204

    return pages


def _health_pages(deps: Dependencies) -> Blueprint:
    """`/healthz`: 200 while the process answers. `/readyz`: 200 when pages can be read, else 503. Without Kafka pages
    can be read, and commands are rejected with a notice, so the console stays ready."""

    def not_ready_reasons() -> list[str]:
        try:
            with deps.pool.connection(timeout=1) as conn:
                conn.execute("select from sign_ins limit 1")
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            return [f"postgres: {type(error).__name__}"]
        return []

    return health_pages(not_ready_reasons, gate.open_to("everybody"))


def _handle_errors(app: Flask, deps: Dependencies) -> None:
    def error_page(code: int | None, headers: dict[str, str] | None = None) -> Response:
        page = render_template("error.html", code=code, whole_page=target() is None)
        return keep_page(Response(page, code, headers))

    def http_error(error: HTTPException) -> ResponseReturnValue:
        if error.code is None or error.response is not None:
            return error
        allowed = dict(error.get_headers()).get("Allow")
        return error_page(error.code, {"Allow": allowed} if allowed else None)

    def database_unavailable(error: Exception) -> ResponseReturnValue:
        log.warning("console.database_unavailable", error=type(error).__name__)
        g.setdefault("words", Words("en", UTC_ZONE, deps.clock()))
        g.setdefault("person", None)
        g.setdefault("token", "")
        return error_page(503, {"Retry-After": "2"})

    def unstorable(error: psycopg.DataError) -> ResponseReturnValue:
        """An address or form named a value that no column can have: a NUL in a text, a number beyond any."""
        log.warning("console.value_refused", error=type(error).__name__, endpoint=request.endpoint)
        return error_page(400)

    def failed(error: Exception) -> ResponseReturnValue:  # a defect: the log has its place, never its text
        log.error("console.failed", exc_info=error)
        return error_page(500)

    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(psycopg_pool.PoolTimeout, database_unavailable)
    app.register_error_handler(psycopg.OperationalError, database_unavailable)
    app.register_error_handler(psycopg.DataError, unstorable)
    app.register_error_handler(Exception, failed)


def _compress(response: Response) -> Response:
    """Compresses text for browsers that accept it. Form tokens are masked, so the length of a response reveals
    nothing."""
    kind = response.mimetype or ""
    if (
        (kind.startswith("text/") or kind in ("application/javascript", "image/svg+xml"))
        and kind != "text/event-stream"
        and response.status_code == 200
        and request.accept_encodings.quality("gzip") > 0
        and "Content-Encoding" not in response.headers
    ):
        response.direct_passthrough = False
        content = response.get_data()
        if len(content) >= _COMPRESSED_FROM:
            response.set_data(gzip.compress(content, _COMPRESSION, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
    response.headers.add("Vary", "Accept-Encoding")
    return response
