"""Mail bodies are complete and readable, and texts of customers are never more than text."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Email, Rejection
from domain.conversations.conversation import Conversation, Evidence, FactRef, Owner
from domain.conversations.reading.transcript import Speaker, TranscriptItem
from domain.conversations.reasons import Reason
from domain.directory import Directory, Language, Number, Skillset, User
from domain.facts import Party
from domain.ids import ConversationId, CustomerId, FactId
from domain.inbound.whatsapp.content import TURNS
from domain.mail import MAX_BYTES, MAX_TEXT_BYTES, Mail, MailPolicy, MailRequest, accept_email
from domain.mail_body.compose import ComposingTooSlow, MailSender, compose
from domain.mail_body.entries import MailNote
from domain.mail_body.files import MailFile, attachable
from domain.mail_body.wording import MAIL_TEXTS
from infra.ses.addresses import address
from tests.support.rfc2047 import seen, unfolded

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
DIRECTORY = Directory(
    {"1": Number("1", "Shop", "Europe/Rome")},
    {},
    {"anna": User("anna", "Anna Rossi", "anna@example.com", "agent", 3)},
)
ITALIAN = replace(DIRECTORY, numbers={"1": replace(DIRECTORY.numbers["1"], language="it")})
CONVERSATION = Conversation(
    ConversationId(UUID(int=1)),
    CustomerId(UUID(int=2)),
    "1",
    NOON,
    NOON,
    wa_id="393331234567",
    evidence=Evidence(named=(FactRef(NOON, 0, FactId(UUID(int=3))), "Maria")),
)
MAIL = Mail(
    UUID(int=4), "c1", CONVERSATION.id, "boss", ("a@example.com", "b@example.com"), "Please look", "Who?", False, NOON
)
SENDER = MailSender("witiop@example.com", "WitiOp", "office@example.com", address)


def said(
    text: str | None, speaker: Speaker = "customer", kind: str = "text", at: datetime = NOON, **more: Any
) -> TranscriptItem:
    return TranscriptItem(FactId(UUID(int=9)), at, speaker, kind, text, **more)


def read(
    mail: Mail = MAIL, *transcript: TranscriptItem, directory: Directory = DIRECTORY, **changed: Any
) -> EmailMessage:
    raw = compose(mail, CONVERSATION._replace(**changed), transcript, directory, SENDER).to_bytes(NOON)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


def test_the_headers_name_sender_and_recipients_and_mark_the_mail_as_automatic() -> None:
    """Recipients, subject, sender, address for answers."""
    message = read()
    assert "WitiOp <witiop@example.com>" == message["From"]
    assert "a@example.com, b@example.com" == message["To"]
    assert "Please look" == message["Subject"]
    assert "office@example.com" == message["Reply-To"]
    assert "auto-generated" == message["Auto-Submitted"]
    assert NOON == message["Date"].datetime


def test_notes_of_colleagues_stand_where_they_were_written_and_are_named_as_what_they_are() -> None:
    """They are only there if they are given, and masked as everything else."""
    transcript = [said("hello"), said("anybody?", at=NOON + timedelta(hours=2))]
    notes = [
        MailNote(NOON + timedelta(hours=1), "anna", "Called +39 333 1234567\n<b>twice</b>"),
        MailNote(NOON + timedelta(days=1), "maria", "Done"),
    ]
    mail = compose(replace(MAIL, masked=True), CONVERSATION, transcript, DIRECTORY, SENDER, notes=notes)
    at = [mail.plain.index(each) for each in ("hello", "Internal note Anna Rossi", "anybody?", "Internal note maria")]
    assert sorted(at) == at
    assert "    <b>twice</b>" in mail.plain
    assert "&lt;b&gt;twice&lt;/b&gt;" in mail.html
    assert "1234567" not in mail.plain + mail.html
    assert "Internal notes: Colleagues wrote them for each other. The customer has not seen them." in mail.plain
    assert "Nota interna" in compose(MAIL, CONVERSATION, transcript, ITALIAN, SENDER, notes=notes).plain
    without = compose(MAIL, CONVERSATION, transcript, DIRECTORY, SENDER)
    assert "nternal note" not in without.plain + without.html


def test_many_notes_take_their_room_from_a_long_transcript() -> None:
    long = [said("x" * 4000) for _ in range(1500)]
    notes = [MailNote(NOON, "anna", "é" * 2000) for _ in range(100)]
    mail = compose(MAIL, CONVERSATION, long, DIRECTORY, SENDER, notes=notes)
    assert 100 == mail.plain.count("Internal note Anna Rossi")
    assert len(mail.to_bytes(NOON)) <= MAX_BYTES


def test_replies_go_to_the_issuer_if_the_directory_knows_them() -> None:
    """The administrator who asked for the mail can answer questions."""
    assert "Anna Rossi <anna@example.com>" == read(replace(MAIL, issuer="anna"))["Reply-To"]


def test_the_address_for_answers_has_the_form_for_ses_or_is_left_out() -> None:
    """The directory also has addresses with domains of any script, and invalid ones."""
    for written, expected in (
        ("anna@münchen.example", "Anna Rossi <anna@xn--mnchen-3ya.example>"),
        ("an..na@example.com", "office@example.com"),
        ("anna@ex<ample.com", "office@example.com"),
    ):
        users = {"anna": replace(DIRECTORY.users["anna"], email=written)}
        message = read(replace(MAIL, issuer="anna"), directory=replace(DIRECTORY, users=users))
        assert expected == message["Reply-To"]


def test_html_and_plain_text_contain_everything_with_names_and_times_in_the_zone_of_the_number() -> None:
    """Customer, bot, agent by name; media in words; marks of what was edited or deleted."""
    message = read(
        MAIL,
        said("hello"),
        said("buy Buy a bike\n2 Repair", "bot", "menu.shown"),
        said("buy", "bot", "choice.made"),
        said("a picture", kind="image"),
        said("for ever", edited=True),
        said("never mind", deleted=True),
        said(None, "agent", "conversation.accepted", agent_id="anna"),
        said("I help", "agent", agent_id="anna", at=NOON + timedelta(days=1, minutes=5)),
        said("solved", "bot", "session.ended", at=NOON + timedelta(days=1, minutes=6)),
    )
    expected = [
        "Wednesday 1 July 2026",
        "14:00  Customer Maria",
        "    hello",
        "14:00  Bot",
        "    Showed a menu: Buy a bike · 2 Repair",
        "14:00  Bot",
        "    The customer chose: Buy a bike",
        "14:00  Customer Maria",
        "    Photo: a picture",
        "14:00  Customer Maria",
        "    for ever",
        "    (edited)",
        "14:00  Customer Maria",
        "    (deleted by the customer)",
        "14:00  Agent Anna Rossi",
        "    Took the conversation",
        "Thursday 2 July 2026",
        "14:05  Agent Anna Rossi",
        "    I help",
        "14:06  Bot",
        "    Ended the conversation",
    ]
    lines = [line for line in part(message, "plain").splitlines() if line]
    assert expected == lines[-len(expected) :]
    assert "Who?" == lines[0]
    html = part(message, "html")
    wanted = (
        "hello",
        "Photo",
        "(edited)",
        "Anna Rossi",
        "14:05",
        "Thursday 2 July 2026",
        "Who?",
        "Buy a bike · 2 Repair",
    )
    assert [] == [word for word in wanted if word not in html]
    for text in (part(message, "plain"), html):
        assert "never mind" not in text


def test_the_head_says_in_words_why_nobody_answered_and_where_to_look() -> None:
    """Without the console's address, the id of the conversation takes the place of the link."""
    sender = replace(SENDER, organisation="The bike shop", console_url="https://desk.example.com/")
    conversation = CONVERSATION._replace(reason=Reason.NO_CHOICE)
    written = compose(MAIL, conversation, (), DIRECTORY, sender)
    link = f"https://desk.example.com/unmanaged?open={CONVERSATION.id}"
    assert [
        "Customer: Maria +393331234567",
        "Company: The bike shop",
        "Number: Shop",
        "Why nobody answered: The customer did not choose anything from the menu.",
        "Began: Wednesday 1 July 2026, 14:00",
        "Time to answer: on WhatsApp until Wednesday 1 July 2026, 14:00",
        "Times: as in Europe/Rome (UTC+02:00)",
        f"Open in the console: {link}",
    ] == [line for line in written.plain.splitlines() if ": " in line]
    assert f'<a href="{link}">' in written.html
    assert f"Conversation: {CONVERSATION.id}" in compose(MAIL, conversation, (), DIRECTORY, SENDER).plain


