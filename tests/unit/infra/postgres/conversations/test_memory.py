"""The column `memory` keeps its form (infra/postgres/conversations/memory.py): stored rows hold it, and queries look
into it."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.conversations.conversation import Decisions, Evidence, FactRef, Owner
from domain.ids import FactId
from infra.postgres.conversations.memory import decision_path, from_text, to_json

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REF = FactRef(AT, 7, FactId(UUID(int=1)))
DECISIONS = Decisions(
    Owner("user", "anna", "assigned", AT),
    AT,
    REF,
    "offered",
    REF,
    Owner("skillset", "sales", "queued"),
    "sales",
    (("berta", AT),),
    AT,
    "carla",
    AT,
)
STORED = (
    '["user","anna","assigned","2026-03-02T09:30:00Z"]',
    '"2026-03-02T09:30:00Z"',
    '["2026-03-02T09:30:00Z",7,"00000000-0000-0000-0000-000000000001"]',
    '"offered"',
    '["2026-03-02T09:30:00Z",7,"00000000-0000-0000-0000-000000000001"]',
    '["skillset","sales","queued",null]',
    '"sales"',
    '[["berta","2026-03-02T09:30:00Z"]]',
    '"2026-03-02T09:30:00Z"',
    '"carla"',
    '"2026-03-02T09:30:00Z"',
)


def test_stored_decisions_are_read_as_they_were_meant() -> None:
    """A field that is moved would make sense of another one's value. A new one is added at the end."""
    evidence, _ = json.loads(to_json(Evidence(), DECISIONS))
    assert DECISIONS == from_text(f"[{json.dumps(evidence)},[{','.join(STORED)}]]")[1]


@pytest.mark.parametrize("fields", range(1, len(STORED)))
def test_decisions_of_earlier_versions_have_fewer_fields(fields: int) -> None:
    evidence, _ = json.loads(to_json(Evidence(), DECISIONS))
    read = from_text(f"[{json.dumps(evidence)},[{','.join(STORED[:fields])}]]")[1]
    assert Decisions._make((*DECISIONS[:fields], *Decisions()[fields:])) == read


@pytest.mark.parametrize(("field", "place"), [("last", 3), ("declined_by", 7)])
def test_queries_find_a_decision_where_it_is_stored(field: str, place: int) -> None:
    found = json.loads(to_json(Evidence(), DECISIONS))
    for step in decision_path(field):
        found = found[int(step)]
    assert json.loads(STORED[place]) == found
