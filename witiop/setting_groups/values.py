"""Types of settings: what a value must look like, and how a list is written."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from domain.directory import Level


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
    from psycopg import ProgrammingError  # imported only where there is a database
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return False
    is_url = dsn.startswith(("postgresql://", "postgres://"))
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


def _with_certificates(file: Path) -> Path:
    from ssl import create_default_context  # imported only when a file is set

    try:
        create_default_context(cafile=file)
    except OSError:  # also of a file with something else in it
        raise ValueError("not a file with certificates in PEM") from None
    return file


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
ConnectionString = Annotated[SecretStr, AfterValidator(_connection_string)]
ProcessPasswords = Annotated[SecretStr, AfterValidator(_process_passwords)]
AuthorityFile = Annotated[Path, AfterValidator(_with_certificates)]
Issuer = Annotated[str, AfterValidator(_issuer)]
