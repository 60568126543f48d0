"""A file with recipients for the demo's shop: its customers and its subscribers."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.campaigns.content import variables_of
from domain.sending.templates import Template
from infra.local.simulator import bike_shop
from infra.local.simulator.bodies import SimulatedCustomer

_BAD = (SimulatedCustomer("Nobody", ""), SimulatedCustomer("Too Short", "3930"))
"""Rows with a problem, so that somebody sees how it is said."""


def columns_of(template: Template) -> list[tuple[str, int]]:
    """Returns title and width of each column: the phone, the name, and the variables of the template."""
    return [("Phone", 20), ("Name", 24), *((f"{{{{{name}}}}}", 28) for name in variables_of(template))]


def rows_for(template: Template, now: datetime) -> Iterator[list[str]]:
    """Yields the rows of the demo's customers, in those columns: the first variable is the first name, the others are
    Meta's samples. At the end are rows with a problem: no phone, a phone that is too short, one that is there already.
    """
    everybody = bike_shop.recipients(now)
    samples = _samples(template)
    for customer in (*everybody, *_BAD, everybody[0]):
        values = [
            customer.name.split(" ")[0] if place == 0 else samples.get(name, "this week")
            for place, name in enumerate(variables_of(template))
        ]
        yield [_written(customer.wa_id or ""), customer.name, *values]


def _samples(template: Template) -> dict[str, str]:
    """Returns variable of the body -> Meta's sample."""
    for component in template.components:
        texts = component.get("example", {}).get("body_text")
        if component.get("type") == "BODY" and isinstance(texts, Sequence) and texts:
            return dict(zip(template.variables, map(str, texts[0]), strict=False))
    return {}


def _written(phone: str) -> str:
    """Returns a phone as people write it."""
    return f"+{phone[:2]} {phone[2:5]} {phone[5:]}".strip() if phone else ""
