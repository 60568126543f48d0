"""Downloads and verifies Apache Kafka's jars.

`kafka.lock` in this folder lists them: one line per jar with its Maven coordinate and SHA-256. Nothing is resolved at
run time, so that the tested versions are the ones that start. `python -m infra.local.jars` prints a new list after a
change of `ENDPOINT`.
"""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.errors import LocalServerError, NotReachableError

# The "!" requests each jar's own dependencies only. jgo's default bill of materials adds kafka-clients 3.8, with which
# the broker dies at startup.
ENDPOINT = ("org.apache.kafka:kafka_2.13:4.3.1!", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!")
LOCK_FILE = Path(__file__).with_name("kafka.lock")


def kafka_jars(cache_dir: Path, echo: Callable[[str], None]) -> list[Path]:
    """Returns the verified jars of the broker. Missing ones are downloaded into `cache_dir` first (43 MB in total).
    Raises as `verified_jars` does."""
    return verified_jars(cache_dir, echo, lock_file=LOCK_FILE, what="Apache Kafka")


def verified_jars(
    cache_dir: Path,
    echo: Callable[[str], None],
    *,
    lock_file: Path,
    what: str,
    only: str = "",
    fetch: Callable[[str, Path], Path] | None = None,
) -> list[Path]:
    """Returns the verified files of a list, in `cache_dir`. Missing ones are downloaded first. `what`: what they are,
    for the progress; `only`: a part of the coordinates of those that are wanted.

    `fetch` downloads one file, by its coordinate, into an empty directory; it raises NotReachableError when it cannot.
    Raises LocalServerError when a file does not have the listed hash; the file is then removed, so that the next call
    downloads it again.
    """
    lines = lock_file.read_text(encoding="ascii").splitlines()
    listed = [line.split() for line in lines if not line.startswith("#") and only in line]
    paths = {coordinate: _path(cache_dir, coordinate) for coordinate, _ in listed}
    if not all(path.exists() for path in paths.values()):
        with _one_at_a_time(cache_dir):  # after waiting for another process's downloads, nothing is missing
            missing = [coordinate for coordinate, path in paths.items() if not path.exists()]
            for number, coordinate in enumerate(missing, 1):
                echo(f"downloading {what} {number}/{len(missing)}: {paths[coordinate].name}")
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
    # All 46 jars at every start take 0.1 s, and Java reads the same bytes a moment later.
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        path.unlink()
        raise LocalServerError(
            f"{path.name} was damaged or altered (SHA-256 {actual[:12]}..., not {sha256[:12]}...) and was removed: "
            "run the same command again to download it again"
        )


def _download(coordinate: str, directory: Path) -> Path:
    import requests
    from jgo.maven import MavenContext

    artifact = MavenContext(repo_cache=directory).create_dependency(coordinate).artifact
    try:
        path: Path = artifact.resolve()
    except (requests.RequestException, RuntimeError) as error:  # jgo raises RuntimeError for any status but 200
        raise NotReachableError(
            f"{artifact.filename} cannot be downloaded ({type(error).__name__}): check the network and run the same "
            "command again; finished downloads are reused"
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
