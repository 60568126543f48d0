"""An installation whose processes are of different versions of the product."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.topics import Topics
from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.ses import BUCKET, KEY, REGION
from infra.local.simulator.webhooks import Webhooks
from infra.postgres.roles import role_of
from tests.support.graph import ACCOUNT, TOKEN
from tests.support.ses import ses_settings
from tests.support.system import COMMAND_SECRET, Worker
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET, VERIFY_TOKEN

_ROLE_PASSWORD = "of-a-role"


class Release(NamedTuple):
    """A version of the product: its name for people, and its source tree."""

    name: str
    source: Path

    def names_in(self, module: str, attribute: str) -> list[str]:
        """Returns the names that a mapping or sequence of this version has."""
        program = f"import json, {module}; print(json.dumps(list({module}.{attribute})))"
        return list(json.loads(self._python("-c", program, env=dict(os.environ))))

    def witiop(self, *arguments: str, env: dict[str, str]) -> str:
        """Runs a command of this version's command line and returns its output."""
        return self._python("-m", "witiop", *arguments, "--stack", "-", env=env)

    def _python(self, *arguments: str, env: dict[str, str]) -> str:
        env = env | {"PYTHONPATH": str(self.source)}
        argv = [sys.executable, *arguments]
        done = subprocess.run(argv, cwd=self.source, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{self.name}: {' '.join(arguments[:3])}: {done.stdout}{done.stderr}"
        return done.stdout


class MixedInstallation:
    """The processes of an installation, each of some version. The context manager ends all of them."""

    def __init__(self, kafka: str, dsn: str, ses: str, graph: str, webhook_port: int, directory: Path) -> None:
        self.kafka = kafka
        self.dsn = dsn
        self.topics = Topics()
        self.workers: dict[str, Worker] = {}
        self.logs: list[Path] = []
        secrets: dict[Any, str] = {"whatsapp": APP_SECRETS[0], "softbot": SOFTBOT_SECRET, "agents": AGENTS_SECRET}
        self.webhooks = Webhooks(f"http://{LOOPBACK}:{webhook_port}", secrets)
        self._directory = directory
        self._guard = Guard()
        self._settings = {
            "kafka_bootstrap_servers": kafka,
            "kafka_replication_factor": 1,
            "whatsapp_app_secrets": ",".join(APP_SECRETS),
            "whatsapp_verify_token": VERIFY_TOKEN,
            "softbot_secrets": SOFTBOT_SECRET,
            "agents_secrets": AGENTS_SECRET,
            "command_secrets": COMMAND_SECRET,
            "webhook_port": webhook_port,
            "console_port": free_port(),
            **ses_settings(ses),
            "ses_rate": 100,
            "media_bucket": BUCKET,
            "media_region": REGION,
            "media_endpoint": ses,
            "media_access_key_id": KEY[0],
            "media_secret_access_key": KEY[1],
            "sending_enabled": True,
            "graph_url": graph,
            "whatsapp_access_token": TOKEN,
            "whatsapp_accounts": ACCOUNT,
        }

    def witiop(self, release: Release, *arguments: str) -> str:
        """Runs a command as the owner of the database; `migrate` also gives every role its password."""
        roles = release.names_in("infra.postgres.roles", "ROLE_PROCESSES")
        passwords = ",".join(f"{role}:{_ROLE_PASSWORD}" for role in roles)
        return release.witiop(*arguments, env=self._environment(self.dsn) | {"WITIOP_ROLE_PASSWORDS": passwords})

    def start(self, release: Release, name: str) -> Worker:
        """Starts a process of this version and returns when it is ready."""
        log = self._directory / f"{len(self.logs):02}-{name}-{release.name}.log"
        env = self._environment(self._own_dsn(release, name)) | {"PYTHONPATH": str(release.source)}
        self.logs.append(log)
        self.workers[name] = Worker(self._guard, name, log, env, cold={name})
        return self.workers[name].wait_ready()

    def replace(self, release: Release, name: str) -> float:
        """Stops a process, starts that of this version, and returns the seconds until it was ready."""
        began = time.monotonic()
        code = self.workers[name].stop()
        assert code == 0, f"{name} ended with {code}: {self.workers[name].log_text()[-2000:]}"
        self.start(release, name)
        return time.monotonic() - began

    def stop(self, names: Sequence[str]) -> None:
        """Stops processes."""
        for name in names:
            assert 0 == self.workers.pop(name).stop()

    def close(self) -> None:
        """Ends everything."""
        self._guard.close()

    def _own_dsn(self, release: Release, name: str) -> str:
        if name not in release.names_in("infra.postgres.roles", "ROLE_PROCESSES"):
            return ""
        role = role_of(name, str(conninfo_to_dict(self.dsn)["dbname"]))
        return make_conninfo(self.dsn, user=role, password=_ROLE_PASSWORD)

    def _environment(self, dsn: str) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("WITIOP_")}
        settings = {**self._settings, "postgres_dsn": dsn, "monitor_port": free_port()}
        return own | {f"WITIOP_{name.upper()}": str(value) for name, value in settings.items() if value != ""}
