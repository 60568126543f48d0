"""What another directory would have made of the conversations of the last days, read from the tables."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.facts import AgentMessage, Party
from domain.statistics.reclassify import LeftTo
from infra.postgres.statistics.reclassify import Reclassification, reclassified
from tests.support.office import COMPANY, Office, open_office
from tests.support.stories import NUMBER, FactMaker

NO_CHOICE, SALES = LeftTo(Reason.NO_CHOICE), LeftTo(skillset="sales")
OFFERS = replace(
    COMPANY, numbers={**COMPANY.numbers, NUMBER: replace(COMPANY.numbers[NUMBER], synonyms={"1": ("an offer",)})}
)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def tried(office: Office, directory: Directory = OFFERS, days: int = 30, **limits: Any) -> Reclassification:
    return reclassified(office.connection, directory, days, **limits)


def came(office: Office, text: str, phone: str, hours_ago: float) -> UUID:
    """A customer's message that was processed when it came."""
    maker = FactMaker(customer=Party(wa_id=phone))
    office.process(maker.turn(office.hours_ago(hours_ago), text), arrived_hours_ago=hours_ago)
    (found,) = office.rows(f"select id from conversations where wa_id = '{phone}'")
    conversation: UUID = found["id"]
    return conversation


def test_a_word_more_on_the_menu_would_have_queued_who_wrote_it(office: Office) -> None:
    lost = came(office, "an offer", "16505550001", hours_ago=50)
    office.timer.close_due()
    office.customer_writes("hello", "16505550002")
    office.customer_writes("1", "16505550003")
    found = tried(office)
    assert ({NO_CHOICE: 2, SALES: 1}, {NO_CHOICE: 1, SALES: 2}) == (found.was, found.would_be)
    assert [(lost, NO_CHOICE, SALES, False)] == [
        (row.conversation_id, row.was, row.would_be, row.answered) for row in found.differently
    ]
    assert ([(NO_CHOICE, SALES, 1)], 1, 3) == (found.moves, found.never_answered, found.looked_at)


def test_the_directory_that_was_there_changes_nothing(office: Office) -> None:
    for n, text in enumerate(("hello", "1", "2", "7", "an offer")):
        office.customer_writes(text, f"1650555000{n}")
    found = tried(office, COMPANY)
    assert ([], found.was) == (found.differently, found.would_be)


def test_what_people_did_stays_as_it_was(office: Office) -> None:
    answered = office.customer_writes("an offer", "16505550001")
    office.desktop_reports(AgentMessage, "anna", answered)
    (row,) = tried(office).differently
    assert (answered, NO_CHOICE, SALES, True) == (row.conversation_id, row.was, row.would_be, row.answered)
    transferred = office.customer_writes("hello", "16505550002")
    assert [("applied", None)] == office.results_of(office.transfer(transferred, "user", "anna", "exclusive"))
    office.customer_writes("an offer", "16505550002", hours_ago=0)
    assert [answered] == [row.conversation_id for row in tried(office).differently]


def test_nothing_older_and_no_other_number_is_looked_at_and_what_is_too_much_is_said(office: Office) -> None:
    for n in range(3):
        came(office, "an offer", f"1650555000{n}", hours_ago=1 + n)
    came(office, "an offer", "16505550009", hours_ago=24 * 9)
    found = tried(office, days=7)
    assert (3, 3, None) == (found.looked_at, len(found.differently), found.since)
    assert 0 == tried(office, numbers=["bot"]).looked_at
    few = tried(office, days=7, most=2)
    assert few.looked_at == 2
    assert few.since == min(row.opened_at for row in few.differently)
    none = tried(office, seconds=-1.0)
    assert (0, 0) == (none.looked_at, len(none.differently))


def test_it_writes_nothing(office: Office) -> None:
    office.customer_writes("an offer")
    before = office.rows("select * from conversations") + office.rows("select * from history")
    tried(office)
    assert before == office.rows("select * from conversations") + office.rows("select * from history")
