"""The team of a development stack: a channel for alarms, and the chat that it leads to, which `witiop dev` shows."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from domain.alarms.channels import AlarmChannel, ChannelSecrets
from infra.local.team_hook import TeamHook
from witiop.dev.sign_ins import ADMINISTRATOR, generated
from witiop.dev.stack_file import Stack, write_private

CHANNEL = "team"


def open_team(stack: Stack, secrets_file: Path, port: int, echo: Callable[[str], None]) -> TeamHook:
    """Starts the stand-in for the team's chat, and creates its channel if there is none. Raises OSError."""
    from infra.postgres.alarms.channels import add_channel
    from infra.postgres.connections.pool import connect

    known = json.loads(secrets_file.read_text(encoding="utf-8"))
    secret = generated(known, "team_secret")
    write_private(secrets_file, known)
    hook = TeamHook(port, secret, echo)
    channel = AlarmChannel(uuid4(), CHANNEL, "text", "127.0.0.1", "en", "amber", True, True)
    with connect(stack.postgres_dsn, "dev", autocommit=True) as connection:
        add_channel(connection, channel, ChannelSecrets(hook.url, secret), ADMINISTRATOR)
    return hook
