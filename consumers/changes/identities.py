"""Giving facts to the customers whose they are, after Meta reported that a phone or user id changed hands before they
were written. What was decided about the conversations, and mailed, stays; their history says what happened."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from consumers.changes.unit_of_work import UnitOfWork
from domain.conversations.conversation import Conversation, FactRef, fact_ref
from domain.conversations.customers.identities import IdentityKey, keys_of
from domain.conversations.customers.identity_index import IdentityIndex
from domain.conversations.events import Cause
from domain.facts import ConversationFact, CustomerTurn
from domain.ids import CustomerId
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.histories import CustomerHistories


class _Found(NamedTuple):
    """A conversation with facts of other customers. `holder`: the customer to whom it belongs now."""

    conversation: Conversation
    customer: CustomerId
    holder: CustomerId
    facts: dict[CustomerId, list[ConversationFact]]

    @property
    def lost(self) -> dict[CustomerId, list[ConversationFact]]:
        """The facts that leave the conversation, by the customer whose they are."""
        return {owner: of for owner, of in self.facts.items() if owner not in (self.customer, self.holder)}

    @property
    def kept(self) -> list[ConversationFact]:
        return [fact for owner, of in self.facts.items() if owner not in self.lost for fact in of]


def hand_over(work: UnitOfWork, index: IdentityIndex, cause: Cause, now: datetime) -> None:
    """Moves the facts of customers who lost an identity, from then on, to its new owners. All of them are locked, and
    their histories loaded. O(facts of their conversations since then)."""
    found = [each for customer, since in index.lost.items() for each in _conversations(work, index, customer, since)]
    waiting = [each for customer, since in index.lost.items() for each in _waiting(work, index, customer, since)]
    for each in found:
        if each.holder != each.customer:
            work.hand_over(each.conversation, each.customer, each.holder, cause, now)
    for each in found:
        if each.lost:
            lost = {fact.id for of in each.lost.values() for fact in of}
            work.lose_facts(each.conversation.id, each.holder, each.kept, lost, cause, now)
    given = [(owner, fact, each.holder) for each in found for owner, of in each.lost.items() for fact in of]
    for owner, fact, taken_from in sorted([*given, *waiting], key=lambda move: fact_ref(move[1])):
        work.give(owner, fact, taken_from, now)


def _conversations(work: UnitOfWork, index: IdentityIndex, customer: CustomerId, since: FactRef) -> Iterator[_Found]:
    """Yields the customer's conversations with facts of others. A conversation stays the customer's if they wrote in
    it; otherwise it belongs to the customer of its first turn."""
    for conversation in work.histories[customer].conversations:
        if conversation.window_ends_at <= since.at:
            continue
        facts = _by_owner(work, index, CustomerHistories(work.connection).facts_of(conversation.id), customer, since)
        turns = [(fact_ref(f), owner) for owner, of in facts.items() for f in of if isinstance(f, CustomerTurn)]
        holder = customer if not turns or any(owner == customer for _, owner in turns) else min(turns)[1]
        if facts.keys() != {customer}:
            yield _Found(conversation, customer, holder, facts)


def _waiting(
    work: UnitOfWork, index: IdentityIndex, customer: CustomerId, since: FactRef
) -> Iterator[tuple[CustomerId, ConversationFact, CustomerId]]:
    """Takes facts of others away from those that wait with the customer, and yields each with its owner."""
    history = work.histories[customer]
    facts = _by_owner(work, index, history.waiting, customer, since)
    work.histories[customer] = history._replace(waiting=tuple(facts.pop(customer, ())))
    yield from ((owner, fact, customer) for owner, of in facts.items() for fact in of)


def _by_owner(
    work: UnitOfWork, index: IdentityIndex, facts: Sequence[ConversationFact], customer: CustomerId, since: FactRef
) -> dict[CustomerId, list[ConversationFact]]:
    """Returns the facts by the customer whose they are; those that name nobody else stay the customer's."""
    index.add(Customers(work.connection).identities({key for fact in facts for key in _keys(fact)}))
    found: dict[CustomerId, list[ConversationFact]] = {}
    for fact in facts:
        owner = index.owner(fact) if fact_ref(fact) >= since else None
        found.setdefault(owner or customer, []).append(fact)
    return found


def _keys(fact: ConversationFact) -> list[IdentityKey]:
    if fact.customer is None or fact.phone_number_id is None:
        return []
    return keys_of(fact.phone_number_id, fact.customer)
