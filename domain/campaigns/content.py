"""The message of a recipient: the campaign's template, filled in with the recipient's frozen parameters (C4)."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from domain.messages.outgoing import TemplateMessage
from domain.sending.templates import Filled, Template, fill

HEADER = "header"
BUTTON = "button."
"""Before the place of a button that needs a parameter, from 0."""


class CampaignContent(NamedTuple):
    """The message of a recipient. `graph`: in the form of the Graph API; `text`: what a person reads in it."""

    graph: Mapping[str, Any]
    text: str
    upload: UUID | None


def variables_of(template: Template) -> list[str]:
    """Returns all that a template needs for each recipient: `header`, the body's variables, `button.0`."""
    header = [HEADER] if template.header_needs_parameter else []
    return [*header, *template.variables, *(f"{BUTTON}{index}" for index, _ in template.dynamic_buttons())]


def message_of(template: Template, parameters: Mapping[str, str]) -> TemplateMessage:
    """Returns a template with a recipient's parameters. Raises pydantic's ValidationError for values that no parameter
    may have."""
    header: str | UUID | None = parameters.get(HEADER) if template.header_needs_parameter else None
    if header is not None and template.header_kind in ("image", "video", "document"):
        header = UUID(str(header))
    body = {name: parameters[name] for name in template.variables if name in parameters}
    buttons = tuple(parameters.get(f"{BUTTON}{index}", "") for index, _ in template.dynamic_buttons())
    return TemplateMessage.model_validate(
        {
            "name": template.name,
            "language": template.language,
            "parameters": body if template.is_named else tuple(body.values()),
            "header": header,
            "buttons": buttons,
        }
    )


def content_of(template: Template, parameters: Mapping[str, str]) -> CampaignContent:
    """Returns the message of a recipient. Raises WrongParameters, ValidationError: rows with such parameters have a
    problem and get no message."""
    filled: Filled = fill(template, message_of(template, parameters))
    graph: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
    if filled.components:
        graph["components"] = filled.components
    return CampaignContent({"type": "template", "template": graph}, filled.text, filled.upload)
