"""Rows that are made of customers: the same parameters for all, but for the name."""

from uuid import UUID

import pytest

from domain.campaigns.plan.customers import CustomerRows, FoundCustomer
from domain.sending.templates import Template

AUTUMN = Template(
    "a", "autumn", "en", "APPROVED", "MARKETING", "POSITIONAL", [{"type": "BODY", "text": "Hi {{1}}, {{2}}"}]
)
ROWS = CustomerRows({"1": "{name}", "2": "come in"}, [AUTUMN])


def customer(name: str | None) -> FoundCustomer:
    return FoundCustomer(UUID(int=1), name, "393471234567", "IT.1349")


def test_the_name_is_filled_in_without_line_breaks_and_runs_of_spaces() -> None:
    row = ROWS.row(customer(" Olivia\n\n     Rossi"))
    assert ({"1": "Olivia Rossi", "2": "come in"}, None) == (row.parameters, row.problem)
    assert ("phone", "393471234567") == row.customer.address
    assert ("user_id", "IT.1349") == row.customer._replace(wa_id=None).address


@pytest.mark.parametrize(
    ("name", "words", "problem"),
    [
        (None, "", "parameter_empty"),
        ("  ", "", "parameter_empty"),
        ("n" * 150, "w" * 900, "parameter_too_long"),
        ("n" * 150, "", None),
        ("Olivia", "w" * 1015, "parameter_too_long"),
    ],
)
def test_a_name_that_does_not_fit_is_a_problem_of_the_row(name: str | None, words: str, problem: str | None) -> None:
    rows = CustomerRows({"1": "{name}", "2": words or "come in"}, [AUTUMN])
    assert problem == rows.row(customer(name)).problem


def test_a_name_is_not_needed_if_nothing_says_it() -> None:
    assert CustomerRows({"1": "dear customer", "2": "come in"}, [AUTUMN]).row(customer(None)).problem is None
