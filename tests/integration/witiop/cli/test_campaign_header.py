"""`witiop campaigns import` of a template whose header shows a file: it is stored once, for everybody."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import current_thread
from typing import Any
from uuid import UUID

import pytest

from domain.commands import Command
from infra.local.ses import BUCKET, KEY, REGION, LocalSes
from infra.media.store import S3FileStore, StoreAccess
from infra.postgres.media import uploads
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room
from tests.support.command_line import CommandLine
from tests.support.stories import NUMBER
from witiop.cli.campaigns import importing

PHOTO = b"\xff\xd8\xff\xe0 our bikes"
PICTURE = AUTUMN._replace(name="picture", components=[{"type": "HEADER", "format": "IMAGE"}, *AUTUMN.components])


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        room.store(AUTUMN, PICTURE)
        yield room


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str, s3: LocalSes) -> CommandLine:
    line = CommandLine(monkeypatch, database)
    for name, value in (
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
        ("COMMAND_SECRETS", "s" * 32),
        ("MEDIA_BUCKET", BUCKET),
        ("MEDIA_REGION", REGION),
        ("MEDIA_ENDPOINT", s3.endpoint),
        ("MEDIA_ACCESS_KEY_ID", KEY[0]),
        ("MEDIA_SECRET_ACCESS_KEY", KEY[1]),
    ):
        line.set(f"WITIOP_{name}", value)
    return line


def test_the_picture_of_the_header_is_stored_and_named_by_the_command(
    witiop: CommandLine, room: CampaignRoom, s3: LocalSes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Command] = []

    def publish(_settings: object, commands: list[Command], _wait: float) -> list[dict[str, Any]]:
        published.extend(commands)
        return [{"command_id": each.head.id, "outcome": "published", "reason": None} for each in commands]

    monkeypatch.setattr(importing, "results_of", publish)
    sleep, ours = time.sleep, current_thread()  # threads that other tests left behind sleep as before
    monkeypatch.setattr("time.sleep", lambda span: room.read_files() if current_thread() is ours else sleep(span))
    (photo := tmp_path / "bikes.jpg").write_bytes(PHOTO)
    (people := tmp_path / "people.csv").write_text("Phone,{{1}}\n+393005550101,Trek\n")
    options = ("campaigns", "import", str(people), "--number", NUMBER)

    without = witiop(*options, "--template", "picture")
    assert (2, True) == (without.code, "use --header-file: the header of the template shows image" in without.err)
    useless = witiop(*options, "--template", "autumn_service", "--header-file", str(photo))
    assert (2, True) == (useless.code, "the header of the template shows no file" in useless.err)
    assert [] == room.office.rows("select id from uploads")

    done = witiop(*options, "--template", "picture", "--header-file", str(photo))
    assert (0, "") == (done.code, done.err)
    (command,) = published
    body: Any = command.body
    assert {"1": 1} == body.file.mapping.parameters
    stored = uploads.find(room.connection, UUID(body.file.mapping.values["header"]))
    assert stored is not None
    assert ("image", "bikes.jpg", len(PHOTO)) == (stored.kind, stored.file_name, stored.size)
    store = S3FileStore(StoreAccess(BUCKET, REGION, s3.endpoint, KEY))
    assert PHOTO == b"".join(store.read(stored.sha256))
