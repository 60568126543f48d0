"""Files with recipients on a real database: they are read by a process of their own, and their rows become recipients,
each in exactly one state with a reason (C5)."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from threading import Event as Flag
from typing import Any

import pytest

from consumers.workers.campaigns import reading
from consumers.workers.campaigns.reading import refuse
from infra.postgres.campaign_files import files, imports
from infra.postgres.connections import session_lock
from infra.sheets.child import ReaderKilled
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.waiting import wait_until

MAPPING: dict[str, Any] = {"phone": 0, "name": 1, "parameters": {"1": 1}}


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def people(*lines: str) -> bytes:
    return "\r\n".join(["Phone,Name", *lines, ""]).encode()


def file_row(room: CampaignRoom) -> dict[str, Any]:
    (row,) = room.office.rows("select state, problem, detail, headings, rows from campaign_files")
    return row


def test_a_file_is_read_when_it_arrives(room: CampaignRoom) -> None:
    """Its headings, what its columns may be, its first rows and how many there are."""
    room.upload(people("+16505550001,Oliver", "+16505550002,Emma", ""))
    room.read_files()
    row = file_row(room)
    assert ("read", None, 2) == (row["state"], row["problem"], row["rows"])
    assert {
        "row": 1,
        "columns": ["Phone", "Name"],
        "width": 2,
        "guess": {"phone": 0, "name": 1, "language": None, "zone": None},
        "first": [{"row": 2, "cells": ["+16505550001", "Oliver"]}, {"row": 3, "cells": ["+16505550002", "Emma"]}],
    } == row["headings"]


def test_rows_become_recipients(room: CampaignRoom) -> None:
    """Good ones wait for the plan, with what is to be sent."""
    autumn = room.from_file(people("(650) 555-0001,Oliver", "+44 7700 900123,Emma"), MAPPING)
    assert ("planning", None) == (autumn.state, autumn.work)
    assert {"imported": 2} == room.counts(autumn)
    assert [
        {
            "row_no": 2,
            "address": "16505550001",
            "address_key": "16505550001",
            "name": "Oliver",
            "parameters": {"1": "Oliver"},
        },
        {
            "row_no": 3,
            "address": "447700900123",
            "address_key": "447700900123",
            "name": "Emma",
            "parameters": {"1": "Emma"},
        },
    ] == room.office.rows("select row_no, address, address_key, name, parameters from recipients order by row_no")


def test_another_campaign_can_be_created_from_a_file(room: CampaignRoom) -> None:
    """Within a day, for instance with another mapping. Nobody knows the country of the number here."""
    room.connection.execute("update graph_numbers set display = ''")
    file = room.upload(people("7700 900123,Oliver"))
    room.read_files()
    autumn = room.created(file, MAPPING)
    room.read_files()
    british = room.created(file, {**MAPPING, "country": "GB"}, "Autumn in Britain")
    room.read_files()
    assert ({"skipped phone_without_country": 1}, {"imported": 1}) == (room.counts(autumn), room.counts(british))


def test_a_row_with_problems_is_skipped_with_the_first_and_keeps_them_all(room: CampaignRoom) -> None:
    """The whole row stays as it was, so that people can mend it."""
    autumn = room.from_file(people("4.4770090E+11,", "+16505550002,Emma", "12,Noah", ",Ava"), MAPPING)
    skipped = {"skipped phone_is_a_number": 1, "skipped phone_invalid": 1, "skipped phone_missing": 1}
    assert {"imported": 1, **skipped} == room.counts(autumn)
    assert [
        {"row_no": 2, "place": 0, "problem": "phone_is_a_number", "value": "4.4770090E+11"},
        {"row_no": 2, "place": 1, "problem": "parameter_empty", "value": ""},
        {"row_no": 4, "place": 0, "problem": "phone_invalid", "value": "12"},
        {"row_no": 5, "place": 0, "problem": "phone_missing", "value": ""},
    ] == room.office.rows("select row_no, place, problem, value from import_problems order by row_no, place")
    cells = room.office.rows("select cells from recipients where row_no in (2, 3) order by row_no")
    assert [{"cells": ["4.4770090E+11", None]}, {"cells": None}] == cells


def test_somebody_who_is_in_the_file_twice_gets_it_once(room: CampaignRoom) -> None:
    """Also under another spelling or national variant of the phone; a bad row is no first one."""
    autumn = room.from_file(
        people(
            "+5511912345678,",
            "+5511912345678,Ana",
            "+16505550001,Oliver",
            "+55 11 1234-5678,Ana again",
            "001 650 555 0001,Oliver",
            "US.13491208655302741918,Mia",
            "US.13491208655302741918,Mia",
        ),
        MAPPING,
    )
    assert {"imported": 3, "skipped duplicate": 3, "skipped parameter_empty": 1} == room.counts(autumn)
    repeats = room.office.rows("select row_no, repeats from recipients where repeats is not null order by row_no")
    assert [{"row_no": 5, "repeats": 3}, {"row_no": 6, "repeats": 4}, {"row_no": 8, "repeats": 7}] == repeats


def test_the_rows_to_be_mended_are_read_in_the_order_of_the_file(room: CampaignRoom) -> None:
    """With all that is wrong with each, page by page; good rows are not among them."""
    autumn = room.from_file(
        people("12,", "+16505550002,Emma", "+16505550002,Emma", "n.a.,Noah", "+16505550003,Ava"), MAPPING
    )
    first = imports.bad_rows(room.connection, autumn.id, most=2)
    assert [(2, "phone_invalid", None), (4, "duplicate", 3)] == [(r.row_no, r.reason, r.repeats) for r in first]
    assert [[0, "phone_invalid", "12"], [1, "parameter_empty", ""]] == [[*each] for each in first[0].problems]
    assert (["12", None], None) == (first[0].cells, first[1].cells)
    assert ("16505550002", "Emma", {"1": "Emma"}) == (first[1].address, first[1].name, first[1].parameters)
    assert [5] == [row.row_no for row in imports.bad_rows(room.connection, autumn.id, after=4)]


def test_a_file_whose_reader_is_killed_again_and_again_is_refused(room: CampaignRoom) -> None:
    """Once may be the fault of others on the machine."""
    killed = Counter[str]()

    def kill(*_: object) -> None:
        killed["times"] += 1
        raise ReaderKilled

    file = room.upload(people("+16505550001,Oliver"))
    for _ in range(3):
        assert "waiting" == file_row(room)["state"]
        room.files.attempt(file, kill, partial(refuse, room.files_session.transaction, file), kill)
    assert (3, "refused", "too_much_memory") == (killed["times"], file_row(room)["state"], file_row(room)["problem"])


def test_a_defect_ends_the_work_on_one_file_or_campaign_alone(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others go on. What customers wrote is in no log."""
    calls = Counter[str]()

    def once(name: str, original: Any) -> Any:
        def call(*given: Any) -> Any:
            calls[name] += 1
            if calls[name] == 1:
                raise KeyError("+16505550001")
            return original(*given)

        return call

    monkeypatch.setattr("consumers.workers.campaigns.reading._described", once("read", reading._described))
    monkeypatch.setattr(imports, "copy_recipients", once("import", imports.copy_recipients))
    for _ in range(2):
        room.upload(people("+16505550001,Oliver"))
    room.read_files()
    first, second = room.office.rows("select id, state, problem, detail from campaign_files order by at")
    assert ("refused", "damaged", "KeyError", "read") == (*list(first.values())[1:], second["state"])
    broken, good = room.created(second["id"], MAPPING, "Broken"), room.created(second["id"], MAPPING, "Good")
    room.read_files()
    assert ("paused", "defect", "KeyError") == tuple(
        getattr(room.campaign(broken), name) for name in ("state", "reason", "detail")
    )
    assert {"imported": 1} == room.counts(good)
    assert "16505550001" not in capsys.readouterr().out
    assert ("applied", None) == room.command("resume", broken)
    room.read_files()
    assert ("planning", {"imported": 1}) == (room.campaign(broken).state, room.counts(broken))


