"""Mails on a real database: requested, held, sent at most once, published, and settled by events of SES."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import psycopg
import pytest

from consumers.batches.poison import SLOW_ATTEMPTS, RetryBatch
from consumers.workers.isolation import PARKED_SECONDS
from consumers.workers.mails import MailAttaching, Mails
from domain.attempts import Accepted, AttemptOutcome, OutcomeUnknown, PermanentFailure, TransientFailure
from domain.facts import FACT, CustomerTurn, MailEvent
from domain.ids import fact_id
from domain.mail import mail_id
from domain.mail_body.compose import MailSender
from domain.messages.received import ReceivedMedia
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres import mails
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.kept import notes
from infra.postgres.media import received
from infra.postgres.media.received import StoredFile
from infra.postgres.messaging.parked import parked_now
from tests.support.command_line import CommandLine
from tests.support.fake_mailer import FakeMailer
from tests.support.fake_store import FakeStore
from tests.support.office import COMPANY, Office, open_office
from tests.support.stories import NUMBER

SENDER = MailSender("witiop@example.com", "WitiOp")


class Post:
    """A sender on the office's database with a fake mailer, and events of SES."""

    def __init__(self, office: Office, dsn: str, *answers: Any) -> None:
        self.office = office
        self.dsn = dsn
        self.mailer = FakeMailer(*answers)
        self.session = DatabaseSession(dsn, "test")
        self.store = FakeStore()
        attaching = MailAttaching(self.store.read, 100_000)
        self.worker = Mails(self.session.transaction, self.mailer, SENDER, Topics(), 1000, attaching=attaching)

    def request(self, command: str = "c", issuer: str = "boss", **more: Any) -> UUID:
        """Requests a mail with this command id and issuer, and returns the mail's id."""
        conversation = self.office.rows("select id from conversations")[0]["id"]
        email = {"conversation_id": str(conversation), "to": ["a@example.com"], "subject": "s", "body": "b", **more}
        assert [("applied", None)] == self.office.results_of(
            self.office.command("email", email, named=command, issuer=issuer)
        )
        return mail_id(command)

    def customer_sends(self, name: str, content: bytes) -> CustomerTurn:
        """The customer sends a document, which is fetched."""
        turn = self.office.maker.turn(self.office.hours_ago(0.5), name)
        media = ReceivedMedia(id="77", file_name=name)
        turn = turn.model_copy(update={"type": "document", "media": media})
        self.office.process(turn)
        self.store.files[name] = content
        received.store(self.office.connection, turn.id, StoredFile(name, len(content), "application/pdf", False))
        return turn

    def posted(self) -> EmailMessage:
        """Sends what is due, and returns the last mail."""
        self.worker.poll()
        message = message_from_bytes(self.mailer.accepted[-1][1], policy=default)
        assert isinstance(message, EmailMessage)
        return message

    def posted_text(self, _: UUID) -> str:
        """Sends the mail that was requested, and returns its plain text."""
        body = self.posted().get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    def state(self, mail: UUID) -> tuple[str, str | None]:
        found = mails.find(self.office.connection, mail)
        assert found is not None
        return found[0].shown, found[0].reason

    def ses_reports(self, mail: UUID, type_: str, *recipients: str, id_: str = "", reason: str | None = None) -> None:
        now = datetime.now(UTC)
        event = MailEvent(
            id=fact_id("ses", id_ or f"{type_}{recipients}"),
            at=now,
            sent_at=now,
            mail_id=mail,
            type=type_,
            recipients=recipients,
            reason=reason,
        )
        record = IncomingRecord("t", 0, 0, now, FACT.dump_json(event), ())
        with self.office.connection.transaction():
            self.office.conversations.apply(self.office.connection, [record])

    def history(self) -> list[tuple[str, str]]:
        rows = self.office.rows("select event, actor from history where mail_id is not null order by sequence")
        return [(row["event"], row["actor"]) for row in rows]


@pytest.fixture
def post(database: str) -> Iterator[Post]:
    with open_office(database) as office:
        office.customer_writes("hello there")
        post = Post(office, database)
        with closing(post.session):
            yield post


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def test_a_mail_has_the_notes_of_colleagues_only_if_its_command_says_so(post: Post) -> None:
    (row,) = post.office.rows("select id from conversations")
    notes.add_note(post.office.connection, UUID(int=1), row["id"], "anna", "She is angry", ())
    assert "She is angry" not in post.posted_text(post.request("without"))
    assert "Internal note" in (text := post.posted_text(post.request("with", notes=True)))
    assert "She is angry" in text


