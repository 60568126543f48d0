"""What became of messages afterwards: edits and deletions by customers, and messages of ours that did not arrive.

A change may arrive before its message, and in another conversation than the message. All changes of one message make
one: the latest edit counts, and a deletion is final, so their order does not matter.
"""

from typing import NamedTuple

from domain.conversations.conversation import FactRef, fact_ref
from domain.facts import ConversationFact, CustomerSignal, MessageFailed


class MessageChange(NamedTuple):
    """What happened to a message: its last edit (None: it was not edited), the text of that, whether the customer
    deleted the message, and whether it did not reach the customer."""

    edited: FactRef | None = None
    text: str | None = None
    deleted: bool = False
    failed: bool = False

    def merged(self, other: "MessageChange | None") -> "MessageChange":
        """Returns this change together with another one of the same message."""
        if other is None:
            return self
        latest = other if self.edited is None or (other.edited is not None and other.edited > self.edited) else self
        return MessageChange(latest.edited, latest.text, self.deleted or other.deleted, self.failed or other.failed)

    def current(self, text: str | None) -> str | None:
        """Returns what is left of the message's text; None: nothing."""
        if self.deleted:
            return None
        return text if self.edited is None else self.text


def change_of(fact: ConversationFact) -> tuple[str, MessageChange] | None:
    """Returns the wamid and the change of the message that a fact edits, deletes or reports as failed; None: it does
    nothing to a message."""
    if isinstance(fact, MessageFailed):
        return fact.marks, MessageChange(failed=True)
    if not isinstance(fact, CustomerSignal) or fact.marks is None:
        return None
    match fact.type:
        case "edit":
            return fact.marks, MessageChange(fact_ref(fact), fact.text)
        case "revoke":
            return fact.marks, MessageChange(deleted=True)
        case _:
            return None
