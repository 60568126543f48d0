"""Replaces what conversations contribute to the numbers, and adds the difference to the cells, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.directory import Directory
from domain.statistics.cells import difference, with_rollups
from domain.statistics.contribution import Contribution, contribution, is_over
from domain.statistics.observed import Observed, together
from domain.statistics.steps import Steps, steps_of
from infra.postgres.statistics import cells, contributions, sources
from infra.postgres.statistics.contributions import Known
from infra.postgres.statistics.step_titles import note_titles


def count(connection: Connection[Any], seen: Sequence[Observed], directory: Directory) -> int:
    """Counts what was seen of conversations, on top of what is known of them. Returns how many contributions changed.
    The caller holds one of the locks (`infra.postgres.statistics.contributions`)."""
    known = contributions.read(connection, {each.conversation_id for each in seen})
    parts: dict[UUID, list[Observed]] = {}
    for each in seen:
        of = each.conversation_id
        parts.setdefault(of, [known[of][1]] if of in known else []).append(each)
    changed = [
        merged for id_, of in parts.items() if (merged := together(of)) != (known[id_][1] if id_ in known else None)
    ]
    return _replace(connection, changed, known, directory)


def count_again(connection: Connection[Any], conversations: Sequence[UUID], directory: Directory) -> int:
    """Counts conversations as the tables have them, whatever was known. Returns how many contributions were wrong. The
    caller holds the exclusive lock."""
    known = contributions.read(connection, conversations)
    return _replace(connection, [*sources.observed_in_tables(connection, conversations).values()], known, directory)


def computed(connection: Connection[Any], seen: Iterable[Observed], directory: Directory) -> list[Known]:
    """Returns the contributions that follow from what was seen of conversations."""
    return [(of, each) for of, each, _ in _computed(connection, [*seen], directory)]


def _replace(
    connection: Connection[Any], seen: Sequence[Observed], known: Mapping[UUID, Known], directory: Directory
) -> int:
    found: list[tuple[Contribution | None, Known]] = []
    titles: list[tuple[str, str, str]] = []
    for of, each, steps in _computed(connection, seen, directory):
        before = known.get(of.conversation_id)
        if before != (of, each):
            found.append((before and before[0], (of, each)))
        titles += ((of.phone_number_id, step, title) for step, title in steps.titles)
    changes = [(before, after) for before, (after, _) in found]
    with connection.pipeline():  # PostgreSQL runs one statement while the next is being built
        contributions.write(connection, found)
        note_titles(connection, titles)
        cells.add(connection, with_rollups(difference(changes)))
    return sum(before != after for before, after in changes)


def _computed(
    connection: Connection[Any], seen: Sequence[Observed], directory: Directory
) -> Iterable[tuple[Contribution, Observed, Steps]]:
    # read from the tables in the same transaction: public events say nothing about the steps of a menu
    until: dict[UUID, datetime] = {each.conversation_id: each.events[-1].at for each in seen if is_over(each)}
    facts = sources.facts_of_steps(connection, until)
    for each in seen:
        steps = steps_of(facts.get(each.conversation_id, ()))
        zone = directory.number(each.phone_number_id).time_zone
        yield contribution(each, zone, steps), each, steps
