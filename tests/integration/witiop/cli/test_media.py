"""`witiop media get` and `witiop send media`: files are checked, kept, and written to where they are wanted."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

import witiop.cli.commands
from domain.commands import Command, SendMessage
from infra.local.ses import BUCKET, KEY, REGION, LocalSes
from infra.media.store import S3FileStore, StoreAccess
from infra.postgres.media import uploads
from tests.support.command_line import CommandLine
from witiop.cli.sending.media import upload_file
from witiop.exit_codes import CommandFailed
from witiop.installation import Installation

PHOTO = b"\xff\xd8\xff\xe0 our photo"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, database: str, s3: LocalSes) -> CommandLine:
    line = CommandLine(monkeypatch, database)
    for name, value in (
        ("WITIOP_MEDIA_BUCKET", BUCKET),
        ("WITIOP_MEDIA_REGION", REGION),
        ("WITIOP_MEDIA_ENDPOINT", s3.endpoint),
        ("WITIOP_MEDIA_ACCESS_KEY_ID", KEY[0]),
        ("WITIOP_MEDIA_SECRET_ACCESS_KEY", KEY[1]),
    ):
        line.set(name, value)
    return line


def received_file(database: str, state: str, sha256: str | None, reason: str | None = None) -> UUID:
    message = uuid4()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "insert into media (message_id, phone_number_id, meta_id, kind, expires_at, state, sha256, reason) "
            "values (%s, '1', '77', 'image', now(), %s, %s, %s)",
            [message, state, sha256, reason],
        )
    return message


def test_a_customers_file_is_written_as_it_was_sent(
    command_line: CommandLine, database: str, s3: LocalSes, tmp_path: Path
) -> None:
    S3FileStore(StoreAccess(BUCKET, REGION, s3.endpoint, KEY)).put("key-of-photo", io.BytesIO(PHOTO))
    message = received_file(database, "stored", "key-of-photo")
    done = command_line("media", "get", str(message), str(tmp_path / "photo.jpg"))
    assert (0, PHOTO) == (done.code, (tmp_path / "photo.jpg").read_bytes())
    assert [tmp_path / "photo.jpg"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("state", "words"),
    [("waiting", "has not been fetched yet: HTTP 503"), ("failed", "was not fetched: HTTP 503")],
)
def test_a_file_that_is_not_there_says_why(
    command_line: CommandLine, database: str, tmp_path: Path, state: str, words: str
) -> None:
    message = received_file(database, state, None, "HTTP 503")
    done = command_line("media", "get", str(message), str(tmp_path / "x"))
    assert done.code != 0
    assert words in done.err
    assert [] == list(tmp_path.iterdir())


def test_an_unknown_id_and_a_lost_file_leave_no_file_behind(
    command_line: CommandLine, database: str, tmp_path: Path
) -> None:
    for id_ in (uuid4(), received_file(database, "stored", "lost")):
        assert command_line("media", "get", str(id_), str(tmp_path / "x")).code != 0
    assert [] == list(tmp_path.iterdir())


def test_a_file_is_uploaded_under_what_its_bytes_say(command_line: CommandLine, database: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.pdf"
    path.write_bytes(PHOTO)
    id_ = upload_file(Installation(None), path, "anna")
    with psycopg.connect(database) as connection:
        found = uploads.find(connection, id_)
    assert found == uploads.UploadedFile(
        id_, "image", "image/jpeg", "photo.pdf", len(PHOTO), hashlib.sha256(PHOTO).hexdigest(), "anna"
    )
    assert 0 == command_line("media", "get", str(id_), str(tmp_path / "again")).code
    assert PHOTO == (tmp_path / "again").read_bytes()


def test_the_picture_of_a_templates_header_is_uploaded_and_named_by_the_command(
    command_line: CommandLine, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Command] = []

    def publish(_settings: object, command: Command, _wait: float) -> dict[str, Any]:
        published.append(command)
        return {"command_id": command.head.id, "outcome": "published", "reason": None}

    monkeypatch.setattr(witiop.cli.commands, "_result", publish)
    command_line.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    command_line.set("WITIOP_COMMAND_SECRETS", "s" * 32)
    (path := tmp_path / "photo.jpg").write_bytes(PHOTO)
    to = ("--number", "1", "--to", "+393331234567")
    both = command_line("send", "template", "offer", "--header-file", str(path), "--header", "x", *to)
    assert (2, True) == (both.code, "use either --header or --header-file" in both.err)
    assert 0 == command_line("send", "template", "offer", "--header-file", str(path), *to).code
    (command,) = published
    assert isinstance(command.body, SendMessage)
    assert command.body.message.template is not None
    with psycopg.connect(database) as connection:
        assert [(command.body.message.template.header,)] == connection.execute("select id from uploads").fetchall()


def test_what_meta_would_not_take_is_not_uploaded(command_line: CommandLine, database: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO + bytes(5 * 1024 * 1024))
    with pytest.raises(CommandFailed, match=r"a picture may have at most 5\.0 MiB"):
        upload_file(Installation(None), path, "anna")
    with psycopg.connect(database) as connection:
        assert (0,) == connection.execute("select count(*) from uploads").fetchone()


def test_the_recipient_is_checked_before_the_file_is_kept(
    command_line: CommandLine, database: str, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)
    assert 2 == command_line("send", "media", str(path)).code
    with psycopg.connect(database) as connection:
        assert (0,) == connection.execute("select count(*) from uploads").fetchone()


def test_what_the_customer_deleted_is_not_written(command_line: CommandLine, database: str, tmp_path: Path) -> None:
    message = received_file(database, "stored", "key-of-photo")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "insert into entries (input_id, sent_at, at, customer_id, kind, wamid, detail) "
            "values (%s, now(), now(), gen_random_uuid(), 'customer_turn', 'w1', '{}')",
            [message],
        )
        connection.execute("insert into message_changes (phone_number_id, wamid, deleted) values ('1', 'w1', true)")
    done = command_line("media", "get", str(message), str(tmp_path / "x"))
    assert done.code != 0
    assert "the customer deleted the message" in done.err
    assert [] == list(tmp_path.iterdir())
