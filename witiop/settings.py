"""Every setting of the product, and the only place that reads the environment.

A variable is the field's name in capitals after `WITIOP_` (`CRASH_AT` alone has no prefix). The words of the table in
docs/settings.md and of the error messages are the descriptions here. A value that only some processes need is empty
until it is set; who needs it names it to `load`.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from witiop.exit_codes import SettingsError

PREFIX = "WITIOP_"


def _comma_separated(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _each_filled(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not all(secret.get_secret_value() for secret in secrets):
        raise ValueError("an empty secret between the commas would verify anybody")
    return secrets


def _each_host_and_port(servers: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}", server) for server in servers):
        raise ValueError("every server is written as host:port")
    return servers


def _connection_string(dsn: SecretStr) -> SecretStr:
    value = dsn.get_secret_value()
    if value and not value.startswith(("postgresql://", "postgres://")) and "=" not in value:
        raise ValueError("not a connection string")
    return dsn


def _address(value: str) -> str:
    from infra.ses.addresses import address  # only where a mail address is set

    found = address(value)
    if found is None:
        raise ValueError("not a mail address")
    return found


def _each_domain(domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_address(f"x@{domain}").removeprefix("x@") for domain in domains)


Address = Annotated[str, AfterValidator(_address)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Domains = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_domain)]
SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_filled)]
Servers = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_host_and_port)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """What a process is told from outside. Secrets show as stars wherever they are printed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    kafka_bootstrap_servers: Servers = Field((), description="brokers, comma separated, as kafka-1:9092,kafka-2:9092")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to speak to the brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="how to sign in at the brokers: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(None, description="name to sign in at the brokers with")
    kafka_sasl_password: SecretStr | None = Field(None, description="password to sign in at the brokers with")
    kafka_ssl_ca_file: Path | None = Field(
        None, description="file with the certificates that signed the brokers' own (default: those of the system)"
    )
    kafka_ssl_cert_file: Path | None = Field(
        None, description="file with our certificate, for brokers that ask for one"
    )
    kafka_ssl_key_file: Path | None = Field(None, description="file with the key of our certificate")
    kafka_ssl_key_password: SecretStr | None = Field(None, description="password of that key")
    kafka_topic_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="put before the name of every topic, so that systems can share brokers; letters, digits, . _ -",
    )
    kafka_partitions: int = Field(6, ge=1, le=1000, description="partitions of a topic; may grow, never shrinks")
    kafka_replication_factor: int = Field(
        3, ge=1, le=7, description="copies of every record; 3 in production, 1 on a single broker"
    )

    postgres_dsn: Annotated[SecretStr, AfterValidator(_connection_string)] = Field(
        SecretStr(""), description="the database, as postgresql://user:password@host:5432/witiop"
    )

    whatsapp_app_secrets: SecretList = Field(
        (), description="secrets of Meta's app, comma separated; all of them verify signatures"
    )
    whatsapp_verify_token: SecretStr = Field(
        SecretStr(""), description="the word that Meta's dashboard sends in the webhook's handshake"
    )
    softbot_secrets: SecretList = Field((), description="secrets that sign the Softbot's events, comma separated")
    agents_secrets: SecretList = Field((), description="secrets that sign the agent desk's events, comma separated")
    command_secrets: SecretList = Field(
        (), description="secrets of the commands, comma separated; the first signs, all verify"
    )

    ses_region: str = Field("", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$", description="region of Amazon SES, as eu-west-1")
    ses_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="where SES is reached, if not at Amazon's own address"
    )
    ses_access_key_id: str | None = Field(
        None, description="key to sign in at SES with (default: as AWS's own programs find one)"
    )
    ses_secret_access_key: SecretStr | None = Field(None, description="secret of that key")
    ses_sender: Address | None = Field(None, description="address that mails are from; verified at SES")
    ses_sender_name: str = Field("", pattern=r"^[^\x00-\x1f\x7f]{0,100}$", description="name beside that address")
    ses_configuration_set: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="configuration set that sends SES's events to /webhooks/ses"
    )
    ses_topic_arns: Texts = Field(
        (), description="SNS topics that /webhooks/ses believes, comma separated; none: it believes nobody"
    )
    ses_rate: float = Field(10, gt=0, le=1000, description="mails a second that one process posts at most")
    mail_allowed_domains: Domains = Field(
        (), description="domains that mails may go to, comma separated, as example.com; none: all"
    )
    mail_mask: bool = Field(False, description="whether mails hide phone numbers where the command does not say")
    mail_reply_to: Address | None = Field(
        None, description="address for answers to mails whose issuer the directory does not know"
    )

    webhook_host: str = Field("127.0.0.1", description="address that the webhooks listen on; 0.0.0.0 for all")
    webhook_port: Port = Field(8080, description="port that the webhooks listen on, 1 to 65535")
    webhook_processes: int = Field(1, ge=1, le=64, description="processes that answer webhooks; more take more")
    webhook_threads: int = Field(64, ge=1, le=1000, description="requests that one of these processes answers at once")
    webhook_url: str = Field(
        "http://127.0.0.1:8080", pattern=r"^https?://", description="where `witiop simulate` finds the webhooks"
    )

    organisation: str = Field(
        "", pattern=r"^[^\x00-\x1f\x7f]{0,60}$", description="the organisation's name, as the console's header has it"
    )
    console_host: str = Field("127.0.0.1", description="address that the console listens on; 0.0.0.0 for all")
    console_port: Port = Field(8081, description="port that the console listens on, 1 to 65535")
    console_threads: int = Field(32, ge=1, le=1000, description="requests that the console answers at once")
    console_url: str = Field(
        "http://127.0.0.1:8081",
        pattern=r"^https?://[^/\s]+/?$",
        description="where people find the console; with https its cookie goes by https only",
    )
    console_proxies: int = Field(
        0, ge=0, le=10, description="proxies before the console whose X-Forwarded-For and -Proto it believes"
    )
    console_idle_seconds: int = Field(3600, ge=60, description="seconds without use after which a person is signed out")
    console_session_seconds: int = Field(
        43_200, ge=60, description="seconds after which a person is signed out in any case"
    )
    console_sessions_since: AwareDatetime | None = Field(
        None, description="sessions that began before are over, as 2026-11-23T12:00:00Z: set it to now to end them all"
    )

    monitor_host: str = Field("127.0.0.1", description="address of /metrics, /healthz and /readyz of each process")
    monitor_port: Port = Field(9464, description="port of /metrics, /healthz and /readyz; one per process of a machine")

    poison_per_minute: int = Field(
        20, ge=0, description="records a minute that may be set aside; at more the process stops, for it is our bug"
    )
    stalled_inbound_seconds: int = Field(
        600, ge=1, description="seconds without progress on inbound after which timer and routing go on all the same"
    )
    reservation_seconds: int = Field(
        1800, ge=1, description="seconds that an exclusive transfer waits for its user or skillset"
    )
    offer_seconds: int = Field(60, ge=1, description="seconds that an agent may take to accept a conversation")
    presence_timeout_seconds: int = Field(
        300, ge=1, description="seconds without any event of an agent's desk after which the agent counts as offline"
    )
    consumer_threads: int = Field(
        3, ge=1, le=64, description="batches that one consumer works on at once, each of partitions of its own"
    )
    consumer_instance: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="name of this consumer's place, unique and the same at each start: the next one takes over at once",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level of the logs: debug, info, warning or error"
    )
    crash_at: str | None = Field(
        None,
        validation_alias="CRASH_AT",
        pattern=r"^[a-z.-]+(:[1-9][0-9]*)?$",
        description="for tests: end the process at the n-th passing of a crash point, as before-commit:2",
    )

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL_") and not (
            self.kafka_sasl_mechanism and self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL: {self.kafka_security_protocol} also needs "
                f"{PREFIX}KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
            )
        return self


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias or PREFIX + field.upper())


