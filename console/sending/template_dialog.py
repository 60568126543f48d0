"""The dialog in which a template is chosen, filled in, looked at and sent."""

from uuid import UUID

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import submitted
from console.request import dialog, translated
from console.sending.answers import writable
from console.sending.box import answer_box, refusal, refusal_text, send_command
from console.sending.template_form import chosen_template, filled_form, template_message, wrong_with
from domain.commands import Rejection, SendMessage
from domain.contract.texts import gettext_noop
from domain.ports import PublishFailed
from infra.postgres.sending.library import templates_of_number


def template_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/template`."""
    pages = Blueprint("send_templates", __name__)

    @pages.get("/conversations/<uuid:id_>/template")
    @gate.open_to("signed_in")
    def choose(id_: UUID) -> ResponseReturnValue:
        return _dialog(deps, id_)

    @pages.post("/conversations/<uuid:id_>/template")
    @gate.open_to("signed_in")
    def send(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            conversation = writable(deps, conn, id_)
            template = chosen_template(templates_of_number(conn, conversation.phone_number_id))
            if template is None:
                return _dialog(deps, id_, refusal_text(Rejection.TEMPLATE_UNKNOWN), 422)
            if error := wrong_with(template, request.form):
                return _dialog(deps, id_, error, 422)
            if request.form.get("do") == "preview":
                return _dialog(deps, id_)
            message = {"template": template_message(template, request.form).model_dump(exclude_none=True)}
            expected = request.form.get("expected_last", "")
            command = body(SendMessage, **send_command(id_, message, expected_last=expected))
            why = refusal(deps, conn, conversation, command, directory)
        if why is not None:
            return _dialog(deps, id_, refusal_text(why), 422, renew=why is Rejection.CUSTOMER_WROTE_MEANWHILE)
        try:
            ids = submit(deps, request.form.get("form", ""), [CommandRequest(command, "send")])
        except PublishFailed:
            text = gettext_noop("Not sent: the message queue (Kafka) is not responding. Try again in a moment.")
            return _dialog(deps, id_, translated(text), 503)
        return submitted(deps, ids[0])

    return pages


def _dialog(
    deps: Dependencies, id_: UUID, error: str = "", status: int = 200, *, renew: bool = False
) -> ResponseReturnValue:
    """The dialog with what was chosen and typed. `renew`: the person has been told of the customer's new message."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
        conversation = writable(deps, conn, id_)
        found = templates_of_number(conn, conversation.phone_number_id)
        box = answer_box(deps, conn, conversation, directory)
    usable = [each for each in found if each.is_sendable and each.header_kind in ("none", "text")]
    chosen = chosen_template(usable) or (usable[0] if usable else None)
    expected = box.expected_last if renew else request.form.get("expected_last", box.expected_last)
    return dialog(
        "template.html",
        status,
        id_=id_,
        box=box,
        templates=usable,
        unusable=len(found) - len(usable),
        filled=filled_form(chosen, request.form) if chosen else None,
        expected=expected,
        error=error,
        form=request.form.get("form") or new_form(),
        back=url_for("unmanaged.show", open=id_) if gate.admits("unmanaged.show") else url_for("answers.show", id_=id_),
    )
