"""`witiop messages`, `templates` and `numbers` run against a real database."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.contract.texts import SEND_HELP_TEXTS
from domain.sending.numbers import GraphNumber
from domain.sending.sends import PostAccepted, Refused, Unanswered, send_id
from domain.sending.templates import Template
from domain.times import rfc3339
from infra.postgres.sending import accounts, library
from tests.support.command_line import CommandLine
from tests.support.sending_room import SendingRoom, open_room
from tests.support.stories import NUMBER


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def document(witiop: CommandLine, *arguments: str) -> Any:
    finished = witiop(*arguments, "--json")
    assert (0, "") == (finished.code, finished.err)
    return json.loads(finished.out)


def test_who_sends_from_the_command_line_learns_what_became_of_it_and_what_helps(
    witiop: CommandLine, room: SendingRoom
) -> None:
    """One message arrived, one was refused, one is not confirmed."""
    room.answers(PostAccepted("wamid.1"), Refused(131026, "Meta's error 131026"), Unanswered("no answer"))
    for name in ("hello", "offer", "price"):
        room.ask(name, named=name)
    room.post_all()
    rows = document(witiop, "messages", "list")["rows"]
    undeliverable, unconfirmed = SEND_HELP_TEXTS["undeliverable"], SEND_HELP_TEXTS["unconfirmed"]
    assert [
        ("price", "unknown", "anna", unconfirmed, False),
        ("offer", "failed", "anna", undeliverable, None),
        ("hello", "accepted", "anna", None, None),
    ] == [(row["text"], row["state"], row["actor"], row["help"], row["probably_not_sent"]) for row in rows]
    assert [rows[1]] == document(witiop, "messages", "list", "--state", "failed")["rows"]
    shown = witiop("messages", "list").out
    assert f"Meta's error 131026; {undeliverable}" in shown
    assert unconfirmed in shown


def test_a_message_is_shown_with_every_attempt_and_report(witiop: CommandLine, room: SendingRoom) -> None:
    room.answers(Unanswered("no answer"))
    room.ask()
    room.post_all()
    room.meta_reports("delivered", "wamid.1", room.graph.callback(0))
    found = document(witiop, "messages", "show", str(send_id("c")))
    assert ("delivered", "wamid.1", 1) == (found["state"], found["wamid"], found["attempt"])
    told = [(entry["event"], entry["actor"]) for entry in found["history"]]
    assert [("requested", "anna"), ("unanswered", "sender"), ("delivered", "meta")] == told
    assert "unanswered by sender no answer" in witiop("messages", "show", str(send_id("c"))).out


def test_templates_are_shown_as_customers_read_them(witiop: CommandLine, room: SendingRoom) -> None:
    body = [{"type": "BODY", "text": "Your order {{1}} is ready."}]
    ready = Template("a", "order_update", "en", "APPROVED", "UTILITY", "POSITIONAL", body)
    accounts.note_synchronised(room.office.connection, "a", datetime.now(UTC), ["WitiOp"])
    library.store_templates(room.office.connection, "a", [ready], datetime.now(UTC))
    (row,) = document(witiop, "templates", "list")["rows"]
    assert ("order_update", "APPROVED", ["1"]) == (row["name"], row["status"], row["parameters"])
    shown = witiop("templates", "show", "order_update").out
    assert "order_update (en), APPROVED, UTILITY" in shown
    assert "Your order {{1}} is ready." in shown


def test_a_number_says_what_it_may_send_and_what_holds_it_back(witiop: CommandLine, room: SendingRoom) -> None:
    now = datetime.now(UTC)
    accounts.store_numbers(
        room.office.connection, "a", [GraphNumber(NUMBER, "+39 02 0000", "The shop", "GREEN", 80, 1000)], now
    )
    room.office.connection.execute(
        "update lanes set paused_until = now() + interval '1 h', reason = %s", ["Meta's error 190"]
    )
    (row,) = [each for each in document(witiop, "numbers", "list")["rows"] if each["phone_number_id"] == NUMBER]
    assert ("GREEN", 80, 1000, "Meta's error 190", SEND_HELP_TEXTS["token"]) == tuple(
        row[key] for key in ("quality", "throughput", "people_per_day", "reason", "help")
    )
    assert row["paused_until"] > rfc3339(now)
    assert f"Meta's error 190; {SEND_HELP_TEXTS['token']}" in witiop("numbers", "list").out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("messages", "show", str(UUID(int=1))), "no_such_message"), (("templates", "show", "none"), "no_such_template")],
)
def test_what_does_not_exist_is_refused(witiop: CommandLine, arguments: tuple[str, ...], reason: str) -> None:
    refused = witiop(*arguments, "--json")
    assert (1, {"outcome": "rejected", "reason": reason}) == (
        refused.code,
        {key: json.loads(refused.out)[key] for key in ("outcome", "reason")},
    )
