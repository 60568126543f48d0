"""What becomes of opt-outs, with the public events about it: by Meta's reports, by the words of customers, and by
commands (docs/design/campaigns.md, *Opt-outs*)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from psycopg import Connection
from pydantic_core import to_json

from consumers.changes.public_events import SOURCE
from domain.command_bodies.campaigns import OptOutScope
from domain.conversations.conversation import Conversation
from domain.conversations.customers.identities import IdentityKey
from domain.directory import Directory
from domain.event_headers import event_headers
from domain.facts import CustomerTurn, Party
from domain.opt_outs.document import opt_out_document, opt_out_event, opt_out_event_id, opt_out_key
from domain.opt_outs.opt_out import ALL_NUMBERS, OptOutChange, stronger
from domain.opt_outs.words import opt_out_word
from domain.topics import Topics
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.opt_outs.in_force import AskedAddress, OptOutInForce, in_force
from infra.postgres.opt_outs.registers import OptOutRow, OptOutTold, write_opt_outs


def changes_by_words(turns: Iterable[tuple[CustomerTurn, Conversation]], directory: Directory) -> list[OptOutChange]:
    """Returns the changes that customers ask for with a word."""
    return [
        OptOutChange(
            turn.phone_number_id,
            Party(wa_id=turn.customer.wa_id, user_id=turn.customer.user_id),
            word == "stop",
            "all",
            "keyword",
            turn.at,
            turn.id,
            "customer",
            turn.wamid,
        )
        for turn, _ in turns
        if (word := opt_out_word(turn, directory.number(turn.phone_number_id))) is not None
    ]


class OptOutChanges:
    """Changes of opt-outs inside one transaction. `numbers`: all business numbers, for changes that concern all of
    them."""

    def __init__(self, connection: Connection[Any], topics: Topics, numbers: Iterable[str] = ()) -> None:
        self._connection = connection
        self._topics = topics
        self._numbers = (ALL_NUMBERS, *sorted(numbers))
        self._changes: list[OptOutChange] = []

    def add(self, changes: Iterable[OptOutChange]) -> None:
        """Adds changes, which are stored by `write`."""
        self._changes += changes

    def changing(self, changes: Sequence[OptOutChange]) -> list[OptOutChange]:
        """Returns those that would change something if they were stored now; of each customer only the last."""
        ordered = sorted(changes, key=lambda change: (change.at, change.id))
        last = [*{tuple(change.keys): change for change in ordered}.values()]
        found = self.concerned(last)
        return [change for change in last if _changes_anything(change, found[change])]

    def concerned(self, changes: Sequence[OptOutChange]) -> dict[OptOutChange, list[OptOutInForce]]:
        """Returns the opt-outs that each of the changes repeats or ends. Only Meta ends what Meta told us."""
        asked = [(change, AskedAddress(key)) for change in changes for key in self.keys(change)]
        found: dict[OptOutChange, set[OptOutInForce]] = {change: set() for change in changes}
        for (change, _), rows in zip(asked, in_force(self._connection, [each for _, each in asked]), strict=True):
            found[change].update(row for row in rows if (row.source == "meta") is (change.source == "meta"))
        return {change: sorted(rows) for change, rows in found.items()}

    def write(self) -> list[OptOutChange]:
        """Stores the changes and publishes those that changed anything; returns these. Called once, late: the rows are
        locked in the order of their keys."""
        # opt-outs first: an end is written to all that is in force, and of both the later one counts anyway
        made = self._write([change for change in self._changes if change.opts_out])
        return made + self._write([change for change in self._changes if not change.opts_out])

    def _write(self, changes: Sequence[OptOutChange]) -> list[OptOutChange]:
        if not changes:
            return []
        rows = {change: dict(_named_rows(change)) for change in changes}
        for change, ended in self.concerned([change for change in changes if not change.opts_out]).items():
            every = change.phone_number_id == ALL_NUMBERS
            rows[change] |= {
                OptOutRow(
                    row.phone_number_id if every else change.phone_number_id,
                    row.kind,
                    row.value,
                    row.source,
                    row.scope,
                ): row.address
                for row in ended
            }
        changed = write_opt_outs(
            self._connection,
            (
                (row, OptOutTold(address, change.at, change.id, change.actor, change.evidence), change.opts_out)
                for change, its in rows.items()
                for row, address in its.items()
            ),
        )
        made: list[OptOutChange] = []
        records: list[OutboxRecord] = []
        for change, its in rows.items():
            scope = stronger(row.scope for row in its if changed.get(row) is change.opts_out)
            if scope is not None:
                made.append(change)
                records.append(_event(change, scope, self._topics))
        Outbox(self._connection).add(records)
        return made

    def keys(self, change: OptOutChange) -> list[IdentityKey]:
        """Returns the customer's ids at each number that the change concerns, and for all numbers."""
        if change.phone_number_id != ALL_NUMBERS:
            return change.keys
        return [key._replace(phone_number_id=number) for key in change.keys for number in self._numbers]


def _named_rows(change: OptOutChange) -> Iterator[tuple[OptOutRow, str]]:
    """Yields the rows of the ids that a change names, with the address of each. An end that a customer wrote is stored
    although no opt-out is known: an older one may become known later."""
    if change.opts_out or change.source in ("meta", "keyword"):
        addresses = {"w": change.customer.wa_id or "", "u": change.customer.user_id or ""}
        for key in change.keys:
            yield OptOutRow(*key, change.source, change.scope), addresses[key.kind]


def _changes_anything(change: OptOutChange, known: Iterable[OptOutInForce]) -> bool:
    if not change.opts_out:
        return any(known)
    return not any((row.source, row.scope) == (change.source, change.scope) for row in known)


def _event(change: OptOutChange, scope: OptOutScope, topics: Topics) -> OutboxRecord:
    type_ = f"witiop.opt_out.{opt_out_event(change)}.v1"
    headers = event_headers(opt_out_event_id(change), type_, SOURCE, change.at)
    return OutboxRecord(topics.campaigns, opt_out_key(change), headers, to_json(opt_out_document(change, scope)))
