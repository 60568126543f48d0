"""All settings of the product. No other module reads the environment.

A variable is named `WITIOP_` plus the field's name in capitals; only `CRASH_AT` has no prefix. The table in
docs/settings.md and the error messages are made of the descriptions here. A setting that only some processes need is
empty by default; those processes pass its name to `load`. Each secret may be in a file instead, which the variable
with `_FILE` at its end names.
"""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.directory import Level
from witiop.exit_codes import SettingsError
from witiop.secret_files import SUFFIX, secrets_in_files

PREFIX = "WITIOP_"


def _comma_separated(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _each_filled(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not all(secret.get_secret_value() for secret in secrets):
        raise ValueError("a secret is empty: anyone could sign with it")
    return secrets


def _each_host_and_port(servers: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}", server) for server in servers):
        raise ValueError("each server must be written as host:port")
    return servers


def _connection_string(dsn: SecretStr) -> SecretStr:
    value = dsn.get_secret_value()
    if value and not _can_be_read(value):
        raise ValueError(
            "not a connection string; in a URL write %, /, @, : and blanks of a password as %25, %2F, %40, %3A and %20"
        )
    return dsn


def _can_be_read(dsn: str) -> bool:
    """Returns whether PostgreSQL can read a connection string. Its own errors, also about a host that is a part of a
    password, would quote the string."""
    is_url = dsn.startswith(("postgresql://", "postgres://"))
    if not is_url and "=" not in dsn:
        return False
    from psycopg import ProgrammingError  # imported only where there is a database
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return False
    ports = str(parts.get("port", "")).split(",")
    return all(not port or port.isdigit() for port in ports) and not (is_url and "@" in str(parts.get("host", "")))


def _process_passwords(passwords: SecretStr) -> SecretStr:
    for each in passwords.get_secret_value().split(","):
        if each and not re.fullmatch(r"\s*[a-z]+:[^:\s]+\s*", each):
            raise ValueError("each must be written as process:password")
    return passwords


def _address(value: str) -> str:
    from infra.ses.addresses import address  # imported only when an address is set

    found = address(value)
    if found is None:
        raise ValueError("not an email address")
    return found


def _each_domain(domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_address(f"x@{domain}").removeprefix("x@") for domain in domains)


Address = Annotated[str, AfterValidator(_address)]


def _each_phone(phones: tuple[str, ...]) -> tuple[str, ...]:
    from domain.phone_numbers import read_phone  # imported only when a phone is set

    read = tuple(read_phone(phone) for phone in phones)
    if None in read:
        raise ValueError("each must be a phone with its country code, e.g. +39 333 1234567")
    return tuple(phone for phone in read if phone is not None)


def _each_role(roles: tuple[str, ...]) -> tuple[str, ...]:
    from infra.openid.roles import read_role  # imported only when a role is set

    for role in roles:
        read_role(role)
    return roles


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    is_local = parts.hostname in ("127.0.0.1", "::1", "localhost") and parts.scheme == "http"
    if value and (not parts.hostname or parts.query or (parts.scheme != "https" and not is_local)):
        raise ValueError("must begin with https://")
    return value


Phones = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_phone)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Domains = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_domain)]
SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_filled)]
Roles = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_role)]
Levels = Annotated[tuple[Level, ...], NoDecode, BeforeValidator(_comma_separated)]
Servers = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_each_host_and_port)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Configuration of a process. Secrets are masked wherever the settings are printed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

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
    kafka_ssl_ca_file: Path | None = Field(
        None, description="CA certificates for verifying the brokers (default: the system's)"
    )
    kafka_ssl_cert_file: Path | None = Field(None, description="client certificate, for brokers that require one")
    kafka_ssl_key_file: Path | None = Field(None, description="private key of the client certificate")
    kafka_ssl_key_password: SecretStr | None = Field(None, description="password of the private key")
    kafka_principal_passwords: Annotated[SecretStr, AfterValidator(_process_passwords)] = Field(
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

    postgres_dsn: Annotated[SecretStr, AfterValidator(_connection_string)] = Field(
        SecretStr(""),
        description="connection string of the database, e.g. postgresql://user:password@host:5432/witiop; with a "
        "standby both, e.g. @db-1:5432,db-2:5432/witiop?target_session_attrs=read-write",
    )

    role_passwords: Annotated[SecretStr, AfterValidator(_process_passwords)] = Field(
        SecretStr(""),
        description="passwords that `witiop migrate` gives to the database roles of the processes, "
        "e.g. console:...,relay:...; empty: none",
    )

    whatsapp_app_secrets: SecretList = Field(
        (), description="app secrets of the Meta app, comma separated; each of them verifies signatures"
    )
    whatsapp_verify_token: SecretStr = Field(
        SecretStr(""),
        description="verify token that Meta sends in the webhook handshake; the one entered in its App Dashboard",
    )
    whatsapp_access_token: SecretStr = Field(
        SecretStr(""), description="access token of a Meta system user, with which messages are sent"
    )
    whatsapp_accounts: Texts = Field(
        (), description="ids of the WhatsApp Business Accounts whose templates and numbers are read, comma separated"
    )
    graph_url: str = Field(
        "https://graph.facebook.com", pattern=r"^https?://[^\s]+$", description="URL of Meta's Graph API"
    )
    graph_version: str = Field("v24.0", pattern=r"^v\d{1,3}\.\d$", description="version of the Graph API, e.g. v24.0")
    sending_enabled: bool = Field(
        False, description="whether messages are sent to customers; off: every command to send one is rejected"
    )
    sending_allowed_to: Phones = Field(
        (), description="the only phones that messages are sent to, comma separated, for tests; empty: all"
    )
    sending_in_flight: int = Field(
        16,
        ge=1,
        le=256,
        description="posts to Meta at the same time and process, 64 for numbers above 80 messages a second; "
        "after a crash at most as many sends are unknown",
    )
    campaign_second_person_from: int | None = Field(
        None,
        ge=1,
        description="recipients from which on a second person has to confirm the start of a campaign; empty: none has "
        "to",
    )
    campaign_answer_hours: int = Field(
        72,
        ge=1,
        le=720,
        description="hours after a campaign's message within which the customer's first message counts as an answer; "
        "as long as its answers are promised to somebody, they count anyway",
    )
    show_typing: bool = Field(
        False,
        description="whether customers see that somebody is writing to them in the console or on the agents' page, and "
        "thereby that their messages were read",
    )
    resend_unknown: Literal["never", "free_form"] = Field(
        "never",
        description="what is sent once more without a person if it is unknown whether it was sent and it probably was "
        "not: nothing, or all messages but templates; a customer may get such a message twice",
    )

    campaign_us_marketing: bool = Field(
        False,
        description="whether campaigns send marketing to phones of the United States, to which Meta has delivered none "
        "since April 2025; off: those recipients are skipped",
    )
    campaign_canary: int = Field(
        200,
        ge=0,
        le=100_000,
        description="messages of a large campaign that are sent first, and must not fail too often before the others "
        "follow; 0: none; a campaign may say otherwise",
    )
    campaign_canary_from: int = Field(1000, ge=1, description="recipients from which on a campaign is a large one")

    alarm_silent_minutes: int = Field(
        120,
        ge=0,
        le=10_080,
        description="minutes within a number's opening hours after which nothing from WhatsApp is an alarm; 0: never",
    )
    alarm_private_hosts: Texts = Field(
        (),
        description="names or addresses of hosts that alarms may be posted to although they are in a private network, "
        "and over http, comma separated; empty: only public https addresses",
    )

    media_bucket: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$",
        description="S3 bucket that keeps the files of messages; empty: they are neither fetched nor sent",
    )
    media_region: str = Field(
        "", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$", description="AWS region of the bucket, e.g. eu-west-1"
    )
    media_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of the S3 server, if not AWS's own"
    )
    media_access_key_id: str | None = Field(
        None, description="access key id for the bucket (default: AWS's standard credential chain)"
    )
    media_secret_access_key: SecretStr | None = Field(None, description="secret of the access key")
    media_at_once: int = Field(
        4, ge=1, le=32, description="files fetched, and files uploaded to Meta, at the same time and process"
    )

    softbot_secrets: SecretList = Field(
        (), description="secrets that sign the Softbot's events, comma separated; each of them verifies signatures"
    )
    agents_secrets: SecretList = Field(
        (),
        description="secrets that sign the agent desktop's events, comma separated; each of them verifies signatures",
    )
    command_secrets: SecretList = Field(
        (), description="secrets that sign commands, comma separated; the first signs, each of them verifies"
    )

    ses_region: str = Field(
        "", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$", description="AWS region of Amazon SES, e.g. eu-west-1"
    )
    ses_endpoint: str | None = Field(None, pattern=r"^https?://", description="SES endpoint URL, if not AWS's own")
    ses_access_key_id: str | None = Field(
        None, description="AWS access key id for SES (default: AWS's standard credential chain)"
    )
    ses_secret_access_key: SecretStr | None = Field(None, description="secret of the access key")
    ses_sender: Address | None = Field(None, description="From address of mails; must be verified in SES")
    ses_sender_name: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f]{0,100}$",
        description="display name of the From address; empty: WITIOP_ORGANISATION",
    )
    ses_configuration_set: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="SES configuration set that sends its events to /webhooks/ses"
    )
    ses_topic_arns: Texts = Field(
        (), description="ARNs of the SNS topics that /webhooks/ses accepts, comma separated; empty: none"
    )
    ses_rate: float = Field(10, gt=0, le=1000, description="maximum mails per second and process")
    mail_allowed_domains: Domains = Field(
        (), description="domains that mails may be sent to, comma separated, e.g. example.com; empty: all"
    )
    mail_mask: bool = Field(False, description="whether mails mask phone numbers, unless the command says otherwise")
    mail_attach_bytes: int = Field(
        5_000_000,
        ge=0,
        le=6_000_000,
        description="how many bytes of customers' files a mail carries at most, the latest first; the others are named "
        "with a link to the console that ends after 30 days",
    )
    mail_reply_to: Address | None = Field(
        None, description="Reply-To address of mails whose issuer is not in the directory"
    )

    webhook_host: str = Field(
        "127.0.0.1", description="address that the webhooks listen on; 0.0.0.0 for all interfaces"
    )
    webhook_port: Port = Field(8080, description="port that the webhooks listen on, 1 to 65535")
    webhook_processes: int = Field(
        1, ge=1, le=64, description="worker processes that answer webhooks; more of them handle more requests"
    )
    webhook_threads: int = Field(64, ge=1, le=1000, description="requests that each worker process handles at once")
    webhook_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="number of proxies in front of the webhooks whose X-Forwarded-For it trusts, to limit slow clients",
    )
    webhook_client_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]{0,64}$",
        description="header in which the proxy names the subject of the client's certificate; if it is set, only "
        "Meta's certificate may post to /webhooks/whatsapp",
    )
    webhook_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://",
        description="public URL of the webhooks, which the page Set-up shows; `witiop simulate` posts to it",
    )

    organisation: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f]{0,60}$",
        description="name of the organisation, shown in the console's header and in mails",
    )
    console_host: str = Field(
        "127.0.0.1", description="address that the console listens on; 0.0.0.0 for all interfaces"
    )
    console_port: Port = Field(8081, description="port that the console listens on, 1 to 65535")
    console_threads: int = Field(32, ge=1, le=1000, description="requests that the console handles at once")
    console_url: str = Field(
        "http://127.0.0.1:8081",
        pattern=r"^https?://[^/\s]+/?$",
        description="public URL of the console, to which mails link if it is set; "
        "with https its session cookie is sent over https only",
    )
    console_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="number of proxies in front of the console whose X-Forwarded-For and X-Forwarded-Proto it trusts",
    )
    console_idle_seconds: int = Field(3600, ge=60, description="seconds of inactivity after which a user is signed out")
    console_session_seconds: int = Field(
        43_200, ge=60, description="seconds after sign-in after which a user is signed out in any case"
    )
    console_local_sign_in: bool = Field(
        True, description="whether people sign in with names and passwords; the way back if the OpenID provider fails"
    )
    console_second_factor: Levels = Field(
        (),
        description="levels that need a second factor with their password, comma separated, e.g. tenant_administrator",
    )
    openid_issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        "",
        description="URL of the OpenID provider at which people sign in, as it names itself; empty: none",
    )
    openid_client_id: str = Field("", description="id of the console at the OpenID provider")
    openid_client_secret: SecretStr = Field(
        SecretStr(""), description="secret of the console at the OpenID provider; empty: it is a public client"
    )
    openid_scopes: Texts = Field(
        ("openid", "profile", "email"), description="scopes that the OpenID provider is asked for, comma separated"
    )
    openid_label: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f]{0,60}$",
        description="what the button of the sign-in page calls the OpenID provider; empty: WITIOP_ORGANISATION",
    )
    openid_name_claim: str = Field(
        "preferred_username", description="claim with the name of a person who signs in for the first time"
    )
    openid_role_claim: str = Field(
        "groups",
        description="claim with a person's roles, a text or a list; realm_access.roles is inside of another",
    )
    openid_roles: Roles = Field(
        (),
        description="which role gives which level, comma separated, the first that fits, e.g. "
        "bosses=tenant_administrator,leads=supervisor:sales+support,eyes=read_only,staff=directory; empty: people need "
        "a sign-in that an administrator made",
    )
    console_sessions_since: AwareDatetime | None = Field(
        None,
        description="time before which sessions are invalid, e.g. 2026-11-23T12:00:00Z; now ends all sessions",
    )

    monitor_host: str = Field("127.0.0.1", description="address that /metrics, /healthz and /readyz listen on")
    monitor_port: Port = Field(
        9464, description="port of /metrics, /healthz and /readyz; a different one for each process of a machine"
    )

    traces_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="URL of an OpenTelemetry collector that gets traces as OTLP over HTTP, e.g. "
        "http://collector:4318/v1/traces; empty: there are none",
    )
    traces_share: float = Field(
        1.0, ge=0, le=1, description="share of the webhooks' requests and of the console's commands that are traced"
    )

    rules_per_minute: int = Field(
        20,
        ge=1,
        le=10_000,
        description="actions of all rescue rules in a minute, at most; what is more waits, and somebody is called",
    )
    poison_per_minute: int = Field(
        20,
        ge=0,
        description="failures per minute, none a sender's doing, after which a partition or a worker stops for a while",
    )
    stalled_inbound_seconds: int = Field(
        600,
        ge=1,
        description="seconds without progress on the inbound topic after which timer and routing stop waiting for it",
    )
    reservation_seconds: int = Field(
        1800, ge=1, description="seconds that an exclusive transfer is reserved for its user or skillset"
    )
    offer_seconds: int = Field(60, ge=1, description="seconds that an agent has to accept an offered conversation")
    answer_seconds: int = Field(
        600,
        ge=1,
        description="seconds that an agent who accepted a conversation has until the first message to the customer",
    )
    answer_before_end_seconds: int = Field(
        1800,
        ge=0,
        description="seconds before the end of the window at which an accepted conversation without a message goes "
        "back to the list, if that is earlier",
    )
    answer_at_least_seconds: int = Field(
        180, ge=0, description="seconds that an agent has in any case after accepting a conversation"
    )
    reply_seconds: int = Field(
        600,
        ge=1,
        description="seconds within the number's hours after which a customer who was answered and wrote again is on "
        "the list",
    )
    presence_timeout_seconds: int = Field(
        300,
        ge=1,
        description="seconds without any event from an agent's desktop after which the agent counts as offline",
    )
    consumer_threads: int = Field(
        3, ge=1, le=64, description="batches that a consumer processes in parallel, each from different partitions"
    )
    consumer_instance: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="static name of this consumer, unique in its group: after a restart it resumes at once",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged: debug, info, warning or error"
    )
    crash_at: str | None = Field(
        None,
        validation_alias="CRASH_AT",
        pattern=r"^[a-z.-]+(:[1-9][0-9]*)?$",
        description="for tests: exit when a crash point is reached for the n-th time, e.g. before-commit:2",
    )

    @model_validator(mode="after")
    def _require_complete_sasl_credentials(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL_") and not (
            self.kafka_sasl_mechanism and self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL: {self.kafka_security_protocol} also needs "
                f"{PREFIX}KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
            )
        return self

    @model_validator(mode="after")
    def _require_a_way_to_sign_in(self) -> Self:
        if self.openid_issuer and not self.openid_client_id:
            raise ValueError(f"{PREFIX}OPENID_ISSUER also needs {PREFIX}OPENID_CLIENT_ID")
        if not self.console_local_sign_in and not self.openid_issuer:
            raise ValueError(f"{PREFIX}CONSOLE_LOCAL_SIGN_IN: off needs {PREFIX}OPENID_ISSUER, or nobody can sign in")
        return self


