"""`witiop conversations unplaced`: facts that wait for a conversation."""

import json
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg import Connection

from domain.facts import Party
from infra.postgres.conversations.customers import Locked
from infra.postgres.conversations.histories import CustomerHistories, HistoryRequest
from infra.postgres.lists import health
from tests.support.command_line import CommandLine
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER, START, FactMaker


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


@pytest.fixture
def connection(database: str) -> Iterator[Connection[tuple[object, ...]]]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def test_what_a_desktop_reports_about_an_unknown_customer_is_listed_and_counted(
    witiop: CommandLine, office: Office, connection: Connection[tuple[object, ...]]
) -> None:
    hour = office.hours_ago(1)
    stranger = FactMaker(customer=Party(wa_id="393450001061"))
    office.process(stranger.answered(hour), *(office.maker.signal(hour + n / 100) for n in range(11)))
    shown = witiop("conversations", "unplaced", "--json")
    first = json.loads(shown.out)
    second = json.loads(witiop("conversations", "unplaced", "--after", first["next"], "--json").out)
    assert (0, 10, 2, None) == (shown.code, len(first["rows"]), len(second["rows"]), second["next"])
    assert {"agent_message": 1} == health.waiting_reports(connection)
    (answer,) = (row for row in second["rows"] if row["kind"] == "agent_message")
    assert ("393450001061", "anna", NUMBER) == (
        answer["customer"]["wa_id"],
        answer["agent_id"],
        answer["phone_number_id"],
    )
    assert "agent_message" in witiop("conversations", "unplaced", "--rows", "20").out
    office.process(stranger.turn(hour, "hello"))
    assert {} == health.waiting_reports(connection)


def test_facts_that_can_find_no_conversation_are_not_loaded_for_the_next_fact(
    office: Office, connection: Connection[tuple[object, ...]]
) -> None:
    office.process(*(office.maker.signal(n / 100) for n in range(50)))
    ((customer,),) = connection.execute("select distinct customer_id from entries").fetchall()
    histories = CustomerHistories(connection)

    def waiting(*spans: tuple[float, float]) -> int:
        times = [(START + timedelta(hours=begin), START + timedelta(hours=end)) for begin, end in spans]
        request = HistoryRequest(customer, NUMBER, START, times)  # type: ignore[arg-type]
        return len(histories.load([request], Locked({customer: customer}))[customer].waiting)  # type: ignore[dict-item,index]

    assert [0, 50, 10, 20] == [
        waiting(),
        waiting((-1, 1)),
        waiting((0.2, 0.2999)),
        waiting((0.2, 0.2999), (0.25, 0.3999)),
    ]
