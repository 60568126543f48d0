"""What rules see of conversations, read as far as any rule asks for it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.rescue.judging import LeftAlone
from domain.rescue.seeing import OnList, Questions, left_alone
from infra.languages.detection import language_of
from infra.postgres.rules import views
from infra.postgres.rules.views import Stay


class SeenByRules(NamedTuple):
    """A conversation on the list, its time there, and what rules see of it."""

    conversation: Conversation
    stay: Stay
    seen: LeftAlone


def see(connection: Connection[Any], ids: Sequence[UUID], questions: Questions) -> list[SeenByRules]:
    """Returns those of the conversations that are on the list and active, in the given order. Raises psycopg errors."""
    found = views.on_list(connection, ids)
    stays = views.stays(connection, [each.id for each in found])
    texts: Mapping[UUID, Sequence[str]] = {}
    if questions.texts:
        texts = views.texts(connection, {each.id: each.phone_number_id for each in found})
    had = views.skillsets_before(connection, [each.id for each in found]) if questions.had else {}
    seen = []
    for each in found:
        stay = stays.get(each.id)
        if stay is None or each.reason is None:
            continue
        listed = OnList(
            each.phone_number_id, each.reason, stay.since, each.window_ends_at, returning=each.previous is not None
        )
        left = left_alone(listed, texts.get(each.id, ()), had.get(each.id), questions, language_of)
        seen.append(SeenByRules(each, stay, left))
    return seen
