"""Posts over real sockets: what is certainly not sent, and what may have been (S1). Meta is a server that answers with
given bytes, or not at all."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from domain.sending.sends import Graph, NotSent, PostAccepted, Refused, Unanswered
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.messages import GraphMessages
from infra.local.ports import LOOPBACK, free_port
from tests.support.fake_graph import FakeGraph
from tests.support.graph import CUSTOMER, NUMBER, TOKEN, graph_running, message

BODY = message("text", {"body": "Hello"}, biz_opaque_callback_data="w1.a.1.b")
ACCEPTED = b'{"contacts":[{"input":"1","wa_id":"15550001"}],"messages":[{"id":"wamid.1"}]}'


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class Meta:
    """Reads a request and answers with given bytes; None: it never answers. `requests`: how many it read."""

    def __init__(self, reply: bytes | None, *, reset: bool = False) -> None:
        self._reply, self._reset = reply, reset
        self._listener = socket.create_server((LOOPBACK, 0))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.requests = 0
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                read = b""
                while not read.endswith(b"}") and (more := connection.recv(65536)):
                    read += more
                self.requests += 1
                if self._reset:
                    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                elif self._reply is None:
                    self._ending.wait(20)
                else:
                    with suppress(ConnectionError):
                        connection.sendall(self._reply)


@contextmanager
def meta(reply: bytes | None, *, reset: bool = False) -> Iterator[Meta]:
    server = Meta(reply, reset=reset)
    server.start()
    try:
        yield server
    finally:
        server.end()


def messages(url: str) -> GraphMessages:
    return GraphMessages(GraphClient(GraphAccess(url, "v24.0", TOKEN, 1, read_seconds=0.5)))


MAY_HAVE_BEEN_SENT = {
    "no answer in time": None,
    "a closed connection": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "a server error": answer("500 Internal Server Error", b"<html>"),
    "a gateway": answer("502 Bad Gateway", b""),
    "a redirect": answer("302 Found", b"", "Location: http://127.0.0.1:1/"),
    "no JSON": answer("200 OK", b"thank you"),
    "no message": answer("200 OK", b'{"messages":[]}'),
    "a message without an id": answer("200 OK", b'{"messages":[{"id":7}]}'),
    "an endless answer": b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b" " * 9_000_000,
    "an error that says nothing": answer("400 Bad Request", b'{"error":{"message":"?"}}'),
    "an error of Meta's own": answer("500 Internal Server Error", b'{"error":{"code":131000}}'),
}


@pytest.mark.parametrize("case", MAY_HAVE_BEEN_SENT)
def test_what_may_have_been_sent_is_unanswered_and_not_repeated(case: str) -> None:
    with meta(MAY_HAVE_BEEN_SENT[case]) as server:
        assert isinstance(messages(server.url).post(NUMBER, BODY), Unanswered)
        assert 1 == server.requests


def test_a_connection_that_is_reset_after_the_request_is_unanswered() -> None:
    with meta(b"", reset=True) as server:
        assert isinstance(messages(server.url).post(NUMBER, BODY), Unanswered)
        assert 1 == server.requests


def test_a_server_that_does_not_listen_got_nothing() -> None:
    outcome = messages(f"http://{LOOPBACK}:{free_port()}").post(NUMBER, BODY)
    assert isinstance(outcome, NotSent)
    assert ("number", None) == (outcome.scope, outcome.code)


def test_a_name_without_an_address_got_nothing() -> None:
    assert isinstance(messages("http://graph.invalid").post(NUMBER, BODY), NotSent)


def certificate(folder: Path) -> Path:
    """Returns a file with a certificate for this machine and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, LOOPBACK)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "meta.pem"
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    file.write_bytes(text)
    return file


@pytest.mark.parametrize(("trusted", "expected"), [(False, NotSent), (True, Unanswered)])
def test_tls_that_fails_before_the_request_sent_nothing(
    trusted: bool, expected: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is not trusted ends the handshake. TLS that breaks after the request says nothing about it."""
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file) if trusted else "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(65536)
            raw = socket.socket(fileno=encrypted.detach())
            with raw:
                raw.sendall(b"not encrypted any more" * 10)

    thread = threading.Thread(target=serve)
    thread.start()
    outcome = messages(f"https://{LOOPBACK}:{listener.getsockname()[1]}").post(NUMBER, BODY)
    thread.join()
    listener.close()
    assert expected is type(outcome)


def test_a_server_without_tls_got_nothing() -> None:
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    outcome = messages(f"https://{LOOPBACK}:{listener.getsockname()[1]}").post(NUMBER, BODY)
    thread.join()
    listener.close()
    assert isinstance(outcome, NotSent)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("400 Bad Request", 131047, Refused(131047, "Meta's error 131047")),
        ("400 Bad Request", 132018, Refused(132018, "Meta's error 132018")),
        ("401 Unauthorized", 190, ("number", True)),
        ("429 Too Many Requests", 130429, ("number", False)),
        ("400 Bad Request", 131056, ("recipient", False)),
        ("400 Bad Request", 131048, ("templates", True)),
        ("429 Too Many Requests", 999999, ("number", False)),
    ],
)
def test_an_error_of_meta_means_what_its_code_says(status: str, code: int, expected: object) -> None:
    with meta(answer(status, b'{"error":{"code":%d,"message":"secret text"}}' % code)) as server:
        outcome = messages(server.url).post(NUMBER, BODY)
    assert expected == ((outcome.scope, outcome.needs_person) if isinstance(outcome, NotSent) else outcome)
    assert "secret text" not in str(outcome)


@pytest.fixture(params=["fake", "real"])
def graph(request: pytest.FixtureRequest) -> Iterator[Callable[[], Graph]]:
    """A Graph API that accepts: the fake one of other tests, and the client with a server."""
    if request.param == "fake":
        yield FakeGraph
    else:
        with graph_running() as running:
            yield lambda: messages(running.url)


def test_an_accepted_message_has_an_id(graph: Callable[[], Graph]) -> None:
    """The contract of the port, on the fake and on the client."""
    port = graph()
    first, second = port.post(NUMBER, BODY), port.post(NUMBER, BODY)
    assert isinstance(first, PostAccepted)
    assert isinstance(second, PostAccepted)
    assert first.wamid != second.wamid
    assert not first.held


def test_the_answer_of_the_stand_in_names_the_customer() -> None:
    with graph_running() as running:
        outcome = messages(running.url).post(NUMBER, BODY)
    assert isinstance(outcome, PostAccepted)
    assert CUSTOMER == outcome.wa_id
