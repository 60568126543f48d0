"""The Docker engine for these tests: the one of this machine, or one that is installed from Debian's packages and runs
for as long as the tests."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from infra.local.guard import Guard
from tests.containers.packages import Debian, PackagesMissing

_START_SECONDS = 60.0


class NoEngine(Exception):
    """Nothing can run containers here; the message says why, in one sentence."""


class DockerFailed(Exception):
    """A command of Docker failed; the message is what it wrote."""


@dataclass(frozen=True, slots=True)
class Docker:
    """The command `docker` for one engine. `is_ours`: whether the engine was started for the tests."""

    environment: Mapping[str, str]
    is_ours: bool

    def __call__(
        self, *arguments: str | Path, stdin: bytes | None = None, seconds: float = 120, **variables: str
    ) -> str:
        """Runs a command and returns its output. Raises DockerFailed."""
        return self.raw(*arguments, stdin=stdin, seconds=seconds, **variables).decode(errors="replace")

    def raw(self, *arguments: str | Path, stdin: bytes | None = None, seconds: float = 120, **variables: str) -> bytes:
        """Runs a command and returns its output as bytes. Raises DockerFailed."""
        ended = subprocess.run(
            ["docker", *arguments],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env={**self.environment, **variables},
            timeout=seconds,
            check=False,
        )
        if ended.returncode != 0:
            said = (ended.stdout + ended.stderr).decode(errors="replace")
            raise DockerFailed(f"docker {' '.join(map(str, arguments))}: {said[-4000:]}")
        return ended.stdout

    def answers(self, *arguments: str) -> bool:
        """Whether a command succeeds."""
        try:
            self(*arguments)
        except (DockerFailed, OSError, subprocess.TimeoutExpired):
            return False
        return True


@contextmanager
def engine(debian: Debian) -> Iterator[Docker]:
    """Yields an engine with Compose. Raises NoEngine if there is none and none can be started."""
    found = Docker(os.environ, is_ours=False)
    if shutil.which("docker") and found.answers("info"):
        yield _with_compose(found, debian)
        return
    try:
        debian.install("dockerd", "docker.io")
    except PackagesMissing as reason:
        raise NoEngine(f"no Docker engine answers, and none can be installed: {reason}") from reason
    directory = Path(mkdtemp(prefix="witiop-engine-"))
    try:
        with Guard() as guard:
            yield _with_compose(_started(guard, directory), debian)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _started(guard: Guard, directory: Path) -> Docker:
    """Starts an engine whose data is in the directory."""
    address = f"unix://{directory}/docker.sock"
    log = directory / "log"
    places = {"--data-root": "data", "--exec-root": "run", "--pidfile": "pid"}
    options = [f"{option}={directory / name}" for option, name in places.items()]
    with log.open("wb") as output:
        argv = ["dockerd", *options, f"--host={address}", "--log-level=warn"]
        process = guard.spawn(argv, cwd=directory, output=output)
    docker = Docker({**os.environ, "DOCKER_HOST": address}, is_ours=True)
    until = time.monotonic() + _START_SECONDS
    while not docker.answers("info"):
        if process.poll() is not None or time.monotonic() > until:
            lines = log.read_text(errors="replace").splitlines() or ["it wrote nothing"]
            raise NoEngine(f"the Docker engine of this machine does not start: {lines[-1]}")
        time.sleep(0.2)
    return docker


def _with_compose(docker: Docker, debian: Debian) -> Docker:
    """Returns the command with its plug-ins for Compose and building, which may be those of Debian."""
    if docker.answers("compose", "version"):
        return docker
    try:
        configuration = debian.docker_plugins()
    except PackagesMissing as reason:
        raise NoEngine(f"docker has no Compose, and it cannot be installed: {reason}") from reason
    return Docker({**docker.environment, "DOCKER_CONFIG": str(configuration)}, docker.is_ours)
