"""Commands about the data of one person (docs/design/retention.md, *Erasure*)."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from domain.command_bodies.parts import CommandPart


class EraseCustomer(CommandPart):
    """Removes what is known of one person: of a customer of one business number, or of a phone at all numbers. Has
    exactly one of `customer_id` and `phone`, whose digits include the country code. Cannot be undone."""

    customer_id: UUID | None = None
    phone: Annotated[str, StringConstraints(min_length=7, max_length=15, pattern=r"^[0-9]+$")] | None = None

    def model_post_init(self, _: object) -> None:
        if (self.customer_id is None) == (self.phone is None):
            raise ValueError("needs exactly one of customer_id and phone")

    @property
    def named(self) -> str:
        """Whom it is about, as it was named."""
        return self.phone or str(self.customer_id)

    @property
    def conversation_id(self) -> None:
        """None: the command is about no conversation."""
