"""Folds one fact into the conversations between a customer and a business number.

`fold(history, fact, context) -> FoldResult` and the other functions are pure. A customer history is what the rules need
of one customer: the conversations around the new facts, and the facts that wait for a conversation. The caller holds
the customer's lock and stores what the result says: conversations, where each fact belongs, public events.
"""

from collections.abc import Collection, Iterable

from domain.conversations.conversation import Conversation, Decisions, fact_ref
from domain.conversations.events import Cause
from domain.conversations.fold_state import FoldState
from domain.conversations.history import CustomerHistory, FoldContext, FoldResult
from domain.conversations.publication import cause_of
from domain.facts import ConversationFact, CustomerTurn
from domain.ids import ConversationId, CustomerId, FactId


def fold(
    history: CustomerHistory, fact: ConversationFact, context: FoldContext, taken_from: CustomerId | None = None
) -> FoldResult:
    """Folds in a fact that was not seen before. `taken_from`: the customer to whom the fact seemed to belong, until
    Meta reported that it is this one's. Raises OverflowError for times at the edge of the calendar, nothing else."""
    state = FoldState(history, context, taken_from)
    state.take(fact)
    return state.result(cause_of(fact))


def decide(
    history: CustomerHistory, conversation: ConversationId, decisions: Decisions, cause: Cause, context: FoldContext
) -> FoldResult:
    """Applies a decision that no outside fact led to: a transfer, an offer, its end (`domain.routing.transfers`)."""
    state = FoldState(history, context)
    state.decide(conversation, decisions)
    return state.result(cause)


def settle(
    history: CustomerHistory, conversation: ConversationId, facts: Iterable[ConversationFact], context: FoldContext
) -> FoldResult:
    """Places all facts of a conversation again after its end moved to an earlier time: for example, a human's answer
    after the new end belongs to the conversation that begins there. Evidence cannot be subtracted, so it is collected
    again from the facts."""
    state = FoldState(history, context)
    ordered = sorted(facts, key=fact_ref)
    state.settle(conversation, ordered)
    return state.result(cause_of(ordered[-1]))


def lose_facts(
    history: CustomerHistory,
    conversation: ConversationId,
    kept: Iterable[ConversationFact],
    lost: Collection[FactId],
    cause: Cause,
    context: FoldContext,
) -> FoldResult:
    """Leaves only the `kept` facts in a conversation: those `lost` belong to another customer, as Meta reported later.
    What was decided about the conversation stays, unless one of the lost facts decided it."""
    state = FoldState(history, context)
    ordered = sorted(kept, key=fact_ref)
    state.forget(conversation, lost, next((fact.at for fact in ordered if isinstance(fact, CustomerTurn)), None))
    state.settle(conversation, ordered)
    state.publish_change_of_customer(conversation)
    return state.result(cause)


def take_over(
    history: CustomerHistory, conversation: Conversation, customer: CustomerId, cause: Cause, context: FoldContext
) -> FoldResult:
    """Adds another customer's conversation to a history: all its turns belong to this customer, as Meta reported later.
    `customer`: the id under which it stands beside the customer's own conversations, as if they had been joined. What
    was decided about it stays."""
    state = FoldState(history, context)
    state.add(conversation, conversation._replace(customer_id=customer))
    state.publish_change_of_customer(conversation.id)
    return state.result(cause)


def expire(history: CustomerHistory, context: FoldContext) -> FoldResult:
    """Closes conversations that are over by the context's time. Changes nothing else; a second call changes nothing."""
    return FoldState(history, context).result(None)