def test_a_mail_is_sent_once_with_the_transcript_and_published_in_the_conversations_sequence(post: Post) -> None:
    """Checks the state, the mail body, the history and the public event. A second poll finds no mail."""
    mail = post.request()
    (before,) = post.office.rows("select sequence from conversations")
    post.office.connection.execute("delete from outbox")
    post.worker.poll()
    post.worker.poll()
    ((posted, mail_bytes),) = post.mailer.accepted
    assert mail == posted
    body = message_from_bytes(mail_bytes, policy=default).get_body(("plain",))
    assert body is not None
    assert "    hello there" in body.get_content().splitlines()
    assert ("sent", None) == post.state(mail)
    assert [("mail.sent", "boss")] == post.history()
    (event,) = post.office.rows("select headers, value from outbox")
    value = json.loads(bytes(event["value"]))
    assert ("witiop.mail.sent.v1", str(before["sequence"] + 1)) == (
        event["headers"]["ce_type"],
        event["headers"]["ce_sequence"],
    )
    assert {"id": str(mail), "command_id": "c", "reason": None} == value["mail"]
    assert before["sequence"] + 1 == value["sequence"]


def attached(message: EmailMessage) -> list[tuple[str | None, bytes]]:
    return [(each.get_filename(), each.get_content()) for each in message.iter_attachments()]


def test_a_mail_carries_the_customers_files_up_to_a_total_and_never_what_was_deleted(post: Post) -> None:
    post.customer_sends("old.pdf", b"o" * 90_000)
    secret = post.customer_sends("secret.pdf", b"s" * 9)
    post.customer_sends("new.pdf", b"n" * 20_000)
    post.office.process(post.office.maker.deletes(post.office.hours_ago(0.1), secret))
    post.request()
    message = post.posted()
    assert [("new.pdf", b"n" * 20_000)] == attached(message)
    body = message.get_body(("plain",))
    assert body is not None
    assert ("(not attached: old.pdf, 0.1 MB)" in body.get_content(), "secret" in body.get_content()) == (True, False)


def test_what_is_deleted_while_files_are_read_is_not_attached(post: Post) -> None:
    turn = post.customer_sends("secret.pdf", b"s" * 9)
    read = post.store.read

    def read_slowly(key: str) -> Iterator[bytes]:
        post.office.process(post.office.maker.deletes(post.office.hours_ago(0.1), turn))
        return read(key)

    post.worker = Mails(
        post.session.transaction, post.mailer, SENDER, Topics(), 1000, attaching=MailAttaching(read_slowly, 100_000)
    )
    post.request()
    message = post.posted()
    assert [] == attached(message)
    body = message.get_body(("plain",))
    assert body is not None
    assert "secret" not in body.get_content()


def test_a_store_that_does_not_answer_keeps_no_mail_waiting(post: Post) -> None:
    post.customer_sends("a.pdf", b"a")
    post.store.failing = True
    mail = post.request()
    message = post.posted()
    assert [] == attached(message)
    body = message.get_body(("plain",))
    assert body is not None
    assert "(not attached: a.pdf, 0.1 MB)" in body.get_content()
    assert ("sent", None) == post.state(mail)


def test_a_held_mail_waits_and_can_be_recalled_until_the_end_of_its_hold(post: Post) -> None:
    """A recalled mail is never sent, and a sent mail cannot be recalled."""
    held = post.request("held", hold_seconds=60)
    post.worker.poll()
    assert [] == post.mailer.posts
    assert [("applied", None)] == post.office.results_of(post.office.command("recall", {"mail_command_id": "held"}))
    again = post.office.command("recall", {"mail_command_id": "held"})
    assert [("rejected", "nothing_to_recall")] == post.office.results_of(again)
    sent = post.request("sent")
    post.worker.poll()
    late = post.office.command("recall", {"mail_command_id": "sent"})
    assert [("rejected", "nothing_to_recall")] == post.office.results_of(late)
    assert ([sent], ("recalled", None)) == (post.mailer.posts, post.state(held))