def test_while_duplicates_are_found_commands_do_not_wait(room: CampaignRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """That may take long for a million rows, and agents' messages are behind them. A cancellation counts at once."""
    file = room.upload(people("+16505550001,Oliver", "+16505550001,Emma", "+16505550002,Noah"))
    room.read_files()
    autumn = room.created(file, MAPPING)
    find = imports.skip_duplicates

    def cancelled_meanwhile(*given: Any) -> int:
        assert ("applied", None) == room.command("cancel", autumn)
        return find(*given)

    monkeypatch.setattr(imports, "skip_duplicates", cancelled_meanwhile)
    room.read_files()
    assert ("cancelled", {"imported": 3}) == (room.campaign(autumn).state, room.counts(autumn))
    room.run_worker()
    assert {"cancelled": 3} == room.counts(autumn)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(room: CampaignRoom) -> None:
    """And its content is deleted; nothing else is harmed."""
    room.upload(b"%PDF-1.7 ...", "people.xlsx")
    room.read_files()
    assert ("refused", "unknown_kind", "pdf") == tuple(file_row(room)[k] for k in ("state", "problem", "detail"))
    assert [] == room.office.rows("select file_id from campaign_file_chunks")


def test_a_campaign_that_is_cancelled_meanwhile_imports_no_more(room: CampaignRoom) -> None:
    """What was imported stays, and adds up."""
    file = room.upload(people("+16505550001,Oliver"))
    room.read_files()
    autumn = room.created(file, MAPPING)
    assert ("applied", None) == room.command("cancel", autumn)
    room.read_files()
    assert ("cancelled", {}) == (room.campaign(autumn).state, room.counts(autumn))


def test_a_process_that_is_to_stop_leaves_the_rest_to_the_next(room: CampaignRoom) -> None:
    """Between two transactions; the next one goes on behind the last row that is stored."""
    file = room.upload(people(*(f"+1650{row:07},Oliver" for row in range(25_000))))
    room.read_files()
    autumn = room.created(file, MAPPING)
    stopped = StopsAfter(1)
    room.files.poll(stopped)
    assert {"imported": 10_000} == room.counts(autumn)
    work = room.campaign(autumn).work
    assert {"step": "rows", "row": 10_001, "rows": 10_000, "of": 25_000} == work
    room.read_files()
    assert ("planning", {"imported": 25_000}) == (room.campaign(autumn).state, room.counts(autumn))


def test_a_campaign_is_imported_by_one_process_at_a_time(room: CampaignRoom) -> None:
    """The lock ends with the connection of the process that has it."""
    file = room.upload(people("+16505550001,Oliver"))
    room.read_files()
    autumn = room.created(file, MAPPING)
    with room.session.transaction() as other:
        assert session_lock.take(other, autumn.id)
    room.read_files()
    assert ("importing", {}) == (room.campaign(autumn).state, room.counts(autumn))
    room.session.close()
    held = "select pid from pg_locks where locktype = 'advisory'"
    wait_until(lambda: [] == room.office.rows(held))  # the server ends the session a moment after we closed it
    room.read_files()
    assert ("planning", {"imported": 1}) == (room.campaign(autumn).state, room.counts(autumn))


def test_files_are_deleted_a_day_after_their_upload(room: CampaignRoom) -> None:
    """Those that no campaign used; of those that were imported the headings stay; those that one is still to import
    stay whole."""
    imported, again, created, _ = (room.upload(people(f"+1650555000{n},Oliver")) for n in (1, 2, 3, 4))
    room.read_files()
    room.created(imported, MAPPING)
    room.created(again, MAPPING, "Winter")
    room.read_files()
    room.created(again, MAPPING, "Winter once more")
    autumn = room.created(created, MAPPING, "Autumn again")
    assert 0 == files.delete_unused(room.connection)
    room.connection.execute("update campaign_files set at = at - interval '25 hours'")
    assert 2 == files.delete_unused(room.connection)
    chunks = room.office.rows("select file_id from campaign_file_chunks")
    assert {again, created} == {row["file_id"] for row in chunks}
    rows = room.office.rows(
        "select id, state, headings -> 'first' is null as nobody from campaign_files order by state"
    )
    assert [
        {"id": imported, "state": "deleted", "nobody": True},
        {"id": again, "state": "imported", "nobody": False},
        {"id": created, "state": "read", "nobody": False},
    ] == rows
    assert not files.is_read(room.connection, imported)
    room.read_files()
    assert {"imported": 1} == room.counts(autumn)


class StopsAfter(Flag):
    """A flag that is set once it was looked at so many times while it imports."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0
