"""What these tests need from Debian's packages: the engine and Compose where the machine has none, and the file system
that the stand-ins for published images are made of."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local import say

RELEASE = "trixie"
"""Debian's release with the Python of the Dockerfile."""
_NEWEST = "sid"
_IN_THE_BASE = ("python3", "python3-venv", "python3-pip", "ca-certificates", "locales", "libcap2-bin", "netcat-openbsd")
_PLUGINS = {"docker-compose": "docker-compose", "docker-buildx": "docker-buildx"}
"""Package -> plug-in of the command `docker`."""
_AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
_SECONDS = 900
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


class PackagesMissing(Exception):
    """Packages cannot be installed on this machine; the message says why."""


class Debian:
    """Debian's packages. What is made of them is kept in `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache / "containers" / RELEASE

    @property
    def base(self) -> Path:
        """A tar file with the file system. It trusts whom this machine trusts, so that pip reaches in a container what
        it reaches here. Raises PackagesMissing."""
        return self._kept("base.tar")

    @property
    def caddy(self) -> Path:
        """Caddy's program. Raises PackagesMissing."""
        return self._kept("caddy")

    def docker_plugins(self) -> Path:
        """Returns a directory with the plug-ins of the command `docker`, as DOCKER_CONFIG. Raises PackagesMissing."""
        return self._kept("cli-plugins").parent

    def install(self, program: str, *packages: str) -> None:
        """Installs packages on this machine if it does not have a program. Raises PackagesMissing."""
        if shutil.which(program) is not None:
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise PackagesMissing(f"{' and '.join(packages)} can be installed by root on Debian only")
        say(f"installing Debian's packages {', '.join(packages)}, for the tests in containers")
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        try:
            _run(command)
        except PackagesMissing:
            _run(["apt-get", "update", "-qq"])
            _run(command)

    def _kept(self, name: str) -> Path:
        if not (self._cache / name).exists():
            self._make()
        return self._cache / name

    def _make(self) -> None:
        self.install("debootstrap", "debootstrap")
        say(f"making a file system of Debian {RELEASE} (a minute or two, once)")
        self._cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="witiop-debian-") as made:
            root = Path(made, "root")
            _run(["debootstrap", "--variant=minbase", f"--include={','.join(_IN_THE_BASE)}", RELEASE, root])
            shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
            for package, plugin in _PLUGINS.items():
                self._keep(
                    _unpacked(root, package), f"usr/libexec/docker/cli-plugins/{plugin}", f"cli-plugins/{plugin}"
                )
            sources = root / "etc/apt/sources.list"
            sources.write_text(sources.read_text().replace(RELEASE, _NEWEST))  # Caddy of this year
            self._keep(_unpacked(root, "caddy"), "usr/bin/caddy", "caddy")
            if (Path("/") / _AUTHORITIES).exists():
                shutil.copyfile(Path("/") / _AUTHORITIES, root / _AUTHORITIES)
            for waste in ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "unpacked"):
                shutil.rmtree(root / waste, ignore_errors=True)
            unfinished = self._cache / "base.unfinished"
            _run(["tar", "--create", "--numeric-owner", f"--file={unfinished}", f"--directory={root}", "."])
            unfinished.rename(self._cache / "base.tar")

    def _keep(self, unpacked: Path, path: str, name: str) -> None:
        kept = self._cache / name
        kept.parent.mkdir(exist_ok=True)
        shutil.copy(unpacked / path, kept)


def _unpacked(root: Path, package: str) -> Path:
    """Downloads a package with the `apt-get` of another file system, and unpacks it there."""
    inside = Path("unpacked", package)
    (root / inside).mkdir(parents=True)
    # A mirror may be older than the lists of the newest packages are meant to live; they are signed all the same.
    update = "apt-get -o Acquire::Check-Valid-Until=false update -qq"
    shell = f"{update} && cd /{inside} && apt-get download -qq {package} && dpkg-deb --extract *.deb ."
    _run(["chroot", root, "sh", "-c", shell])
    return root / inside


def _run(command: Sequence[str | Path]) -> None:
    """Runs a command. Raises PackagesMissing."""
    try:
        ended = subprocess.run(
            command, env={**os.environ, **_QUIET}, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackagesMissing(f"{command[0]}: {error}") from error
    if ended.returncode != 0:
        lines = (ended.stdout + ended.stderr).strip().splitlines() or ["failed"]
        raise PackagesMissing(f"{command[0]}: {lines[-1]}")
