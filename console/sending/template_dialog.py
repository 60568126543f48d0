"""The dialog in which a template is chosen, filled in, looked at and sent."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import submitted
from console.request import dialog, person, translated
from console.sending.answers import writable
from console.sending.box import answer_box, refusal, refusal_text, send_command
from domain.commands import Rejection, SendMessage
from domain.contract.texts import gettext_noop
from domain.messages.outgoing import MAX_PARAMETER, TemplateMessage
from domain.ports import PublishFailed
from domain.sending.templates import Template, WrongParameters, fill, preview
from infra.postgres.sending.library import templates_of_number


class TemplateField(NamedTuple):
    """A field of the form. `name`: the field's; `label`: what it fills in."""

    name: str
    label: str
    value: str


class FilledForm(NamedTuple):
    """A template with what was typed for it. `text`: as the customer would read it, as far as it is filled in."""

    template: Template
    parameters: Sequence[TemplateField]
    text: str


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
            template = _chosen(templates_of_number(conn, conversation.phone_number_id))
            if template is None:
                return _dialog(deps, id_, refusal_text(Rejection.TEMPLATE_UNKNOWN), 422)
            if error := _wrong(template, request.form):
                return _dialog(deps, id_, error, 422)
            if request.form.get("do") == "preview":
                return _dialog(deps, id_)
            message = {"template": _message(template, request.form).model_dump(exclude_none=True)}
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
    chosen = _chosen(usable) or (usable[0] if usable else None)
    expected = box.expected_last if renew else request.form.get("expected_last", box.expected_last)
    is_root = person().level == "tenant_administrator"
    return dialog(
        "template.html",
        status,
        id_=id_,
        box=box,
        templates=usable,
        unusable=len(found) - len(usable),
        filled=_filled(chosen, request.form) if chosen else None,
        expected=expected,
        error=error,
        form=request.form.get("form") or new_form(),
        back=url_for("unmanaged.show", open=id_) if is_root else url_for("answers.show", id_=id_),
    )


def key(template: Template) -> str:
    """The value by which a form names a template."""
    return f"{template.name}|{template.language}"


def _chosen(templates: Sequence[Template]) -> Template | None:
    return next((each for each in templates if key(each) == request.values.get("template")), None)


def _filled(template: Template, form: Mapping[str, str]) -> FilledForm:
    message = _message(template, form)
    try:
        text = fill(template, message).text
    except WrongParameters:
        text = preview(template)
    return FilledForm(template, _parameters(template, form), text)


def _parameters(template: Template, form: Mapping[str, str]) -> list[TemplateField]:
    fields = []
    if "{{" in template.header_text:
        fields.append(TemplateField("header", translated(gettext_noop("Heading")), form.get("header", "")))
    for name in template.variables:
        fields.append(TemplateField(f"of-{name}", f"{{{{{name}}}}}", form.get(f"of-{name}", "")))
    for index, _ in template.dynamic_buttons():
        title = template.buttons[index].get("text", "")
        label = translated(gettext_noop("Button %(title)s")) % {"title": title}
        fields.append(TemplateField(f"button-{index}", label, form.get(f"button-{index}", "")))
    return fields


def _message(template: Template, form: Mapping[str, str]) -> TemplateMessage:
    """The template with what was typed, which may not fit."""
    values = {name: form.get(f"of-{name}", "").strip() for name in template.variables}
    return TemplateMessage.model_construct(
        name=template.name,
        language=template.language,
        parameters=values if template.is_named else tuple(values.values()),
        header=form.get("header", "").strip() or None,
        buttons=tuple(form.get(f"button-{index}", "").strip() for index, _ in template.dynamic_buttons()),
    )


def _wrong(template: Template, form: Mapping[str, str]) -> str:
    """What is wrong with what was typed, as a sentence; empty: nothing."""
    for each in _parameters(template, form):
        if not each.value.strip() or "\0" in each.value or len(each.value) > MAX_PARAMETER:
            text = gettext_noop("%(parameter)s has to be filled in, with at most 1,024 characters.")
            return translated(text) % {"parameter": each.label}
    try:
        fill(template, _message(template, form))
    except WrongParameters:
        return translated(
            gettext_noop(
                "Meta takes no line breaks, tabs, or more than four spaces in a row in a parameter, and at most 1,024 "
                "characters in all."
            )
        )
    return ""
