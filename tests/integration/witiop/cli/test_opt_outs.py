"""`witiop opt-outs` on a real database and, where it sends commands, a real broker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.conversations.customers.identities import phone_identity
from infra.postgres.opt_outs.in_force import opted_out_addresses
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.command_line import CommandLine
from tests.support.kafka_topics import new_topics, read_all
from tests.support.office import SECRET
from tests.support.stories import NUMBER

ADA, BOB = "16505550002", "16505550003"


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def listed(witiop: CommandLine, *arguments: str) -> dict[str, Any]:
    finished = witiop("opt-outs", "list", *arguments, "--json")
    assert (0, "") == (finished.code, finished.err)
    found: dict[str, Any] = json.loads(finished.out)
    return found


def imported(witiop: CommandLine, file: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    finished = witiop("opt-outs", "import", str(file), "--as", "paola", *arguments, "--json")
    assert "" == finished.err
    return finished.code, json.loads(finished.out)


def test_a_file_is_imported_and_says_what_was_new_known_and_bad(
    witiop: CommandLine, room: CampaignRoom, tmp_path: Path
) -> None:
    """Phones as people write them, a heading, a user id, empty lines, further columns, a line that is nothing."""
    file = tmp_path / "stop list.csv"
    file.write_text(f"phone;name\n+1 (650) 555-0002;Ada\n\n00{BOB};Bob\nUS.carla;\nnobody;x\n{ADA};again\n")
    assert (1, {"new": 3, "known": 1, "bad": 1, "problems": [{"line": 6, "value": "nobody"}]}) == imported(witiop, file)
    assert (1, 0, 4) == ((again := imported(witiop, file))[0], again[1]["new"], again[1]["known"])
    keys = [phone_identity(NUMBER, phone) for phone in (ADA, BOB, "16505550009")]
    assert dict.fromkeys(keys[:2], "all") == opted_out_addresses(room.connection, keys)
    rows = listed(witiop, "--source", "import")["rows"]
    assert {("import", "paola", None, f"import of {file}")} == {
        (row["source"], row["actor"], row["phone_number_id"], row["evidence"]) for row in rows
    }
    assert 3 == len(room.office.rows("select 1 from outbox where topic = 'witiop.campaigns.v1'"))
    assert "3 new" in witiop("opt-outs", "import", str(file), "--scope", "marketing", "--number", NUMBER).out
    assert 1 == witiop("opt-outs", "import", str(file), "--number", "404").code


def test_many_lines_are_several_transactions(witiop: CommandLine, room: CampaignRoom, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("\n".join(f"39333{n:07}" for n in range(2500)))
    assert (0, {"new": 2500, "known": 0, "bad": 0, "problems": []}) == imported(witiop, file)
    assert 3 == room.office.rows("select count(distinct input_id) as n from opt_outs")[0]["n"]


def test_the_list_is_paged_and_filtered(witiop: CommandLine, room: CampaignRoom, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("\n".join(f"39333{n:07}" for n in range(25)))
    imported(witiop, file, "--number", NUMBER)
    seen: list[str] = []
    page = listed(witiop)
    while page["next"]:
        seen += [row["id"] for row in page["rows"]]
        page = listed(witiop, "--after", page["next"])
    seen += [row["id"] for row in page["rows"]]
    assert 25 == len(seen) == len(set(seen))
    assert (10, 0) == (len(listed(witiop, "--number", NUMBER)["rows"]), len(listed(witiop, "--number", "all")["rows"]))
    assert [] == listed(witiop, "--source", "meta")["rows"]
    (row,) = listed(witiop, "--customer", "+39 333 0000007")["rows"]
    assert {"wa_id": "393330000007", "user_id": None} == row["customer"]
    assert "+393330000007" in witiop("opt-outs", "list", "--customer", "393330000007").out
    assert "There are no opt-outs." in witiop("opt-outs", "list", "--customer", ADA).out


def test_opt_outs_are_added_and_ended_by_commands(witiop: CommandLine, room: CampaignRoom, kafka: str) -> None:
    """What has ended is listed only if it is asked for."""
    topics = new_topics(kafka, partitions=1)
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", kafka)
    witiop.set("WITIOP_KAFKA_TOPIC_PREFIX", topics.prefix)
    witiop.set("WITIOP_COMMAND_SECRETS", SECRET.decode())
    done = [
        witiop("opt-outs", "add", "+1 650 555 0002", BOB, "--number", NUMBER, "--evidence", "called us", "--wait", "0"),
        witiop("opt-outs", "end", ADA, "--number", NUMBER, "--as", "paola", "--wait", "0"),
    ]
    assert [0, 0] == [each.code for each in done], done
    for record in read_all(kafka, topics.commands):
        headers = tuple((name, value) for name, value in record.headers)
        command = room.office._record(record.value, headers)
        assert [("applied", None)] == room.office.results_of(command)
    assert [BOB] == [row["customer"]["wa_id"] for row in listed(witiop)["rows"]]
    ended = {row["customer"]["wa_id"]: row["ended_by"] for row in listed(witiop, "--ended")["rows"]}
    assert {ADA: "paola", BOB: None} == ended
