"""The environment of each program of the stack: its settings, and of the secrets only those that it needs."""

import os
from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.local.ports import LOOPBACK
from infra.local.ses import BUCKET, CONFIGURATION_SET, KEY, REGION, SENDER, TOPIC_ARN
from infra.local.simulator import bike_shop
from infra.postgres.roles import role_of
from witiop.dev.processes import SECRETS, DevProgram
from witiop.dev.stack_file import Stack
from witiop.settings import SECRETS as SECRET_SETTINGS
from witiop.settings import file_variable, variable

WEBHOOK_PORT, CONSOLE_PORT = 0, 1
"""Offsets from the first port."""


def environment_of(
    program: DevProgram, stack: Stack, port_base: int, role_passwords: Mapping[str, str]
) -> dict[str, str]:
    """Returns the variables of a program. `role_passwords`: those that `witiop migrate` gives to the roles."""
    settings: dict[str, object] = {
        "kafka_bootstrap_servers": stack.kafka_bootstrap,
        "kafka_security_protocol": "PLAINTEXT",
        "kafka_topic_prefix": "",
        "kafka_replication_factor": stack.copies,
        "ses_endpoint": stack.ses_endpoint,
        "ses_region": REGION,
        "ses_sender": SENDER,
        "ses_configuration_set": CONFIGURATION_SET,
        "ses_topic_arns": TOPIC_ARN,
        "graph_url": stack.graph_url,
        "media_bucket": BUCKET,
        "media_region": REGION,
        "media_endpoint": stack.ses_endpoint,
        "whatsapp_accounts": ",".join(sorted({number.account_id for number in bike_shop.NUMBERS})),
        "sending_enabled": True,  # to the stand-in
        "alarm_private_hosts": LOOPBACK,  # the team's stand-in
        "console_host": LOOPBACK,
        "console_port": port_base + CONSOLE_PORT,
        "console_url": f"http://{LOOPBACK}:{port_base + CONSOLE_PORT}",
        "webhook_url": stack.webhook_url,
        "webhook_host": LOOPBACK,
        "webhook_port": port_base + WEBHOOK_PORT,
        "monitor_host": LOOPBACK,
        "consumer_instance": f"dev-{program.name}",
    }
    if program.monitor is not None:
        settings["monitor_port"] = port_base + program.monitor
    secrets = {
        "postgres_dsn": _dsn(program, stack.postgres_dsn, role_passwords),
        "role_passwords": ",".join(f"{name}:{password}" for name, password in role_passwords.items()),
        "whatsapp_app_secrets": stack.whatsapp_app_secret,
        "whatsapp_verify_token": stack.whatsapp_verify_token,
        "whatsapp_access_token": stack.graph_token,
        "softbot_secrets": stack.softbot_secret,
        "agents_secrets": stack.agents_secret,
        "command_secrets": stack.command_secret,
        "media_access_key_id": KEY[0],
        "media_secret_access_key": KEY[1],
        "ses_access_key_id": KEY[0],
        "ses_secret_access_key": KEY[1],
    }
    settings |= {name: secrets[name] for name in program.secrets}
    withheld = {variable(name) for name in SECRETS} | {file_variable(name) for name in SECRET_SETTINGS}
    return {
        # passed on, not read: search path, locale, log level
        **{name: value for name, value in os.environ.items() if name not in withheld},
        **{variable(name): str(value) for name, value in settings.items()},
    }


def _dsn(program: DevProgram, owner_dsn: str, role_passwords: Mapping[str, str]) -> str:
    """A process uses the database with its own role."""
    if program.name not in role_passwords:
        return owner_dsn
    role = role_of(program.name, str(conninfo_to_dict(owner_dsn)["dbname"]))
    return make_conninfo(owner_dsn, user=role, password=role_passwords[program.name])