def test_a_mail_can_be_requested_and_recalled_in_one_batch(post: Post) -> None:
    """Commands are carried out in their order."""
    conversation = post.office.rows("select id from conversations")[0]["id"]
    email = {"conversation_id": str(conversation), "to": ["a@example.com"], "subject": "s", "body": "b"}
    results = post.office.results_of(
        post.office.command("email", email | {"hold_seconds": 9}, named="m"),
        post.office.command("recall", {"mail_command_id": "m"}),
        post.office.command("email", email | {"to": ["nobody"]}),
        post.office.command("email", email | {"conversation_id": str(UUID(int=9))}),
    )
    assert [
        ("applied", None),
        ("applied", None),
        ("rejected", "address_invalid"),
        ("rejected", "conversation_unknown"),
    ] == results


@pytest.mark.parametrize("together", [False, True])
def test_a_mail_whose_recall_arrived_first_is_never_sent(post: Post, together: bool) -> None:
    """Command and recall may be on different partitions. The results are those of the usual order."""
    conversation = post.office.rows("select id from conversations")[0]["id"]
    email = {"conversation_id": str(conversation), "to": ["a@example.com"], "subject": "s", "body": "b"}
    recall = post.office.command("recall", {"mail_command_id": "m"}, issuer="anna")
    late = post.office.command("email", email, named="m")
    results = (
        post.office.results_of(recall, late)
        if together
        else [*post.office.results_of(recall), *post.office.results_of(late)]
    )
    assert [("applied", None)] * 2 == results
    post.worker.poll()
    assert ([], ("recalled", None)) == (post.mailer.posts, post.state(mail_id("m")))
    found = mails.find(post.office.connection, mail_id("m"))
    assert found is not None
    assert {("requested", "boss"), ("recalled", "anna")} == {(entry.event, entry.actor) for entry in found[1]}
    again = post.office.command("recall", {"mail_command_id": "m"})
    assert [("rejected", "nothing_to_recall")] == post.office.results_of(again)
    assert [] == post.office.results_of(late._replace(offset=post.office.next_offset()))


def test_a_command_that_was_refused_leaves_nothing_to_recall(post: Post) -> None:
    """Its mail will never come."""
    conversation = post.office.rows("select id from conversations")[0]["id"]
    email = {"conversation_id": str(conversation), "to": ["nobody"], "subject": "s", "body": "b"}
    assert [("rejected", "address_invalid")] == post.office.results_of(post.office.command("email", email, named="m"))
    recall = post.office.command("recall", {"mail_command_id": "m"})
    assert [("rejected", "nothing_to_recall")] == post.office.results_of(recall)


def test_a_mail_that_was_certainly_not_sent_is_sent_later(post: Post) -> None:
    """It is sent after a pause, and once."""
    mail = post.request()
    post.mailer.answers = [TransientFailure("429 TooManyRequestsException")]
    assert post.worker.poll() > 0.5
    post.worker.poll()
    assert (("requested", "429 TooManyRequestsException"), 1) == (post.state(mail), len(post.mailer.posts))
    assert post.worker.not_ready_reason() is not None
    post.office.connection.execute("update mails set due_at = now()")
    post.worker.poll()
    assert (("sent", None), 2, None) == (post.state(mail), len(post.mailer.posts), post.worker.not_ready_reason())


def test_a_mail_that_may_have_been_sent_is_sent_again_only_by_an_administrator(post: Post) -> None:
    """The mail is listed as unknown until an administrator sends it again."""
    mail = post.request()
    post.mailer.answers = [OutcomeUnknown("ReadTimeoutError")]
    for _ in range(3):
        post.worker.poll()
    assert (("unknown", "ReadTimeoutError"), [mail]) == (post.state(mail), post.mailer.posts)
    assert [mail] == [each.id for each in mails.page(post.office.connection, 10, state="unknown").mails]
    assert mails.resend(post.office.connection, mail, "boss")
    post.worker.poll()
    assert (("sent", None), [mail] * 2) == (post.state(mail), post.mailer.posts)
    assert not mails.resend(post.office.connection, mail, "boss")
    assert [("mail.unknown", "boss"), ("mail.sent", "boss")] == post.history()


