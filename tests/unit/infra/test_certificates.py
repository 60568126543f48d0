"""Certificates of servers and files: their end, and why they are not trusted."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.certificates.reader import (
    CertificateUnread,
    certificate_of_file,
    certificate_of_server,
    greet_postgres,
)

HOST = "127.0.0.1"
END = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of a certificate for this machine, which nobody but itself has signed, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(END - timedelta(days=60))
        .not_valid_after(END)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "cert.pem", folder / "key.pem"


@contextmanager
def serving(files: tuple[Path, Path], greeting: bytes | None = None) -> Iterator[int]:
    """Runs a server with TLS, which begins after `greeting` was answered as PostgreSQL does; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    listener = socket.create_server((HOST, 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                if greeting is not None:
                    connection.recv(8)
                    connection.sendall(greeting)
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_the_end_of_a_trusted_certificate(certificate: tuple[Path, Path]) -> None:
    with serving(certificate) as port:
        found = certificate_of_server(HOST, port, ca_file=str(certificate[0]))
    assert (END, "") == found


def test_a_certificate_that_is_not_trusted_says_why(certificate: tuple[Path, Path]) -> None:
    """Meta accepts no such certificate."""
    with serving(certificate) as port:
        ends_at, problem = certificate_of_server(HOST, port)
        other_name = certificate_of_server("localhost", port, ca_file=str(certificate[0]))
    assert (END, True) == (ends_at, "self-signed" in problem)
    assert "localhost" in other_name.problem


def test_postgresql_is_asked_for_tls_first(certificate: tuple[Path, Path]) -> None:
    with serving(certificate, b"S") as port:
        assert (END, "") == certificate_of_server(HOST, port, checks=False, greeting=greet_postgres)
    with serving(certificate, b"N") as port, pytest.raises(CertificateUnread, match="no TLS"):
        certificate_of_server(HOST, port, checks=False, greeting=greet_postgres)


def test_a_server_that_is_away_and_files_that_are_none(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(CertificateUnread):
        certificate_of_server(HOST, 1)
    assert END == certificate_of_file(certificate[0]).ends_at
    with pytest.raises(CertificateUnread, match="there is no certificate"):
        certificate_of_file(certificate[1])
    with pytest.raises(CertificateUnread, match="No such file"):
        certificate_of_file(tmp_path / "none.pem")
    with pytest.raises(CertificateUnread, match="CA file"):
        certificate_of_server(HOST, 1, ca_file=str(tmp_path / "none.pem"))
