"""`witiop unmanaged`, `conversations` and `directory` run against a real database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from consumers.handlers.conversations import Conversations
from consumers.workers.words import MessageWords
from domain.facts import FACT, Fact, Party
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres.directory import apply, read
from tests.support.command_line import CommandLine
from tests.support.databases import Databases
from tests.support.stories import DIRECTORY, FactMaker, at

ANNA = FactMaker(customer=Party(wa_id="393331234567", name="Anna \x1b[31m"))
BEN = FactMaker("bot", Party(user_id="IT.1349"))
MANY = [FactMaker("plain", Party(wa_id=f"3930000000{n:02}")) for n in range(12)]


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        apply(connection, DIRECTORY)
        yield connection


def process(conn: Connection[Any], *facts: Fact) -> None:
    """Processes facts as the consumer does."""
    records = [
        IncomingRecord("witiop.inbound.v1", 0, offset, at(1), FACT.dump_json(fact), ())
        for offset, fact in enumerate(facts)
    ]
    with conn.transaction():
        Conversations(Topics()).apply(conn, records)


@pytest.fixture
def demo(conn: Connection[Any]) -> None:
    """Anna waits, the bot ended Ben's conversation, and twelve customers wrote to a number without a menu."""
    process(conn, ANNA.turn(0.9, "Anybody \u202ethere?"), BEN.bot_starts(0.19), BEN.turn(0.2), BEN.bot_ends(0.3))
    process(conn, *(maker.turn(0.5 + n / 100, f"hello {n}") for n, maker in enumerate(MANY)))


def read_words(conn: Connection[Any]) -> None:
    """Reads the words of all messages, as the process `analytics` does."""

    @contextmanager
    def transaction() -> Iterator[Connection[Any]]:
        with conn.transaction():
            yield conn

    words = MessageWords(transaction)
    while words.follow() or words.walk_recent() or words.walk():
        pass


def listed(witiop: CommandLine, *arguments: str) -> Any:
    finished = witiop("unmanaged", "list", *arguments, "--json")
    assert (finished.code, finished.err) == (0, "")
    return json.loads(finished.out)


@pytest.mark.usefixtures("demo")
def test_only_answers_to_a_campaign_are_listed(conn: Connection[Any], witiop: CommandLine) -> None:
    campaign = UUID(int=5)
    conn.execute(
        "insert into campaign_answers select %s, 2, 1, 0, id, now(), 'likely', 'unmanaged' from conversations "
        "where customer_name like 'Anna%%'",
        [campaign],
    )
    found = listed(witiop, "--campaign", str(campaign))
    assert (["Anybody \u202ethere?"], {"active": 1, "closed": 0, "dismissed": 0}) == (
        [row["last_text"] for row in found["rows"]],
        found["counts"],
    )
    assert [] == listed(witiop, "--campaign", str(UUID(int=6)))["rows"]


@pytest.mark.usefixtures("demo")
def test_the_list_for_programs_is_one_document_of_rows_next_and_counts(witiop: CommandLine) -> None:
    found = listed(witiop)
    assert (len(found["rows"]), found["counts"]) == (10, {"active": 13, "closed": 1, "dismissed": 0})
    assert {key: found["rows"][0][key] for key in ("customer", "reason", "last_text", "status")} == {
        "customer": {"wa_id": "393331234567", "user_id": None, "name": "Anna \x1b[31m", "group_id": None},
        "reason": "no_choice",
        "last_text": "Anybody \u202ethere?",
        "status": "active",
    }
    rest = listed(witiop, "--after", found["next"])
    assert (len(rest["rows"]), rest["next"]) == (4, None)


@pytest.mark.usefixtures("demo")
def test_the_list_is_searched_by_all_messages(conn: Connection[Any], witiop: CommandLine) -> None:
    process(conn, ANNA.turn(0.8, "The bräkes squeak"), ANNA.turn(0.85, "Hello?"))
    read_words(conn)
    found = listed(witiop, "--search", "BRAKES squeak")
    assert (["Anybody \u202ethere?"], {"active": 1, "closed": 0, "dismissed": 0}, None, True) == (
        [row["last_text"] for row in found["rows"]],
        found["counts"],
        found["next"],
        found["complete"],
    )
    assert ("The bräkes squeak", True) == tuple(found["rows"][0]["found"][key] for key in ("text", "by_customer"))
    assert "The bräkes squeak" in witiop("unmanaged", "list", "--search", "brakes").out
    assert [None] == [row["found"] for row in listed(witiop, "--search", "there")["rows"]]
    assert [] == listed(witiop, "--search", "brakes", "--status", "closed")["rows"]


