"""The processes that `witiop dev` starts, with their commands."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class DevProgram:
    """A program of the stack. `monitor` is the port of its /readyz, if it has one, counted from the first port.
    `secrets`: the settings among `SECRETS` that it gets."""

    name: str
    argv: tuple[str, ...]
    monitor: int | None = None
    secrets: tuple[str, ...] = ()


SECRETS = (
    "postgres_dsn",
    "role_passwords",
    "whatsapp_app_secrets",
    "whatsapp_verify_token",
    "whatsapp_access_token",
    "softbot_secrets",
    "agents_secrets",
    "command_secrets",
    "ses_access_key_id",
    "ses_secret_access_key",
    "media_access_key_id",
    "media_secret_access_key",
)
"""Settings that a program of the stack gets only if it needs them."""


def _witiop(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "witiop", *arguments)


# "-" selects the environment: without it they would choose a stack that is running in the working directory.
MIGRATE = DevProgram("migrate", _witiop("migrate", "--stack", "-"), secrets=("postgres_dsn", "role_passwords"))
TOPICS = DevProgram("topics", _witiop("topics", "--stack", "-"))
_DATABASE = ("postgres_dsn",)
PROCESSES = tuple(
    DevProgram(name, _witiop("run", name), monitor, secrets)
    for name, monitor, secrets in (
        ("webhook", 10, ("whatsapp_app_secrets", "whatsapp_verify_token", "softbot_secrets", "agents_secrets")),
        ("conversations", 11, _DATABASE),
        ("timer", 12, _DATABASE),
        ("relay", 13, _DATABASE),
        ("commands", 14, (*_DATABASE, "command_secrets")),
        ("routing", 16, _DATABASE),
        (
            "mails",
            15,
            (
                *_DATABASE,
                *("ses_access_key_id", "ses_secret_access_key", "media_access_key_id", "media_secret_access_key"),
            ),
        ),
        ("sender", 18, (*_DATABASE, "whatsapp_access_token")),
        ("media", 19, (*_DATABASE, "whatsapp_access_token", "media_access_key_id", "media_secret_access_key")),
        ("campaigns", 20, _DATABASE),
        ("analytics", 23, _DATABASE),
        ("alarms", 24, (*_DATABASE, "ses_access_key_id", "ses_secret_access_key")),
        ("rules", 21, (*_DATABASE, "command_secrets")),
        ("retention", 22, (*_DATABASE, "media_access_key_id", "media_secret_access_key")),
        ("console", 17, (*_DATABASE, "command_secrets", "media_access_key_id", "media_secret_access_key")),
    )
)
SIMULATOR = DevProgram("simulator", _witiop("simulate", "story"))
SHOP = DevProgram("shop", _witiop("simulate", "shop"))