def load(*needed: str, **given: object) -> Settings:
    """The settings from the environment; `given` fields go before it, every field of `needed` is set.

    Raises:
        SettingsError: naming every variable that is missing or bad, never its value.
    """
    try:
        values: dict[str, Any] = {_key(name): value for name, value in given.items()}
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(found) for found in error.errors(include_input=False))) from None
    missing = [name for name in needed if not _is_set(getattr(settings, name))]
    if missing:
        raise SettingsError(
            "\n".join(f"{variable(name)} is missing: {Settings.model_fields[name].description}" for name in missing)
        )
    return settings


def is_debugging() -> bool:
    """Whether a person asked to see more, also where the other settings may be the reason why nothing works."""
    return os.environ.get(f"{PREFIX}LOG_LEVEL") == "debug"


def unknown_variables() -> list[str]:
    """Variables of our prefix that no setting reads: most likely misspelt."""
    known = {variable(name) for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def table() -> str:
    """The settings as a Markdown table: docs/settings.md."""
    rows = [
        f"| `{variable(name)}` | {f'`{field.default}`' if _is_set(field.default) else ''} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _key(field: str) -> str:
    """The name under which pydantic takes and reports a field."""
    return str(Settings.model_fields[field].validation_alias or field) if field in Settings.model_fields else field


def _is_set(value: object) -> bool:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text not in (None, "", ())


def _line(found: ErrorDetails) -> str:
    message = found["msg"].removeprefix("Value error, ")
    if not found["loc"]:
        return message
    field = next((name for name in Settings.model_fields if _key(name) == found["loc"][0]), None)
    if field is None:
        return f"{found['loc'][0]}: no such setting"
    right = Settings.model_fields[field].description
    return f"{variable(field)}: {message[:1].lower()}{message[1:]}; right would be: {right}"


if __name__ == "__main__":
    print(table())  # noqa: T201 - for docs/settings.md