def test_a_text_above_ten_megabytes_is_rejected_at_once(post: Post) -> None:
    """A text that is small enough for a command may grow when the mail is composed."""
    conversation = post.office.rows("select id from conversations")[0]["id"]
    email = {"conversation_id": str(conversation), "to": ["a@example.com"], "subject": "s", "body": "<" * 3_000_000}
    assert [("rejected", "too_large")] == post.office.results_of(post.office.command("email", email))


def test_no_more_mails_are_posted_per_second_than_the_rate_allows(post: Post) -> None:
    """A poll returns the seconds until the next attempt may begin; without a mail, the usual pause of 0.5 s."""
    slow = Mails(post.session.transaction, post.mailer, SENDER, Topics(), 0.5)
    post.request("one")
    post.request("two")
    for posts in (1, 2):
        assert 0.5 < slow.poll() <= 2
        assert posts == len(post.mailer.posts)
    assert 0.5 == slow.poll()


def test_a_mail_that_ses_rejects_has_failed_with_the_reason(post: Post) -> None:
    """The reason is the error code of SES."""
    mail = post.request()
    post.mailer.answers = [PermanentFailure("400 MessageRejected")]
    post.worker.poll()
    assert (("failed", "400 MessageRejected"), [("mail.failed", "boss")]) == (post.state(mail), post.history())


def test_a_mail_that_cannot_be_composed_fails_and_the_next_mail_is_sent(post: Post) -> None:
    """Here the number has a time zone that this machine does not know."""
    post.office.apply_directory(
        replace(COMPANY, numbers={NUMBER: replace(COMPANY.numbers[NUMBER], time_zone="Moon/Crater")})
    )
    bad = post.request("bad")
    post.worker.poll()
    assert (("failed", "the mail could not be composed"), []) == (post.state(bad), post.mailer.posts)
    post.office.apply_directory(COMPANY)
    good = post.request("good")
    post.worker.poll()
    assert (("sent", None), [good]) == (post.state(good), post.mailer.posts)
    assert mails.resend(post.office.connection, bad, "boss")
    post.worker.poll()
    assert ("sent", None) == post.state(bad)


def test_a_conversation_of_brackets_is_sent_masked_and_keeps_no_other_mail_waiting(post: Post) -> None:
    """Sixty messages of 4,096 brackets once kept all mails from being sent, for good."""
    for minute in range(60):
        post.office.customer_writes("(" * 4_096, hours_ago=2 - minute / 60)
    brackets, other = post.request("brackets", mask=True), post.request("other")
    post.worker.poll()
    post.worker.poll()
    assert ([brackets, other], ("sent", None)) == (post.mailer.posts, post.state(other))


def test_a_mail_that_takes_too_long_to_compose_fails_alone(post: Post) -> None:
    slow, other = post.request("slow"), post.request("other")
    impatient = Mails(post.session.transaction, post.mailer, SENDER, Topics(), 1000, compose_seconds=0)
    impatient.poll()
    post.worker.poll()
    assert ("failed", "the mail could not be composed in time") == post.state(slow)
    assert (("sent", None), [other]) == (post.state(other), post.mailer.posts)


def test_a_mail_whose_transcript_the_database_cannot_read_in_time_waits_and_the_next_one_is_sent(post: Post) -> None:
    """That passes, so the mail has not failed: it is tried three times, and again ten minutes later."""
    slow, other = post.request("slow", issuer="anna"), post.request("other", issuer="anna")
    reads: list[str] = []

    def read_slowly(address: str) -> str:
        reads.append(address)
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    time = [0.0]
    late = Mails(
        post.session.transaction,
        post.mailer,
        replace(SENDER, form=lambda address: address if time[0] else read_slowly(address)),
        Topics(),
        1000,
        clock=lambda: time[0],
    )
    late.poll()
    assert (("requested", None), []) == (post.state(slow), post.mailer.posts)
    assert (SLOW_ATTEMPTS, [("mails", "SQLSTATE 57014", 1, slow)]) == (
        len(reads),
        [each[:4] for each in parked_now(post.office.connection)],
    )
    time[0] = PARKED_SECONDS - 1.0
    late.poll()
    late.poll()
    assert [other] == post.mailer.posts
    time[0] = PARKED_SECONDS + 1.0
    post.office.connection.execute("update mails set due_at = clock_timestamp()")
    late.poll()
    assert ([other, slow], []) == (post.mailer.posts, parked_now(post.office.connection))