def test_the_organisation_signs_if_the_sender_has_no_name() -> None:
    nameless = replace(SENDER, name="", organisation="The bike shop")
    assert ("The bike shop", "witiop@example.com") == compose(MAIL, CONVERSATION, (), DIRECTORY, nameless).sender


@pytest.mark.parametrize(
    ("state", "kind", "owner", "shown"),
    [
        ("queued", "skillset", "sales", "In whose hands: Sales, in the queue"),
        ("reserved", "user", "anna", "In whose hands: Anna Rossi, reserved"),
        ("assigned", "user", "anna", "In whose hands: Anna Rossi, offered"),
        ("accepted", "user", "ben", "In whose hands: ben"),
    ],
)
def test_the_head_says_who_has_the_conversation(state: Any, kind: Any, owner: str, shown: str) -> None:
    """A user who is not in the directory is named by the id."""
    directory = replace(DIRECTORY, skillsets={"sales": Skillset("sales", "Sales")})
    decided = CONVERSATION.decisions._replace(owner=Owner(kind, owner, state, NOON))
    assert shown in compose(MAIL, CONVERSATION._replace(decisions=decided), (), directory, SENDER).plain.splitlines()


def test_a_change_of_the_clocks_is_named_where_it_happens() -> None:
    """Otherwise an hour that occurs twice could not be told apart."""
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    message = read(MAIL, said("before", at=at), said("after", at=at + timedelta(hours=1)), opened_at=at)
    lines = [line for line in part(message, "plain").splitlines() if line]
    assert [
        "Sunday 25 October 2026",
        "02:30  Customer Maria",
        "    before",
        "UTC+01:00",
        "02:30  Customer Maria",
        "    after",
    ] == lines[-6:]
    assert "Times: as in Europe/Rome (UTC+02:00)" in lines