@pytest.mark.usefixtures("demo")
def test_a_search_goes_on_where_its_page_ended_and_says_what_it_may_have_missed(
    conn: Connection[Any], witiop: CommandLine
) -> None:
    first = listed(witiop, "--search", "hello")
    assert (10, False) == (len(first["rows"]), first["complete"])
    assert 3 == len(listed(witiop, "--search", "hello", "--after", first["next"])["rows"])
    assert "So far, only names" in witiop("unmanaged", "list", "--search", "hello").out
    read_words(conn)
    assert "So far" not in witiop("unmanaged", "list", "--search", "hello").out


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("arguments", "rows", "counts"),
    [
        (["--rows", "100"], 14, (13, 1)),
        (["--rows", "12"], 12, (13, 1)),
        (["--status", "closed"], 1, (13, 1)),
        (["--status", "active", "--rows", "100"], 13, (13, 1)),
        (["--status", "all", "--rows", "100"], 14, (13, 1)),
        (["--reason", "bot_closed"], 1, (0, 1)),
        (["--number", "plain", "--rows", "100"], 12, (12, 0)),
        (["--number", "plain", "--reason", "bot_closed"], 0, (0, 0)),
        (["--number", "nobody's"], 0, (0, 0)),
    ],
)
def test_the_list_can_be_filtered(
    witiop: CommandLine, arguments: list[str], rows: int, counts: tuple[int, int]
) -> None:
    found = listed(witiop, *arguments)
    assert (rows, *counts) == (len(found["rows"]), found["counts"]["active"], found["counts"]["closed"])


@pytest.mark.usefixtures("demo")
def test_the_list_for_people_is_plain_in_a_pipe_and_cannot_drive_a_terminal(witiop: CommandLine) -> None:
    finished = witiop("unmanaged", "list", "--rows", "25")
    lines = finished.out.splitlines()
    assert (finished.code, finished.err, len(lines)) == (0, "", 1 + 14 + 2)
    assert lines[1].endswith(r"Anybody \u202ethere?")
    assert r"Anna \x1b[31m" in lines[1]
    assert "\x1b" not in finished.out
    assert lines[-1] == "13 active, 1 closed"


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("hour", [2, 20])
def test_the_time_left_is_by_the_database_s_clock(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, hour: int
) -> None:
    monkeypatch.setattr("infra.postgres.connections.clock.database_now", lambda _: at(hour))
    anna = witiop("unmanaged", "list", "--reason", "no_choice").out.splitlines()[1]
    assert f"{24 - hour}h 54m" in anna
    (row,) = listed(witiop, "--reason", "no_choice")["rows"]
    assert f"{24 - hour}h 54m left" in witiop("conversations", "show", row["id"]).out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rows", "9"],
        ["--rows", "101"],
        ["--status", "open"],
        ["--reason", "none"],
        ["--after", "xx"],
        ["--after", "é"],
    ],
)
def test_an_invalid_option_is_wrong_usage(witiop: CommandLine, arguments: list[str]) -> None:
    finished = witiop("unmanaged", "list", *arguments)
    assert (finished.code, finished.out) == (2, "")
    assert arguments[0] in finished.err


@pytest.mark.usefixtures("demo")
def test_a_conversation_for_programs_is_its_row_with_transcript_and_history(witiop: CommandLine) -> None:
    [row] = listed(witiop, "--status", "closed")["rows"]
    finished = witiop("conversations", "show", row["id"], "--json")
    found = json.loads(finished.out)
    assert finished.code == 0
    assert {**row, "managed": False} == {key: found[key] for key in (*row, "managed")}
    spoken = [(item["from"], item["kind"], item["text"]) for item in found["transcript"]]
    assert spoken == [("bot", "session.started", None), ("customer", "text", "hello"), ("bot", "session.ended", None)]
    assert [event["event"] for event in found["history"]][-1] == "closed"
    assert found["history"][-1]["because"] == [found["transcript"][-1]["id"]]


@pytest.mark.usefixtures("demo")
def test_a_conversation_for_people_has_its_reason_and_its_transcript(witiop: CommandLine) -> None:
    [row] = listed(witiop, "--reason", "no_choice")["rows"]
    finished = witiop("conversations", "show", row["id"])
    assert finished.code == 0
    assert "reason      no_choice: The customer did not choose anything from the menu" in finished.out
    assert r"Anybody \u202ethere?" in finished.out
    assert "\x1b" not in finished.out