def test_no_lock_and_no_transaction_is_held_while_a_mail_is_composed(post: Post) -> None:
    """Another sender takes the next mail meanwhile, and not this one."""
    first, second = post.request("first", issuer="anna"), post.request("second", issuer="anna")
    others = FakeMailer()

    def look(address: str) -> str:
        assert [] == post.office.rows(
            "select state from pg_stat_activity where application_name = 'witiop test' and state <> 'idle'"
        )
        assert [(first,), (second,)] == post.office.connection.execute(
            "select id from mails order by requested_at for update nowait"
        ).fetchall()
        with closing(DatabaseSession(post.dsn, "second")) as session:
            Mails(session.transaction, others, SENDER, Topics(), 1000).poll()
        return address

    watched = replace(SENDER, form=look)
    Mails(post.session.transaction, post.mailer, watched, Topics(), 1000).poll()
    assert ([second], [first]) == (others.posts, post.mailer.posts)


def test_a_mail_whose_sender_died_while_composing_is_sent_by_another(post: Post) -> None:
    """It was certainly not sent, so nobody needs to decide."""
    mail = post.request()
    assert mails.reserve(post.office.connection) is not None
    post.worker.poll()
    assert [] == post.mailer.posts
    post.office.connection.execute("update mails set due_at = due_at - interval '61 seconds'")
    post.worker.poll()
    assert [mail] == post.mailer.posts


def test_a_mail_that_another_sender_claimed_while_it_was_composed_is_not_sent_twice(post: Post) -> None:
    mail = post.request(issuer="anna")

    def overtaken(address: str) -> str:
        assert 1 == mails.claim(post.office.connection, mail)
        return address

    Mails(post.session.transaction, post.mailer, replace(SENDER, form=overtaken), Topics(), 1000).poll()
    assert (("sending", None), []) == (post.state(mail), post.mailer.posts)


def test_a_mail_whose_conversation_is_gone_fails_with_that_reason(post: Post) -> None:
    mail = post.request()
    post.office.connection.execute("update mails set conversation_id = %s", [UUID(int=9)])
    post.worker.poll()
    assert (("failed", "the conversation no longer exists"), []) == (post.state(mail), post.mailer.posts)


def test_nothing_is_noted_of_a_mail_that_was_erased_while_it_was_posted(post: Post) -> None:
    """Its log would name its recipients for ever."""

    class ErasedMeanwhile(FakeMailer):
        def post(self, mail: UUID, body: bytes) -> AttemptOutcome:
            post.office.connection.execute("delete from mail_log")
            post.office.connection.execute("delete from mails")
            return super().post(mail, body)

    post.request()
    Mails(post.session.transaction, ErasedMeanwhile(), SENDER, Topics(), 1000).poll()
    assert [] == post.office.rows("select event from mail_log")


NASTY = {
    "\x00": ("address_invalid", "subject_invalid", None),
    "\ud800": ("malformed", "malformed", "malformed"),
    "\r\nBcc: c@example.com": ("address_invalid", "subject_invalid", None),
    "\x1b[31m": ("address_invalid", "subject_invalid", None),
    "\u2028": ("address_invalid", "subject_invalid", None),
    "=?utf-8?q?=0D=0A?=": ("address_invalid", "subject_invalid", None),
    "\u202e": ("address_invalid", None, None),
    "\uffff": ("address_invalid", None, None),
}
"""Text -> the reasons of the results with this text in the address, in the subject and in the body (None: applied)."""


