"""An installation as a deployer has it: docker-compose.yml with a filled-in copy of .env.example."""

import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg

from infra.local.ports import LOOPBACK, free_port
from infra.local.simulator import bike_shop
from infra.local.simulator.webhooks import Webhooks
from tests.containers.engine import Docker, DockerFailed
from tests.support.console import field
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

PROJECT = "witiop-tests"
HOST = "localhost"
OWNER, PASSWORD = "paolo", "correct horse battery staple"
ONCE = ("migrate", "topics")
"""Services that end when they are done."""
_READY_SECONDS = 600.0
_MONITOR_PORT = 9464
_EMPTY = re.compile(r"^(\w+)=$", re.MULTILINE)


class Container(NamedTuple):
    """A container of the installation, as the engine sees it."""

    id: str
    service: str
    state: str
    health: str
    exit_code: int

    @property
    def is_well(self) -> bool:
        """Whether it is ready, or has done what it was there for."""
        if self.service in ONCE:
            return self.state == "exited" and self.exit_code == 0
        return self.state == "running" and self.health == "healthy"


class Deployment:
    """One installation. Its `.env` is in a directory of its own; everything else is the repository's. `more`: further
    files of Compose, after docker-compose.yml."""

    def __init__(self, docker: Docker, directory: Path, project: str = PROJECT, more: Sequence[str] = ()) -> None:
        self.docker = docker
        self.primary = "postgres"
        self._name, self._more = project, more
        self.values: dict[str, str] = {}
        self._file = directory / ".env"
        self.webhook_port, self.console_port, self.http_port, self.https_port = (free_port() for _ in range(4))
        self.app_secret = secrets.token_hex(16)
        self.webhooks = Webhooks(f"http://{LOOPBACK}:{self.webhook_port}", {"whatsapp": self.app_secret})

    def write(self, variables: Mapping[str, str]) -> None:
        """Fills in `.env`, as its comments say: behind the proxy with TLS, on free ports of this machine. Every secret
        that is demanded gets one; `variables` are the rest."""
        example = (ROOT / ".env.example").read_text()
        demanded = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
        self.values = {name: secrets.token_hex(16) for name in _EMPTY.findall(example) if name in demanded}
        self.values |= {
            "COMPOSE_PROFILES": "tls",
            "PUBLIC_HOST": HOST,
            "HTTP_PUBLISHED": f"{LOOPBACK}:{self.http_port}",
            "HTTPS_PUBLISHED": f"{LOOPBACK}:{self.https_port}",
            "WEBHOOK_PUBLISHED": f"{LOOPBACK}:{self.webhook_port}",
            "CONSOLE_PUBLISHED": f"{LOOPBACK}:{self.console_port}",
            "WITIOP_CONSOLE_URL": self.url,
            "WITIOP_CONSOLE_PROXIES": "1",
            "WITIOP_WEBHOOK_PROXIES": "1",
            "WITIOP_WHATSAPP_APP_SECRETS": self.app_secret,
            **variables,
        }
        filled = [line for line in example.splitlines() if line.partition("=")[0] not in self.values]
        self._file.write_text("\n".join([*filled, *(f"{name}={value}" for name, value in self.values.items()), ""]))
        self._file.chmod(0o600)

    @property
    def url(self) -> str:
        """The address for people, with TLS."""
        return f"https://{HOST}:{self.https_port}"

    def compose(self, *arguments: str, stdin: bytes | None = None, seconds: float = 300) -> str:
        """Runs a command of Compose and returns its output. Raises DockerFailed."""
        return self.docker(*self._project, *arguments, stdin=stdin, seconds=seconds)

    def raw(self, *arguments: str, stdin: bytes | None = None, seconds: float = 300) -> bytes:
        """As `compose`, with the output as bytes."""
        return self.docker.raw(*self._project, *arguments, stdin=stdin, seconds=seconds)

    @property
    def _project(self) -> Sequence[str]:
        files = [option for file in ("docker-compose.yml", *self._more) for option in ("--file", str(ROOT / file))]
        return ("compose", "--project-name", self._name, "--env-file", str(self._file), *files)

    def up(self, *options: str) -> None:
        """Starts what does not run, and returns when everything is ready."""
        try:
            self.compose("up", "--detach", *options, seconds=900)
        except DockerFailed as failure:
            raise DockerFailed(f"{failure}\n{self._logs_of_the_ill()}") from failure
        self.wait_well()

    def containers(self) -> Sequence[Container]:
        """Returns all containers but those of the command line."""
        rows = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
        return [
            Container(row["ID"], row["Service"], row["State"], row.get("Health", ""), row["ExitCode"]) for row in rows
        ]

    def containers_of(self, service: str) -> Sequence[Container]:
        return [each for each in self.containers() if each.service == service]

    def wait_well(self, seconds: float = _READY_SECONDS) -> None:
        """Returns when every container is well. Raises AssertionError with the logs of those that are not."""
        until = time.monotonic() + seconds
        while ill := [each for each in self.containers() if not each.is_well]:
            if time.monotonic() > until:
                raise AssertionError(f"not well after {seconds:.0f} s: {ill}\n{self._logs_of_the_ill()}")
            time.sleep(1)

    def _logs_of_the_ill(self) -> str:
        """Returns the last lines of every service with a container that is not well."""
        ill = {each.service for each in self.containers() if not each.is_well}
        return self.compose("logs", "--tail", "15", "--no-color", *sorted(ill)) if ill else ""

    def witiop(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Runs a command of the command line in a container. Raises DockerFailed."""
        return self.compose("run", "--rm", "--no-TTY", "witiop", *arguments, stdin=stdin)

    def witiop_json(self, *arguments: str) -> Any:
        return json.loads(self.witiop(*arguments, "--json"))

    def address_of(self, container: str) -> str:
        """Returns the address of a container in the network that only this machine and containers reach."""
        found = f'{{{{(index .NetworkSettings.Networks "{self._name}_inside").IPAddress}}}}'
        return self.docker("inspect", "--format", found, container).strip()

    def answers_ready(self, container: str) -> bool:
        """Whether one of our processes says that it is ready, which the engine asks it every ten seconds only."""
        connection = HTTPConnection(self.address_of(container), _MONITOR_PORT, timeout=3)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def metric(self, container: str, name: str) -> float:
        """The sum of a metric of one of our processes over its labels."""
        page = httpx.get(f"http://{self.address_of(container)}:{_MONITOR_PORT}/metrics").text
        lines = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def database(self) -> psycopg.Connection[Any]:
        """Connects to the database as its owner."""
        (server,) = self.containers_of(self.primary)
        return psycopg.connect(
            host=self.address_of(server.id),
            user="witiop",
            dbname="witiop",
            password=self.values["POSTGRES_PASSWORD"],
            autocommit=True,
        )

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database() as connection:
            return connection.execute(statement, values).fetchall()

    def open(self) -> None:
        """Applies the bike shop's directory, without rules that would act by themselves, and makes an administrator,
        through standard input as docs/containers.md says."""
        text = bike_shop.DIRECTORY_FILE.read_text()
        shop = text[: text.index("[[rule]]")]
        self.witiop("directory", "apply", "-", "--as", OWNER, stdin=shop.encode())
        self.witiop("users", "create", OWNER, "--password-stdin", stdin=f"{PASSWORD}\n".encode())

    @cached_property
    def authority(self) -> ssl.SSLContext:
        """Trusts the authority of the proxy, which made a certificate for HOST, and no other."""
        root = "/var/lib/caddy/caddy/pki/authorities/local/root.crt"
        return ssl.create_default_context(cadata=self.compose("exec", "--no-TTY", "caddy", "cat", root))

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """A client that has signed in to the console, over TLS."""
        with httpx.Client(base_url=self.url, verify=self.authority, follow_redirects=True, timeout=20) as client:
            fields = {"name": OWNER, "password": PASSWORD, "csrf": field(client.get("/").text, "csrf")}
            assert "Unmanaged conversations" in client.post("/sign-in", data=fields).text
            yield client

    def conversation_of(self, phone: str) -> str:
        """Returns the id of a customer's conversation, when there is one."""
        found: list[tuple[Any, ...]] = []

        def is_there() -> bool:
            found[:] = self.query("select id::text from conversations where wa_id = %s", phone)
            return bool(found)

        wait_until(is_there, step=0.2)
        return str(found[0][0])
