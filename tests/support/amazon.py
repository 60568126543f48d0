"""Amazon SNS as a process meets it that goes out through a proxy: over TLS, under its own name.

The proxy answers by itself for whatever host it is asked for, with a certificate that a certificate authority of the
test signed.
"""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.sns import CERTIFICATE, HOST, certificate

_REDIRECTED = b"HTTP/1.0 302 Found\r\nLocation: https://evil.example/\r\n\r\n"


class Amazon:
    """Hands out the certificate that signs notifications and says yes to all else. As a context manager it listens
    inside."""

    def __init__(self, directory: Path) -> None:
        """`directory`: for the certificates."""
        self.asked: list[str] = []
        self.redirects = False
        self._authority, self._own = directory / "authority.pem", directory / "amazon.pem"
        _make_certificates(self._authority, self._own)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._own)
        amazon = self

        class Proxy(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                try:
                    tls = context.wrap_socket(self.connection, server_side=True)
                except ssl.SSLError:  # whoever asks does not trust us
                    return
                with tls, tls.makefile("rb") as lines:
                    path = lines.readline().split()[1].decode()
                    while lines.readline().strip():
                        pass
                    tls.sendall(amazon.answer(f"https://{self.path.partition(':')[0]}{path}"))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that goes out through the proxy and trusts the authority."""
        return {"https_proxy": f"http://127.0.0.1:{self._server.server_port}", "SSL_CERT_FILE": str(self._authority)}

    def answer(self, address: str) -> bytes:
        """The whole answer to a GET."""
        self.asked.append(address)
        if self.redirects:
            return _REDIRECTED
        return b"HTTP/1.0 200 OK\r\n\r\n" + (certificate() if address == CERTIFICATE else b"yes")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _make_certificates(authority: Path, own: Path) -> None:
    """The authority's certificate; and, with its key, one for Amazon's name that the authority signed."""
    now = datetime.now(UTC)
    keys = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority.test", HOST)]
    made = []
    for place, (key, name) in enumerate(zip(keys, names, strict=True)):
        asked = x509.CertificateBuilder(names[0], name, key.public_key(), place + 1, now, now + timedelta(days=1))
        asked = asked.add_extension(x509.BasicConstraints(place == 0, None), critical=True)
        asked = asked.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        asked = asked.add_extension(issuer, critical=False)
        asked = asked.add_extension(_USAGE[place], critical=True)
        if place == 1:
            asked = asked.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        made.append(asked.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    authority.write_bytes(made[0])
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    own.write_bytes(keys[1].private_bytes(serialization.Encoding.PEM, *private) + made[1])


_USAGE = [
    x509.KeyUsage(signs_documents, False, False, False, False, signs_certificates, False, False, False)
    for signs_documents, signs_certificates in ((False, True), (True, False))
]
