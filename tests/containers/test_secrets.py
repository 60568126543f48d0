"""docker-compose.secrets.yml: every secret is in a file, and nothing optional is demanded."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.postgres.roles import ROLE_PROCESSES
from infra.process.clock import utc_now
from tests.containers.deployment import Deployment
from tests.containers.engine import Docker
from tests.support.paths import ROOT

FILES = ROOT / "secrets"


def _secrets(app_secret: str) -> dict[str, str]:
    """File -> its secret; "" for what a company without bot, desktop, mails, files and sending has not."""
    named = yaml.safe_load((ROOT / "docker-compose.secrets.yml").read_text())["secrets"]
    passwords = {name: secrets.token_hex(16) for name in ("", *ROLE_PROCESSES)}
    role = {name: f"witiop_{name}" if name else "witiop" for name in passwords}
    dsn = {
        name: f"host=postgres dbname=witiop user={role[name]} password={password}"
        for name, password in passwords.items()
    }
    return {
        **dict.fromkeys(named, ""),
        **{f"{name}_dsn": dsn[name] for name in ROLE_PROCESSES},
        "migrate_dsn": dsn[""],
        "witiop_dsn": dsn[""],
        "postgres_password": passwords[""],
        "role_passwords": ",".join(f"{name}:{passwords[name]}" for name in ROLE_PROCESSES),
        "whatsapp_app_secrets": app_secret,
        "whatsapp_verify_token": secrets.token_hex(16),
        "command_secrets": secrets.token_hex(16),
    }


@pytest.fixture
def deployment(docker: Docker, tmp_path: Path) -> Iterator[Deployment]:
    """An installation with `file` in place of every secret that `.env` demands."""
    if FILES.exists():
        pytest.skip(f"{FILES} belongs to an installation")
    found = Deployment(docker, tmp_path, "witiop-tests-secrets", ["docker-compose.secrets.yml"])
    found.write({"COMPOSE_PROFILES": "", "WITIOP_CONSOLE_URL": ""})
    demanded = {
        name for name, value in found.values.items() if name.endswith(("PASSWORD", "SECRETS", "TOKEN")) and value
    }
    found.write({"COMPOSE_PROFILES": "", "WITIOP_CONSOLE_URL": "", **dict.fromkeys(demanded, "file")})
    FILES.mkdir()
    try:
        for name, secret in _secrets(found.app_secret).items():
            (FILES / name).write_text(f"{secret}\n" if secret else "")
        found.values["POSTGRES_PASSWORD"] = (FILES / "postgres_password").read_text().strip()
        found.up("--build")
        yield found
    finally:
        found.compose("down", "--volumes", "--timeout", "20")
        shutil.rmtree(FILES)


def test_a_message_arrives_where_only_what_is_needed_has_a_secret(deployment: Deployment) -> None:
    deployment.open()
    story = Story("secrets", utc_now())
    story.chat(SHOP, SimulatedCustomer("Gina", "393005559401")).writes("0:01", "I am Gina")
    for told in story.posts:
        deployment.webhooks.deliver(told.post)
    assert deployment.conversation_of("393005559401")
