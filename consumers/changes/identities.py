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
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn
from domain.ids import ConversationId, CustomerId
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.histories import CustomerHistories


class _Found(NamedTuple):
    """A conversation with facts of other customers. `holder`: the customer to whom it belongs now. `facts`: by the
    customer whose they are; None: they name the conversation and stay with it."""

    conversation: Conversation
    customer: CustomerId
    holder: CustomerId
    facts: dict[CustomerId | None, list[ConversationFact]]

    @property
    def lost(self) -> dict[CustomerId, list[ConversationFact]]:
        """The facts that leave the conversation, by the customer whose they are."""
        return {owner: of for owner, of in self.facts.items() if owner is not None and owner != self.holder}

    @property
    def kept(self) -> list[ConversationFact]:
        return [fact for owner in (self.holder, None) for fact in self.facts.get(owner, ())]


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
        stored = CustomerHistories(work.connection).facts_of(conversation.id)
        facts = _by_owner(work, index, stored, customer, since, conversation.id)
        said = [(fact_ref(f), owner) for owner, of in facts.items() for f in of if owner is not None and _is_message(f)]
        holder = customer if not said or any(owner == customer for _, owner in said) else min(said)[1]
        if not facts.keys() <= {customer, None}:
            yield _Found(conversation, customer, holder, facts)


def _waiting(
    work: UnitOfWork, index: IdentityIndex, customer: CustomerId, since: FactRef
) -> Iterator[tuple[CustomerId, ConversationFact, CustomerId]]:
    """Takes facts of others away from those that wait with the customer, and yields each with its owner."""
    history = work.histories[customer]
    facts = _by_owner(work, index, history.waiting, customer, since)
    kept = [*facts.pop(customer, ()), *facts.pop(None, ())]
    work.histories[customer] = history._replace(waiting=tuple(kept))
    yield from ((owner, fact, customer) for owner, of in facts.items() if owner is not None for fact in of)


def _by_owner(
    work: UnitOfWork,
    index: IdentityIndex,
    facts: Sequence[ConversationFact],
    customer: CustomerId,
    since: FactRef,
    conversation: ConversationId | None = None,
) -> dict[CustomerId | None, list[ConversationFact]]:
    """Returns the facts of a customer by the customer whose they are. None: of those that name the conversation, or
    nobody."""
    index.add(Customers(work.connection).identities({key for fact in facts for key in _keys(fact)}))
    found: dict[CustomerId | None, list[ConversationFact]] = {}
    for fact in facts:
        if not _keys(fact) or (conversation is not None and getattr(fact, "conversation_id", None) == conversation):
            owner = None
        else:
            owner = (index.owner(fact) if fact_ref(fact) >= since else None) or customer
        found.setdefault(owner, []).append(fact)
    return found


def _is_message(fact: ConversationFact) -> bool:
    """Returns whether the customer said something that a conversation can begin with."""
    if isinstance(fact, CustomerSignal):
        return fact.unreadable is not None or fact.standby_turn
    return isinstance(fact, CustomerTurn)


def _keys(fact: ConversationFact) -> list[IdentityKey]:
    if fact.customer is None or fact.phone_number_id is None:
        return []
    return keys_of(fact.phone_number_id, fact.customer)