def test_hostile_text_in_a_command_stops_neither_commands_nor_mails(post: Post) -> None:
    """Each command has a result and is audited. Accepted mails are sent, can be parsed, and have no injected header."""
    conversation = str(post.office.rows("select id from conversations")[0]["id"])
    good = {"conversation_id": conversation, "to": ["a@example.com"], "subject": "s", "body": "b"}
    commands = [
        post.office.command("email", good | {field: each})
        for text in NASTY
        for field, each in (("to", [text]), ("subject", f"a{text}"), ("body", f"a{text}"))
    ]
    reasons = [reason for _, reason in post.office.results_of(*commands)]
    assert [reason for expected in NASTY.values() for reason in expected] == reasons
    assert [{"n": len(reasons)}] == post.office.rows("select count(*) as n from command_audit")
    for _ in range(reasons.count(None)):
        post.worker.poll()
    assert reasons.count(None) == len(post.mailer.accepted)
    for _, mail_bytes in post.mailer.accepted:
        message = message_from_bytes(mail_bytes, policy=default)
        body = message.get_body(("plain",))
        assert (None, "a@example.com", "a" if message["Subject"] == "s" else "b") == (
            message["Bcc"],
            message["To"],
            body and body.get_content()[0],
        )


def test_an_event_of_ses_settles_an_unknown_mail_and_counts_once(post: Post) -> None:
    """Of two recipients both are delivered and one then bounces: the worst state is shown, and each change is published
    once."""
    mail = post.request(to=["a@example.com", "b@example.com"])
    post.mailer.answers = [OutcomeUnknown("500")]
    post.worker.poll()
    for _ in range(2):
        post.ses_reports(mail, "sent")
        post.ses_reports(mail, "delivered", "a@example.com")
        post.ses_reports(mail, "delivered", "b@example.com")
        post.ses_reports(mail, "bounced", "b@example.com")
        post.ses_reports(mail, "open")
    assert ("bounced", None) == post.state(mail)
    assert [
        ("mail.unknown", "boss"),
        ("mail.sent", "ses"),
        ("mail.delivered", "ses"),
        ("mail.bounced", "ses"),
    ] == post.history()


def test_an_automatic_reply_changes_nothing_about_a_mail_that_was_delivered(post: Post) -> None:
    """SES reports it as a transient bounce. Nothing is published; `mails show` has the event and its reason."""
    mail = post.request()
    post.worker.poll()
    post.ses_reports(mail, "delivered", "a@example.com")
    post.ses_reports(mail, "bounced", "a@example.com", reason="Transient General")
    assert ("delivered", None) == post.state(mail)
    assert ["mail.sent", "mail.delivered"] == [event for event, _ in post.history()]
    found = mails.find(post.office.connection, mail)
    assert found is not None
    assert ("bounced", "Transient General") == (found[1][-1].event, found[1][-1].reason)


def test_a_mail_to_a_suppressed_address_was_not_sent_and_can_be_resent_later(post: Post) -> None:
    """After an administrator has taken the address off the list, the mail is delivered."""
    mail = post.request()
    post.worker.poll()
    post.ses_reports(mail, "complained", "a@example.com", reason="OnAccountSuppressionList")
    assert ("failed", "OnAccountSuppressionList") == post.state(mail)
    assert mails.resend(post.office.connection, mail, "boss")
    post.worker.poll()
    assert ("sent", None) == post.state(mail)
    post.ses_reports(mail, "delivered", "a@example.com")
    assert ("delivered", None) == post.state(mail)


def test_an_event_of_ses_waits_for_the_lock_of_a_customer_that_was_joined_into_another(post: Post) -> None:
    """The timer holds such a lock, because it locks the customer with whom a conversation was opened."""
    mail = post.request()
    post.worker.poll()
    post.office.customer_writes("it is me again", "390001")
    original, current = post.office.rows("select customer_id from conversations order by wa_id")
    post.office.connection.execute(
        "update customers set merged_into = %s where id = %s", [current["customer_id"], original["customer_id"]]
    )
    with psycopg.connect(post.dsn) as timer:
        timer.execute("select from customers where id = %s for no key update", [original["customer_id"]])
        with pytest.raises(RetryBatch):
            post.ses_reports(mail, "delivered", "a@example.com")
    post.ses_reports(mail, "delivered", "a@example.com")
    assert ("delivered", None) == post.state(mail)


def test_the_recipients_of_an_event_are_stored_one_by_one_as_ses_names_them(post: Post) -> None:
    """Whatever a name holds: line ends, commas, braces and quotes separate nothing."""
    mail = post.request()
    names = ('"new\nline"@example.com', "a,b@example.com", '{"c"}@example.com', "")
    post.ses_reports(mail, "bounced", *names, reason="Permanent")
    found = mails.find(post.office.connection, mail)
    assert found is not None
    assert [list(names)] == [entry.recipients for entry in found[1] if entry.event == "bounced"]
    post.ses_reports(mail, "delivered")
    found = mails.find(post.office.connection, mail)
    assert found is not None
    assert [[]] == [entry.recipients for entry in found[1] if entry.event == "delivered"]


