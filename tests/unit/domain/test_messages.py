"""Messages that can be sent, and Meta's limits."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.messages.outgoing import OutgoingMessage, graph_content, shown_text

BUTTONS: dict[str, Any] = {"type": "button", "body": "Which?", "buttons": [{"id": "1", "title": "Sales"}]}
ROWS: dict[str, Any] = {
    "type": "list",
    "body": "Which?",
    "button": "Choose",
    "sections": [{"rows": [{"id": "1", "title": "Sales"}]}],
}


def read(message: dict[str, Any]) -> OutgoingMessage:
    return OutgoingMessage.model_validate(message)


@pytest.mark.parametrize(
    ("message", "graph", "shown"),
    [
        ({"text": "Hi"}, {"type": "text", "text": {"body": "Hi", "preview_url": False}}, "Hi"),
        (
            {"interactive": BUTTONS},
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "body": {"text": "Which?"},
                    "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Sales"}}]},
                },
            },
            "Which?",
        ),
        (
            {"interactive": {**ROWS, "header": "H", "footer": "F"}},
            {
                "type": "interactive",
                "interactive": {
                    "type": "list",
                    "body": {"text": "Which?"},
                    "header": {"type": "text", "text": "H"},
                    "footer": {"text": "F"},
                    "action": {"button": "Choose", "sections": [{"rows": [{"id": "1", "title": "Sales"}]}]},
                },
            },
            "Which?",
        ),
        (
            {"location": {"latitude": 45.4, "longitude": 9.2, "name": "Duomo"}},
            {"type": "location", "location": {"latitude": 45.4, "longitude": 9.2, "name": "Duomo"}},
            "Duomo",
        ),
        (
            {"reaction": {"message_id": "w", "emoji": "👍"}},
            {"type": "reaction", "reaction": {"message_id": "w", "emoji": "👍"}},
            "👍",
        ),
    ],
)
def test_a_message_is_sent_in_metas_form_and_shown_as_a_text(
    message: dict[str, Any], graph: dict[str, Any], shown: str
) -> None:
    assert (graph, shown) == (graph_content(read(message)), shown_text(read(message)))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "needs exactly one of"),
        ({"text": "a", "reaction": {"message_id": "w"}}, "needs exactly one of"),
        ({"text": ""}, "text.body"),
        ({"text": "  \n"}, "text.body"),
        ({"text": "a\x00"}, "text.body"),
        ({"text": "x" * 4097}, "text.body"),
        ({"text": {"body": "a", "colour": "red"}}, "text.colour"),
        ({"interactive": {**BUTTONS, "body": "x" * 1025}}, "interactive.button.body"),
        ({"interactive": {**BUTTONS, "buttons": BUTTONS["buttons"] * 4}}, "interactive.button.buttons"),
        ({"interactive": {**BUTTONS, "buttons": BUTTONS["buttons"] * 2}}, "two are the same"),
        ({"interactive": {**ROWS, "sections": ROWS["sections"] * 11}}, "interactive.list.sections"),
        ({"interactive": {**ROWS, "sections": ROWS["sections"] * 2}}, "needs a title"),
        ({"interactive": {"body": "x"}}, "interactive"),
        ({"location": {"latitude": 91, "longitude": 0}}, "location.latitude"),
        ({"location": {"latitude": float("nan"), "longitude": 0}}, "location.latitude"),
        ({"media": {"upload_id": "x"}}, "media.upload_id"),
        ({"template": {"name": "", "language": "en"}}, "template.name"),
    ],
)
def test_what_meta_would_refuse_is_refused_with_the_field_named(message: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(message)
    assert field in str(refused.value)
