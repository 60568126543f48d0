"""Sessions of the console, without anybody who signs in."""

import secrets
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from psycopg import Connection

from domain.directory import Level
from infra.postgres.console import people


def cookies_of(connection: Connection[Any], names: Iterable[str], *, administrator: bool) -> list[str]:
    """Returns the cookie of a new session for each name; the same name gets several. Nobody knows their passwords."""
    cookies = []
    for name in names:
        level: Level | None = "tenant_administrator" if administrator else None
        people.create(connection, name, "no password", level=level)
        token = secrets.token_urlsafe(32)
        connection.execute(
            "insert into console_sessions (token_hash, name) values (%s, %s)", (sha256(token.encode()).digest(), name)
        )
        cookies.append(f"witiop={token}")
    return cookies
