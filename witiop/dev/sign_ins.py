"""The first sign-ins to the console of a development stack: an administrator, and with the demo an agent, somebody
who only reads and a supervisor."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from domain.directory import Level
from infra.local.simulator.bike_shop import AGENT_WITH_SIGN_IN, READER, SUPERVISOR
from witiop.dev.stack_file import Stack, write_private

ADMINISTRATOR = "paolo"
"""Also a user of the demo's company."""


def add_sign_ins(stack: Stack, secrets_file: Path, demo: bool, echo: Callable[[str], None]) -> None:
    """Creates the sign-ins that do not exist yet, with random passwords: notes them in `stack` and in `secrets_file`,
    and prints them to `echo`. `stack.console_url` must be set."""
    from infra.passwords import Passwords
    from infra.postgres.connections.pool import connect
    from infra.postgres.console.people import create
    from infra.postgres.console.sign_ins import password_of

    known = json.loads(secrets_file.read_text(encoding="utf-8"))
    stack.console_user, stack.console_password = ADMINISTRATOR, generated(known, "console_password")
    sign_ins = [("console", stack.console_url, ADMINISTRATOR, stack.console_password)]
    if demo:
        stack.agent_user, stack.agent_password = AGENT_WITH_SIGN_IN, generated(known, "agent_password")
        sign_ins += [
            ("agents' page", f"{stack.console_url}/desk", AGENT_WITH_SIGN_IN, stack.agent_password),
            ("console, read-only", stack.console_url, READER, generated(known, "reader_password")),
            ("console, workshop's supervisor", stack.console_url, SUPERVISOR, generated(known, "supervisor_password")),
        ]
    write_private(secrets_file, known)
    with connect(stack.postgres_dsn, "dev", autocommit=True) as connection:
        for page, address, name, password in sign_ins:
            if password_of(connection, name) is not None:
                continue
            level: Level | None = "tenant_administrator" if name == ADMINISTRATOR else None
            create(connection, name, Passwords().hash(password), level=level)
            echo(f"{page}: {address}, sign in as {name} with the password {password}")


def generated(known: dict[str, str], key: str) -> str:
    """Returns the secret of this name among those that are known, and adds a random one if there is none."""
    return known.setdefault(key, secrets.token_urlsafe(12))
