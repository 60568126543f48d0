"""Which customers the facts of a batch are about: found, locked and joined with a few statements for the whole
batch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from consumers.batches.leftover import NO_CONVERSATION
from consumers.batches.poison import Poison, RetryBatch
from domain.conversations.conversation import FactRef, fact_ref
from domain.conversations.customers.identities import ALWAYS, Identity, IdentityKey, keys_of
from domain.conversations.customers.identity_index import IdentityIndex
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    ConversationFact,
    CustomerIdentityChanged,
    MessageFailed,
)
from domain.ids import CustomerId
from infra.kafka.consumer import IncomingRecord
from infra.postgres.conversations.customers import Customers, Locked


class FactItem(NamedTuple):
    """A fact about a conversation, the record that carried it, the keys by which its customer is found, and the
    conversation that it names, if it names one."""

    record: IncomingRecord
    fact: ConversationFact
    keys: Sequence[IdentityKey]
    named: UUID | None

    @classmethod
    def of(cls, record: IncomingRecord, fact: ConversationFact) -> "FactItem":
        """Returns the item of a record that carries this fact."""
        return cls(record, fact, _keys(fact), _named_conversation(fact))


class FactCustomer(NamedTuple):
    """The customer of a fact, after joining, and the number."""

    customer: CustomerId
    number: str


class _Known(NamedTuple):
    """What the database knows of a batch: identities, and customer and number of the conversations that facts name."""

    identities: dict[tuple[IdentityKey, FactRef], Identity]
    named: dict[UUID, tuple[CustomerId, str]]


def named_in(items: Iterable[FactItem]) -> set[UUID]:
    """Returns the conversations that the facts name."""
    return {item.named for item in items if item.named is not None}


def lock_customers(customers: Customers, items: Sequence[FactItem]) -> tuple[list[FactCustomer], Locked, IdentityIndex]:
    """Finds the customers of the facts, locks them, and joins those that the facts join. Identities are read again
    under the locks; raises RetryBatch if they then belong to customers that are not locked. Returns the customer of
    each fact, the locked customers, and the identities."""
    if not items:
        return [], Locked({}), IdentityIndex([])
    keys = {key for item in items for key in item.keys}
    for item in items:
        if isinstance(item.fact, CustomerIdentityChanged):
            keys.update(keys_of(item.fact.phone_number_id, item.fact.becomes))
    known = _look_up(customers, keys, items)
    index, found = _resolve(known, items)
    customers.add_identities(index.learned.values())
    locked = customers.lock(_customers(index, found))
    again = _look_up(customers, keys, items)
    added = {which: identity for which, identity in index.learned.items() if which not in known.identities}
    if again != _Known({**known.identities, **added}, known.named):
        # reports of this batch count as new, although their periods are in the table already
        others = {w: i for w, i in again.identities.items() if w not in added or i.since == ALWAYS}
        index, found = _resolve(_Known(others, again.named), items)
    if not locked.holds(_customers(index, found)):
        raise RetryBatch
    changed = [identity for which, identity in index.learned.items() if again.identities.get(which) != identity]
    customers.change_identities(changed, index.merged)
    return found, locked.after(index.merged), index


def _customers(index: IdentityIndex, found: Iterable[FactCustomer]) -> set[CustomerId]:
    """Returns all customers that the facts of a batch are about, join, or take an identity from."""
    concerned = {of.customer for of in found}.union(index.merged, index.merged.values())
    return concerned.union(index.customers()) if index.lost else concerned


def _look_up(customers: Customers, keys: set[IdentityKey], items: Iterable[FactItem]) -> _Known:
    identities = {(identity.key, identity.since): identity for identity in customers.identities(keys)}
    if users := set(_users_of_phones(identities.values(), items)) - {key for key, _ in identities}:
        identities |= {(identity.key, identity.since): identity for identity in customers.identities(users)}
    return _Known(identities, customers.of_conversations(named_in(items)))


def _users_of_phones(identities: Iterable[Identity], items: Iterable[FactItem]) -> Iterator[IdentityKey]:
    """Yields the user ids of phones of which it matters when they were first seen: a change is reported, or a phone is
    named with another user id."""
    users = [(identity.key, identity.user_id) for identity in identities if identity.user_id is not None]
    if users and any(isinstance(item.fact, CustomerIdentityChanged) for item in items):
        yield from (phone._replace(kind="u", value=user) for phone, user in users)
    user_of = dict(users)
    for item in items if users else ():
        if len(item.keys) > 1:
            named, phone = item.keys
            if (user := user_of.get(phone)) is not None and user != named.value:
                yield phone._replace(kind="u", value=user)


def _resolve(known: _Known, items: Sequence[FactItem]) -> tuple[IdentityIndex, list[FactCustomer]]:
    index = IdentityIndex(known.identities.values())
    index.report(item.fact for item in items if isinstance(item.fact, CustomerIdentityChanged) and item.keys)
    found = [_customer_of(item, index, known.named) for item in items]
    if index.merged:
        found = [FactCustomer(index.merged.get(of.customer, of.customer), of.number) for of in found]
    return index, found


def _customer_of(item: FactItem, index: IdentityIndex, named: dict[UUID, tuple[CustomerId, str]]) -> FactCustomer:
    fact = item.fact
    if item.named in named:
        if item.keys and isinstance(fact, AgentMessage) and fact.send_id is not None:
            index.resolve(item.keys, fact_ref(fact))  # Meta's answer to our message names both ids of the customer
        return FactCustomer(*named[item.named])
    if fact.customer is None or fact.phone_number_id is None:
        raise Poison(item.record, NO_CONVERSATION)
    try:
        customer = index.owner(fact) if isinstance(fact, CustomerIdentityChanged) else None
        return FactCustomer(customer or index.resolve(item.keys, fact_ref(fact)), fact.phone_number_id)
    except ValueError as error:
        raise Poison(item.record, str(error)) from error


def _keys(fact: ConversationFact) -> Sequence[IdentityKey]:
    if fact.customer is None or fact.phone_number_id is None:
        return ()
    return keys_of(fact.phone_number_id, fact.customer)


def _named_conversation(fact: ConversationFact) -> UUID | None:
    match fact:
        case AgentAccepted() | AgentMessage() | AgentDeclined() | AgentClosed() | MessageFailed():
            return fact.conversation_id
        case _:
            return None
