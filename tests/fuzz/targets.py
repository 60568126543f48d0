"""What strangers can make the product read, each with what must hold for any bytes at all. A target raises for bytes
that break it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import NamedTuple

from domain.campaigns.files.refusals import RefusedFile
from domain.commands import Command, InvalidCommand, read_command, signature
from domain.directory_file.reader import InvalidDirectory, parse_directory
from domain.facts import FACT, Fact, partition_key
from domain.inbound.agent_desk import read_agent_desk
from domain.inbound.problems import InvalidEvents
from domain.inbound.reading import BodyReading
from domain.inbound.ses_events import read_ses
from domain.inbound.softbot import read_softbot
from domain.inbound.whatsapp.reader import read
from domain.mail import MAX_SUBJECT
from domain.mail_body import mime
from domain.mail_body.clean import clean, one_line
from domain.mail_body.masking import PhoneMasking
from domain.mail_body.recipients import recipients_in
from domain.phone_numbers import phone_as_written, phone_key, read_phone
from domain.search import asked, has_phrase, passage, phrase
from domain.sending.callback import read_callback
from domain.sending.templates import pieces
from infra.local.simulator import bike_shop
from infra.openid.roles import read_role
from infra.postgres.lists.cursor import Cursor, CursorError
from infra.serving.limits import RequestLimits
from infra.serving.request_reader import Buffered, RequestReader
from infra.ses.addresses import address
from infra.ses.sns import CertificateUnavailable, NotificationRejected, Notifications
from infra.sheets.rows import file_rows
from tests.support import sns
from tests.support.hostile import BODIES, FRAGMENTS
from tests.support.payloads import NAMES, RECEIVED, raw
from tests.support.sheets import book, row
from witiop.contract.examples import EXAMPLES

_SECRET = b"secret"
_MARKED = datetime(2026, 1, 1, 10, tzinfo=UTC)
_LIMITS = RequestLimits(body_bytes=10_000)


class FuzzTarget(NamedTuple):
    """One reader. `run`: raises if these bytes break it; `seeds`: bytes that it understands, to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def _whatsapp(content: bytes) -> None:
    _check_reading(read(content, RECEIVED), content)


def _ses(content: bytes) -> None:
    _check_reading(read_ses(content, RECEIVED), content)


def _check_reading(reading: BodyReading, content: bytes) -> None:
    """Whatever was sent becomes facts or unreadable parts, and both can be stored."""
    for fact in reading.facts:
        _check_fact(fact)
    for part in reading.unreadable:
        part.reason.encode()
        assert len(part.raw) <= len(content) + 1_000_000


def _check_fact(fact: Fact) -> None:
    written = FACT.dump_json(fact)
    assert FACT.validate_json(written) == fact
    assert b"\x00" not in written
    assert "\x00" not in json.dumps(json.loads(written), ensure_ascii=False)
    partition_key(fact).encode()


def _softbot(content: bytes) -> None:
    """The first byte says whether it is a batch."""
    with suppress(InvalidEvents):
        for fact in read_softbot(content[1:], content[:1] == b"b", RECEIVED):
            _check_fact(fact)


def _agents(content: bytes) -> None:
    with suppress(InvalidEvents):
        for fact in read_agent_desk(content[1:], content[:1] == b"b", RECEIVED):
            _check_fact(fact)


def _no_certificate(_: str) -> bytes:
    raise CertificateUnavailable("there is no network here")


def _sns(content: bytes) -> None:
    with suppress(NotificationRejected, CertificateUnavailable):
        kind = Notifications((sns.ARN,), _no_certificate).receive(content)
        raise AssertionError(f"accepted without a certificate: {kind}")


def _commands(content: bytes) -> None:
    """A type of command in a line, and the value: signed, as if the sender had the secret."""
    type_, _, value = content.partition(b"\n")
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "id",
        "ce_type": type_.decode("utf-8", "replace"),
        "ce_source": "/fuzz",
        "ce_time": _MARKED.isoformat(),
        "witiop_issuer": "boss",
        "witiop_expires": (_MARKED + timedelta(minutes=5)).isoformat(),
    }
    headers["witiop_signature"] = signature(_SECRET, headers, value)
    found = read_command([(name, text.encode()) for name, text in headers.items()], value, [_SECRET], _MARKED)
    assert isinstance(found, Command | InvalidCommand)
    if isinstance(found, InvalidCommand):
        assert "\x00" not in (found.detail or "")
    else:
        assert "\x00" not in found.body.model_dump_json()


def _headers(content: bytes) -> None:
    """Headers of a command, one in a line, as a stranger writes them who has no secret."""
    lines = [line.partition(b":") for line in content.split(b"\n")]
    headers = [(name.decode("utf-8", "replace"), text) for name, _, text in lines]
    assert isinstance(read_command(headers, b"{}", [_SECRET], _MARKED), InvalidCommand)


def _directory(content: bytes) -> None:
    try:
        parse_directory(content.decode("utf-8", "replace"))
    except InvalidDirectory as invalid:
        assert str(invalid)


