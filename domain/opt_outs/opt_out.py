"""Who wants no messages that they did not ask for (docs/design/campaigns.md, *Opt-outs*).

Of each source the latest that is known about a customer counts, by `(at, id)`: in whatever order it becomes known, and
however often. Only Meta ends what Meta told us, because it goes on to refuse such messages.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from domain.command_bodies.campaigns import OptOutScope
from domain.conversations.customers.identities import IdentityKey, keys_of
from domain.facts import MarketingPreference, Party
from domain.phone_numbers import is_user_id, read_phone

OptOutSource = Literal["meta", "keyword", "admin", "import"]
"""How an opt-out became known: from Meta, by a word of the customer, from a person of the company, from a file."""
OPT_OUT_SOURCES: tuple[OptOutSource, ...] = get_args(OptOutSource)
OPT_OUT_SCOPES: tuple[OptOutScope, ...] = get_args(OptOutScope)

ALL_NUMBERS = ""
"""In place of a business number: all of them."""


class OptOutChange(NamedTuple):
    """A customer wants no messages, or wants them again (`opts_out` False). `phone_number_id`: `ALL_NUMBERS` for all;
    `scope`: of an opt-out, `marketing` or every template; `id`: of what told us; `evidence`: the wamid of the
    customer's word, or what a person wrote."""

    phone_number_id: str
    customer: Party
    opts_out: bool
    scope: OptOutScope
    source: OptOutSource
    at: datetime
    id: UUID
    actor: str
    evidence: str | None = None

    @property
    def keys(self) -> list[IdentityKey]:
        """The ids by which the customer was named."""
        return keys_of(self.phone_number_id, self.customer)


def concerns(scope: OptOutScope | None, *, is_template: bool, is_marketing: bool) -> bool:
    """Returns whether an opt-out (None: there is none) refuses a message. Who wants no messages at all can still write
    and be answered: only templates are refused."""
    return scope is not None and is_template and (is_marketing or scope == "all")


def stronger(scopes: Iterable[OptOutScope]) -> OptOutScope | None:
    """Returns the scope of several opt-outs together; None: there are none."""
    return max(scopes, key=OPT_OUT_SCOPES.index, default=None)


def of_preference(preference: MarketingPreference) -> OptOutChange:
    """Returns what a customer told Meta as a change."""
    return OptOutChange(
        preference.phone_number_id,
        preference.customer,
        not preference.wants,
        "marketing",
        "meta",
        preference.at,
        preference.id,
        "meta",
    )


def read_customer(written: str) -> Party | None:
    """Returns the customer whom a phone with its country code, in any usual spelling, or a user id names; None: it is
    neither."""
    text = written.strip()
    if (phone := read_phone(text)) is not None and len(phone) >= _SHORTEST:
        return Party(wa_id=phone)
    return Party(user_id=text) if is_user_id(text) else None


_SHORTEST = 7
"""Digits of a phone with its country code: fewer are a mistake."""
