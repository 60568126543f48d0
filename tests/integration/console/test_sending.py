"""How sending stands: the list of messages that Meta did not confirm, the numbers, and what lists say about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.directory import Language, TextKind
from domain.sending.numbers import GraphNumber
from domain.sending.templates import Template
from infra.postgres.sending import accounts, library, sends
from infra.postgres.sending.sends import SendLogEntry
from tests.support.console import Browser, Console, OpenList
from tests.support.office import COMPANY
from tests.support.stories import NUMBER


def answered(console: Console, state: str, text: str = "It is ready") -> UUID:
    """Answers a customer and gives the message this state; returns the conversation."""
    office = console.office
    row = office.customer_writes()
    data = {"conversation_id": str(row), "message": {"text": text}}
    assert [("applied", None)] == office.results_of(office.command("send", data))
    office.connection.execute("update sends set state = %s, attempt = 1", [state])
    return row


def heard_nothing_of_it(console: Console) -> None:
    """As if the message had been posted a quarter of an hour ago, and WhatsApp had reported something else since."""
    connection = console.office.connection
    connection.execute("update sends set claimed_at = now() - interval '15 minutes'")
    connection.execute(
        "insert into lanes (phone_number_id, tokens, refilled_at, heard_at) values (%s, 3, now(), now())", [NUMBER]
    )
    console.office.set_watermark("1 minute")


def test_an_unconfirmed_message_is_listed_with_what_is_known_of_it(console: Console, boss: Browser) -> None:
    row = answered(console, "unknown")
    (send,) = sends.of_conversation(console.office.connection, row)
    now = datetime.now(UTC)
    log = [
        SendLogEntry(now, 1, "unanswered", "sender", None, "no answer", 10012),
        SendLogEntry(now, 1, "sent", "meta"),
    ]
    page = boss.get("/messages/unknown").text
    assert "No report of WhatsApp names it so far." in page
    sends.write_log(console.office.connection, [(send.id, entry) for entry in log])
    page = boss.get("/messages/unknown").text
    for shown in ("It is ready", "no answer after 10,012 ms", "WhatsApp reported: sent", f"open={row}"):
        assert shown in page
    assert "No report of WhatsApp names it so far." not in page
    assert "Probably not sent" not in page
    heard_nothing_of_it(console)
    assert "Probably not sent" in boss.get("/messages/unknown").text
    boss.post(f"/messages/{send.id}/resolve", None, form="f", **{"as": "assumed_sent"})
    assert [("applied", None)] == console.process_commands()
    assert "Meta has confirmed or refused every message." in boss.get("/messages/unknown").text


def test_a_number_says_what_meta_says_of_it_and_why_it_waits(console: Console, boss: Browser) -> None:
    connection, now = console.office.connection, datetime.now(UTC)
    number = GraphNumber(NUMBER, "+39 02 0000", "The shop", "GREEN", 80, 1000)
    accounts.store_numbers(connection, "a", [number], now)
    accounts.note_synchronised(connection, "a", now, [])
    accounts.note_failed(connection, "a", now, "HTTP 500")
    body = [{"type": "BODY", "text": "Your order {{1}} is ready."}]
    library.store_templates(
        connection, "a", [Template("a", "order_update", "en", "PAUSED", "UTILITY", "POSITIONAL", body)], now
    )
    connection.execute(
        "insert into lanes (phone_number_id, tokens, refilled_at, paused_until, reason) values (%s, 3, now(), %s, %s)",
        [NUMBER, now + timedelta(hours=1), "Meta's error 190"],
    )
    page = boss.get("/numbers").text
    for shown in (
        "GREEN",
        "0 of 1,000",
        "Paused until",
        "Meta&#39;s error 190. Meta does not accept the access token",
        "HTTP 500",
        "order_update",
        "paused",
        "Your order {{1}}",
    ):
        assert shown in page
    assert "<dd>no</dd>" in page


def test_a_number_shows_what_it_says_by_itself_and_where_to_change_it(console: Console, boss: Browser) -> None:
    """As customers read it, with the menu in its place, in the language of the number alone."""
    company = COMPANY
    texts: dict[Language, dict[TextKind, str]] = {
        "en": {"greeting": "Welcome <you>! {menu}", "out_of_hours": "We are closed."},
        "it": {"greeting": "Ciao"},
    }
    number = replace(company.numbers[NUMBER], texts=texts)
    assert "nothing" in boss.get("/numbers").text
    console.office.apply_directory(replace(company, numbers={**company.numbers, NUMBER: number}))
    page = boss.get("/numbers").text
    for shown in ("Greeting, Out of hours", "Welcome &lt;you&gt;! 1 - ", "We are closed.", "witiop directory apply"):
        assert shown in page
    assert "Ciao" not in page


@pytest.mark.parametrize("path", ["/messages/unknown", "/numbers"])
def test_how_sending_stands_is_for_administrators(console: Console, path: str) -> None:
    console.person("anna", administrator=False)
    assert 403 == console.signed_in("anna").get(path).status_code


@pytest.mark.parametrize(
    ("state", "shown"),
    [("unknown", "answer not confirmed"), ("failed", "answer failed"), ("dropped", "answer not delivered")],
)
def test_a_row_says_that_its_last_answer_did_not_arrive(
    console: Console, boss: Browser, state: str, shown: str
) -> None:
    answered(console, "queued")
    page = OpenList(console, boss)
    page.look()
    console.office.connection.execute("update sends set state = %s", [state])
    assert shown in page.look()
    assert shown in boss.get("/unmanaged").text
    console.office.connection.execute("update sends set state = 'queued'")
    assert "<tr id=" in page.look()
    assert shown not in boss.get("/unmanaged").text


def test_an_open_list_says_what_is_wrong_with_sending(console: Console, boss: Browser) -> None:
    answered(console, "unknown")
    console.office.connection.execute(
        "insert into lanes (phone_number_id, tokens, refilled_at, paused_until) values "
        "(%s, 3, now(), now() + interval '1 hour')",
        [NUMBER],
    )
    header = OpenList(console, boss).look()
    assert "1 message not confirmed" in header
    assert "1 number is paused" in header