def test_an_unknown_conversation_is_reported_to_people_and_programs(witiop: CommandLine) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    finished = witiop("conversations", "show", nobody, "--json")
    assert (finished.code, finished.err) == (1, f"witiop: there is no conversation {nobody}\n")
    assert {"outcome": "rejected", "reason": "conversation_unknown"} == json.loads(finished.out)


def test_an_invalid_id_is_wrong_usage(witiop: CommandLine) -> None:
    assert witiop("conversations", "show", "1").code == 2


@pytest.mark.parametrize("command", [["unmanaged", "list"], ["directory", "show"], ["dead-letters", "list"]])
def test_a_database_that_does_not_answer_is_reported_in_one_line(witiop: CommandLine, command: list[str]) -> None:
    witiop.set("WITIOP_POSTGRES_DSN", "postgresql://witiop:canary@127.0.0.1:1/witiop")
    finished = witiop(*command)
    assert (finished.code, finished.out, finished.err.count("\n")) == (3, "", 1)
    assert finished.err.startswith("witiop: PostgreSQL: ")
    assert "canary" not in finished.err


def test_a_database_without_our_schema_is_reported_with_its_fix(witiop: CommandLine, databases: Databases) -> None:
    blank = databases.create_blank()
    witiop.set("WITIOP_POSTGRES_DSN", blank)
    finished = witiop("unmanaged", "list")
    databases.drop(blank)
    assert finished.code == 1
    assert "run witiop migrate" in finished.err


def test_a_directory_is_applied_shown_and_applied_again(witiop: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "company.toml"
    file.write_text('[[skillset]]\nid = "sales"\nname = "Sales"\n\n[[number]]\nphone_number_id = "1"\nname = "Grüße"\n')
    first = witiop("directory", "apply", str(file))
    assert (first.code, first.out) == (0, "added skillset sales\nadded number 1\n")
    shown = tmp_path / "shown.toml"
    shown.write_text(witiop("directory", "show").out)
    again = witiop("directory", "apply", str(shown))
    assert (again.code, again.out) == (0, "no changes\n")


def test_programs_get_the_applied_changes_and_the_directory_as_json(witiop: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "company.toml"
    file.write_text('[[number]]\nphone_number_id = "1"\nhours = { mon = ["09:00-24:00"] }\n')
    applied = json.loads(witiop("directory", "apply", str(file), "--json").out)
    expected: dict[str, Any] = {
        "outcome": "applied",
        "version": 1,
        "changes": [{"action": "added", "kind": "number", "id": "1"}],
    }
    assert expected == applied
    expected = {
        "version": 1,
        "skillsets": [],
        "users": [],
        "rules": [],
        "numbers": [
            {
                "phone_number_id": "1",
                "name": "",
                "time_zone": "UTC",
                "softbot": False,
                "hours": {"mon": ["09:00-24:00"]},
                "menu": {},
                "synonyms": None,
                "language": "en",
                "texts": None,
                "stop_words": None,
                "start_words": None,
                "retention": None,
            }
        ],
    }
    assert expected == json.loads(witiop("directory", "show", "--json").out)


def test_an_invalid_directory_file_changes_nothing_and_every_problem_is_named(
    witiop: CommandLine, conn: Connection[Any], tmp_path: Path
) -> None:
    before = read(conn)
    file = tmp_path / "company.toml"
    file.write_text('[[number]]\nphone_number_id = "1"\nmenu = { "1" = "sales" }\ncolour = "red"\n')
    finished = witiop("directory", "apply", str(file))
    assert (finished.code, finished.out) == (1, "")
    assert finished.err.splitlines() == [
        f'{file}:3: menu.1: there is no skillset "sales"; add it as a [[skillset]]',
        f"{file}:4: colour: unknown key; use one of phone_number_id, name, time_zone, softbot, hours, menu, language, "
        "synonyms, texts, stop_words, start_words, retention",
        f"witiop: nothing was changed: problems to fix in {file}: 2",
    ]
    assert before == read(conn)


def test_a_missing_directory_file_is_wrong_usage(witiop: CommandLine, tmp_path: Path) -> None:
    assert witiop("directory", "apply", str(tmp_path / "none.toml")).code == 2


def test_an_empty_directory_is_shown_as_empty(witiop: CommandLine) -> None:
    assert witiop("directory", "show").out == "# The directory is empty.\n"
