"""Events of SES about a mail, from SNS's signed POST to the list of mails, through the real processes."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from consumers.workers.mails import Mails
from domain.attempts import OutcomeUnknown
from domain.mail import MailRequest, mail_id
from domain.mail_body.compose import MailSender
from domain.times import rfc3339
from infra.local.ports import LOOPBACK
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.postgres import mails
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.session import DatabaseSession
from tests.support.amazon import Amazon
from tests.support.fake_mailer import FakeMailer
from tests.support.kafka_topics import read_all
from tests.support.sns import ARN, CERTIFICATE, notification, ses_event, signed, subscription
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

TO = {"emailAddress": "a@example.com"}
MAIL = mail_id("c")
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("Send", {}),
    ("Delivery", {"recipients": ["a@example.com"]}),
    ("Bounce", {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [TO]}),
    ("Complaint", {"complainedRecipients": [TO]}),
]


def receive_a_message(system: System) -> UUID:
    """Processes a message of a customer. Returns the conversation."""
    story = Story("mail", datetime.now(UTC))
    story.chat(BusinessNumber(NUMBER, "+39 06 555 0100", "1"), SimulatedCustomer("Rosa", "390601")).writes(
        "0:05", "Hello"
    )
    for each in story.posts:
        system.webhooks.deliver(each.post)
    found: list[UUID] = []
    with psycopg.connect(system.dsn, autocommit=True) as connection:

        def has_arrived() -> bool:
            found[:] = [row[0] for row in connection.execute("select id from conversations").fetchall()]
            return bool(found)

        wait_until(has_arrived)
    return found[0]


def post_a_mail(system: System, conversation: UUID) -> None:
    """Sends a mail whose SES response is lost: only events can report the outcome."""
    request = MailRequest(conversation, ("a@example.com",), "s", "b", False, timedelta())
    with closing(DatabaseSession(system.dsn, "test")) as session:
        with session.transaction() as connection:
            mails.request(connection, "c", "boss", request, database_now(connection))
        mailer = FakeMailer(OutcomeUnknown("ReadTimeoutError"))
        Mails(session.transaction, mailer, MailSender("witiop@example.com"), system.topics, 1000).poll()
    assert [MAIL] == mailer.posts


def shown(system: System, *command: str) -> Any:
    done = system.witiop(*command, "--json")
    assert 0 == done.code, done.err
    return json.loads(done.out)


def test_events_about_a_mail_are_applied_if_sns_signed_them_and_are_visible_everywhere(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subscribed, then sent, delivered, bounced, complained: state, public events, `mails show` and the history of
    `conversations show`. Repeats and forgeries change nothing."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Amazon(tmp_path) as amazon:
        for name, value in amazon.environment.items():
            monkeypatch.setenv(name, value)
        system.run("webhook", "conversations", "relay", ses_topic_arns=ARN)
        conversation = receive_a_message(system)
        post_a_mail(system, conversation)

        def posted(envelope: dict[str, Any]) -> int:
            address = f"http://{LOOPBACK}:{system.webhook_port}/webhooks/ses"
            return httpx.post(address, json=envelope, headers={"content-type": "text/plain"}, timeout=15).status_code

        confirmation = subscription()
        assert 200 == posted(signed(confirmation))
        assert [CERTIFICATE, confirmation["SubscribeURL"]] == amazon.requested
        for kind, part in EVENTS:
            event = ses_event(kind, MAIL, timestamp=rfc3339(datetime.now(UTC)), **part)
            envelope = signed(notification(event, MessageId=kind))
            assert 401 == posted(envelope | {"Message": event.replace("a@example.com", "b@example.com")})
            assert [200, 200] == [posted(envelope), posted(envelope)]
        assert 2 == len(amazon.requested)

    def published_events() -> list[tuple[str, str]]:
        events = [dict(record.headers) for record in read_all(system.kafka, system.topics.conversations)]
        return [(each["ce_sequence"].decode(), each["ce_type"].decode()) for each in events]

    names = ["unknown", "sent", "delivered", "bounced", "complained"]
    expected = [(str(place), f"witiop.mail.{name}.v1") for place, name in enumerate(names, start=3)]
    wait_until(lambda: published_events()[2:] == expected, step=0.3)
    mail = shown(system, "mails", "show", str(MAIL))
    assert ("complained", {"a@example.com": "complained"}) == (mail["state"], mail["recipients"])
    assert [
        ("requested", "boss", None),
        ("unanswered", "mails", "ReadTimeoutError"),
        ("sent", "ses", None),
        ("delivered", "ses", None),
        ("bounced", "ses", "Permanent General"),
        ("complained", "ses", None),
    ] == [(each["event"], each["actor"], each["reason"]) for each in mail["history"]]
    page = shown(system, "conversations", "show", str(conversation))
    assert [("mail.unknown", "boss"), *((f"mail.{name}", "ses") for name in names[1:])] == [
        (each["event"], each["actor"]) for each in page["history"] if each.get("mail") == str(MAIL)
    ]
