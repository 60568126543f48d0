"""Over the network the database is reached with TLS only, and only by a client that is sure of the server."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.local.errors import LocalServerError
from infra.local.secured.certificates import CertificateAuthority
from infra.local.secured.database import SecuredPostgres, programs
from infra.postgres.connections.pool import connect
from infra.postgres.migrations import migrate
from infra.postgres.roles import ROLE_PROCESSES, provide, role_of

DATABASE = "shop"
PASSWORDS: dict[str, str] = {process: f"password of {process}" for process in ROLE_PROCESSES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredPostgres]:
    """A server with TLS, our schema and its roles, prepared over TLS."""
    try:
        programs()
    except LocalServerError as error:
        pytest.skip(str(error))
    with SecuredPostgres(tmp_path_factory.mktemp("secured") / "postgres") as postgres:
        postgres.ensure_database(DATABASE)
        migrate(postgres.owner_dsn_of(DATABASE))
        with psycopg.connect(postgres.owner_dsn_of(DATABASE), autocommit=True) as connection:
            provide(connection, PASSWORDS)
        yield postgres


def dsn_of(server: SecuredPostgres, process: str, **changed: str) -> str:
    return make_conninfo(server.tls_dsn_of(DATABASE, role_of(process, DATABASE), PASSWORDS[process]), **changed)


@pytest.mark.parametrize("process", ROLE_PROCESSES)
def test_each_process_connects_over_tls_with_its_own_role(server: SecuredPostgres, process: str) -> None:
    with connect(dsn_of(server, process), process, autocommit=True) as connection:
        (user, encrypted, version) = connection.execute(
            "select current_user, ssl, s.version from pg_stat_ssl s where pid = pg_backend_pid()"
        ).fetchone() or ("", False, "")
    assert (role_of(process, DATABASE), True, "TLSv1.3") == (user, encrypted, version)


def test_a_server_that_does_not_bear_the_name_in_its_certificate_is_refused(server: SecuredPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(dsn_of(server, "relay", host="127.0.0.1"), "relay", autocommit=True)


def test_a_certificate_of_an_unknown_authority_is_refused(server: SecuredPostgres, tmp_path: Path) -> None:
    stranger = CertificateAuthority(tmp_path)
    with pytest.raises(
        psycopg.OperationalError, match=r"SSL error: (certificate verify failed|provider signature failure)"
    ):
        connect(dsn_of(server, "relay", sslrootcert=str(stranger.file)), "relay", autocommit=True)


def test_a_connection_without_tls_is_refused(server: SecuredPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        connect(dsn_of(server, "relay", sslmode="disable"), "relay", autocommit=True)


def test_the_webhook_has_no_role(server: SecuredPostgres) -> None:
    dsn = server.tls_dsn_of(DATABASE, role_of("webhook", DATABASE), "anything")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(dsn, "webhook", autocommit=True)


def test_a_new_password_counts_at_once_and_open_connections_go_on(server: SecuredPostgres) -> None:
    """So a process is told its new password after the database, and loses nothing meanwhile."""
    with connect(dsn_of(server, "timer"), "timer", autocommit=True) as before:
        with psycopg.connect(server.owner_dsn_of(DATABASE), autocommit=True) as owner:
            provide(owner, {"timer": "a new one"})
        before.execute("select 1 from conversations")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(dsn_of(server, "timer"), "timer", autocommit=True)
        connect(dsn_of(server, "timer", password="a new one"), "timer", autocommit=True).close()
        with psycopg.connect(server.owner_dsn_of(DATABASE), autocommit=True) as owner:
            provide(owner, PASSWORDS)
