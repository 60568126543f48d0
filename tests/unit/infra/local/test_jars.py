"""Apache Kafka's jars are verified, whatever the network delivers."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.errors import LocalServerError, NotReachableError
from infra.local.jars import verified_jars

GOOD = b"the tested jar"


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "kafka.lock"
    path.write_text(f"# one jar\norg.example:broker:1.0 {hashlib.sha256(GOOD).hexdigest()}\n")
    return path


def delivering(content: bytes) -> Callable[[str, Path], Path]:
    def fetch(coordinate: str, directory: Path) -> Path:
        path = directory / coordinate.replace(":", "-")
        path.write_bytes(content)
        return path

    return fetch


def without_network(coordinate: str, directory: Path) -> Path:
    raise NotReachableError(f"{coordinate}: no network")


def test_a_missing_jar_is_downloaded_once_and_its_name_is_shown(tmp_path: Path, lock_file: Path) -> None:
    shown: list[str] = []
    for fetch in (delivering(GOOD), without_network):
        jars = verified_jars(tmp_path / "cache", shown.append, lock_file=lock_file, what="Apache Kafka", fetch=fetch)
    assert [jar.read_bytes() for jar in jars] == [GOOD]
    assert shown == ["downloading Apache Kafka 1/1: broker-1.0.jar"]


def test_a_jar_with_a_wrong_hash_is_rejected_by_name_and_the_second_try_works(tmp_path: Path, lock_file: Path) -> None:
    with pytest.raises(LocalServerError, match=r"^broker-1\.0\.jar was damaged .* run the same command again"):
        verified_jars(
            tmp_path / "cache", print, lock_file=lock_file, what="Apache Kafka", fetch=delivering(b"something else")
        )
    jars = verified_jars(tmp_path / "cache", print, lock_file=lock_file, what="Apache Kafka", fetch=delivering(GOOD))
    assert [jar.read_bytes() for jar in jars] == [GOOD]


def test_a_jar_that_was_altered_after_its_download_is_rejected(tmp_path: Path, lock_file: Path) -> None:
    (jar,) = verified_jars(tmp_path / "cache", print, lock_file=lock_file, what="Apache Kafka", fetch=delivering(GOOD))
    jar.write_bytes(b"altered")
    with pytest.raises(LocalServerError, match="SHA-256"):
        verified_jars(tmp_path / "cache", print, lock_file=lock_file, what="Apache Kafka", fetch=without_network)


def test_an_interrupted_download_leaves_nothing_behind(tmp_path: Path, lock_file: Path) -> None:
    def half(coordinate: str, directory: Path) -> Path:
        (directory / "half").write_bytes(GOOD[:3])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verified_jars(tmp_path / "cache", print, lock_file=lock_file, what="Apache Kafka", fetch=half)
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == ["lock"]


def test_only_the_wanted_files_of_a_list_are_downloaded(tmp_path: Path, lock_file: Path) -> None:
    """A list may have one file for each platform."""
    with lock_file.open("a") as listed:
        listed.write("org.example:for-another-platform:1.0 0\n")
    (jar,) = verified_jars(
        tmp_path / "cache", print, lock_file=lock_file, what="a jar", only=":broker:", fetch=delivering(GOOD)
    )
    assert GOOD == jar.read_bytes()
