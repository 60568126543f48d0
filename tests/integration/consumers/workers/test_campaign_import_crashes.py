"""The real `campaigns` process dies while it reads a file or imports its rows: another one goes on where the last
commit stands. No row is lost, and none is there twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.topics import Topics
from infra.process.crash_points import EXIT_CODE
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.system import System
from tests.support.waiting import wait_until

_NO_KAFKA = "127.0.0.1:1"
"""Reading files needs none."""
ROWS = 25_000
"""Three transactions of the import."""
CONTENT = "Phone,Name\n" + "".join(f"+1650{row % 20_000:07},Oliver\n" for row in range(ROWS - 1)) + "12,Emma\n"
MAPPING = {"phone": 0, "name": 1, "parameters": {"1": 1}}


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


@pytest.fixture
def system(database: str, tmp_path: Path) -> Iterator[System]:
    with System(_NO_KAFKA, database, Topics(), tmp_path) as system:
        yield system


def dies(system: System, point: str) -> None:
    (victim,) = system.start("campaigns", crash_at=point)
    assert EXIT_CODE == victim.wait_end()


def test_a_process_that_dies_while_it_reads_a_file_leaves_it_to_the_next(system: System, room: CampaignRoom) -> None:
    room.upload(CONTENT.encode())
    dies(system, "campaigns.before-file-commit")
    assert [{"state": "waiting"}] == room.office.rows("select state from campaign_files")
    system.start("campaigns")
    wait_until(lambda: room.office.rows("select rows from campaign_files where state = 'read'") == [{"rows": ROWS}])


@pytest.mark.parametrize(
    ("point", "rows"),
    [
        ("campaigns.before-import-commit", 0),
        ("campaigns.before-import-commit:2", 10_000),
        ("campaigns.before-import-commit:3", 20_000),
        ("campaigns.before-planning-commit", ROWS),
    ],
)
def test_a_process_that_dies_while_it_imports_loses_no_row(
    system: System, room: CampaignRoom, point: str, rows: int
) -> None:
    file = room.upload(CONTENT.encode())
    room.read_files()
    autumn = room.created(file, MAPPING)
    dies(system, point)
    assert rows == sum(room.counts(autumn).values())
    assert "importing" == room.campaign(autumn).state
    system.start("campaigns")
    wait_until(lambda: room.campaign(autumn).state == "planning")
    expected = {"imported": 20_000, "skipped duplicate": ROWS - 20_001, "skipped phone_invalid": 1}
    assert expected == room.counts(autumn)
    numbers = room.office.rows("select count(*) as n, min(row_no) as first, max(row_no) as last from recipients")
    assert [{"n": ROWS, "first": 2, "last": ROWS + 1}] == numbers
    assert [{"n": 1}] == room.office.rows("select count(*) as n from import_problems")
