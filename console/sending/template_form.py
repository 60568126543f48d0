"""The form of a template: which one is chosen, what is filled in, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask import request

from console.request import translated
from domain.contract.texts import gettext_noop
from domain.messages.outgoing import MAX_PARAMETER, TemplateMessage
from domain.sending.templates import Template, WrongParameters, fill, preview


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


def template_key(template: Template) -> str:
    """The value by which a form names a template."""
    return f"{template.name}|{template.language}"


def chosen_template(templates: Sequence[Template]) -> Template | None:
    """The template that the form names; None: it names none of these."""
    return next((each for each in templates if template_key(each) == request.values.get("template")), None)


def filled_form(template: Template, form: Mapping[str, str]) -> FilledForm:
    """A template with what was typed for it."""
    message = template_message(template, form)
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


def template_message(template: Template, form: Mapping[str, str]) -> TemplateMessage:
    """The template with what was typed, which may not fit."""
    values = {name: form.get(f"of-{name}", "").strip() for name in template.variables}
    return TemplateMessage.model_construct(
        name=template.name,
        language=template.language,
        parameters=values if template.is_named else tuple(values.values()),
        header=form.get("header", "").strip() or None,
        buttons=tuple(form.get(f"button-{index}", "").strip() for index, _ in template.dynamic_buttons()),
    )


def wrong_with(template: Template, form: Mapping[str, str]) -> str:
    """What is wrong with what was typed, as a sentence; empty: nothing."""
    for each in _parameters(template, form):
        if not each.value.strip() or "\0" in each.value or len(each.value) > MAX_PARAMETER:
            text = gettext_noop("%(parameter)s has to be filled in, with at most 1,024 characters.")
            return translated(text) % {"parameter": each.label}
    try:
        fill(template, template_message(template, form))
    except WrongParameters:
        return translated(
            gettext_noop(
                "Meta takes no line breaks, tabs, or more than four spaces in a row in a parameter, and at most 1,024 "
                "characters in all."
            )
        )
    return ""
