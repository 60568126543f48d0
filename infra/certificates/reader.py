"""Reads the certificates that servers show, and those in files. Everything here may block for SECONDS."""

import errno
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

SECONDS = 3.0
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""With these eight bytes a client asks PostgreSQL for TLS; the server answers `S` if it has it."""
_LONGEST_PROBLEM = 200

Greeting = Callable[[socket.socket], None]
"""What is said before the handshake of TLS. Raises OSError."""


class CertificateUnread(Exception):
    """The certificate could not be read; the message says why."""


class ReadCertificate(NamedTuple):
    """A certificate. `problem`: why it is not trusted; '' if it is, or if that was not asked."""

    ends_at: datetime
    problem: str = ""


def certificate_of_server(
    host: str, port: int, *, ca_file: str | None = None, checks: bool = True, greeting: Greeting | None = None
) -> ReadCertificate:
    """Returns the certificate that a server shows. `checks`: whether its chain and its name are verified. Raises
    CertificateUnread."""
    problem = ""
    if checks:
        try:
            trusting = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnread(f"the CA file cannot be read ({type(error).__name__})") from error
        try:
            _shown(host, port, trusting, greeting)
        except ssl.SSLCertVerificationError as error:
            problem = (error.verify_message or "not trusted")[:_LONGEST_PROBLEM]
        except OSError as error:
            raise CertificateUnread(_why(error)) from error
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    try:
        shown = _shown(host, port, asking, greeting)
    except OSError as error:
        raise CertificateUnread(_why(error)) from error
    return ReadCertificate(_end(x509.load_der_x509_certificate, shown), problem)


def certificate_of_file(path: Path) -> ReadCertificate:
    """Returns the first certificate of a PEM file. Raises CertificateUnread."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CertificateUnread(_why(error)) from error
    return ReadCertificate(_end(x509.load_pem_x509_certificate, content))


def greet_postgres(connection: socket.socket) -> None:
    """Asks PostgreSQL for TLS. Raises OSError."""
    connection.sendall(_SSL_REQUEST)
    if connection.recv(1) != b"S":
        raise ConnectionRefusedError(errno.ECONNREFUSED, "the server has no TLS")


def _shown(host: str, port: int, context: ssl.SSLContext, greeting: Greeting | None) -> bytes:
    with socket.create_connection((host, port), timeout=SECONDS) as connection:
        if greeting is not None:
            greeting(connection)
        with context.wrap_socket(connection, server_hostname=host) as secured:
            return secured.getpeercert(binary_form=True) or b""


def _end(read: Callable[[bytes], x509.Certificate], content: bytes) -> datetime:
    try:
        return read(content).not_valid_after_utc
    except ValueError as error:
        raise CertificateUnread("there is no certificate") from error


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__)[:_LONGEST_PROBLEM]
