"""The example file of a template: its headings are understood without a mapping, its rows show what belongs where."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.campaigns.content import BUTTON, HEADER, variables_of
from domain.sending.templates import Template
from infra.sheets.workbook import Sheet, workbook

_NAME = "name"
_MEDIA = ("image", "video", "document")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}", re.ASCII)
_PEOPLE = (("+447700900123", "Oliver Smith"), ("+12025550143", "Maria Rossi"))
"""Phones that nobody has: they are kept free for stories. Somebody will send to the example."""


def example_file(
    templates: Sequence[Template], made_at: datetime, phone: str = "Phone", name: str = "Name"
) -> Iterator[bytes]:
    """The parts of a workbook whose rows could be the recipients of these templates. `phone`, `name`: headings in the
    language of the person. All cells are texts, also those that people fill in: a phone keeps its digits."""
    variables = columns_of(templates)
    titles = [phone, name, *(_heading(each) for each in variables)]
    sheet = Sheet(
        name=templates[0].name,
        title=templates[0].name,
        made_at=made_at,
        columns=[(title, 24) for title in titles],
        is_text=True,
    )
    known: dict[str, Sequence[str]] = {}
    for template in reversed(templates):
        known |= _examples(template)
    rows = [
        [address, person, *(_example(known, variable, person, place) for variable in variables)]
        for place, (address, person) in enumerate(_PEOPLE)
    ]
    return workbook(sheet, rows)


def columns_of(templates: Sequence[Template]) -> list[str]:
    """Returns the variables that have a column: all that the templates need, but not a picture, video or document,
    which is the same for everybody, and not the name, which has a column anyway."""
    media = any(template.header_kind in _MEDIA for template in templates)
    needed = dict.fromkeys(variable for template in templates for variable in variables_of(template))
    return [each for each in needed if each != _NAME and not (each == HEADER and media)]


def _heading(variable: str) -> str:
    return f"{{{{{variable}}}}}" if variable.isdigit() else variable


def _example(known: Mapping[str, Sequence[str]], variable: str, person: str, place: int) -> str:
    """Returns a value: the example with which Meta approved the template, else one of ours."""
    if given := known.get(variable):
        return given[0]
    return person.split(maxsplit=1)[0] if variable == "1" else f"{variable} {place + 1}"


def _examples(template: Template) -> dict[str, Sequence[str]]:
    """Returns variable -> examples, as far as the template has some (`example` of Meta's components)."""
    found: dict[str, Sequence[str]] = {}
    for component in template.components:
        example = component.get("example")
        if not isinstance(example, Mapping):
            continue
        variables = list(dict.fromkeys(_VARIABLE.findall(str(component.get("text", "")))))
        kind = str(component.get("type", "")).upper()
        for named in (*_list(example.get("body_text_named_params")), *_list(example.get("header_text_named_params"))):
            if isinstance(named, Mapping):
                found[HEADER if kind == "HEADER" else str(named.get("param_name"))] = [str(named.get("example", ""))]
        if kind == "BODY" and (rows := _list(example.get("body_text"))):
            values = _list(rows[0]) or rows
            found |= {variable: [str(value)] for variable, value in zip(sorted(variables), values, strict=False)}
        if kind == "HEADER" and (values := _list(example.get("header_text"))):
            found[HEADER] = [str(values[0])]
    for index, _ in template.dynamic_buttons():
        if values := _list(template.buttons[index].get("example")):
            found[f"{BUTTON}{index}"] = [str(values[0]).rstrip("/").rsplit("/", 1)[-1]]
    return {variable: values for variable, values in found.items() if values[0].strip()}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
