"""Customer identity resolution (domain.md, Customers; webhooks.md, Who is the customer).

A customer is known by a phone (`w`, one key for national variants), by a business-scoped user id (`u`), or, for the
conversation of a group, by the group (`g`). A phone points to its latest user id. Two user ids are joined only when
Meta reports it, never because of a shared phone: numbers are recycled, and a stranger's chat must not be forwarded in a
mail.

An identity belongs to a customer for a period. When Meta reports that a customer has left a phone or a user id, it
belongs to somebody else from then on, and the new phone to the customer. The periods of all identities follow from the
set of reports, in whatever order they arrive. A message with the user id of somebody else begins a period of its phone
too: if it is reported later when the customer left the phone, it is known who had it before.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from domain.conversations.conversation import FactRef, fact_ref
from domain.facts import CustomerIdentityChanged, Party
from domain.ids import CustomerId, FactId, customer_id
from domain.phone_numbers import phone_key

ALWAYS = FactRef(datetime(1, 1, 1, tzinfo=UTC), 0, FactId(UUID(int=0)))
"""The beginning of the first period of every identity, before all facts."""


class IdentityKey(NamedTuple):
    """The key of an identity: a group (`g`), user id (`u`) or phone (`w`) at one business number."""

    phone_number_id: str
    kind: Literal["g", "u", "w"]
    value: str


class Identity(NamedTuple):
    """A period of an identity: whose it is from `since` until its next period begins. `at`: when a phone was last seen,
    a user id first. `user_id`: the latest user id seen with a phone; None: none so far. `left_for`: the phone or user
    id for which the customer of the previous period left this one, as Meta writes it; None: the period began otherwise.
    """

    key: IdentityKey
    customer_id: CustomerId
    at: datetime
    user_id: str | None = None
    since: FactRef = ALWAYS
    left_for: str | None = None


def keys_of(phone_number_id: str, party: Party) -> list[IdentityKey]:
    """Returns the identity keys of a customer as a sender named them, the strongest first."""
    if party.group_id is not None:
        return [IdentityKey(phone_number_id, "g", party.group_id)]
    keys = []
    if party.user_id is not None:
        keys.append(IdentityKey(phone_number_id, "u", party.user_id))
    if party.wa_id is not None:
        keys.append(phone_identity(phone_number_id, party.wa_id))
    return keys


def phone_identity(phone_number_id: str, wa_id: str) -> IdentityKey:
    """Returns the key of a phone at a business number."""
    return IdentityKey(phone_number_id, "w", phone_key(wa_id))


def named_identity(like: IdentityKey, name: str) -> IdentityKey:
    """Returns the key of a phone or user id, of the kind and number of another key."""
    return like._replace(value=phone_key(name) if like.kind == "w" else name)


def just_before(ref: FactRef) -> FactRef:
    """Returns the greatest reference before another one: the moment right before a fact."""
    return ref._replace(fact=FactId(UUID(int=max(0, ref.fact.int - 1))))


def successor(key: IdentityKey, since: FactRef) -> CustomerId:
    """Returns the id of the customer to whom an identity belongs after its customer left it."""
    return customer_id(key.phone_number_id, key.kind, f"{key.value} since {since.fact}")


def reported_periods(change: CustomerIdentityChanged, customer: CustomerId, user_id: str | None) -> Iterator[Identity]:
    """Yields the periods that a report begins: of what the customer left, and of the new phone, with the customer's
    user id. Their customers are derived afterwards, except that of a new phone whose report names no old one:
    `customer`."""
    number, becomes, ref = change.phone_number_id, change.becomes, fact_ref(change)
    new = keys_of(number, becomes)
    for key in keys_of(number, change.customer):
        left_for = becomes.wa_id if key.kind == "w" else becomes.user_id
        if left_for is not None and key not in new:
            yield Identity(key, successor(key, ref), change.at, None, ref, left_for)
    if becomes.wa_id is not None and new[-1] not in keys_of(number, change.customer):
        yield Identity(new[-1], customer, change.at, user_id, ref)
