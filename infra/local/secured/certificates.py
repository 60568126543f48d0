"""A certificate authority of a test's own, and the certificates that it issues. Nothing outside the test trusts it."""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_LIFE = dt.timedelta(days=1)


class IssuedCertificate(NamedTuple):
    """The files of a server: its certificate, its key, and both in one."""

    certificate: Path
    key: Path
    both: Path


class CertificateAuthority:
    """Issues certificates for servers. `file`: its own certificate, which clients trust."""

    def __init__(self, directory: Path) -> None:
        """`directory`: for its files; exists."""
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority of a test")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        found = self._unsigned(self._name, self._key).add_extension(constraints, critical=True)
        self.file = directory / "authority.pem"
        self.file.write_bytes(found.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, host: str) -> IssuedCertificate:
        """Issues a certificate for one host name. Its subject is the name too."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        found = self._unsigned(_name(host), key).add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        certificate = found.public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files = IssuedCertificate(*(self._directory / f"{host}.{end}" for end in ("crt", "key", "pem")))
        for file, content in zip(files, (certificate, private, private + certificate), strict=True):
            file.touch(mode=0o600)
            file.write_bytes(content)
        return files

    def _unsigned(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _LIFE)
            .not_valid_after(now + _LIFE)
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
