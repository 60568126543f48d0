"""The texts that a number sends by itself, from the directory to Meta."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from domain.directory import TextKind
from domain.facts import FACT, Party
from tests.support.office import COMPANY
from tests.support.sending_room import SendingRoom, open_room
from tests.support.stories import NUMBER, FactMaker

TEXTS: dict[TextKind, str] = {"greeting": "Welcome!\n{menu}", "wrong_choice": "Please choose:\n{menu}"}
MENU = "1 - Sales\n2 - Support"


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        room.office.may_send(100)
        numbers = {**COMPANY.numbers, NUMBER: replace(COMPANY.numbers[NUMBER], texts={"en": TEXTS})}
        room.office.apply_directory(replace(COMPANY, numbers=numbers))
        yield room


def test_each_text_is_sent_once_in_a_conversation_however_often_its_message_comes(room: SendingRoom) -> None:
    """The row stays on the list: nobody of the company has said a word."""
    ada = FactMaker(customer=Party(wa_id="447700900007"))
    first = ada.turn(room.office.hours_ago(0.02), "hello")
    wrong = [ada.turn(room.office.hours_ago(hours), "9") for hours in (0.015, 0.01)]
    for _ in range(2):
        room.office.process(first)
        room.office.process(first, *wrong)
        room.post_all()
    assert [f"Welcome!\n{MENU}", f"Please choose:\n{MENU}"] == room.graph.texts()
    (row,) = room.office.rows("select unmanaged, managed from conversations where wa_id = '447700900007'")
    assert {"unmanaged": True, "managed": False} == row
    assert [1, 1] == [row["lane"] for row in room.office.rows("select lane from sends")]
    assert 2 == len(room.office.rows("select 1 from send_log where event = 'requested'"))


def test_an_old_message_is_not_answered_and_none_that_was_processed_before_a_restore(room: SendingRoom) -> None:
    room.office.customer_writes("hello", phone="447700900001", hours_ago=0.5)
    turn = FactMaker(customer=Party(wa_id="447700900002")).turn(room.office.hours_ago(0.01), "hello")
    record = room.office._record(FACT.dump_json(turn), ())._replace(again=True)
    with room.office.connection.transaction():
        room.office.conversations.apply(room.office.connection, [record])
    assert [] == room.office.rows("select 1 from sends")
