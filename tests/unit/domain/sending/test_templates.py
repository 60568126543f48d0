"""Templates: what fits them, and how they read."""

from typing import Any
from uuid import UUID

import pytest

from domain.messages.outgoing import TemplateMessage
from domain.sending.templates import Template, WrongParameters, fill, preview

FILE = UUID(int=7)


def a_template(*components: dict[str, Any], parameter_format: str = "POSITIONAL") -> Template:
    return Template("waba", "t", "en", "APPROVED", "UTILITY", parameter_format, components)


def filled(template: Template, **message: Any) -> Any:
    return fill(template, TemplateMessage(name="t", language="en", **message))


ORDER = a_template(
    {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
    {"type": "BODY", "text": "Hello {{1}}, it costs {{2}}. Bye {{1}}"},
    {"type": "FOOTER", "text": "The shop"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Thanks"},
            {"type": "URL", "text": "See", "url": "https://x.example/{{1}}"},
            {"type": "COPY_CODE"},
        ],
    },
)


def test_a_template_is_filled_in_as_meta_takes_it_and_as_the_customer_reads_it() -> None:
    found = filled(ORDER, parameters=["Ada", "5 €"], header="12", buttons=["a", "CODE"])
    assert "Order 12\nHello Ada, it costs 5 €. Bye Ada\nThe shop" == found.text
    assert [
        {"type": "header", "parameters": [{"type": "text", "text": "12"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "5 €"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "a"}]},
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "2",
            "parameters": [{"type": "coupon_code", "coupon_code": "CODE"}],
        },
    ] == found.components


def test_named_parameters_are_sent_by_name() -> None:
    template = a_template({"type": "BODY", "text": "Hi {{name}} {{day}}"}, parameter_format="NAMED")
    found = filled(template, parameters={"day": "Monday", "name": "Ada"})
    assert "Hi Ada Monday" == found.text
    ((body),) = found.components
    assert [("name", "Ada"), ("day", "Monday")] == [(p["parameter_name"], p["text"]) for p in body["parameters"]]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"parameters": ["Ada"]}, "parameters: the template needs 2, not 1"),
        ({"parameters": ["a", "b", "c"]}, "parameters: the template needs 2, not 3"),
        ({"parameters": {"1": "a"}}, "parameters: this template numbers its parameters, so give a list"),
        ({"parameters": ["a\nb", "c"]}, "parameter 1: line breaks, tabs and more than four spaces"),
        ({"parameters": ["a", "b"], "buttons": ["x"]}, "buttons: the template needs 2, not 1"),
        ({"parameters": ["a", "b"], "header": FILE}, "header: the template needs a text"),
        ({"parameters": ["x" * 1000, "y" * 1000]}, "parameters: the body has"),
    ],
)
def test_what_does_not_fit_is_named(message: dict[str, Any], complaint: str) -> None:
    with pytest.raises(WrongParameters, match=complaint):
        filled(ORDER, **{"header": "12", "buttons": ["a", "b"], **message})


def test_a_picture_above_needs_an_upload() -> None:
    template = a_template({"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Look"})
    with pytest.raises(WrongParameters, match="the upload of a image"):
        filled(template)
    assert FILE == filled(template, header=FILE).upload


def test_an_edited_template_has_another_fingerprint() -> None:
    one, other = (a_template({"type": "BODY", "text": text}) for text in ("a", "b"))
    assert one.fingerprint != other.fingerprint
    assert "a" == preview(one)


def test_a_value_that_looks_like_a_variable_is_not_filled_in_again() -> None:
    assert "Order 1\nHello {{2}}, it costs x. Bye {{2}}\nThe shop" == (
        filled(ORDER, parameters=["{{2}}", "x"], header="1", buttons=["a", "b"]).text
    )


@pytest.mark.parametrize("status", ["PENDING", "REJECTED", "PAUSED", "DISABLED", "ARCHIVED"])
def test_only_an_approved_template_can_be_sent(status: str) -> None:
    assert not ORDER._replace(status=status).is_sendable


def test_components_of_an_unexpected_form_are_no_error() -> None:
    """Meta adds kinds without notice."""
    odd = a_template({"type": "CAROUSEL"}, {"type": None}, {"type": "BUTTONS", "buttons": "x"}, {"type": "BODY"})
    assert "" == filled(odd).text


def test_variables_with_numbers_are_in_their_order_and_a_name_among_them_stops_no_page() -> None:
    """Lists of templates show all of them, also one that Meta describes as it should not."""
    ten = "".join(f"{{{{{n}}}}}" for n in (10, 2, 1))
    assert ["1", "2", "10"] == a_template({"type": "BODY", "text": ten}).variables
    odd = {"type": "BODY", "text": "{{name}} {{2}} {{1}} {{day}}"}
    assert ["1", "2", "name", "day"] == a_template(odd).variables
    assert ["name", "2", "1", "day"] == a_template(odd, parameter_format="NAMED").variables
