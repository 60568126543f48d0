"""Customers who were answered and wrote again: since when they wait, and until when they may be left waiting
(domain.md, *Waiting for a reply*)."""

from datetime import datetime

from domain.conversations.conversation import Conversation, Evidence, FactRef
from domain.conversations.ends import latest
from domain.conversations.evidence.opening_hours import open_for
from domain.conversations.ownership.deadlines import AnswerPolicy
from domain.directory import Number


def last_word(evidence: Evidence) -> FactRef | None:
    """Returns the last human word to the customer. Evidence from before it was kept has the first one only."""
    return evidence.last_word or evidence.touch


def is_word_after(word: FactRef, ref: FactRef) -> bool:
    """Returns whether a word was written after something. Meta's times are whole seconds: a word of the second of the
    customer's message counts as earlier, unless both have whole seconds and it came later."""
    return word > ref and (word.at > latest(ref.at) or word.at == ref.at)


def is_answered(conversation: Conversation) -> bool:
    """Returns whether a human wrote to the customer, after the conversation was last released."""
    word, released = last_word(conversation.evidence), conversation.decisions.released
    return word is not None and (released is None or is_word_after(word, released.ref))


def waits_since(conversation: Conversation) -> datetime | None:
    """Returns since when the customer of an active conversation, who was answered before, waits for a reply; None: they
    do not. Of several messages it is the first one that was processed; after a word that arrives late, the last one."""
    word, last = last_word(conversation.evidence), conversation.evidence.last_message
    if word is None or last is None or is_word_after(word, last):
        return None
    known = conversation.waits_since
    return known if known is not None and known > word.at else last.at


def reply_by(conversation: Conversation, since: datetime, number: Number, policy: AnswerPolicy) -> datetime | None:
    """Returns when a managed conversation goes to the list if nobody writes to the customer, who waits since then: the
    number must have been open for the time of the policy, also since its owner has it. None: nobody of the product has
    it, or its window ends before."""
    owner, because = conversation.owner, conversation.decisions.because
    if owner is None or owner.state != "accepted":
        return None
    begins = since if because is None else max(since, because.at)
    until = open_for(number, begins, policy.reply)
    return until if until is not None and until < conversation.window_ends_at else None
