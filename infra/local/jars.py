"""Apache Kafka's jars: which ones, whether they are what we tried, and how they get onto this machine.

`kafka.lock` beside this file is the list: one line per jar with its Maven coordinate and SHA-256. Nothing is
resolved at run time, so that what starts tomorrow is what was tested today. `python -m infra.local.jars` prints
the list anew after a change of `ENDPOINT`.
"""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.errors import LocalServerError, NotReachableError

# The "!" asks for each jar's own dependencies only; with jgo's usual bill of materials kafka-clients 3.8 came
# along and the broker died at its start.
ENDPOINT = ("org.apache.kafka:kafka_2.13:4.3.1!", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!")
LOCK_FILE = Path(__file__).with_name("kafka.lock")


def kafka_jars(
    cache_dir: Path,
    echo: Callable[[str], None],
    *,
    lock_file: Path = LOCK_FILE,
    fetch: Callable[[str, Path], Path] | None = None,
) -> list[Path]:
    """The verified jars of the broker; what is missing is downloaded into `cache_dir` first, some 43 MB.

    `fetch` gets one file, by its coordinate, into an empty directory. Raises NotReachableError when it cannot and
    LocalServerError when a file is not what the list says; such a file is removed: the next call fetches it anew.
    """
    lines = lock_file.read_text(encoding="ascii").splitlines()
    listed = [line.split() for line in lines if not line.startswith("#")]
    paths = {coordinate: _path(cache_dir, coordinate) for coordinate, _ in listed}
    if not all(path.exists() for path in paths.values()):
        with _one_at_a_time(cache_dir):  # who waited here for somebody else's downloads finds nothing missing
            missing = [coordinate for coordinate, path in paths.items() if not path.exists()]
            for number, coordinate in enumerate(missing, 1):
                echo(f"downloading Apache Kafka {number}/{len(missing)}: {paths[coordinate].name}")
                with tempfile.TemporaryDirectory(dir=cache_dir) as unfinished:
                    fetched = (fetch or _download)(coordinate, Path(unfinished))
                    paths[coordinate].parent.mkdir(parents=True, exist_ok=True)
                    fetched.replace(paths[coordinate])
    for coordinate, sha256 in listed:
        _verify(paths[coordinate], sha256)
    return list(paths.values())


def _path(cache_dir: Path, coordinate: str) -> Path:
    group, artifact, version = coordinate.split(":")
    return cache_dir.resolve() / "maven" / Path(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def _verify(path: Path, sha256: str) -> None:
    # All 46 at every start: 0.1 s, and Java reads the same bytes a moment later.
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        path.unlink()
        raise LocalServerError(
            f"{path.name} was damaged or altered on its way here (SHA-256 {found[:12]}..., not {sha256[:12]}...): "
            "it was removed, run the same command again to download it anew"
        )


def _download(coordinate: str, directory: Path) -> Path:
    import requests
    from jgo.maven import MavenContext

    artifact = MavenContext(repo_cache=directory).create_dependency(coordinate).artifact
    try:
        path: Path = artifact.resolve()
    except (requests.RequestException, RuntimeError) as error:  # jgo says RuntimeError for any answer but 200
        raise NotReachableError(
            f"{artifact.filename} cannot be downloaded ({type(error).__name__}): check the network and run the same "
            "command again; what is there already stays"
        ) from error
    return path


@contextmanager
def _one_at_a_time(cache_dir: Path) -> Iterator[None]:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _print_lock_file(cache_dir: Path) -> None:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=cache_dir / "maven")
    inputs, transitive = context.resolver.resolve([context.create_dependency(part) for part in ENDPOINT])
    print(f"# {' + '.join(ENDPOINT)}; written by python -m infra.local.jars")  # noqa: T201
    for dependency in sorted((*inputs, *transitive), key=str):
        artifact = dependency.artifact
        sha256 = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        print(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {sha256}")  # noqa: T201


if __name__ == "__main__":
    from infra.local import CACHE_DIR

    _print_lock_file(CACHE_DIR)
