"""What people keep about a conversation, as pages show it: notes, tags, who else looks at it, and earlier ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from flask import g
from psycopg import Connection

from console.dependencies import Dependencies
from console.request import person, translated
from domain.contract.texts import gettext_noop
from infra.postgres.kept import notes, tags, viewers
from infra.postgres.kept.notes import KeptNote
from infra.postgres.kept.tags import KeptTag

DIALOGS = {
    "transfer": gettext_noop("%(name)s is about to transfer it"),
    "dismiss": gettext_noop("%(name)s is about to dismiss it"),
}
"""Dialog about a conversation that somebody else has open -> a text."""
_LOOKS = gettext_noop("%(name)s is looking at this")


@dataclass(frozen=True, slots=True)
class KeptAround:
    """What is kept about a conversation. `others`: sentences about who else looks at it."""

    of: UUID
    notes: Sequence[KeptNote]
    tags: Sequence[KeptTag]
    suggested: Sequence[str]
    others: Sequence[str]


def kept_around(conn: Connection[Any], conversation: UUID) -> KeptAround:
    """What is kept about a conversation, for the person of the request, who sees it now."""
    notes.mark_seen(conn, conversation, person().name)
    return KeptAround(
        conversation,
        notes.notes_of(conn, conversation),
        own := tags.tags_of(conn, conversation),
        sorted(set(tags.used_tags(conn)) - {each.tag for each in own}),
        others_at(conn, conversation),
    )


def others_at(conn: Connection[Any], conversation: UUID) -> list[str]:
    """Sentences about who else looks at a conversation, or has a dialog about it open."""
    return [
        translated(DIALOGS.get(each.dialog or "", _LOOKS)) % {"name": each.shown_name}
        for each in viewers.others(conn, conversation, person().name)
    ]


def unseen_of(deps: Dependencies) -> Callable[[], int]:
    """Returns the function by which pages read in how many conversations somebody mentioned the person meanwhile."""

    def mentions_unseen() -> int:
        if "mentions_unseen" not in g:
            with deps.connection() as conn:
                g.mentions_unseen = notes.unseen_mentions(conn, person().name)
        return cast(int, g.mentions_unseen)

    return mentions_unseen
