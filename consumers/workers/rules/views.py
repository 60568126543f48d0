"""What rules see of conversations, read as far as any rule asks for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.rescue.judging import LeftAlone
from domain.rules.rule import Rule
from domain.search import phrase
from infra.languages.detection import language_of
from infra.postgres.rules import views
from infra.postgres.rules.views import Stay


class SeenByRules(NamedTuple):
    """A conversation on the list, its time there, and what rules see of it."""

    conversation: Conversation
    stay: Stay
    seen: LeftAlone


class Questions(NamedTuple):
    """What some rule asks for, beside what each conversation has."""

    words: bool
    languages: frozenset[str]
    had: bool

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Questions":
        """Returns what those of the rules ask for that are on."""
        rules = [rule for rule in rules if rule.on]
        return cls(
            any(rule.when.words for rule in rules),
            frozenset(language for rule in rules for language in rule.when.languages),
            any(rule.when.had or (rule.transfer is not None and rule.transfer.previous) for rule in rules),
        )


def see(connection: Connection[Any], ids: Sequence[UUID], questions: Questions) -> list[SeenByRules]:
    """Returns those of the conversations that are on the list and active, in the given order. Raises psycopg errors."""
    found = views.on_list(connection, ids)
    stays = views.stays(connection, [each.id for each in found])
    texts: Mapping[UUID, Sequence[str]] = {}
    if questions.words or questions.languages:
        texts = views.texts(connection, found)
    had = views.skillsets_before(connection, [each.id for each in found]) if questions.had else {}
    return [
        SeenByRules(each, stays[each.id], left_alone(each, stays[each.id], texts.get(each.id, ()), had, questions))
        for each in found
        if each.id in stays
    ]


def left_alone(
    conversation: Conversation, stay: Stay, texts: Sequence[str], had: Mapping[UUID, str], questions: Questions
) -> LeftAlone:
    """Returns what rules see of a conversation on the list. `texts`: what the customer wrote or chose."""
    assert conversation.reason is not None
    return LeftAlone(
        phone_number_id=conversation.phone_number_id,
        reason=conversation.reason,
        since=stay.since,
        window_ends_at=conversation.window_ends_at,
        said=tuple(map(phrase, texts)) if questions.words else (),
        language=language_of(texts, questions.languages) if questions.languages else None,
        returning=conversation.previous is not None,
        had=had.get(conversation.id),
    )
