"""Customers see that somebody is writing to them, where the installation wants that."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from console.sending.receipts import ShownTyping
from domain.commands import Command, Typing, read_command
from domain.facts import AgentAccepted
from tests.support.console import BOSS, Console, open_console
from tests.support.office import SECRET


@pytest.fixture
def showing(database: str) -> Iterator[Console]:
    with open_console(database, is_typing_due=ShownTyping().is_due) as console:
        yield console


def shown(console: Console) -> list[Command]:
    """The commands to show customers that somebody is writing."""
    found = []
    for record in console.publisher.records:
        command = read_command(record.headers, record.value, [SECRET], datetime.now(UTC))
        assert isinstance(command, Command)
        assert isinstance(command.body, Typing)
        found.append(command)
    return found


def test_a_customer_sees_that_somebody_is_writing(showing: Console) -> None:
    """Once in a while, and for as long as it is true."""
    row, boss = showing.office.customer_writes(), showing.signed_in()
    for text in ("  ", "Your", "Your bike"):
        assert 204 == boss.post(f"/conversations/{row}/draft", text=text).status_code
    (command,) = shown(showing)
    assert (row, BOSS) == (command.body.conversation_id, command.head.issuer)
    assert timedelta(seconds=10) == command.head.expires_at - command.head.at
    assert [("applied", None)] == showing.process_commands()
    assert [{"typing": True}] == showing.office.rows("select typing from receipts")


def test_a_customer_does_not_see_it_where_nothing_can_be_sent_to_them(showing: Console) -> None:
    """The 24 hours are over, or somebody else answers."""
    over, theirs = showing.office.customer_writes(hours_ago=30), showing.office.customer_writes(phone="391")
    showing.office.desktop_reports(AgentAccepted, "anna", theirs)
    for row in (over, theirs):
        assert 204 == showing.signed_in().post(f"/conversations/{row}/draft", text="Your").status_code
    assert [] == shown(showing)


def test_kafka_that_does_not_answer_keeps_no_draft_waiting(showing: Console) -> None:
    row = showing.office.customer_writes()
    showing.publisher.unreachable = True
    assert 204 == showing.signed_in().post(f"/conversations/{row}/draft", text="Your").status_code
    assert [{"text": "Your"}] == showing.office.rows("select text from drafts")


def test_nobody_sees_it_by_default(console: Console) -> None:
    console.signed_in().post(f"/conversations/{console.office.customer_writes()}/draft", text="Your")
    assert [] == shown(console)


def test_it_is_shown_again_to_who_is_still_written_to() -> None:
    row, now, typing = UUID(int=1), datetime(2026, 11, 30, tzinfo=UTC), ShownTyping()
    due = [typing.is_due(row, now + timedelta(seconds=seconds)) for seconds in (0, 5, 14, 15, 20)]
    assert [True, False, False, True, False] == due
