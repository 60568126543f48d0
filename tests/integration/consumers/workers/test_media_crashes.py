"""The real `media` process dies in the middle of a transfer: another carries it out, and nothing is sent twice."""

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.messages.received import ReceivedMedia
from domain.sending.sends import send_id
from domain.topics import Topics
from infra.local.ses import BUCKET, KEY, REGION, LocalSes
from infra.media.store import S3FileStore, StoreAccess
from infra.postgres.media import received, uploads
from infra.postgres.media.uploads import UploadedFile
from infra.postgres.sending import sends
from infra.process.crash_points import EXIT_CODE
from tests.support.graph import NUMBERS, TOKEN, graph_running
from tests.support.media_source import CONTENT, media_source
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

_NO_KAFKA = "127.0.0.1:1"
"""The process needs none."""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def store(s3: LocalSes) -> S3FileStore:
    return S3FileStore(StoreAccess(BUCKET, REGION, s3.endpoint, KEY))


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


@pytest.fixture
def system(database: str, tmp_path: Path) -> Iterator[System]:
    with System(_NO_KAFKA, database, Topics(), tmp_path) as system:
        yield system


def settings(s3: LocalSes, graph_url: str) -> dict[str, Any]:
    return {
        "media_bucket": BUCKET,
        "media_region": REGION,
        "media_endpoint": s3.endpoint,
        "media_access_key_id": KEY[0],
        "media_secret_access_key": KEY[1],
        "whatsapp_access_token": TOKEN,
        "graph_url": graph_url,
    }


def dies_and_another_goes_on(
    system: System, point: str, lease: Callable[[], object], done: Callable[[], bool], **settings: Any
) -> None:
    """`lease`: ends the claim of the process that died."""
    (victim,) = system.start("media", crash_at=point, **settings)
    assert EXIT_CODE == victim.wait_end()
    assert not done()
    lease()
    system.run("media", **settings)
    wait_until(done)


def test_a_process_that_dies_after_a_download_loses_no_file(
    system: System, office: Office, s3: LocalSes, store: S3FileStore
) -> None:
    turn = office.maker.turn(office.hours_ago(1), "")
    office.process(turn.model_copy(update={"type": "image", "media": ReceivedMedia(id="77")}))

    def lease_ends() -> None:
        office.connection.execute("update media set next_at = now() where attempts = 1")

    def done() -> bool:
        file = received.find(office.connection, turn.id)
        return file is not None and file.state == "stored"

    with media_source() as source:
        dies_and_another_goes_on(system, "media.after-download", lease_ends, done, **settings(s3, source.url))
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert CONTENT == b"".join(store.read(digest))
    assert [{"attempts": 2, "sha256": digest}] == office.rows("select attempts, sha256 from media")


def test_a_process_that_dies_after_an_upload_leaves_the_message_to_be_posted_once(
    system: System, office: Office, s3: LocalSes, store: S3FileStore
) -> None:
    conversation = office.customer_writes("hello there")
    photo = b"\xff\xd8\xff\xe0 our photo"
    store.put("our-photo", io.BytesIO(photo))
    upload = UploadedFile(uuid4(), "image", "image/jpeg", "photo.jpg", len(photo), "our-photo", "anna")
    uploads.add(office.connection, upload)
    data = {"conversation_id": str(conversation), "message": {"media": {"upload_id": str(upload.id)}}}
    assert [("applied", None)] == office.results_of(office.command("send", data, named="c", issuer="anna"))

    def lease_ends() -> None:
        office.connection.execute("update meta_uploads set next_at = now()")

    def done() -> bool:
        return [] != office.rows("select 1 from meta_uploads where meta_id is not null")

    with graph_running(numbers=[*NUMBERS, (NUMBER, "+44 20 7946 0009", "330000000000001")]) as graph:
        dies_and_another_goes_on(system, "media.after-upload", lease_ends, done, **settings(s3, graph.url))
        assert [] == graph.control.ledger()
    found = sends.find(office.connection, send_id("c"))
    assert found is not None
    assert ("queued", 0) == (found[0].state, found[0].attempt)