def _sheet(content: bytes) -> None:
    try:
        for number, _ in zip(range(1000), file_rows(content), strict=False):
            assert number >= 0
    except RefusedFile as refused:
        assert refused.problem
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of calamine: ends the reader's own process, and nothing else
            raise


def _mime(content: bytes) -> None:
    """No text of a customer's adds a header or a recipient."""
    text = content.decode("utf-8", "ignore")
    short = one_line(text)[:MAX_SUBJECT]  # longer ones are refused before
    headers = [mime.address_header("From", ["sender@example.com"], short), mime.text_header("Subject", short)]
    written = mime.message(
        headers, clean(text), "<p></p>", "en", "=_boundary", [mime.Attachment("x", "text/plain", b"")]
    )
    found = message_from_bytes(written, policy=policy.default)
    assert {"From", "Subject", "MIME-Version", "Content-Type"} == set(found.keys()), found.keys()
    assert ["sender@example.com"] == [each.addr_spec for each in found["From"].addresses]
    assert all(len(line) <= 998 for line in written.split(b"\r\n"))


def _texts(content: bytes) -> None:
    """Short texts: what people type into fields, and what of a message is looked at."""
    text = content.decode("utf-8", "ignore")
    for found in recipients_in(text):
        address(found)
    address(text)
    for phone in (read_phone(text), phone_key(text)):
        assert phone is None or isinstance(phone, str)
    phone_as_written(text)
    words = asked(text)
    passage(text, words)
    has_phrase(text, phrase(text))
    read_callback(text)
    pieces(text)
    assert not any(mark in one_line(text) for mark in "\r\n")
    PhoneMasking(["393331234567"]).hide(text)
    with suppress(CursorError):
        assert str(Cursor.parse(text)) == text
    with suppress(ValueError):
        read_role(text)


def _http(content: bytes) -> None:
    """Bytes on a connection, in two parts, with as many more requests as they may hold."""
    buffered = Buffered()
    reader = RequestReader(_LIMITS, buffered)
    for part in (content[: len(content) // 2], content[len(content) // 2 :]):
        if part and reader.rejection is None:
            reader.feed(part)
    reader.end()
    for request in reader.complete:
        assert request.size <= len(content) + _LIMITS.body_bytes
        buffered.size -= request.size
    reader.forget_body()
    assert 0 <= buffered.size


def _from(*texts: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(texts)


def _bodies() -> Iterator[bytes]:
    yield from (raw(name) for name in NAMES)
    yield from (content for _, content in BODIES if len(content) < 10_000)


def _events() -> Iterator[bytes]:
    for name, example in EXAMPLES.items():
        if name.startswith(("witiop.softbot", "witiop.agents")):
            event = {"specversion": "1.0", "id": "1", "source": "/s", "type": name, "time": "2026-01-01T10:00:00Z"}
            yield b"o" + json.dumps({**event, "data": example}).encode()
            yield b"b" + json.dumps([{**event, "data": example}]).encode()


def _notifications() -> Iterator[bytes]:
    for envelope in (sns.notification("{}"), sns.subscription()):
        yield json.dumps(sns.signed(envelope)).encode()


def _examples() -> Iterator[bytes]:
    for name, example in EXAMPLES.items():
        if name.startswith("witiop.command."):
            yield f"{name}\n".encode() + json.dumps(example).encode()


def _shop() -> Iterator[bytes]:
    yield bike_shop.DIRECTORY_FILE.read_bytes()


def _files() -> Iterator[bytes]:
    yield b"Phone;Name\n+393331234567;Anna\n"
    yield 'Phone\tName\r\n"+39 333\t1"\t"A ""B"""\r\n'.encode("utf-16")
    yield book(row(1, "Phone", "Name") + row(2, "+16505550001", "Oliver"))


TARGETS: Mapping[str, FuzzTarget] = {
    "whatsapp": FuzzTarget(_whatsapp, _bodies),
    "softbot": FuzzTarget(_softbot, _events),
    "agents": FuzzTarget(_agents, _events),
    "ses": FuzzTarget(_ses, _notifications),
    "sns": FuzzTarget(_sns, _notifications),
    "commands": FuzzTarget(_commands, _examples),
    "headers": FuzzTarget(_headers, _from(b"ce_id:1\nce_type:witiop.command.recall.v1\nwitiop_signature:sha256=00")),
    "directory": FuzzTarget(_directory, _shop),
    "sheet": FuzzTarget(_sheet, _files),
    "mime": FuzzTarget(_mime, _from(b"Anna\r\nBcc: b@example.com", "Zo\u00eb, \u202egnp".encode(), b'"a" <b@c.de>, x')),
    "texts": FuzzTarget(_texts, _from(b"+39 (0) 333 1234567", b"Anna <a@example.com>; b@c.de", b"{{1}} order #123456")),
    "http": FuzzTarget(
        _http, _from(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n")
    ),
}
"""Readers by name."""

TOKENS = [fragment for _, fragment in FRAGMENTS if len(fragment) < 5000]
"""JSON values that break readers: put in the place of others."""
