"""`witiop deferred request`: the dry run of transfers on reply, and `deferred list`."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.command_line import CommandLine
from tests.support.promises import Promises, open_promises

PROMISE = ("--template", "call", "--param", "Ada", "--to-skillset", "sales", "--mode", "exclusive")


@pytest.fixture
def shop(database: str) -> Iterator[Promises]:
    with open_promises(database) as shop:
        yield shop


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    witiop = CommandLine(monkeypatch, database)
    witiop.set("WITIOP_SENDING_ENABLED", "1")
    return witiop


def dry_run(witiop: CommandLine, *arguments: str) -> dict[str, Any]:
    done = witiop("deferred", "request", *arguments, *PROMISE, "--json")
    assert (0, "") == (done.code, done.err)
    found: dict[str, Any] = json.loads(done.out)
    return found


def closed(shop: Promises, phone: str, hours_ago: float = 30) -> UUID:
    row = shop.customer_writes("hello", hours_ago, phone)
    shop.office.timer.close_due()
    return row


def test_without_an_id_all_closed_conversations_that_match_are_looked_at(shop: Promises, witiop: CommandLine) -> None:
    other, active = closed(shop, "391", 50), shop.customer_writes(phone="392")
    assert [str(shop.closed), str(other)] == dry_run(witiop)["able"]
    assert [str(shop.closed)] == (first := dry_run(witiop, "--most", "1"))["able"]
    assert first["more"]
    assert [] == dry_run(witiop, "--number", "unknown")["able"]
    assert [] == dry_run(witiop, str(active))["able"]


def test_the_dry_run_says_why_others_would_not_get_the_template(shop: Promises, witiop: CommandLine) -> None:
    shop.promised()
    active = shop.customer_writes(phone="392")
    found = dry_run(witiop, str(shop.closed), str(active), str(UUID(int=7)))
    assert [("already_promised", None), ("conversation_open", None), ("conversation_unknown", None)] == [
        (each["reason"], each["detail"]) for each in found["refused"]
    ]
    assert ([], [], None) == (found["able"], found["results"], found["batch_id"])
    lines = witiop("deferred", "request", str(shop.closed), *PROMISE).out
    assert lines.startswith("0 would get the template\n1 would not: the customer's next answer is already promised")


def test_the_dry_run_says_what_parameters_the_template_takes(shop: Promises, witiop: CommandLine) -> None:
    wrong = [*PROMISE[:2], *PROMISE[4:]]
    done = witiop("deferred", "request", *wrong)
    assert "1 would not: " in done.out
    assert 3 == len(done.out.splitlines())


def test_the_template_may_take_parameters_in_its_header_and_its_buttons(shop: Promises, witiop: CommandLine) -> None:
    components = [
        {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
        {"type": "BODY", "text": "Hello {{1}}, may we call you?"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "See it", "url": "https://example.com/{{1}}"}]},
    ]
    shop.office.connection.execute("update templates set components = %s", [json.dumps(components)])
    assert [] == dry_run(witiop)["able"]
    assert [str(shop.closed)] == dry_run(witiop, "--header", "42", "--button", "42")["able"]


def test_a_dry_run_needs_no_broker_and_changes_nothing(shop: Promises, witiop: CommandLine) -> None:
    done = witiop("deferred", "request", *PROMISE)
    assert ["1 would get the template", "nothing was sent; --yes sends it"] == done.out.splitlines()
    assert [] == shop.office.rows("select id from wishes union select id from sends")


def test_a_transfer_on_reply_is_listed(shop: Promises, witiop: CommandLine) -> None:
    shop.promised()
    (row,) = json.loads(witiop("deferred", "list", "--json").out)["rows"]
    assert ("armed", "Hello Ada, may we call you?") == (row["state"], row["text"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("deferred", "request", "--to-skillset", "sales", "--mode", "exclusive"), "needs --template"),
        (("deferred", "request", *PROMISE, "--to-user", "anna"), "either --to-user or --to-skillset"),
        (("transfer", str(UUID(int=1)), "--to-user", "anna", "--mode", "immediate", "--param", "x"), "need --on-reply"),
        (
            ("transfer", str(UUID(int=1)), "--to-user", "anna", "--mode", "exclusive", "--header", "x"),
            "need --on-reply",
        ),
        (("transfer", str(UUID(int=1)), "--on-reply", *PROMISE, "--expected-version", "1"), "does not apply"),
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(
    witiop: CommandLine, shop: Promises, arguments: tuple[str, ...], says: str
) -> None:
    done = witiop(*arguments)
    assert 2 == done.code
    assert says in done.err
