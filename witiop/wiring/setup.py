"""Looks at the servers of an installation for the steps of setting it up: their clocks and certificates. Shared by the
console's page and `witiop doctor`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from domain.setup.seen import CertificateSeen, ServerClock, ServersSeen, SetupTerms
from witiop.settings import Settings
from witiop.wiring.from_settings import kafka_config, public_console_url

if TYPE_CHECKING:
    from infra.certificates.reader import ReadCertificate

_AT_ONCE = 8
_Read = Callable[[], "ReadCertificate"]


def setup_terms(settings: Settings) -> SetupTerms:
    """Returns how the installation is set."""
    return SetupTerms(
        webhook_url=public_webhook_url(settings) or "",
        mails=settings.ses_sender is not None,
        files=bool(settings.media_bucket),
        sends=settings.sending_enabled,
        provider=bool(settings.openid_issuer),
    )


def public_webhook_url(settings: Settings) -> str | None:
    """Returns the address of the webhooks that Meta can reach, None if none is set."""
    return settings.webhook_url if "webhook_url" in settings.model_fields_set else None


def look_at_servers(settings: Settings) -> ServersSeen:
    """Returns what the servers show. Opens connections of its own; blocks for about ten seconds at most."""
    clocks: list[ServerClock] = []
    away: list[str] = []
    certificates = list[CertificateSeen]()
    with ThreadPoolExecutor(_AT_ONCE, "setup") as together:
        asked = {name: together.submit(ask, settings) for name, ask in _CLOCKS.items()}
        read = {name: together.submit(each) for name, each in certificates_to_read(settings)}
    for name, answer in asked.items():
        if (error := answer.exception()) is not None:
            if not isinstance(error, _Away):
                raise error
            away.append(name)
        elif (ahead := answer.result()) is not None:
            clocks.append(ServerClock(name, ahead))
    from infra.certificates.reader import CertificateUnread

    for name, found in read.items():
        try:
            ends_at, problem = found.result()
            certificates.append(CertificateSeen(name, ends_at, problem))
        except CertificateUnread as unread:
            certificates.append(CertificateSeen(name, None, str(unread)))
    return ServersSeen(datetime.now(UTC), clocks, certificates, away)


class _Away(Exception):
    """A server does not answer."""


def _postgres_clock(settings: Settings) -> float:
    import psycopg

    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect

    try:
        with connect(settings.postgres_dsn.get_secret_value(), "setup", autocommit=True) as connection:
            asked = datetime.now(UTC)
            return _ahead(database_now(connection), asked, datetime.now(UTC))
    except psycopg.OperationalError as error:
        raise _Away from error


def _kafka_clock(settings: Settings) -> float | None:
    from kafka.errors import KafkaError

    from infra.kafka.diagnostics import KafkaDiagnostics

    try:
        with closing(KafkaDiagnostics(kafka_config(settings))) as brokers:
            clock = brokers.clock()
    except KafkaError as error:
        raise _Away from error
    return _ahead(clock.now, clock.asked, clock.answered) if clock is not None else None


_CLOCKS: dict[str, Callable[[Settings], float | None]] = {"PostgreSQL": _postgres_clock, "Kafka": _kafka_clock}


def _ahead(theirs: datetime, asked: datetime, answered: datetime) -> float:
    """Returns the seconds by which a clock is ahead of ours, more than the way of the answer explains."""
    if theirs > answered:
        return (theirs - answered).total_seconds()
    return min(0.0, (theirs - asked).total_seconds())


def certificates_to_read(settings: Settings) -> Iterator[tuple[str, _Read]]:
    """Yields the name of each certificate that this installation relies on, and what reads it."""
    from infra.certificates.reader import certificate_of_file, certificate_of_server

    if settings.kafka_security_protocol.endswith("SSL"):
        ca_file = str(settings.kafka_ssl_ca_file) if settings.kafka_ssl_ca_file else None
        for server in settings.kafka_bootstrap_servers:
            host, _, port = server.rpartition(":")
            yield f"Kafka {server}", partial(certificate_of_server, host.strip("[]"), int(port), ca_file=ca_file)
        if settings.kafka_ssl_cert_file is not None:
            yield (
                f"Kafka, {settings.kafka_ssl_cert_file.name}",
                partial(certificate_of_file, settings.kafka_ssl_cert_file),
            )
    yield from _postgres_certificate(settings)
    for name, url in (("console", public_console_url(settings)), ("webhooks", public_webhook_url(settings))):
        parts = urlsplit(url or "")
        if parts.scheme == "https" and parts.hostname:
            where = f"{parts.hostname} ({name})"
            yield where, partial(certificate_of_server, parts.hostname, parts.port or 443)


def _postgres_certificate(settings: Settings) -> Iterator[tuple[str, _Read]]:
    """The certificate of the database, if the connection string asks for TLS; libpq itself verifies it."""
    from psycopg.conninfo import conninfo_to_dict

    from infra.certificates.reader import certificate_of_server, greet_postgres

    parts = conninfo_to_dict(settings.postgres_dsn.get_secret_value())
    if parts.get("sslmode") not in ("require", "verify-ca", "verify-full"):
        return
    hosts, ports = str(parts.get("host") or "").split(","), str(parts.get("port") or "5432").split(",")
    for place, host in enumerate(hosts):
        if host and not host.startswith("/"):
            port = int(ports[place] if place < len(ports) else ports[-1])
            yield (
                f"PostgreSQL {host}",
                partial(certificate_of_server, host, port, checks=False, greeting=greet_postgres),
            )