def test_the_mail_body_of_an_italian_number_is_italian() -> None:
    """Labels, reasons and times are Italian; English is the default."""
    accepted = said(None, "agent", "conversation.accepted", agent_id="anna")
    message = read(
        MAIL, said("ciao", edited=True), said(None, kind="voice"), accepted, directory=ITALIAN, reason=Reason.BOT_CLOSED
    )
    expected = [
        "Cliente: Maria +393331234567",
        "Numero: Shop",
        "Perché nessuno ha risposto: Il bot ha chiuso la conversazione prima che intervenisse una persona.",
        "Inizio: mercoledì 1 luglio 2026, ore 14:00",
        "Tempo per rispondere: su WhatsApp fino a mercoledì 1 luglio 2026, ore 14:00",
        "Orari: di Europe/Rome (UTC+02:00)",
        f"Conversazione: {CONVERSATION.id}",
        "mercoledì 1 luglio 2026",
        "14:00  Cliente Maria",
        "    ciao",
        "    (modificato)",
        "14:00  Cliente Maria",
        "    Messaggio vocale",
        "14:00  Operatore Anna Rossi",
        "    Ha preso in carico la conversazione",
    ]
    lines = [line for line in part(message, "plain").splitlines() if line]
    assert expected == lines[-len(expected) :]
    html = part(message, "html")
    assert [] == [words for words in ('<html lang="it">', "Operatore Anna Rossi", "Inizio") if words not in html]
    assert ("it", "en") == (message["Content-Language"], read()["Content-Language"])


def test_the_mail_says_when_the_conversation_was_closed_in_the_language_of_the_number() -> None:
    closed_at = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    assert "Time to answer: over since Tuesday 1 December 2026, 13:00" in part(read(closed_at=closed_at), "plain")
    assert "Tempo per rispondere: finito martedì 1 dicembre 2026, ore 13:00" in part(
        read(directory=ITALIAN, closed_at=closed_at), "plain"
    )


def test_every_language_has_words_for_every_kind_and_every_reason() -> None:
    """Without them, a technical name would be shown, or nothing."""
    assert set(get_args(Language)) == MAIL_TEXTS.keys()
    for language, wording in MAIL_TEXTS.items():
        assert language == wording.language
        assert TURNS - {"text"} <= wording.kinds.keys()
        assert set(Reason) <= wording.reasons.keys()
        assert (7, 12) == (len(wording.weekdays), len(wording.months))
        for name in ("kinds", "reasons", "owners", "speakers"):
            assert getattr(MAIL_TEXTS["en"], name).keys() == getattr(wording, name).keys()
        for text in (wording.active_until, wording.closed_on, wording.left_out, *wording.owners.values()):
            assert 1 == text.count("{}")


