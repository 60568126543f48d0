"""The contract of every store of files. Tests the fake and the S3 client, the latter against moto's server."""

import io
from collections.abc import Iterator

import pytest

from consumers.workers.media.fetching import FileStore
from infra.local.ports import free_port
from infra.local.ses import BUCKET, KEY, REGION, LocalSes
from infra.media.store import FileMissing, S3FileStore, StoreAccess, StoreUnavailable
from tests.support.fake_store import FakeStore


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["fake", "s3"])
def store(request: pytest.FixtureRequest, s3: LocalSes) -> FileStore:
    return FakeStore() if request.param == "fake" else S3FileStore(StoreAccess(BUCKET, REGION, s3.endpoint, KEY))


def test_a_file_is_read_as_it_was_stored_whole_and_in_part(store: FileStore) -> None:
    content = bytes(range(256)) * 1000
    store.put("key", io.BytesIO(content))
    store.put("key", io.BytesIO(content))
    assert content == b"".join(store.read("key"))
    assert content[5:300] == b"".join(store.read("key", 5, 300))
    assert content[255_999:] == b"".join(store.read("key", 255_999))


def test_a_file_is_stored_from_where_it_stands(store: FileStore) -> None:
    file = io.BytesIO(b"head and body")
    file.seek(9)
    store.put("part", file)
    assert b"body" == b"".join(store.read("part"))


def test_a_file_that_is_not_there_is_missing(store: FileStore) -> None:
    with pytest.raises(FileMissing):
        list(store.read("nothing"))


def test_a_bucket_that_is_not_there_is_named_by_its_check(s3: LocalSes) -> None:
    S3FileStore(StoreAccess(BUCKET, REGION, s3.endpoint, KEY)).check()
    with pytest.raises(StoreUnavailable):
        S3FileStore(StoreAccess("another", REGION, s3.endpoint, KEY)).check()


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    store = S3FileStore(StoreAccess(BUCKET, REGION, f"http://127.0.0.1:{free_port()}", KEY, read_seconds=1))
    with pytest.raises(StoreUnavailable, match="could not be reached"):
        store.put("key", io.BytesIO(b"x"))


def test_no_secret_is_printed() -> None:
    assert "hidden" not in repr(StoreAccess(BUCKET, REGION, None, ("id", "hidden")))
