"""The phone and user id by which a conversation's customer is reached: the row's copies, which messages and Meta's
reports move. Groups have none."""

from collections.abc import Callable

from domain.conversations.conversation import Conversation, Evidence, fact_ref
from domain.facts import ConversationFact, CustomerIdentityChanged, Party

Called = Callable[[ConversationFact], Party | None]
"""Returns the ids by which the customer of a fact is reached now (`IdentityIndex.called`)."""


def as_named(fact: ConversationFact) -> Party | None:
    """Returns the ids of a fact's customer, where Meta reported no later ones."""
    return fact.becomes if isinstance(fact, CustomerIdentityChanged) else fact.customer


def contact_ids(
    conversation: Conversation, evidence: Evidence, fact: ConversationFact, party: Party | None
) -> tuple[str | None, str | None]:
    """Returns phone and user id of a conversation after a fact, from the last turn that held them. `evidence`: with
    the fact; `party`: the ids by which the customer of the fact is reached now."""
    if party is None or isinstance(fact, CustomerIdentityChanged) or party.group_id is not None:
        return conversation.wa_id, conversation.user_id
    is_latest = evidence.last_turn == fact_ref(fact)
    wa_id, user_id = party.wa_id, party.user_id
    return (
        wa_id if wa_id and (is_latest or conversation.wa_id is None) else conversation.wa_id,
        user_id if user_id and (is_latest or conversation.user_id is None) else conversation.user_id,
    )


def renamed(conversation: Conversation, report: CustomerIdentityChanged, party: Party | None) -> Conversation:
    """Returns a conversation with the ids that Meta reported. The same one if it has a later turn, which has its own.
    `party`: as for `contact_ids`."""
    last_turn = conversation.evidence.last_turn
    if party is None or (last_turn is not None and last_turn >= fact_ref(report)):
        return conversation
    return conversation._replace(wa_id=party.wa_id or conversation.wa_id, user_id=party.user_id or conversation.user_id)


def is_renamed(known: Conversation, after: Conversation) -> bool:
    """Returns whether the customer has another phone or user id than before, not one more."""
    return known.wa_id not in (None, after.wa_id) or known.user_id not in (None, after.user_id)
