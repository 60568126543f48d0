"""The `analytics` handler on a real database: public events become numbers, and the tables give the same."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest

from infra.postgres import directory
from infra.postgres.statistics import contributions
from infra.postgres.statistics.numbers import StatPeriod, numbers_of
from tests.support.counting import CountingRoom, a_busy_day
from tests.support.office import Office, open_office
from witiop.operations.statistics import check, rebuild


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


@pytest.fixture
def room(office: Office) -> CountingRoom:
    return CountingRoom(office)


def test_the_sum_over_all_cells_is_the_number_of_conversations(office: Office, room: CountingRoom) -> None:
    """A1 of docs/design/analytics.md."""
    a_busy_day(office)
    room.catch_up()
    ((there,),) = office.connection.execute("select count(*) from conversations").fetchall()
    sums = office.rows(
        "select sum(opened) filter (where phone_number_id <> '') as opened, "
        "sum(opened) filter (where phone_number_id = '') as of_all from stat_hours"
    )
    assert 5 == there == sums[0]["opened"] == sums[0]["of_all"]
    outcomes = {
        row["wa_id"][-1]: row["outcome"]
        for row in office.rows(
            "select wa_id, outcome from stat_contributions s join conversations c on c.id = s.conversation_id"
        )
    }
    assert {"1": "lost", "2": "lost", "3": "rescued", "4": "rescued", "5": "never_listed"} == outcomes


def test_a_replay_of_all_events_changes_nothing(office: Office, room: CountingRoom) -> None:
    """A2 of docs/design/analytics.md."""
    a_busy_day(office)
    room.catch_up()
    counted = room.counted()
    room.catch_up(at_once=100)
    assert counted == room.counted()


def test_reordered_and_repeated_batches_give_the_same_numbers(office: Office, room: CountingRoom) -> None:
    a_busy_day(office)
    room.catch_up()
    counted = room.counted()
    room.forget()
    records = [*room.published(), *room.published()[::3]]
    Random(4).shuffle(records)
    for begin in range(0, len(records), 5):
        room.take(records[begin : begin + 5])
    assert counted == room.counted()


def test_counting_again_from_the_tables_gives_what_the_stream_gave(office: Office, room: CountingRoom) -> None:
    a_busy_day(office)
    room.catch_up()
    counted = room.counted()
    _, company = directory.read(office.connection)
    *_, done = rebuild(office.connection, company)
    assert (5, 0, 0) == (done.conversations, done.wrong_conversations, done.wrong_cells)
    room.forget()
    *_, done = rebuild(office.connection, company)
    assert (5, 5, 0) == (done.conversations, done.wrong_conversations, done.wrong_cells)
    assert counted == room.counted()


def test_counting_again_corrects_conversations_and_sums_that_are_wrong(office: Office, room: CountingRoom) -> None:
    a_busy_day(office)
    room.catch_up()
    counted = room.counted()
    office.connection.execute("update stat_hours set lost = lost + 7, opened = opened - 1")
    office.connection.execute("update stat_agents set offered = 0")
    office.connection.execute("update stat_contributions set outcome = 'lost' where outcome = 'rescued'")
    _, company = directory.read(office.connection)
    found = check(office.connection, company)
    assert (5, 2, True, 0) == (found.compared, found.wrong, found.wrong_cells > 0, found.uncounted)
    assert 5 == [*rebuild(office.connection, company)][-1].conversations
    assert counted == room.counted()
    assert (5, 0, 0, 0) == tuple(check(office.connection, company))


def test_conversations_that_are_not_counted_are_noticed(office: Office, room: CountingRoom) -> None:
    office.customer_writes(hours_ago=0.2)
    office.connection.execute("update history set at = at - interval '10 minutes'")
    _, company = directory.read(office.connection)
    assert 1 == check(office.connection, company).uncounted


def test_the_steps_of_the_bots_menu_are_counted_with_their_titles(office: Office, room: CountingRoom) -> None:
    a_busy_day(office)
    room.catch_up()
    (now,) = office.rows("select current_date as day")
    found = numbers_of(office.connection, StatPeriod(now["day"] - timedelta(days=9), now["day"] + timedelta(days=1)))
    steps = {(step.phone_number_id, step.step): (step.title, step.shown, step.left_here) for step in found.steps}
    assert (None, 1, 0) == steps["bot", ""]
    assert ("Orders", 1, 1) == steps["bot", "o"]
    assert [("anna", 1, 1)] == [(each.agent_id, each.offered, each.accepted) for each in found.agents]
    assert (5, 4) == (found.total.opened, found.total.unmanaged)
    assert 4 == sum(cell.unmanaged for cell in found.hours) == sum(found.reasons.values())
    assert {"first_word", "assignment", "listed"} == set(found.times)


def test_a_record_that_is_no_event_is_a_dead_letter_and_the_others_count(office: Office, room: CountingRoom) -> None:
    office.customer_writes()
    good = room.published()
    bad = [
        good[0]._replace(value=b"{}"),
        good[0]._replace(value=b"\xff"),
        good[0]._replace(raw_headers=()),
    ]
    with office.connection.transaction():
        left = room.handler.apply(office.connection, [*bad, *good])
    assert 3 == len(left.dead_letters)
    assert 1 == len(contributions.latest(office.connection, 9))


def test_an_event_of_a_later_version_is_left_out(office: Office, room: CountingRoom) -> None:
    office.customer_writes()
    later = room.published()[0]
    headers = [(name, b"witiop.news.v1" if name == "ce_type" else value) for name, value in later.raw_headers]
    room.take([later._replace(raw_headers=headers)])
    assert [] == contributions.latest(office.connection, 9)
