"""Imports opt-outs from a file, a thousand lines in a transaction: memory does not grow with the file."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.changes.opt_outs import OptOutChanges
from domain.command_bodies.campaigns import OptOutScope
from domain.facts import Party
from domain.ids import fact_id
from domain.opt_outs.opt_out import OptOutChange, read_customer
from domain.topics import Topics
from infra.postgres.connections.clock import database_now

_LINES_AT_ONCE = 1000
_MOST_NAMED = 1000
"""Bad lines that are named."""
_LONGEST_LINE = 10_000


@dataclass(slots=True)
class ImportedOptOuts:
    """What an import did. `bad`: the first bad lines with their numbers; `n_bad`: how many there are."""

    new: int = 0
    known: int = 0
    n_bad: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)

    def note_bad(self, line: int, value: str) -> None:
        """Notes a line that names no customer."""
        self.n_bad += 1
        if len(self.bad) < _MOST_NAMED:
            self.bad.append((line, value))


class OptOutImport:
    """An import. `evidence`: how it is known; `connection` must not be in a transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        topics: Topics,
        number: str,
        scope: OptOutScope,
        issuer: str,
        evidence: str,
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._number = number
        self._scope = scope
        self._issuer = issuer
        self._evidence = evidence

    def read(self, lines: Iterable[str]) -> ImportedOptOuts:
        """Imports all lines. Raises psycopg errors; what was committed before stays, and may be imported again."""
        done = ImportedOptOuts()
        customers = self._customers(lines, done)
        while together := list(islice(customers, _LINES_AT_ONCE)):
            named = dict.fromkeys(together)
            with self._connection.transaction():
                now = database_now(self._connection)
                id_ = fact_id("import of opt-outs", self._evidence, str(now))
                changes = OptOutChanges(self._connection, self._topics)
                changes.add(self._change(customer, now, id_) for customer in named)
                new = len(changes.write())
            done.new += new
            done.known += len(together) - new
        return done

    def _customers(self, lines: Iterable[str], done: ImportedOptOuts) -> Iterator[Party]:
        for line, value in _first_cells(lines):
            customer = read_customer(value)
            if customer is not None:
                yield customer
            elif line > 1 or any(char.isdigit() for char in value):  # the first line may be a heading
                done.note_bad(line, value)

    def _change(self, customer: Party, now: datetime, id_: UUID) -> OptOutChange:
        return OptOutChange(self._number, customer, True, self._scope, "import", now, id_, self._issuer, self._evidence)


def _first_cells(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yields the number of each line that is not empty, and its first cell, between commas, semicolons or tabs."""
    for number, line in enumerate(lines, 1):
        text = line[:_LONGEST_LINE].replace("\x00", "").strip()
        if not text:
            continue
        separator = next((each for each in ("\t", ";", ",") if each in text), ",")
        cell = next(csv.reader([text], delimiter=separator), [""])[0].strip()
        if cell:
            yield number, cell
