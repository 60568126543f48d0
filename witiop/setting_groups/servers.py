"""Settings of the servers."""

from typing import Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from witiop.setting_groups.values import AuthorityFile, ConnectionString, ProcessPasswords, Servers


class ServerSettings(BaseSettings):
    """The brokers and the database."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is ever made

    kafka_bootstrap_servers: Servers = Field(
        (), description="Kafka brokers, comma separated, e.g. kafka-1:9092,kafka-2:9092"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="protocol of the brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user name")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_ssl_ca_file: AuthorityFile | None = Field(
        None, description="CA certificates for verifying the brokers (default: the system's)"
    )
    kafka_ssl_cert_file: FilePath | None = Field(None, description="client certificate, for brokers that require one")
    kafka_ssl_key_file: FilePath | None = Field(None, description="private key of the client certificate")
    kafka_ssl_key_password: SecretStr | None = Field(None, description="password of the private key")
    kafka_principal_passwords: ProcessPasswords = Field(
        SecretStr(""),
        description="passwords that `witiop topics` gives to the SCRAM users of the processes at the brokers, "
        "e.g. console:...,relay:...; empty: none",
    )
    kafka_topic_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="prefix of all topic names, so that installations can share brokers; letters, digits, . _ -",
    )
    kafka_partitions: int = Field(
        6, ge=1, le=1000, description="partitions per topic; may be increased, never decreased"
    )
    kafka_replication_factor: int = Field(
        3, ge=1, le=7, description="replicas of every partition; 3 in production, 1 with a single broker"
    )
    postgres_dsn: ConnectionString = Field(
        SecretStr(""),
        description="connection string of the database, e.g. postgresql://user:password@host:5432/witiop; with a "
        "standby both, e.g. @db-1:5432,db-2:5432/witiop?target_session_attrs=read-write",
    )
    role_passwords: ProcessPasswords = Field(
        SecretStr(""),
        description="passwords that `witiop migrate` gives to the database roles of the processes, "
        "e.g. console:...,relay:...; empty: none",
    )

    @model_validator(mode="after")
    def _require_complete_sasl_credentials(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL_") and not (
            self.kafka_sasl_mechanism and self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"WITIOP_KAFKA_SECURITY_PROTOCOL: {self.kafka_security_protocol} also needs "
                "WITIOP_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
            )
        return self
