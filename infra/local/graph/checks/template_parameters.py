"""Checks the parameters of a template message against the approved template: counts, formats, names and characters."""

import re
from collections.abc import Sequence
from typing import Any

from infra.local.graph.checks.fields import list_of, object_of, text_of
from infra.local.graph.checks.refusals import GraphRefusal, missing, not_valid

BODY = 1024
"""Greatest length of the body with its parameters, in characters."""
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_FORBIDDEN = re.compile(r"[\n\r\t]| {5}")
_MEDIA_FORMATS = ("IMAGE", "VIDEO", "DOCUMENT")


def placeholders(text: str) -> Sequence[str]:
    """Returns the numbers or names of the parameters in a text, each once, in the order of their first use."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def check_parameters(template: dict[str, Any], components: Sequence[dict[str, Any]]) -> None:
    """Checks the components of a message. `template`: as `message_templates` returns it. Raises GraphRefusal."""
    sent = _by_type(components)
    named = template.get("parameter_format") == "NAMED"
    for part in template["components"]:
        kind = part["type"]
        if kind == "HEADER" and part.get("format") in _MEDIA_FORMATS:
            _check_media_header(part["format"].lower(), sent.get("header", []))
        elif kind in ("HEADER", "BODY"):
            values = _check_texts(kind.lower(), part["text"], sent.get(kind.lower(), []), named=named)
            if kind == "BODY" and len(_rendered(part["text"], values)) > BODY:
                raise GraphRefusal(132005, f"body: the text with its parameters is longer than {BODY} characters")
        elif kind == "BUTTONS":
            _check_buttons(part["buttons"], [each for each in components if each.get("type") == "button"])
    if sent.get("header") and all(part["type"] != "HEADER" for part in template["components"]):
        raise _count("header", len(sent["header"]), 0)


def _by_type(components: Sequence[dict[str, Any]]) -> dict[str, Sequence[dict[str, Any]]]:
    found: dict[str, Sequence[dict[str, Any]]] = {}
    for component in components:
        kind = text_of(component, "type", "template['components']").lower()
        if kind not in ("header", "body", "button"):
            raise not_valid(f'Component type "{kind[:32]}" is not known')
        if kind != "button":
            parameters = component.get("parameters") or []
            found[kind] = list_of(component, "parameters", "template['components']") if parameters else []
    return found


def _check_texts(where: str, text: str, parameters: Sequence[dict[str, Any]], *, named: bool) -> dict[str, str]:
    """Returns the values by placeholder."""
    expected = placeholders(text)
    if len(parameters) != len(expected):
        raise _count(where, len(parameters), len(expected))
    values: dict[str, str] = {}
    for position, parameter in enumerate(parameters):
        kind = parameter.get("type")
        if kind not in ("text", "currency", "date_time"):
            raise _format(where, "TEXT", str(kind))
        if kind == "text" and not str(parameter.get("text") or "").strip():
            raise GraphRefusal(131008, f"{where}: Parameter of type text is missing text value")
        value = parameter.get("text") if kind == "text" else object_of(parameter, str(kind)).get("fallback_value", "")
        if _FORBIDDEN.search(str(value)):
            raise GraphRefusal(
                132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
            )
        name = str(parameter.get("parameter_name", "")) if named else expected[position]
        if not name:
            raise GraphRefusal(100, f"{where}: Parameter name is missing or empty")
        values[name] = str(value)
    if set(values) != set(expected):
        raise GraphRefusal(132000, f"{where}: the parameter names do not match those of the template")
    return values


def _check_media_header(kind: str, parameters: Sequence[dict[str, Any]]) -> None:
    if len(parameters) != 1:
        raise _format("header", kind.upper(), "UNKNOWN")
    (parameter,) = parameters
    if parameter.get("type") != kind:
        raise _format("header", kind.upper(), str(parameter.get("type")))
    media = object_of(parameter, kind, "header")
    if not (media.get("id") or media.get("link")):
        raise missing(f"header['{kind}']['id']")


def _check_buttons(buttons: Sequence[dict[str, Any]], components: Sequence[dict[str, Any]]) -> None:
    sent: dict[int, dict[str, Any]] = {}
    for component in components:
        try:
            index = int(component["index"])
        except (KeyError, TypeError, ValueError):
            raise missing("template['components']['index']") from None
        if not 0 <= index < len(buttons):
            raise GraphRefusal(132000, f"buttons: Button at index {index} does not exist")
        expected, got = buttons[index]["type"].lower(), str(component.get("sub_type")).lower()
        if expected != got:
            raise _format(f"buttons: Button at index {index}", expected.upper(), got)
        sent[index] = component
    for index, button in enumerate(buttons):
        needs = (button["type"] == "URL" and placeholders(button["url"])) or button["type"] == "COPY_CODE"
        if needs and not (sent.get(index) or {}).get("parameters"):
            raise GraphRefusal(
                131008, f"buttons: Button at index {index} of type {button['type'].title()} requires a parameter"
            )


def _rendered(text: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _count(where: str, got: int, expected: int) -> GraphRefusal:
    return GraphRefusal(
        132000,
        f"{where}: number of localizable_params ({got}) does not match the expected number of params ({expected})",
    )


def _format(where: str, expected: str, got: str) -> GraphRefusal:
    return GraphRefusal(132012, f"{where}: Format mismatch, expected {expected}, received {got[:32].upper()}")
