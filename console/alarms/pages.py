"""`/alarms`: what is wrong now and was wrong before, silence, and the channels that are told."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.alarms.said import problem_said, said
from console.dependencies import Dependencies
from console.phrases import actor_name
from console.request import address, person, translated
from domain.alarms.channels import AlarmChannel
from domain.alarms.judging import AlarmSubject
from domain.alarms.kinds import AlarmKind
from domain.contract.texts import gettext_noop
from infra.postgres.alarms import silences
from infra.postgres.alarms.channels import channels
from infra.postgres.alarms.listing import latest_deliveries, listed_open, listed_past
from infra.postgres.connections.clock import database_now
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.lists.cursor import START, Cursor, CursorError

PAST_ROWS = 25
HOURS = {1: gettext_noop("1 hour"), 4: gettext_noop("4 hours"), 24: gettext_noop("1 day"), 168: gettext_noop("1 week")}
"""How long an alarm may be silenced; the command line takes any time."""


def alarm_pages(deps: Dependencies) -> Blueprint:
    """`/alarms`, `/alarms/silence`."""
    pages = Blueprint("alarms", __name__)

    @pages.get("/alarms")
    @gate.open_to("overview")
    def show() -> ResponseReturnValue:
        after = _cursor(request.args.get("after"))
        with deps.connection() as conn:
            directory = deps.directory(conn)
            opened = listed_open(conn)
            past = listed_past(conn, PAST_ROWS, after)
            known, told = channels(conn), latest_deliveries(conn)
        return render_template(
            "alarms/list.html",
            opened=opened,
            past=past,
            after=request.args.get("after"),
            channels=known,
            told=told,
            said=said,
            problem_said=problem_said,
            hours=[(each, translated(name)) for each, name in HOURS.items()],
            named=lambda name: actor_name(directory, name),
        )

    @pages.post("/alarms/silence")
    def change_silence() -> ResponseReturnValue:
        """Silences an alarm for some hours; 0: its channels are told about it again."""
        kind, key, hours = (request.form.get(name, "") for name in ("kind", "key", "hours"))
        if kind not in list(AlarmKind) or hours not in {"0", *map(str, HOURS)} or len(key) > 500:
            abort(422)
        subject = AlarmSubject(AlarmKind(kind), key)
        with deps.connection() as conn, conn.transaction():
            until = database_now(conn) + timedelta(hours=int(hours))
            silences.silence(conn, subject, until, person().name)
            audit.write(conn, [audited("silence" if int(hours) else "silence_ended", kind=kind, hours=int(hours))])
        deps.health.forget()
        return redirect(url_for("alarms.show"), 303)

    return pages


def audited(what: str, **detail: object) -> AuditEntry:
    """An entry of the audit log about alarms."""
    return AuditEntry("alarms_changed", person().name, address(), detail={"what": what, **detail})


def channel_or_404(deps: Dependencies, id_: UUID) -> AlarmChannel:
    """The channel with an id."""
    with deps.connection() as conn:
        found = [channel for channel in channels(conn) if channel.id == id_]
    if not found:
        abort(404)
    return found[0]


def _cursor(text: str | None) -> Cursor:
    try:
        return Cursor.parse(text) if text else START
    except CursorError:
        abort(422)
