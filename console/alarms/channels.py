"""Channels for alarms: adding, testing and removing them. Their addresses are secrets, which no page shows again."""

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
from domain.contract.texts import gettext_noop
from infra.postgres.alarms.channels import add_channel, channels, remove_channel
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
        return _dialog()

    @pages.post("/new")
    def add() -> ResponseReturnValue:
        """Adds a channel, and shows the secret of a webhook, once."""
        name = request.form.get("name", "").strip()
        chosen = request.form.get("form_of", "text")
        form: ChannelForm = next((each for each in FORMS if each == chosen), "text")
        if not is_name(name):
            return _dialog(translated(_NAME_WRONG), 422)
        try:
            typed = normal_address(form, request.form.get("address", ""), deps.alarm_hosts, mail_address)
        except AddressRefused as error:
            return _dialog(problem_said(str(error)), 422)
        channel = AlarmChannel(
            id=uuid4(),
            name=name,
            form=form,
            shown=shown_address(form, typed, deps.alarm_hosts),
            language="it" if request.form.get("language") == "it" else "en",
            level="red" if request.form.get("level") == "red" else "amber",
            system="system" in request.form,
            shows_customer="shows_customer" in request.form,
        )
        secrets = ChannelSecrets(typed, "" if form == "mail" else token_urlsafe(32))
        with deps.connection() as conn, conn.transaction():
            if not add_channel(conn, channel, secrets, person().name):
                return _dialog(translated(_NAME_TAKEN), 422)
            audit.write(conn, [audited("channel_added", channel=name, form=form)])
        return dialog("alarms/added.html", channel=channel, secret=secrets.secret)

    @pages.post("/<uuid:id_>/remove")
    def remove(id_: UUID) -> ResponseReturnValue:
        name = channel_or_404(deps, id_)
        with deps.connection() as conn, conn.transaction():
            if remove_channel(conn, id_, person().name):
                audit.write(conn, [audited("channel_removed", channel=name)])
        return redirect(url_for("alarms.show"), 303)

    @pages.post("/<uuid:id_>/test")
    def test(id_: UUID) -> ResponseReturnValue:
        name = channel_or_404(deps, id_)
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


def _dialog(error: str = "", status: int = 200) -> ResponseReturnValue:
    """The dialog with what was chosen and typed, but for the address."""
    return dialog(
        "alarms/channel.html",
        status,
        error=error,
        form=request.form.get("form") or new_form(),
        forms=[(each, translated(name)) for each, name in FORM_NAMES.items()],
        typed=request.form,
    )
