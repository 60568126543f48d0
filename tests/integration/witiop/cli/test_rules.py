"""`witiop rules`: the rules as sentences, what they did, and the switch."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.directory_file.toml_text import directory_text
from infra.postgres import directory
from tests.support.command_line import CommandLine
from tests.support.rule_room import RuleRoom, open_rule_room, reserve


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


@pytest.fixture
def room(database: str) -> Iterator[RuleRoom]:
    with open_rule_room(database) as room:
        yield room


def test_rules_are_listed_as_sentences_with_how_often_they_acted(witiop: CommandLine, room: RuleRoom) -> None:
    assert witiop("rules", "list").out.startswith("There are no rules")
    room.write_rules(reserve(alone=timedelta(minutes=10), hours="closed"))
    room.office.customer_writes()
    room.run()
    lines = witiop("rules", "list").out.splitlines()
    assert lines == [
        "1. Rescue (rescue), on, 0 in 30 days",
        "   When a customer was left alone, has waited 10 min and it is outside working hours: reserve them for Sales.",
    ]
    room.write_rules(reserve())
    room.run()
    assert witiop("rules", "list").out.splitlines()[0] == "1. Rescue (rescue), on, 1 in 30 days"


def test_what_rules_did_is_listed_without_the_customer(witiop: CommandLine, room: RuleRoom) -> None:
    assert witiop("rules", "acts").out == "Rules have done nothing yet.\n"
    room.write_rules(reserve())
    conversation = room.office.customer_writes("hello")
    room.run()
    assert f"Rescue: Reserved for Sales  done  {conversation}" in witiop("rules", "acts").out
    (row,) = json.loads(witiop("rules", "acts", "--rule", "rescue", "--json").out)["rows"]
    assert (row["rule"], row["action"], row["state"], row["taken_by"]) == ("rescue", "transfer", "done", None)
    assert json.loads(witiop("rules", "acts", "--rule", "other", "--json").out)["rows"] == []
    refused = witiop("rules", "acts", "--after", "x")
    assert (refused.code, "not a cursor" in refused.err) == (1, True)


def test_all_rules_are_stopped_and_act_again(witiop: CommandLine, room: RuleRoom) -> None:
    room.write_rules(reserve())
    assert witiop("rules", "stop", "--as", "paolo").out == "All rules are stopped.\n"
    assert witiop("rules", "stop").out == "All rules were stopped already.\n"
    assert witiop("rules", "list").out.startswith("All rules have been stopped by paolo since ")
    room.office.customer_writes()
    assert room.run() == []
    assert witiop("rules", "start").out == "Rules act again.\n"
    assert room.run() == ["transfer"]


def test_a_rule_is_tried_before_it_is_applied(witiop: CommandLine, room: RuleRoom, tmp_path: Path) -> None:
    room.write_rules(reserve())
    file = tmp_path / "directory.toml"
    file.write_text(directory_text(directory.read(room.office.connection)[1]))
    room.write_rules()
    conversation = room.office.customer_writes()
    tried = witiop("rules", "try", "rescue", "--directory", str(file)).out
    assert "It would act on 1 conversations of the list." in tried
    assert str(conversation) in tried
    (row,) = json.loads(witiop("rules", "try", "rescue", "--directory", str(file), "--days", "7", "--json").out)["rows"]
    assert (row["conversation_id"], row["outcome"]) == (str(conversation), "open")
    refused = witiop("rules", "try", "rescue")
    assert (refused.code, "there is no rule rescue" in refused.err) == (1, True)
    assert room.acts() == []
