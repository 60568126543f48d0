"""An office with rescue rules, and the process that acts by them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from consumers.workers.rules.worker import Rules
from domain.rules.rule import Rule, RuleCondition, RuleTransfer
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from tests.support.office import COMPANY, SECRET, Office, open_office


def reserve(named: str = "rescue", skillset: str = "sales", **when: Any) -> Rule:
    """Returns a rule that reserves conversations for a skillset. `when`: its condition."""
    transfer = RuleTransfer(skillset=skillset)
    return Rule(named, named.title(), on=True, when=RuleCondition(**when), transfer=transfer)


class RuleRoom:
    """An office with rules. Commands that rules issue are carried out when a test says so."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._seconds = 0.0
        self.rules = self.another_process()

    def another_process(self, **terms: Any) -> Rules:
        return Rules(self.office.connection.transaction_of, Topics(), SECRET, clock=self._clock, **terms)

    def _clock(self) -> float:
        self._seconds += 10
        return self._seconds

    def write_rules(self, *rules: Rule) -> None:
        """Puts the rules in the place of those there were."""
        self.office.apply_directory(replace(COMPANY, rules=rules))

    def poll(self) -> list[IncomingRecord]:
        """Lets rules act, and returns the commands that they issued."""
        self.office.connection.execute("delete from outbox")
        self.rules.poll()
        return self.issued()

    def issued(self) -> list[IncomingRecord]:
        """Returns the commands that wait to be published."""
        rows = self.office.rows(f"select * from outbox where topic = '{Topics().commands}' order by id")
        return [
            IncomingRecord(
                "t",
                0,
                self.office.next_offset(),
                datetime.now().astimezone(),
                bytes(row["value"]),
                tuple((name, value.encode()) for name, value in row["headers"].items()),
            )
            for row in rows
        ]

    def carry_out(self, *commands: IncomingRecord) -> list[tuple[str, str | None]]:
        """Carries commands out, lets the rules learn of it, and returns the results."""
        results = self.office.results_of(*commands)
        self.rules.settle()
        return results

    def run(self) -> list[str]:
        """Lets rules act and carries everything out, until nothing changes; returns the types of the commands."""
        done: list[str] = []
        while issued := self.poll():
            done += [dict(each.raw_headers)["ce_type"].decode().split(".")[2] for each in issued]
            self.carry_out(*issued)
        return done

    def acts(self) -> list[tuple[str, str, str]]:
        """Returns rule, action and state of everything that rules did."""
        rows = self.office.rows("select rule_id, action, state from rule_acts order by at, rule_id, action")
        return [(row["rule_id"], row["action"], row["state"]) for row in rows]

    def owner(self, conversation: UUID) -> tuple[str | None, str | None]:
        (row,) = self.office.rows(f"select owner_id, owner_state from conversations where id = '{conversation}'")
        return row["owner_id"], row["owner_state"]

    def make_older(self, conversation: UUID, by: timedelta) -> None:
        """Lets time pass for one conversation: everything about it was so much earlier."""
        for statement in (
            "update conversations set opened_at = opened_at - %(by)s where id = %(of)s",
            "update rule_acts set asked_at = asked_at - %(by)s where conversation_id = %(of)s",
            "update rule_watch set due_at = due_at - %(by)s where conversation_id = %(of)s",
        ):
            self.office.connection.execute(statement, {"by": by, "of": conversation})


def body(command: IncomingRecord) -> dict[str, Any]:
    """Returns what a command says."""
    found: dict[str, Any] = json.loads(command.value)
    return found


@contextmanager
def open_rule_room(dsn: str) -> Iterator[RuleRoom]:
    """Opens a room on an empty database."""
    with open_office(dsn) as office:
        yield RuleRoom(office)
