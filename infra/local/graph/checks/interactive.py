"""Meta's limits for reply buttons and lists (graph API reference, *Interactive messages*)."""

from collections.abc import Sequence
from typing import Any

from infra.local.graph.checks.fields import choice_of, list_of, object_of, optional_text, text_of
from infra.local.graph.checks.refusals import not_valid

BUTTON_BODY, LIST_BODY, HEADER, FOOTER = 1024, 4096, 60, 60
BUTTONS, BUTTON_ID, BUTTON_TITLE = 3, 256, 20
ROWS, SECTIONS, ROW_ID, ROW_TITLE, ROW_DESCRIPTION, SECTION_TITLE = 10, 10, 200, 24, 72, 24
"""Characters, or numbers of elements."""


def check_interactive(interactive: dict[str, Any]) -> None:
    """Checks the object of an interactive message. Raises GraphRefusal."""
    kind = choice_of(interactive, "type", "interactive", ("button", "list"))
    body = object_of(interactive, "body", "interactive")
    _limited(text_of(body, "text", "interactive['body']"), "Body text", BUTTON_BODY if kind == "button" else LIST_BODY)
    if interactive.get("header") is not None:
        _check_header(object_of(interactive, "header", "interactive"), text_only=kind == "list")
    if interactive.get("footer") is not None:
        footer = object_of(interactive, "footer", "interactive")
        _limited(text_of(footer, "text", "interactive['footer']"), "Footer text", FOOTER)
    action = object_of(interactive, "action", "interactive")
    if kind == "button":
        _check_buttons(list_of(action, "buttons", "interactive['action']"))
    else:
        _limited(text_of(action, "button", "interactive['action']"), "Button title", BUTTON_TITLE)
        _check_sections(list_of(action, "sections", "interactive['action']"))


def _check_header(header: dict[str, Any], *, text_only: bool) -> None:
    path = "interactive['header']"
    kinds = ("text",) if text_only else ("text", "image", "video", "document")
    if choice_of(header, "type", path, kinds) == "text":
        _limited(text_of(header, "text", path), "Header text", HEADER)
    else:
        object_of(header, header["type"], path)


def _check_buttons(buttons: Sequence[dict[str, Any]]) -> None:
    if len(buttons) > BUTTONS:
        raise not_valid(f"Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: {BUTTONS}")
    path = "interactive['action']['buttons']"
    replies = []
    for button in buttons:
        choice_of(button, "type", path, ("reply",))
        reply = object_of(button, "reply", path)
        _limited(text_of(reply, "id", path), "Button id", BUTTON_ID)
        _limited(text_of(reply, "title", path), "Button title", BUTTON_TITLE)
        replies.append(reply)
    for name in ("id", "title"):
        if len({reply[name] for reply in replies}) < len(replies):
            raise not_valid(f"Duplicated {name} of a button")


def _check_sections(sections: Sequence[dict[str, Any]]) -> None:
    path = "interactive['action']['sections']"
    if len(sections) > SECTIONS:
        raise not_valid(f"Invalid sections count. Max allowed sections: {SECTIONS}")
    rows: list[dict[str, Any]] = []
    for section in sections:
        title = optional_text(section, "title", path) if len(sections) == 1 else text_of(section, "title", path)
        if title is not None:
            _limited(title, "Section title", SECTION_TITLE)
        rows += list_of(section, "rows", path)
    if len(rows) > ROWS:
        raise not_valid(f"Total row count exceed max allowed count: {ROWS}")
    for row in rows:
        _limited(text_of(row, "id", f"{path}['rows']"), "Row id", ROW_ID)
        _limited(text_of(row, "title", f"{path}['rows']"), "Row title", ROW_TITLE)
        if row.get("description") is not None:
            _limited(text_of(row, "description", f"{path}['rows']"), "Row description", ROW_DESCRIPTION)
    if len({row["id"] for row in rows}) < len(rows):
        raise not_valid("Duplicated id of a row")


def _limited(text: str, what: str, most: int) -> None:
    if len(text) > most:
        raise not_valid(f"{what} length invalid. Min length: 1, Max length: {most}")