def test_a_kind_that_is_not_known_yet_is_named_in_words() -> None:
    plain = part(read(MAIL, said("x", kind="hologram"), said(None, kind="reaction")), "plain")
    assert "    Sent something else: x" in plain.splitlines()
    assert "    Removed a reaction" in plain.splitlines()
    assert "hologram" not in plain


@pytest.mark.parametrize(
    ("text", "count", "body"),
    [
        ("hello", 20_000, 1),
        ("hello", 20_000, MAX_TEXT_BYTES // 2),
        ("<&>" * 1_000, 2_000, MAX_TEXT_BYTES // 2),
        ("ü" * 4_096, 2_000, MAX_TEXT_BYTES // 2),
    ],
)
def test_of_a_conversation_that_is_too_long_the_middle_is_left_out_with_a_note(
    text: str, count: int, body: int
) -> None:
    """The mail stays below what SES accepts, also with the longest text of an administrator."""
    many = [said(f"{number} {text}") for number in range(count)]
    mail = replace(MAIL, body="b" * body)
    asked = 0

    def is_over() -> bool:
        nonlocal asked
        asked += 1
        return False

    written = compose(mail, CONVERSATION, many, DIRECTORY, SENDER, is_over)
    shown = [int(line.split()[0]) for line in written.plain.splitlines() if re.match(r"    \d", line)]
    (note,) = [line for line in written.plain.splitlines() if "are left out" in line]
    assert (0, count - 1) == (shown[0], shown[-1])
    assert f"Here {count - len(shown)} messages are left out, because the email would be too large." == note
    first = next(place for place, number in enumerate(shown) if place != number)
    assert 2 * first < len(shown) <= 5_000  # more of the end, where one has to go on
    assert asked < len(shown) + 10  # what is left out is not composed
    assert len(written.to_bytes(NOON)) < MAX_BYTES
    assert (5_000 == len(shown)) == (body == 1)


def test_a_long_conversation_that_fits_is_complete() -> None:
    many = [said(f"{number}") for number in range(4_999)]
    assert "left out" not in compose(MAIL, CONVERSATION, many, DIRECTORY, SENDER).plain


def test_composing_stops_when_its_time_is_over() -> None:
    with pytest.raises(ComposingTooSlow):
        compose(MAIL, CONVERSATION, [said("a")], DIRECTORY, SENDER, lambda: True)


HOSTILE = [
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "</bdi></td></table><h1>",
    "\u202egnp.exe\u202c \u2066\u2067",
    "a\x00b\x1b[31m\x85\u2028",
    "x\r\nBcc: evil@example.com\r\n\r\nnew body",
    "\r\n--boundary\r\nWednesday 1 July 2026\r\n14:00  Agent Anna Rossi\r\n    I promise",
    "=cmd|' /C calc'!A0",
    "y" * 200_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_text_of_a_customer_is_only_ever_text(text: str) -> None:
    """No markup, no header, no other speaker's line, no turned direction, no control character."""
    named = Evidence(named=(FactRef(NOON, 0, FactId(UUID(int=3))), text[:300]))
    message = read(MAIL, said(text), evidence=named, wa_id=text[:50])
    assert [
        *("From", "To", "Subject", "Date", "Reply-To", "Auto-Submitted"),
        *("MIME-Version", "Content-Type", "Content-Language"),
    ] == message.keys()
    assert ["multipart/alternative", "text/plain", "text/html"] == [p.get_content_type() for p in message.walk()]
    plain, html = part(message, "plain"), part(message, "html")
    assert 1 == sum(line.startswith("14:00  ") for line in plain.splitlines())
    assert 1 == plain.splitlines().count("Wednesday 1 July 2026")
    assert html.count("<") == part(read(MAIL, said("harmless")), "html").count("<")
    assert [] == [char for char in "\u202e\u202c\u2066\u2067\u2028\x00\x1b\x85" if char in plain + html]


def test_phone_numbers_are_masked_if_requested() -> None:
    """Of the customer and in what was said; what the administrator wrote and the company's own number are theirs."""
    masked = replace(MAIL, masked=True, body="call 02 1234567")
    text = "ring +39 (333) 123-4567 about order 4500012345"
    for kind in ("plain", "html"):
        for wa_id in ("393331234567", None):
            found = part(read(masked, said(text), wa_id=wa_id), kind)
            assert "4567" not in found.replace("call 02 1234567", "")
            assert "ring •••••••••567 about order 4500012345" in found
            assert "call 02 1234567" in found
        assert "•••••••••567" in part(read(masked), kind)
        assert "393331234567" in part(read(MAIL), kind)


def test_ids_are_not_phone_numbers() -> None:
    """Neither of a customer who hides the phone nor of a number that has no name."""
    masked = replace(MAIL, masked=True)
    nameless = replace(DIRECTORY, numbers={})
    plain = part(read(masked, directory=nameless, wa_id=None, user_id="IT.5501000000000010"), "plain")
    assert "Customer: Maria IT.5501000000000010" in plain
    assert "Number: 106540352242922" in part(
        read(masked, directory=nameless, phone_number_id="106540352242922"), "plain"
    )


def test_a_subject_of_any_length_and_script_arrives_unchanged() -> None:
    """Folded and encoded on the way, the same in the end."""
    for subject in ("s" * 250, "Größe " * 41, "שלום עולם " * 25, "🦜" * 250, '  (y) <z>, "q" @'):
        assert subject.strip() == read(replace(MAIL, subject=subject))["Subject"].strip()


def test_names_of_the_sender_and_the_issuer_arrive_as_they_are_written() -> None:
    """In any script, with characters that mean something in a header, and without those that end one."""
    issuer = replace(DIRECTORY.users["anna"], name="Niccolò D’Angelo, (Büro)\r\nBcc: x@example.com")
    sender = replace(SENDER, name='Bücher & "Räder" <best>, Zürich')
    raw = compose(
        replace(MAIL, issuer="anna"), CONVERSATION, (), replace(DIRECTORY, users={"anna": issuer}), sender
    ).to_bytes(NOON)
    headers = dict(unfolded(header) for header in re.split(r"\r\n(?! )", raw.partition(b"\r\n\r\n")[0].decode()))
    shown = {name: seen(headers[name].rpartition(" ")[0]) for name in ("From", "Reply-To")}
    assert {
        "From": 'Bücher & "Räder" <best>, Zürich',
        "Reply-To": "Niccolò D’Angelo, (Büro) Bcc: x@example.com",
    } == shown
    assert "Bcc" not in headers


@given(st.text(), st.text())
def test_no_accepted_text_breaks_the_mail_body(subject: str, body: str) -> None:
    """Whatever an administrator writes: the subject arrives as it is, the headers are ours, the body is readable."""
    email = Email(conversation_id=CONVERSATION.id, to=("a@example.com",), subject=subject, body=body)
    accepted = accept_email(email, MailPolicy(address))
    if isinstance(accepted, MailRequest):
        message = read(replace(MAIL, subject=accepted.subject, body=accepted.body))
        assert (9, subject.strip()) == (len(message.keys()), message["Subject"].strip())
        assert "Conversation: 0" in part(message, "plain")
    else:
        assert Rejection.SUBJECT_INVALID == accepted


def test_a_mail_about_a_group_says_who_wrote_each_line_and_masks_everybodys_phone() -> None:
    """Each of the members is called by name and phone; a phone is masked wherever it stands, also without its code."""
    ada, bea = Party(wa_id="393450001041", name="Ada"), Party(wa_id="447700900142", name="Bea")
    lines = [
        said("hello, all", sender=ada),
        said("my line is 07700 900142, Ada's is 345 000 1041", sender=bea),
        said("thanks", sender=Party(user_id="IT.5501000000000010", name="Ciro")),
    ]
    of_group: dict[str, Any] = {"wa_id": None, "group_id": "120363020"}
    for kind in ("plain", "html"):
        open_, masked = (part(read(replace(MAIL, masked=mask), *lines, **of_group), kind) for mask in (False, True))
        for speaker in ("Ada 393450001041", "Bea 447700900142", "Ciro IT.5501000000000010"):
            assert f"Customer {speaker}" in open_
        for speaker in ("Ada •••••••••041", "Bea •••••••••142", "Ciro IT.5501000000000010"):
            assert f"Customer {speaker}" in masked
        assert re.search("my line is •+142, Ada.{1,6}s is •+041", masked)
        assert [] == [phone for phone in ("3450001041", "7700900142", "345 000", "07700") if phone in masked]
        assert re.search("Group(: |</td><td><bdi>)120363020", masked)


def file_of(message: int, size: int = 10, name: str | None = "a.jpg", content: bytes | None = None) -> MailFile:
    return MailFile(UUID(int=message), "image", name, "image/jpeg", f"key{message}", size, content is not None, content)


def with_files(*files: MailFile, deleted: bool = False, **mail: Any) -> EmailMessage:
    """A mail about messages that have these files."""
    sender = replace(SENDER, console_url="https://console.example.com/")
    items = [said("hi", kind="image", deleted=deleted)._replace(id=FactId(file.message)) for file in files]
    found = {file.message: file for file in files}
    raw = compose(replace(MAIL, **mail), CONVERSATION, items, DIRECTORY, sender, files=found).to_bytes(NOON)
    assert max(map(len, raw.split(b"\r\n"))) < 998
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def attached(message: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    return [(each.get_filename(), each.get_content_type(), each.get_content()) for each in message.iter_attachments()]


def test_files_are_attached_under_their_names_and_named_where_they_were_sent() -> None:
    names = ("März \u202efdp.jpg", "\N{OLD PERSONAL COMPUTER}" * 200)
    message = with_files(*(file_of(n, 3, name, b"\xff\x00\n") for n, name in enumerate(names)))
    long = "\N{OLD PERSONAL COMPUTER}" * 70 + ".jpg"
    assert [("März fdp.jpg", "image/jpeg", b"\xff\x00\n"), (long, "image/jpeg", b"\xff\x00\n")] == attached(message)
    assert "    (attached: März fdp.jpg)" in part(message, "plain").splitlines()
    assert "(attached: März fdp.jpg)" in part(message, "html")


def test_a_file_that_is_not_attached_has_a_link_that_ends() -> None:
    message = with_files(file_of(7, 3_240_000))
    link = f"https://console.example.com/mails/{MAIL.id}/files/{UUID(int=7)}"
    words = "not attached: a.jpg, 3.2 MB, for colleagues with a sign-in until 31 July 2026"
    assert [f"    ({words})", f"    {link}"] == part(message, "plain").splitlines()[-2:]
    assert f'<a href="{link}">Open in the console</a>' in part(message, "html")
    assert [] == attached(message)


def test_what_the_customer_deleted_is_neither_attached_nor_linked() -> None:
    message = with_files(file_of(7, 3, content=b"abc"), file_of(8), deleted=True)
    assert [] == attached(message)
    assert "a.jpg" not in part(message, "plain")
    assert "/files/" not in part(message, "html")


def test_a_masked_mail_gives_files_no_names_of_the_customer() -> None:
    message = with_files(file_of(7, 3, "+39 333 1234567.jpg", b"abc"), masked=True)
    assert ["image.jpg"] == [name for name, _, _ in attached(message)]
    assert "1234567" not in part(message, "plain")


def test_the_latest_files_that_fit_are_attached_and_the_mail_stays_within_its_size() -> None:
    files = [file_of(n, size) for n, size in enumerate((1_000_000, 3_000_000, 2_000_000))]
    assert [2] == [file.message.int for file in attachable(MAIL, files, 3_000_000)]
    assert [2, 0] == [file.message.int for file in attachable(MAIL, files, 4_000_000)]
    long = replace(MAIL, body="x" * (MAX_TEXT_BYTES // 2))
    assert [] == attachable(long, files, 6_000_000)
    full = [file_of(n, 1_500_000, content=bytes(1_500_000)) for n in range(4)]
    chosen = attachable(MAIL, full, 6_000_000)
    found = {file.message: file for file in chosen}
    items = [said("x" * 9_000) for _ in range(400)]
    items += [said(None, kind="image")._replace(id=FactId(file.message)) for file in full]
    raw = compose(MAIL, CONVERSATION, items, DIRECTORY, SENDER, files=found).to_bytes(NOON)
    assert sum(file.size for file in chosen) < len(raw) < MAX_BYTES
