"""Channels for alarms: adding, changing, testing, removing them. Their addresses are secrets that no page shows."""

from collections.abc import Mapping
from secrets import token_urlsafe
from uuid import UUID, uuid4

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.alarms.pages import audited, channel_or_404
from console.alarms.said import problem_said, said
from console.commands import new_form
from console.dependencies import Dependencies
from console.request import dialog, person, target, translated
from domain.alarms.channels import (
    FORMS,
    AddressRefused,
    AlarmChannel,
    ChannelForm,
    ChannelSecrets,
    is_name,
    normal_address,
    shown_address,
)
from domain.alarms.kinds import AlarmLevel
from domain.contract.texts import gettext_noop
from domain.directory import Language
from infra.postgres.alarms.channels import add_channel, change_channel, channels, remove_channel
from infra.postgres.alarms.deliveries import request_test
from infra.postgres.alarms.listing import latest_deliveries
from infra.postgres.console import audit
from infra.ses.addresses import address as mail_address

FORM_NAMES: dict[ChannelForm, str] = {
    "text": gettext_noop("Webhook of Slack, Mattermost or your own service"),
    "card": gettext_noop("Webhook of Microsoft Teams"),
    "mail": gettext_noop("Email"),
}
_NAME_WRONG = gettext_noop("Give it a name of 1 to 60 characters.")
_NAME_TAKEN = gettext_noop("There is a channel of this name already.")


def channel_pages(deps: Dependencies) -> Blueprint:
    """`/alarms/channels...`, for administrators."""
    pages = Blueprint("alarm_channels", __name__, url_prefix="/alarms/channels")

    @pages.get("/new")
    def offer() -> ResponseReturnValue:
        return _dialog(_NEW)

    @pages.post("/new")
    def add() -> ResponseReturnValue:
        """Adds a channel, and shows the secret of a webhook, once."""
        name = request.form.get("name", "").strip()
        chosen = request.form.get("form_of", "text")
        form: ChannelForm = next((each for each in FORMS if each == chosen), "text")
        if not is_name(name):
            return _dialog(_shown(request.form), translated(_NAME_WRONG), 422)
        try:
            typed = normal_address(form, request.form.get("address", ""), deps.alarm_hosts, mail_address)
        except AddressRefused as error:
            return _dialog(_shown(request.form), problem_said(str(error)), 422)
        channel = AlarmChannel(uuid4(), name, form, shown_address(form, typed, deps.alarm_hosts), *_wanted())
        secrets = ChannelSecrets(typed, "" if form == "mail" else token_urlsafe(32))
        with deps.connection() as conn, conn.transaction():
            if not add_channel(conn, channel, secrets, person().name):
                return _dialog(_shown(request.form), translated(_NAME_TAKEN), 422)
            audit.write(conn, [audited("channel_added", channel=name, form=form)])
        return dialog("alarms/added.html", channel=channel, secret=secrets.secret)

    @pages.get("/<uuid:id_>/change")
    def offer_change(id_: UUID) -> ResponseReturnValue:
        channel = channel_or_404(deps, id_)
        return _dialog(channel._asdict(), channel=channel)

    @pages.post("/<uuid:id_>/change")
    def change(id_: UUID) -> ResponseReturnValue:
        """Changes a channel. An address that was not typed stays."""
        channel = channel_or_404(deps, id_)
        typed = request.form.get("address", "").strip() or None
        try:
            address = typed and normal_address(channel.form, typed, deps.alarm_hosts, mail_address)
        except AddressRefused as error:
            return _dialog(_shown(request.form), problem_said(str(error)), 422, channel)
        shown = shown_address(channel.form, address, deps.alarm_hosts) if address else channel.shown
        changed = AlarmChannel(channel.id, channel.name, channel.form, shown, *_wanted())
        with deps.connection() as conn, conn.transaction():
            if change_channel(conn, changed, address, person().name):
                audit.write(conn, [audited("channel_changed", channel=channel.name, address=address is not None)])
        return redirect(url_for("alarms.show", _anchor="channels"), 303)

    @pages.post("/<uuid:id_>/remove")
    def remove(id_: UUID) -> ResponseReturnValue:
        name = channel_or_404(deps, id_).name
        with deps.connection() as conn, conn.transaction():
            if remove_channel(conn, id_, person().name):
                audit.write(conn, [audited("channel_removed", channel=name)])
        return redirect(url_for("alarms.show"), 303)

    @pages.post("/<uuid:id_>/test")
    def test(id_: UUID) -> ResponseReturnValue:
        name = channel_or_404(deps, id_).name
        with deps.connection() as conn, conn.transaction():
            request_test(conn, id_, name, person().shown_name)
            audit.write(conn, [audited("channel_tested", channel=name)])
        return _state(id_) if target() is not None else redirect(url_for("alarms.show", _anchor="channels"), 303)

    @pages.get("/<uuid:id_>/state")
    @gate.open_to("overview")
    def state(id_: UUID) -> ResponseReturnValue:
        """What the channel was last told, which asks for itself as long as that is under way."""
        return _state(id_)

    def _state(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = [each for each in channels(conn) if each.id == id_]
            told = latest_deliveries(conn)
        if not found:
            abort(404)
        return render_template(
            "alarms/state.html", channel=found[0], last=told.get(id_), said=said, problem_said=problem_said
        )

    return pages


_NEW: Mapping[str, object] = {"system": True}


def _shown(sent: Mapping[str, str]) -> Mapping[str, object]:
    """What a dialog shows of a form that was sent."""
    return {**sent, "form": sent.get("form_of")}


def _wanted() -> tuple[Language, AlarmLevel, bool, bool]:
    """What the sent form says a channel gets: the last fields of `AlarmChannel`."""
    form = request.form
    language: Language = "it" if form.get("language") == "it" else "en"
    level: AlarmLevel = "red" if form.get("level") == "red" else "amber"
    return language, level, "system" in form, "shows_customer" in form


def _dialog(
    shown: Mapping[str, object], error: str = "", status: int = 200, channel: AlarmChannel | None = None
) -> ResponseReturnValue:
    """The dialog with what is or was chosen and typed, but for the address. `channel`: the one that is changed, None: a
    new one."""
    return dialog(
        "alarms/channel.html",
        status,
        error=error,
        form=request.form.get("form") or new_form(),
        forms=[(each, translated(name)) for each, name in FORM_NAMES.items()],
        shown=shown,
        channel=channel,
    )
