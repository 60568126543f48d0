"""The skillset that the transfer dialog suggests, with its reason in words."""

from typing import Any, NamedTuple

from psycopg import Connection

from console.request import translated
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.ids import ConversationId
from domain.routing.suggestions import suggested_skillset
from infra.postgres.lists.conversation_parts import conversation_part
from infra.postgres.lists.own import skillset_before

_WHYS = {
    "words": gettext_noop("Suggested: %(name)s. The customer wrote “%(word)s”."),
    "before": gettext_noop("Suggested: %(name)s. The customer had it the last time."),
}


class SuggestedTarget(NamedTuple):
    """A skillset, and why it is suggested, in words."""

    skillset: str
    why: str


def suggested_target(
    conn: Connection[Any], directory: Directory, conversation: ConversationId
) -> SuggestedTarget | None:
    """What the customer's texts and earlier conversations suggest; None: nothing."""
    part = conversation_part(conn, conversation)
    if part is None:
        return None
    texts = [item.text for item in reversed(part.transcript) if item.speaker == "customer" and item.text]
    number = directory.number(part.conversation.phone_number_id)
    found = suggested_skillset(texts, number, directory, skillset_before(conn, conversation))
    if found is None:
        return None
    name = directory.skillsets[found.skillset].name
    return SuggestedTarget(found.skillset, translated(_WHYS[found.why]) % {"name": name, "word": found.word})
