"""`witiop customers` on a real database and, where it sends commands, a real broker."""

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ids import fact_id
from tests.support.command_line import CommandLine
from tests.support.erasure_room import NAME, WORDS, ZOE, ErasureRoom, open_erasure_room
from tests.support.kafka_topics import new_topics, read_all
from tests.support.office import SECRET


@pytest.fixture
def room(database: str) -> Iterator[ErasureRoom]:
    with open_erasure_room(database) as room:
        yield room


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def test_a_copy_has_every_table_and_nobody_else_may_read_the_file(
    witiop: CommandLine, room: ErasureRoom, tmp_path: Path
) -> None:
    room.plant_everywhere()
    room.writes("from another", "16505558888")
    file = tmp_path / "zoe.zip"
    done = witiop("customers", "export", str(file), "--phone", "+1 650 555 7777")
    assert (0, f"Written to {file}.\n") == (done.code, done.out), done
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    with zipfile.ZipFile(file) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "from another" not in "".join(texts.values())
    assert WORDS in texts["entries.json"]
    assert NAME in texts["conversations.json"]
    assert {"secret", "search"}.isdisjoint(json.loads(texts["sends.json"])[0])
    assert "set_aside.json" not in texts
    about = json.loads(texts["about.json"])
    assert (2, True) == (about["rows"]["entries"], bool(about["files_not_available"]))


def test_a_file_that_is_there_is_not_overwritten(witiop: CommandLine, room: ErasureRoom, tmp_path: Path) -> None:
    file = tmp_path / "zoe.zip"
    file.write_text("precious")
    done = witiop("customers", "export", str(file), "--phone", ZOE)
    assert (1, "precious") == (done.code, file.read_text())
    assert "exists already: choose another name" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "use either --phone or --id"),
        (("--phone", ZOE, "--id", str(fact_id("x"))), "use either --phone or --id"),
        (("--phone", "nobody"), "--phone: 'nobody' is no phone with its country code, like +39 333 1234567"),
        (("--id", str(fact_id("x"))), "nothing is known of this person"),
        (("--phone", "+39 333 1234567"), "nothing is known of this person"),
    ],
)
def test_whom_nobody_knows_is_said(witiop: CommandLine, room: ErasureRoom, options: tuple[str, ...], said: str) -> None:
    done = witiop("customers", "erase", "--dry-run", *options)
    assert done.code
    assert said in done.err


def test_a_dry_run_says_what_would_be_removed_and_removes_nothing(witiop: CommandLine, room: ErasureRoom) -> None:
    room.writes()
    done = witiop("customers", "erase", "--phone", ZOE, "--dry-run")
    assert (0, True) == (done.code, "  1 in conversations\n" in done.out), done
    rows = json.loads(witiop("customers", "erase", "--phone", ZOE, "--dry-run", "--json").out)["rows"]
    assert (1, 1) == (rows["conversations"], rows["entries"])
    assert 1 == len(room.conversations())


def test_an_erasure_is_a_signed_command(witiop: CommandLine, room: ErasureRoom, kafka: str) -> None:
    room.writes()
    topics = new_topics(kafka, partitions=1)
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", kafka)
    witiop.set("WITIOP_KAFKA_TOPIC_PREFIX", topics.prefix)
    witiop.set("WITIOP_COMMAND_SECRETS", SECRET.decode())
    done = witiop("customers", "erase", "--phone", ZOE, "--yes", "--as", "paola", "--wait", "0")
    assert (0, True) == (done.code, "published as command" in done.out), done
    (record,) = read_all(kafka, topics.commands)
    command = room.office._record(record.value, tuple(record.headers))
    assert [("applied", None)] == room.office.results_of(command)
    assert room.worker.erase()
    assert [] == room.conversations()
    assert [{"asked_by": "paola"}] == room.office.rows("select asked_by from erasures")