def variable(field: str) -> str:
    """Returns the environment variable of a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias or PREFIX + field.upper())


def file_variable(field: str) -> str:
    """Returns the environment variable that names the file of a secret."""
    return variable(field) + SUFFIX


SECRETS = tuple(name for name, field in Settings.model_fields.items() if "SecretStr" in repr(field.annotation))
"""The fields that are secret, each of which may be in a file."""


def load(*needed: str, **overrides: object) -> Settings:
    """Reads the settings from the environment and from the files that it names. `overrides` take precedence.

    Raises:
        SettingsError: a field of `needed` is not set, or a value is invalid. The message names every such variable and
            contains no value.
    """
    named = _from_files()
    files = {name: secret for name, secret in named.items() if secret}
    given = {**files, **overrides}
    try:
        values: dict[str, Any] = {_key(name): value for name, value in given.items()}
        settings = Settings(**values)
    except ValidationError as error:
        found = error.errors(include_input=False)
        raise SettingsError("\n".join(_line(each, files.keys() - overrides.keys()) for each in found)) from None
    missing = [name for name in needed if not _is_set(getattr(settings, name))]
    if missing:
        how = {name: f"{file_variable(name)} is empty" for name in named}
        raise SettingsError(
            "\n".join(
                f"{how.get(name, f'{variable(name)} is missing')}: {Settings.model_fields[name].description}"
                for name in missing
            )
        )
    return settings


def with_files_read_again(settings: Settings) -> Settings:
    """Returns the settings with the secrets that come from files as the files are now; all others stay as they are.

    Raises:
        SettingsError: a file cannot be read, has become empty, or has an invalid value.
    """
    files = _from_files()
    after = load(**{name: getattr(settings, name) for name in settings.model_fields_set if name not in files})
    if lost := [name for name in files if _is_set(getattr(settings, name)) and not _is_set(getattr(after, name))]:
        raise SettingsError("\n".join(f"{file_variable(name)} is empty" for name in lost))
    return after


def is_debugging() -> bool:
    """Returns whether the log level is debug. Works also when other settings are invalid."""
    return os.environ.get(f"{PREFIX}LOG_LEVEL") == "debug"


def unknown_variables() -> list[str]:
    """Returns the variables with our prefix that belong to no setting, most likely misspelt."""
    known = {variable(name) for name in Settings.model_fields} | {file_variable(name) for name in SECRETS}
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def table() -> str:
    """Returns the settings as a Markdown table, for docs/settings.md."""
    rows = [
        f"| {_variables(name)} | {f'`{field.default}`' if _is_set(field.default) else ''} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _variables(field: str) -> str:
    return f"`{variable(field)}`" + (f", `{file_variable(field)}`" if field in SECRETS else "")


def _from_files() -> dict[str, str]:
    return secrets_in_files(os.environ, {name: variable(name) for name in SECRETS})


def _key(field: str) -> str:
    """Returns the name by which pydantic accepts and reports a field."""
    return str(Settings.model_fields[field].validation_alias or field) if field in Settings.model_fields else field


def _is_set(value: object) -> bool:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text not in (None, "", ())


def _line(found: ErrorDetails, in_files: Collection[str]) -> str:
    message = found["msg"].removeprefix("Value error, ")
    if not found["loc"]:
        return message
    field = next((name for name in Settings.model_fields if _key(name) == found["loc"][0]), None)
    if field is None:
        return f"{found['loc'][0]}: no such setting"
    expected = Settings.model_fields[field].description
    name = file_variable(field) if field in in_files else variable(field)
    return f"{name}: {message[:1].lower()}{message[1:]}; expected: {expected}"


if __name__ == "__main__":
    print(table())  # noqa: T201 - for docs/settings.md
