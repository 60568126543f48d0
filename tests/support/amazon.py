"""A fake Amazon SNS behind an HTTPS proxy: a process that uses the proxy reaches it over TLS, under Amazon's host name.

The proxy answers for every host itself, with a certificate signed by a certificate authority of the test.
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
    """Returns the certificate that signs notifications, and `yes` for every other address. Listens while used as a
    context manager. `requested`: the requested addresses. `redirects`: answer with redirects instead."""

    def __init__(self, directory: Path) -> None:
        """`directory`: where to write the certificates."""
        self.requested: list[str] = []
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
                except ssl.SSLError:  # the client does not trust our certificate
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
        """The variables for a process that uses the proxy and trusts the authority."""
        return {"https_proxy": f"http://127.0.0.1:{self._server.server_port}", "SSL_CERT_FILE": str(self._authority)}

    def answer(self, address: str) -> bytes:
        """Returns the complete response to a GET."""
        self.requested.append(address)
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
    """Writes the authority's certificate, and a key with a certificate for Amazon's name, signed by the authority."""
    now = datetime.now(UTC)
    keys = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority.test", HOST)]
    certificates = []
    for index, (key, name) in enumerate(zip(keys, names, strict=True)):
        builder = x509.CertificateBuilder(names[0], name, key.public_key(), index + 1, now, now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(index == 0, None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        builder = builder.add_extension(issuer, critical=False)
        builder = builder.add_extension(_USAGE[index], critical=True)
        if index == 1:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        certificates.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    authority.write_bytes(certificates[0])
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    own.write_bytes(keys[1].private_bytes(serialization.Encoding.PEM, *private) + certificates[1])


_USAGE = [
    x509.KeyUsage(signs_documents, False, False, False, False, signs_certificates, False, False, False)
    for signs_documents, signs_certificates in ((False, True), (True, False))
]
