"""Customers as recipients: everybody who fits a filter gets a row, with the same parameters but for the name."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from domain.campaigns.content import content_of
from domain.campaigns.recipients import RowProblem
from domain.sending.sends import AddressKind
from domain.sending.templates import Template, WrongParameters

NAME = "{name}"
"""Stands for the customer's name in a value."""
_ORDINARY_NAME = 60
"""Characters. Longer names are tried one by one, whether the message gets too long with them."""
_LONGEST_NAME = 200


class FoundCustomer(NamedTuple):
    """A customer who fits a filter, by their latest conversation."""

    customer_id: UUID
    name: str | None
    wa_id: str | None
    user_id: str | None

    @property
    def address(self) -> tuple[AddressKind, str]:
        return ("phone", self.wa_id) if self.wa_id else ("user_id", self.user_id or "")


class CustomerRow(NamedTuple):
    """A row of a campaign that was made of a customer. `problem`: why nothing can be sent to it."""

    customer: FoundCustomer
    name: str
    parameters: dict[str, str]
    problem: RowProblem | None


class CustomerRows:
    """Makes rows of customers. `values`: variable of the templates -> value."""

    def __init__(self, values: Mapping[str, str], templates: Sequence[Template]) -> None:
        self._values = values
        self._templates = templates
        self._needs_name = any(NAME in value for value in values.values())
        self._fits_ordinary = self._fits("n" * _ORDINARY_NAME)

    def row(self, customer: FoundCustomer) -> CustomerRow:
        """Returns the row of a customer."""
        name = " ".join((customer.name or "").split())[:_LONGEST_NAME]
        problem: RowProblem | None = None
        if self._needs_name and not name:
            problem = "parameter_empty"
        elif not self._fits_ordinary or len(name) > _ORDINARY_NAME:
            problem = None if self._fits(name) else "parameter_too_long"
        return CustomerRow(customer, name, self._filled(name), problem)

    def _filled(self, name: str) -> dict[str, str]:
        return {variable: value.replace(NAME, name) for variable, value in self._values.items()}

    def _fits(self, name: str) -> bool:
        try:
            for template in self._templates:
                content_of(template, self._filled(name))
        except (WrongParameters, ValidationError):
            return False
        return True
