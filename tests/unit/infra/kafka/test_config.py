"""Connection settings for the brokers."""

import pytest

from infra.kafka.config import KafkaConfig


def test_a_broker_that_returns_is_reconnected_within_half_a_second() -> None:
    assert 500 == KafkaConfig(("kafka:9092",)).client_options()["reconnect_backoff_max_ms"]


def test_credentials_and_certificates_are_passed_to_the_client() -> None:
    config = KafkaConfig(
        ("a:9092", "b:9092"),
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="witiop",
        sasl_password="secret",
        ssl_cafile="ca.pem",
    )

    expected = {
        "bootstrap_servers": ["a:9092", "b:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "witiop",
        "sasl_plain_password": "secret",
        "ssl_cafile": "ca.pem",
    }
    options = config.client_options()
    assert expected == {name: options[name] for name in expected}
    assert "secret" not in repr(config)


def test_sasl_without_a_password_is_rejected() -> None:
    with pytest.raises(ValueError, match="sasl_password"):
        KafkaConfig(("kafka:9092",), security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="witiop")


def test_an_empty_list_of_brokers_is_rejected() -> None:
    with pytest.raises(ValueError, match="bootstrap_servers"):
        KafkaConfig(())