def test_events_about_unknown_mails_are_stored_and_change_nothing(post: Post) -> None:
    """Another system may share the configuration set."""
    post.ses_reports(UUID(int=5), "bounced", "x@example.com")
    assert [] == post.history()
    assert [{"event": "bounced"}] == post.office.rows("select event from mail_log")


def test_a_mail_that_ses_rejected_after_accepting_it_has_failed_and_can_be_sent_again(post: Post) -> None:
    """The event of the rejection may arrive before that of the sending. Neither affects the next attempt."""
    mail = post.request()
    post.worker.poll()
    post.ses_reports(mail, "failed")
    post.ses_reports(mail, "sent")
    assert ("failed", None) == post.state(mail)
    assert mails.resend(post.office.connection, mail, "boss")
    post.worker.poll()
    assert ("sent", None) == post.state(mail)


def test_a_mail_whose_sender_died_becomes_unknown_once_its_attempt_must_be_over(post: Post) -> None:
    """Until then the sender may only be slow. The mail is not posted again."""
    mail = post.request()
    with post.office.connection.transaction():
        mails.claim(post.office.connection, mail)
    post.worker.poll()
    assert ("sending", None) == post.state(mail)
    post.office.connection.execute("update mails set claimed_at = now() - interval '31 seconds'")
    post.worker.poll()
    assert (("unknown", "the sender ended while it sent"), []) == (post.state(mail), post.mailer.posts)


def test_a_sender_that_was_stopped_after_its_claim_does_not_post_the_mail(post: Post) -> None:
    """Meanwhile the mail may have become unknown and been sent again."""
    mail = post.request()
    late = Mails(post.session.transaction, post.mailer, SENDER, Topics(), 1000, post_within_seconds=0)
    late.poll()
    assert (("requested", "too late after its claim"), []) == (post.state(mail), post.mailer.posts)


def test_a_sender_that_continues_after_the_mail_was_sent_again_does_not_make_it_due(post: Post) -> None:
    """Its own attempt certainly failed, but by then another sender is posting the mail."""
    mail = post.request()

    def frozen(mail: UUID, body: bytes) -> TransientFailure:
        post.office.connection.execute("update mails set claimed_at = now() - interval '31 seconds'")
        with closing(DatabaseSession(post.dsn, "second")) as session:
            Mails(session.transaction, FakeMailer(), SENDER, Topics(), 1000).settle_abandoned()
        assert mails.resend(post.office.connection, mail, "boss")
        with post.office.connection.transaction():
            mails.claim(post.office.connection, mail)
        return TransientFailure("thawed")

    post.mailer.post = frozen  # type: ignore[method-assign]
    post.worker.poll()
    assert ("sending", None) == post.state(mail)


def test_the_outcome_of_an_attempt_is_not_lost_when_the_database_is_unreachable(post: Post) -> None:
    """The session dies between the attempt and the recording of its outcome, which then waits in memory. No mail is
    posted twice."""
    mail = post.request()

    def dying(mail: UUID, body: bytes) -> Accepted:
        post.office.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'witiop test'"
        )
        return Accepted("m")

    post.mailer.post = dying  # type: ignore[method-assign]
    with pytest.raises(psycopg.OperationalError):
        post.worker.poll()
    assert ("sending", None) == post.state(mail)
    post.worker.poll()
    assert ("sent", None) == post.state(mail)


