"""The directory is changed by commands and by `witiop directory apply`, and every change is a version."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from consumers.changes.directory import DirectoryConflict, apply_directory
from domain.directory import Directory, User
from domain.directory_file.reader import parse_directory
from domain.directory_file.toml_text import directory_text
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory, directory_versions
from infra.postgres.directory_versions import VersionOrigin
from infra.postgres.roles import provide, role_of
from tests.support.office import COMPANY, Office, open_office
from tests.support.waiting import wait_until

ZOE = User("zoe", "Zoe", "zoe@example.com", "agent", 3, ("sales",))


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def with_zoe(company: Directory = COMPANY) -> Directory:
    return replace(company, users={**company.users, "zoe": ZOE})


def without_anna(company: Directory = COMPANY) -> Directory:
    return replace(company, users={id_: user for id_, user in company.users.items() if id_ != "anna"})


def draft(office: Office, wanted: Directory | str, base: int = 1, note: str = "") -> IncomingRecord:
    """A draft of the console, and the command that makes it the directory."""
    id_ = uuid4()
    text = wanted if isinstance(wanted, str) else directory_text(wanted)
    directory_versions.store_draft(office.connection, id_, "boss", base, note, text)
    return office.command("directory", {"draft_id": str(id_)})


def current(office: Office) -> tuple[int, Directory]:
    return directory.read(office.connection)


def test_a_draft_becomes_the_directory_and_a_version_with_its_author(office: Office) -> None:
    assert [("applied", None)] == office.results_of(draft(office, with_zoe(), note="Zoe starts today"))
    assert "zoe" in current(office)[1].users
    (version, first) = directory_versions.listed(office.connection, None, 10)[:2]
    assert (2, "boss", "Zoe starts today", [["added", "user", "zoe"]]) == (
        version.version,
        version.author,
        version.note,
        version.changes,
    )
    assert (1, True) == (first.version, first.at is not None)


def test_every_version_is_kept_as_the_text_that_directory_show_prints(office: Office) -> None:
    office.results_of(draft(office, with_zoe()))
    texts = directory_versions.texts(office.connection, [1, 2])
    assert directory_text(current(office)[1]) == texts[2]
    assert set(COMPANY.users) == set(parse_directory(texts[1]).users)


def test_of_two_edits_of_the_same_version_the_second_is_refused_and_stays_a_draft(office: Office) -> None:
    first, second = draft(office, with_zoe()), draft(office, without_anna())
    assert [("applied", None), ("rejected", "version_conflict")] == office.results_of(first, second)
    assert {"anna", "ben", "carla", "zoe"} == set(current(office)[1].users)
    assert 2 == len(office.rows("select id from directory_drafts"))


def test_two_editors_at_once_wait_for_each_other_and_one_is_refused(office: Office, database: str) -> None:
    """The batches run at the same time on two connections; a lock that both shared would stop them for ever."""
    commands = [draft(office, with_zoe()), draft(office, without_anna())]

    def carry_out(command: IncomingRecord) -> None:
        with open_office_connection(database) as connection, connection.transaction():
            office.commands.apply(connection, [command])

    with ThreadPoolExecutor(2) as both:
        list(both.map(carry_out, commands))
    outcomes = office.rows("select outcome, reason from command_audit order by outcome")
    assert [("applied", None), ("rejected", "version_conflict")] == [(r["outcome"], r["reason"]) for r in outcomes]
    assert 2 == current(office)[0]


def test_an_edit_in_the_console_does_not_undo_what_the_command_line_applied_meanwhile(office: Office) -> None:
    edit = draft(office, without_anna())
    origin = VersionOrigin("root", "company.toml")
    assert 2 == apply_directory(office.connection, with_zoe(), office.topics, origin).version
    assert [("rejected", "version_conflict")] == office.results_of(edit)
    assert {"anna", "zoe"} < set(current(office)[1].users)


def test_the_command_line_can_name_the_version_that_it_began_with(office: Office) -> None:
    office.apply_directory(with_zoe())
    conflict = apply_directory(office.connection, COMPANY, office.topics, expected_version=1)
    assert DirectoryConflict(2) == conflict
    assert "zoe" in current(office)[1].users


def test_conversations_of_a_removed_user_go_back_to_the_list(office: Office) -> None:
    conversation = office.customer_writes()
    assert [("applied", None)] == office.results_of(office.transfer(conversation, "user", "anna", "exclusive"))
    assert [("applied", None)] == office.results_of(draft(office, without_anna()))
    assert (None, None, None, True) == office.owner()[:4]


def test_other_commands_of_the_batch_see_the_new_directory(office: Office) -> None:
    conversation = office.customer_writes()
    transfer = office.transfer(conversation, "user", "zoe", "exclusive")
    assert [("applied", None), ("applied", None)] == office.results_of(transfer, draft(office, with_zoe()))
    assert ("u", "zoe", "r") == office.owner()[:3]


def test_a_change_that_was_rolled_back_is_not_remembered(office: Office) -> None:
    """The handler keeps the directory in memory by its version, and the version of a rolled back change is used
    again."""
    change = draft(office, with_zoe())
    office.connection.execute("create function fail() returns trigger language plpgsql as $$ begin raise; end $$")
    office.connection.execute("create trigger fail before insert on outbox for each row execute function fail()")
    with pytest.raises(psycopg.Error), office.connection.transaction():
        office.commands.apply(office.connection, [change])
    office.connection.execute("drop trigger fail on outbox")
    office.apply_directory(without_anna())
    conversation = office.customer_writes()
    assert [("rejected", "user_unknown")] == office.results_of(
        office.transfer(conversation, "user", "zoe", "exclusive")
    )


def test_a_draft_that_is_no_directory_any_more_changes_nothing(office: Office) -> None:
    wrong = '[[user]]\nid = "zoe"\n'
    assert [("rejected", "malformed")] == office.results_of(draft(office, wrong))
    unknown = office.command("directory", {"draft_id": str(UUID(int=1))})
    assert [("rejected", "malformed")] == office.results_of(unknown)
    assert 1 == current(office)[0]


def test_a_repeated_command_makes_no_second_version(office: Office) -> None:
    command = draft(office, with_zoe())
    office.results_of(command)
    assert [] == office.results_of(command._replace(offset=command.offset + 1))
    assert 2 == current(office)[0]


def test_the_version_from_before_versions_were_kept_is_kept_with_the_first_change(office: Office) -> None:
    office.connection.execute("delete from directory_versions")
    office.apply_directory(with_zoe())
    newest, oldest = directory_versions.listed(office.connection, None, 10)
    assert (2, 1, None, None) == (newest.version, oldest.version, oldest.author, oldest.at)
    assert "zoe" not in directory_versions.texts(office.connection, [1])[1]


def test_routing_waits_while_the_directory_is_changed(office: Office, database: str) -> None:
    """A change takes the lock that keeps assignments out from its first statement on."""
    with open_office_connection(database) as other, ThreadPoolExecutor(1) as thread:
        with other.transaction():
            directory.DirectoryCache().lock_shared(other)
            change = thread.submit(office.results_of, draft(office, with_zoe()))
            waits = "select from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and not granted"
            wait_until(lambda: other.execute(waits).fetchone() is not None)
            assert not change.done()
        assert [("applied", None)] == change.result(timeout=20)


def test_the_role_of_the_process_is_allowed_all_of_it(office: Office, database: str) -> None:
    provide(office.connection)
    conversation = office.customer_writes()
    office.results_of(office.transfer(conversation, "user", "anna", "exclusive"))
    change = draft(office, without_anna(with_zoe()))
    with office.connection.transaction():
        role = role_of("commands", str(conninfo_to_dict(database)["dbname"]))
        office.connection.execute(SQL("set local role {}").format(Identifier(role)))
        office.commands.apply(office.connection, [change])
    assert (2, None) == (current(office)[0], office.owner()[1])


def open_office_connection(database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(database, autocommit=True)
