"""A backup is one whole file or none, holds every row as it was at one moment, and is restored into an empty database
only."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from infra.postgres import directory
from infra.postgres.backup.archive import MANIFEST, BackupDamaged, BackupReader
from infra.postgres.backup.dump import back_up
from infra.postgres.backup.load import DatabaseNotEmpty, restore
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.messaging.restores import is_open
from infra.postgres.migrations import SchemaIsNewer, versions
from infra.postgres.retention.months import next_month_step
from tests.support.command_line import call
from tests.support.databases import Databases
from tests.support.stories import DIRECTORY

AWKWARD = 'tab\t, line\nbreak, back\\slash, \\., "quotes", \u202e, \U0001f600'


@pytest.fixture
def filled(database: str) -> str:
    """A database with rows in some tables."""
    with psycopg.connect(database) as connection:
        directory.apply(connection, DIRECTORY)
        Outbox(connection).add(OutboxRecord("t", AWKWARD, {"h": AWKWARD}, bytes(range(256))) for _ in range(3))
        connection.execute("delete from outbox where id = 2")
    return database


@pytest.fixture
def empty(databases: Databases) -> Iterator[str]:
    dsn = databases.create_blank()
    yield dsn
    databases.drop(dsn)


def contents(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without what a restore notes."""
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        ).fetchall()
        return {
            name: sorted(connection.execute(SQL("select t::text from {} t").format(Identifier(name))).fetchall())
            for (name,) in names
            if name != "restores"
        }


def test_a_restored_database_has_every_row_and_goes_on_counting_where_the_other_one_was(
    filled: str, empty: str, tmp_path: Path
) -> None:
    back_up(filled, tmp_path / "b.witiop")
    reader = BackupReader(tmp_path / "b.witiop")
    reader.check()
    restore(empty, reader)
    assert contents(filled) == contents(empty)
    with psycopg.connect(empty) as connection:
        Outbox(connection).add([OutboxRecord("t", "k", {}, b"")])
        assert [(1,), (3,), (4,)] == connection.execute("select id from outbox order by id").fetchall()
        assert is_open(connection), "what was waiting is held, whatever Kafka knows"


def test_what_was_requested_after_an_earlier_restore_is_held_as_well(filled: str, empty: str, tmp_path: Path) -> None:
    """The backup was made before somebody confirmed the earlier one. The mail may have been sent after it."""
    with psycopg.connect(filled) as connection:
        connection.execute("insert into restores (recognised_at) values (now() - interval '1 hour')")
        connection.execute(
            "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, "
            "requested_at, held_until, due_at, state) values (gen_random_uuid(), 'c', gen_random_uuid(), 'boss', "
            "'{a@example.com}', 's', 'b', false, now(), now(), now(), 'requested')"
        )
    back_up(filled, tmp_path / "b")
    restore(empty, BackupReader(tmp_path / "b"))
    with psycopg.connect(empty) as connection:
        assert [("held_after_restore",)] == connection.execute("select state from mails").fetchall()
        (row,) = connection.execute("select recognised_at > now() - interval '1 minute' from restores").fetchall()
        assert (True,) == row


def test_nobody_is_signed_in_after_a_restore(filled: str, empty: str, tmp_path: Path) -> None:
    """A session of the backup may have been ended since."""
    with psycopg.connect(filled) as connection:
        connection.execute(
            "insert into console_sessions (token_hash, name, awaits_code) values (%b, 'boss', false)", [b"hash"]
        )
    back_up(filled, tmp_path / "b")
    restore(empty, BackupReader(tmp_path / "b"))
    with psycopg.connect(empty) as connection:
        assert [] == connection.execute("select name from console_sessions").fetchall()


def test_months_that_were_divided_later_are_divided_again(filled: str, empty: str, tmp_path: Path) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        for parent in ("entries", "history"):
            while next_month_step(connection, parent, 2) is not None:
                pass
    assert len(partitions(filled)) > 4
    back_up(filled, tmp_path / "b")
    restore(empty, BackupReader(tmp_path / "b"))
    assert (partitions(filled), contents(filled)) == (partitions(empty), contents(empty))


def partitions(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "select relname, pg_get_expr(relpartbound, oid) from pg_class where relispartition and relkind = 'r' "
            "order by relname"
        ).fetchall()


def test_the_file_is_for_its_owner_alone_and_is_there_only_when_it_is_whole(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "b"
    back_up(filled, file)
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    with pytest.raises(FileExistsError):
        back_up(filled, file)
    with pytest.raises(psycopg.OperationalError):
        back_up("postgresql://127.0.0.1:1/nothing", tmp_path / "other")
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "other", "member", "manifest"])
def test_a_damaged_file_is_not_restored(damage: str, filled: str, empty: str, tmp_path: Path) -> None:
    file = tmp_path / "b"
    back_up(filled, file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif damage == "other":
        file.write_bytes(b"something else")
    else:
        rewrite(file, tmp_path / "again", without=damage)
    done = call("restore", "from", str(file), "--stack", "-", environment={"WITIOP_POSTGRES_DSN": empty})
    assert 1 == done.code
    assert "Traceback" not in done.err
    assert {} == contents(empty)


def rewrite(file: Path, to: Path, without: str) -> None:
    """Rewrites a backup without its manifest, or with a row less."""
    with ZipFile(file) as old, ZipFile(to, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == MANIFEST and without == "manifest":
                continue
            new.writestr(name, content.split(b"\n", 1)[1] if name == "tables/outbox.copy" else content)
    to.rename(file)


def test_a_backup_is_not_restored_over_tables(filled: str, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "b")
    before = contents(filled)
    with pytest.raises(DatabaseNotEmpty, match="create an empty one"):
        restore(filled, BackupReader(tmp_path / "b"))
    assert before == contents(filled)


def test_a_backup_of_a_newer_version_says_so(filled: str, empty: str, tmp_path: Path) -> None:
    with psycopg.connect(filled) as connection:
        connection.execute("update alembic_version set version_num = '9999_later'")
    back_up(filled, tmp_path / "b")
    with pytest.raises(SchemaIsNewer, match=f"9999_later.*{versions()[-1]}"):
        restore(empty, BackupReader(tmp_path / "b"))
    with pytest.raises(BackupDamaged):
        BackupReader(Path(__file__))


def test_a_person_is_told_what_is_in_a_backup_and_what_is_not(filled: str, empty: str, tmp_path: Path) -> None:
    file = str(tmp_path / "b")
    bucket = {"WITIOP_MEDIA_BUCKET": "files-of-ours", "WITIOP_MEDIA_REGION": "eu-west-1"}
    environment = {"WITIOP_POSTGRES_DSN": filled, **bucket}
    made = call("backup", file, "--stack", "-", environment=environment)
    assert (0, True, True) == (made.code, "found whole" in made.out, "the bucket files-of-ours" in made.out)
    again = call("backup", file, "--stack", "-", environment=environment)
    assert (1, True) == (again.code, "is there already" in again.err)
    assert "whole: " in call("restore", "check", file, environment={}).out
    back = call("restore", "from", file, "--stack", "-", environment={"WITIOP_POSTGRES_DSN": empty})
    assert (0, True) == (back.code, "Start the processes" in back.out)
    assert contents(filled) == contents(empty)
