"""What settings say of the steps of setting an installation up: its certificates, and what is off."""

from pathlib import Path

from domain.setup.seen import SetupTerms
from witiop.settings import load
from witiop.wiring.setup import certificates_to_read, setup_terms


def test_an_installation_without_tls_relies_on_no_certificate() -> None:
    plain = load(
        kafka_bootstrap_servers="kafka:9092",
        postgres_dsn="postgresql://witiop@postgres/witiop",
        console_url="http://127.0.0.1:8081",
        webhook_url="http://127.0.0.1:8080",
    )
    assert [] == list(certificates_to_read(plain))


def test_brokers_the_database_and_both_public_addresses_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "client.pem").touch()
    settings = load(
        kafka_bootstrap_servers="kafka-1:9093,[::1]:9093",
        kafka_security_protocol="SSL",
        kafka_ssl_cert_file=str(tmp_path / "client.pem"),
        postgres_dsn="postgresql://witiop@db-1:5432,db-2:5433/witiop?sslmode=verify-full",
        console_url="https://witiop.example.com",
        webhook_url="https://hooks.example.com:8443",
    )
    assert [
        "Kafka kafka-1:9093",
        "Kafka [::1]:9093",
        "Kafka, client.pem",
        "PostgreSQL db-1",
        "PostgreSQL db-2",
        "witiop.example.com (console)",
        "hooks.example.com (webhooks)",
    ] == [name for name, _ in certificates_to_read(settings)]


def test_a_database_on_a_socket_has_no_certificate() -> None:
    settings = load(postgres_dsn="host=/run/postgresql dbname=witiop sslmode=require")
    assert [] == list(certificates_to_read(settings))


def test_what_is_not_set_is_off() -> None:
    assert SetupTerms() == setup_terms(load())
    whole = load(
        webhook_url="https://hooks.example.com",
        ses_sender="inbox@example.com",
        media_bucket="files",
        sending_enabled=True,
        openid_issuer="https://login.example.com",
        openid_client_id="witiop",
    )
    assert SetupTerms("https://hooks.example.com", mails=True, files=True, sends=True, provider=True) == setup_terms(
        whole
    )
