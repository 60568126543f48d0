"""The contract of every mailer: one attempt per call, with an outcome that is never guessed. Tests the fake and the SES
client, the latter against moto's server and against servers that misbehave."""

import socket
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from domain.attempts import Accepted, AttemptOutcome, OutcomeUnknown, PermanentFailure, TransientFailure
from domain.mail import Mailer
from infra.local.ports import free_port
from infra.local.ses import CONFIGURATION_SET, KEY, REGION, SENDER, LocalSes
from infra.ses.mailer import SesAccess, SesMailer
from tests.support.fake_mailer import FakeMailer

MAIL = UUID(int=7)


def mail_body(sender: str = SENDER, recipients: int = 1) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(f"a{n}@example.com" for n in range(recipients))
    message["Subject"] = "größe"
    message.set_content("hello", cte="base64")
    return bytes(message)


@pytest.fixture(scope="module")
def ses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("ses")) as server:
        yield server


def mailer_at(endpoint: str) -> SesMailer:
    return SesMailer(SesAccess(REGION, endpoint, KEY), CONFIGURATION_SET)


@pytest.fixture(params=["fake", "ses"])
def mailer(request: pytest.FixtureRequest, ses: LocalSes) -> Mailer:
    return FakeMailer() if request.param == "fake" else mailer_at(ses.endpoint)


@pytest.mark.parametrize("recipients", [1, 50])
def test_each_accepted_post_has_its_own_message_id(mailer: Mailer, recipients: int) -> None:
    """Two posts of one mail are two messages, so a post must never be repeated automatically."""
    first, second = (mailer.post(MAIL, mail_body(recipients=recipients)) for _ in range(2))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.message_id != second.message_id


def test_sent_mails_can_be_read(ses: LocalSes) -> None:
    """As a page, as the posted bytes, and in moto's own JSON."""
    mailer_at(ses.endpoint).post(MAIL, mail_body())
    number = httpx.get(ses.mails_url).text.count("<li>")
    assert mail_body().decode().splitlines() == httpx.get(f"{ses.mails_url}/{number}.eml").text.splitlines()
    assert "hello" == httpx.get(f"{ses.mails_url}/{number}").text.strip()
    assert 404 == httpx.get(f"{ses.mails_url}/{number + 1}").status_code
    assert number == len(httpx.get(f"{ses.endpoint}/moto-api/data.json").json()["ses"]["RawMessage"])


def test_a_sender_that_is_not_verified_is_rejected(ses: LocalSes) -> None:
    """With SES's own error code."""
    assert PermanentFailure("400 MessageRejected") == mailer_at(ses.endpoint).post(MAIL, mail_body("x@example.org"))


class Scripted:
    """An HTTP server that reads each request completely and then calls `then`. `requests`: the requests it read."""

    def __init__(self, then: Callable[[socket.socket], None]) -> None:
        self._then = then
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_read_request(connection))
                self._then(connection)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _read_request(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536)
    head, _, body = read.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _wait(event: threading.Event) -> None:
    event.wait(30)


def answering(status: str, body: str, error: str = "") -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        kind = f"x-amzn-ErrorType: {error}\r\n" if error else ""
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())

    return answer


def half_an_answer(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"Mess')


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (answering("200 OK", '{"MessageId":"m"}'), Accepted("m")),
        (answering("429 Slow", "{}", "TooManyRequestsException"), TransientFailure("429 TooManyRequestsException")),
        (answering("400 Bad", "{}", "ThrottlingException"), TransientFailure("400 ThrottlingException")),
        (answering("403 No", "{}", "ExpiredTokenException"), TransientFailure("403 ExpiredTokenException")),
        (answering("403 No", "{}", "InvalidSignatureException"), TransientFailure("403 InvalidSignatureException")),
        (answering("400 Bad", "{}", "SendingPausedException"), TransientFailure("400 SendingPausedException")),
        (answering("400 Bad", "{}", "MessageRejected"), PermanentFailure("400 MessageRejected")),
        (answering("403 No", "{}", "AccessDeniedException"), PermanentFailure("403 AccessDeniedException")),
        (answering("500 Oh", "{}", "InternalFailure"), OutcomeUnknown("500 InternalFailure")),
        (answering("503 Oh", "<html>", ""), OutcomeUnknown("503 503")),
        (answering("302 Found", "", ""), OutcomeUnknown("302 302")),
        (answering("200 OK", "{}"), OutcomeUnknown("a response without MessageId")),
        (answering("200 OK", "<html>"), OutcomeUnknown("a response without MessageId")),
        (lambda _: None, OutcomeUnknown("ConnectionClosedError")),
        (half_an_answer, OutcomeUnknown("ConnectionClosedError")),
    ],
    ids=[
        "accepted",
        "429",
        "throttled",
        "key expired",
        "clock wrong",
        "paused",
        "rejected",
        "denied",
        "500",
        "503",
        "redirect",
        "no id",
        "no json",
        "accepts and drops the answer",
        "half an answer",
    ],
)
def test_each_misbehaviour_is_one_request_with_a_correct_outcome(
    then: Callable[[socket.socket], None], expected: AttemptOutcome
) -> None:
    """There is never a second request, and an uncertain outcome is never reported as certain."""
    server = Scripted(then)
    try:
        outcome = mailer_at(server.endpoint).post(MAIL, mail_body())
    finally:
        server.close()
    assert (type(expected), 1) == (type(outcome), len(server.requests))
    if not isinstance(outcome, OutcomeUnknown):
        assert expected == outcome


def test_a_server_that_hangs_makes_the_outcome_unknown_after_the_timeout() -> None:
    """There is one request without an answer, so the mail may have been sent."""
    answered = threading.Event()
    server = Scripted(lambda _: _wait(answered))
    impatient = SesMailer(SesAccess(REGION, server.endpoint, KEY, read_seconds=0.3), CONFIGURATION_SET)
    try:
        assert OutcomeUnknown("ReadTimeoutError") == impatient.post(MAIL, mail_body())
    finally:
        answered.set()
        server.close()
    assert 1 == len(server.requests)


def test_when_the_connection_is_refused_the_mail_was_not_sent() -> None:
    """This is certain, so the mail may be sent again."""
    assert TransientFailure("EndpointConnectionError") == mailer_at(f"http://127.0.0.1:{free_port()}").post(
        MAIL, mail_body()
    )


def test_the_mails_id_is_sent_as_a_tag_with_the_configuration_set() -> None:
    """SES's events refer to the mail by this tag."""
    server = Scripted(answering("200 OK", '{"MessageId":"m"}'))
    try:
        mailer_at(server.endpoint).post(MAIL, mail_body())
    finally:
        server.close()
    (request,) = server.requests
    assert b'"ConfigurationSetName": "witiop"' in request
    assert b'{"Name": "witiop_mail", "Value": "%s"}' % str(MAIL).encode() in request


def test_the_error_of_a_server_that_does_not_start_names_the_reason(tmp_path: Path) -> None:
    """Here, a port in use."""
    from infra.local.errors import LocalServerError

    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = LocalSes(tmp_path, taken.getsockname()[1])
        with pytest.raises(LocalServerError, match="SES ended during startup"):
            server.start()
        server.stop()