def test_eight_senders_post_each_mail_once(post: Post, database: str) -> None:
    """They claim mails at the same time and skip those that others have locked."""
    for number in range(24):
        post.request(f"mail{number}")
    fakes = [FakeMailer() for _ in range(8)]
    start = threading.Barrier(8)

    def work(fake: FakeMailer) -> None:
        with closing(DatabaseSession(database, "race")) as session:
            worker = Mails(session.transaction, fake, SENDER, Topics(), 1000)
            start.wait()
            while any(row["state"] == "requested" for row in _states(session)):
                worker.poll()

    threads = [threading.Thread(target=work, args=[fake]) for fake in fakes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    posts = sorted(mail for fake in fakes for mail in fake.posts)
    assert sorted(mail_id(f"mail{number}") for number in range(24)) == posts
    assert [{"state": "sent", "n": 24}] == post.office.rows("select state, count(*) as n from mails group by 1")
    (sequence,) = post.office.rows("select sequence, (select max(sequence) from history) as last from conversations")
    assert sequence["sequence"] == sequence["last"]


def test_mails_are_listed_in_pages_with_the_latest_first(post: Post) -> None:
    """Each mail appears once."""
    asked = [post.request(f"mail{number}") for number in range(5)]
    first = mails.page(post.office.connection, 3)
    assert first.next is not None
    second = mails.page(post.office.connection, 3, first.next)
    assert asked[::-1] == [each.id for each in (*first.mails, *second.mails)]
    assert second.next is None


def test_the_command_line_lists_shows_and_sends_again(post: Post, witiop: CommandLine) -> None:
    """An unknown mail is listed, shown, and sent again by an administrator; sending it a second time is refused."""
    post.request("other")
    post.worker.poll()
    mail = post.request("c", to=["a@example.com", "b@example.com"], subject="Bcc: \u202e")
    post.mailer.answers = [OutcomeUnknown("500 InternalFailure")]
    post.worker.poll()
    row = {
        "id": str(mail),
        "command_id": "c",
        "conversation_id": str(post.office.rows("select id from conversations")[0]["id"]),
        "state": "unknown",
        "to": ["a@example.com", "b@example.com"],
        "subject": "Bcc: \u202e",
        "reason": "500 InternalFailure",
    }
    listed = json.loads(witiop("mails", "list", "--state", "unknown", "--json").out)
    (found,) = listed["rows"]
    assert (row, None) == ({key: found[key] for key in row}, listed["next"])
    assert 2 == len(json.loads(witiop("mails", "list", "--json").out)["rows"])
    assert "Bcc: \\u202e" in witiop("mails", "list").out
    assert "COMMAND" in witiop("mails", "list").out
    assert 0 == witiop("mails", "resend", str(mail), "--as", "anna").code
    refused = witiop("mails", "resend", str(mail), "--json")
    assert (1, "not_resendable") == (refused.code, json.loads(refused.out)["reason"])
    post.worker.poll()
    shown = json.loads(witiop("mails", "show", str(mail), "--json").out)
    assert [("requested", "boss"), ("unanswered", "mails"), ("resent", "anna"), ("accepted", "mails")] == [
        (each["event"], each["actor"]) for each in shown["history"]
    ]
    assert ("sent", 2) == (shown["state"], shown["attempts"])
    assert str(mail) in witiop("mails", "show", str(mail)).out
    assert 1 == witiop("mails", "show", str(UUID(int=1))).code


def test_arguments_that_are_not_text_are_refused_before_anything_is_published(witiop: CommandLine) -> None:
    """A shell with another encoding passes such arguments."""
    fields = {"--to": "a@example.com", "--subject": "s", "--body": "b"}
    for field in fields:
        arguments = [part for pair in (fields | {field: "\udcff"}).items() for part in pair]
        refused = witiop("email", str(UUID(int=1)), *arguments)
        assert (2, True) == (refused.code, f"'{field}': not UTF-8" in refused.err)


def test_the_command_line_names_the_recipient_that_is_not_valid(witiop: CommandLine) -> None:
    """Before anything is published; pasted names and separators are understood."""
    to = ("--to", 'Jane <jane@example.com>; "Smith, Bob" <bob@>', "--to", "nobody")
    refused = witiop("email", str(UUID(int=1)), *to, "--body", "b")
    assert (1, True) == (refused.code, "one of the addresses is not valid: bob@, nobody" in refused.err)


def test_the_command_line_suggests_a_subject_only_for_a_conversation_that_exists(witiop: CommandLine) -> None:
    refused = witiop("email", str(UUID(int=1)), "--to", "a@example.com", "--body", "b")
    assert (1, True) == (refused.code, "there is no such conversation" in refused.err)


def _states(session: DatabaseSession) -> list[dict[str, Any]]:
    with session.transaction() as connection:
        return [{"state": row[0]} for row in connection.execute("select state from mails").fetchall()]
