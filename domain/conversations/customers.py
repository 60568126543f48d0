"""Customer identity resolution (domain.md, Customers; webhooks.md, Who is the customer).

A customer is known by a phone (`w`, one key for national variants), by a business-scoped user id (`u`), or, for the
conversation of a group, by the group (`g`). A phone points to its latest user id. Two user ids are joined only when
Meta reports it, never because of a shared phone: numbers are recycled, and a stranger's chat must not be forwarded in a
mail.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from domain.facts import CustomerIdentityChanged, Party
from domain.ids import CustomerId, customer_id
from domain.phone_numbers import phone_key

_CONFIRM_AFTER = timedelta(days=1)
"""Maximum age of a phone's stored time before the time is written again: one write a day instead of one per message."""


class IdentityKey(NamedTuple):
    """The key of an identity: a group (`g`), user id (`u`) or phone (`w`) at one business number."""

    phone_number_id: str
    kind: Literal["g", "u", "w"]
    value: str


class Identity(NamedTuple):
    """An identity of a customer, last seen at `at`. `user_id`: the latest user id seen with a phone; None: none so
    far."""

    key: IdentityKey
    customer_id: CustomerId
    at: datetime
    user_id: str | None = None


def keys_of(phone_number_id: str, party: Party) -> list[IdentityKey]:
    """Returns the identity keys of a customer as a sender named them, the strongest first."""
    if party.group_id is not None:
        return [IdentityKey(phone_number_id, "g", party.group_id)]
    keys = []
    if party.user_id is not None:
        keys.append(IdentityKey(phone_number_id, "u", party.user_id))
    if party.wa_id is not None:
        keys.append(IdentityKey(phone_number_id, "w", phone_key(party.wa_id)))
    return keys


class IdentityIndex:
    """The identities that a batch needs, and the changes that the batch makes to them.

    `learned`: identities that are new or changed; `merged`: customer -> the customer it was joined into. The id of a
    new customer follows from its first key, so two workers that see the customer first agree on the id."""

    def __init__(self, known: Iterable[Identity]) -> None:
        self._known = {identity.key: identity for identity in known}
        self.learned: dict[IdentityKey, Identity] = {}
        self.merged: dict[CustomerId, CustomerId] = {}

    def resolve(self, keys: Sequence[IdentityKey], at: datetime) -> CustomerId:
        """Returns the customer with these keys (`keys_of`), named by a fact of time `at`. Raises ValueError if `keys`
        is empty."""
        if not keys:
            raise ValueError("customer: needs wa_id, user_id or group_id")
        first = keys[0]
        phone = next((key for key in keys if key.kind == "w"), None)
        if first.kind != "u":
            return self._customer(first, at)
        known_phone = self._known.get(phone) if phone else None
        if first not in self._known and known_phone is not None and known_phone.user_id is None:
            self._learn(Identity(first, known_phone.customer_id, at))
        customer = self._customer(first, at)
        return self._with_phone(customer, first.value, phone, at) if phone else customer

    def change(self, fact: CustomerIdentityChanged) -> CustomerId:
        """Applies Meta's report that a customer has a new phone or a new user id, and returns the customer. Earlier
        messages from the new phone belong to another customer."""
        number, at, becomes = fact.phone_number_id, fact.at, fact.becomes
        customer = self.resolve(keys_of(number, fact.customer), at)
        for key in keys_of(number, becomes):
            known = self._known.get(key)
            user_id = becomes.user_id if key.kind == "w" else None
            if known is None:
                self._learn(Identity(key, customer, at, user_id))
            elif known.customer_id != customer:
                if key.kind == "u" or (known.user_id is None and known.at >= at):
                    customer = self._join(known.customer_id, customer)
                elif at > known.at:
                    self._learn(Identity(key, customer, at, user_id))
        return customer

    def _customer(self, key: IdentityKey, at: datetime) -> CustomerId:
        known = self._known.get(key)
        if known is None:
            known = Identity(key, customer_id(*key), at)
            self._learn(known)
        elif key.kind == "w" and at - known.at > _CONFIRM_AFTER:
            self._learn(known._replace(at=at))
        return self._known[key].customer_id

    def _with_phone(self, customer: CustomerId, user_id: str, phone: IdentityKey, at: datetime) -> CustomerId:
        known = self._known.get(phone)
        if known is not None and known.customer_id != customer and known.user_id is None:
            customer = self._join(known.customer_id, customer)  # so far only the phone was seen: the same customer
            known = self._known[phone]
        stale = known is not None and at - known.at > _CONFIRM_AFTER
        if known is None or stale or (known.user_id != user_id and (known.user_id is None or at > known.at)):
            self._learn(Identity(phone, customer, max(at, known.at) if known else at, user_id))
        return customer

    def _learn(self, identity: Identity) -> None:
        self._known[identity.key] = self.learned[identity.key] = identity

    def _join(self, one: CustomerId, other: CustomerId) -> CustomerId:
        """Joins two customers and returns the smaller id, which is used for both. Their conversations are not
        changed."""
        target, joined = min(one, other), max(one, other)
        self.merged = {source: target if into == joined else into for source, into in self.merged.items()}
        self.merged[joined] = target
        for identity in [i for i in self._known.values() if i.customer_id == joined]:
            self._learn(identity._replace(customer_id=target))
        return target
