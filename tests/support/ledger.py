"""Compares the ledger of a load generator with the database: I1, I2, I3 and I10 of reliability.md."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from infra.local.simulator.traffic import STATUSES, fingerprint

Named = tuple[str, str | None]
"""An update: its wamid and, for a status, the value."""


class Sent:
    """The ledger by update: its hash and kind, how often it was sent, and how often it was answered 200."""

    def __init__(self, ledger: Path) -> None:
        self.hashes: dict[Named, str] = {}
        self.kinds: dict[Named, str] = {}
        self.times: Counter[Named] = Counter()
        self.answered: Counter[Named] = Counter()
        with ledger.open(encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                named = line["id"], line["status"]
                self.hashes[named] = line["hash"]
                self.kinds[named] = line["kind"]
                self.times[named] += 1
                self.answered[named] += line["answer"] == 200

    def of_kind(self, kind: str) -> list[Named]:
        return [named for named, its in self.kinds.items() if its == kind]


def violations(ledger: Path, dsn: str, *, retried: bool = True) -> list[str]:
    """Returns all violations in a database that received only this load and has processed it. `retried`: updates were
    sent again until they were answered 200 (I3)."""
    sent = Sent(ledger)
    with psycopg.connect(dsn) as connection:
        dead_letters = _dead_letters(connection)
        found = [
            *_messages(connection, sent, dead_letters),
            *_statuses(connection, sent, dead_letters),
            *_unreadable(sent, dead_letters),
            *_conversations(connection),
        ]
    if retried:
        found += [f"I3 {named} was never answered 200" for named in sent.times if not sent.answered[named]]
    return found


def _messages(connection: psycopg.Connection[Any], sent: Sent, dead_letters: Counter[Named]) -> Iterator[str]:
    stored: Counter[Named] = Counter()
    rows = connection.execute(
        "select wamid, detail->>'phone_number_id', extract(epoch from sent_at)::bigint, body from entries"
    )
    for wamid, number, seconds, body in rows:
        named: Named = (wamid, None)
        stored[named] += 1
        if sent.hashes.get(named) != fingerprint(number, wamid, seconds, body):
            yield f"I2 {named} was not sent like this"
    for named in sent.of_kind("message"):
        if stored[named] > 1:
            yield f"I1 {named} is stored {stored[named]} times"
        elif sent.answered[named] and not stored[named] and not dead_letters[named]:
            yield f"I1 {named} was answered 200 and is lost"


def _statuses(connection: psycopg.Connection[Any], sent: Sent, dead_letters: Counter[Named]) -> Iterator[str]:
    """Only the highest status of a message is stored."""
    ranks: dict[str, int] = defaultdict(int)
    rows = connection.execute(
        "select wamid, phone_number_id, rank, extract(epoch from succeeded_at)::bigint from message_status"
    )
    for wamid, number, rank, seconds in rows:
        value = STATUSES[rank - 1] if rank else "failed"
        ranks[wamid] = max(ranks[wamid], rank)
        if sent.hashes.get((wamid, value)) != fingerprint(number, wamid, seconds, value):
            yield f"I2 {(wamid, value)} was not sent like this"
    for named in sent.of_kind("status"):
        wamid, status = named
        further = ranks[wamid] > STATUSES.index(str(status))
        if sent.answered[named] and not further and not dead_letters[named]:
            yield f"I1 {named} was answered 200 and is lost"


def _unreadable(sent: Sent, dead_letters: Counter[Named]) -> Iterator[str]:
    """An unreadable update is a dead letter at least once for each acknowledgement. There may be more: an update
    without an answer may have been acknowledged too, and the webhook may have sent it to the brokers again."""
    for named in sent.of_kind("unreadable"):
        if dead_letters[named] < sent.answered[named]:
            yield f"I10 {named}: answered 200 {sent.answered[named]} times, a dead letter {dead_letters[named]} times"
    for named in dead_letters:
        if named not in sent.times:
            yield f"I2 {named} is a dead letter and was not sent"


def _conversations(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Effects happened once: conversations count their entries, the counters the unmanaged conversations."""
    (miscounted,) = connection.execute(
        "select count(*) from conversations c where entries <> "
        "(select count(*) from entries e where e.conversation_id = c.id)"
    ).fetchone() or (0,)
    if miscounted:
        yield f"I1 {miscounted} conversations count other entries than they have"
    (differing,) = connection.execute(
        "select count(*) from (select phone_number_id, status, reason, count(*) as n from conversations "
        "where unmanaged group by 1, 2, 3) as listed "
        "full join (select * from unmanaged_counts where n <> 0) as counted "
        "using (phone_number_id, status, reason, n) where listed.n is null or counted.n is null"
    ).fetchone() or (0,)
    if differing:
        yield f"I1 {differing} counters of the unmanaged are wrong"
    (differing,) = connection.execute(
        "select count(*) from (select phone_number_id, status, dismissed_as, count(*) as n from conversations "
        "where dismissed_as is not null group by 1, 2, 3) as listed "
        "full join (select * from dismissed_counts where n <> 0) as counted "
        "using (phone_number_id, status, dismissed_as, n) where listed.n is null or counted.n is null"
    ).fetchone() or (0,)
    if differing:
        yield f"I1 {differing} counters of the dismissed are wrong"


def _dead_letters(connection: psycopg.Connection[Any]) -> Counter[Named]:
    """Returns the updates that are dead letters: as a body, or as a fact that could not be processed."""
    dead_letters: Counter[Named] = Counter()
    for (raw,) in connection.execute("select raw from set_aside"):
        document = json.loads(raw)
        if "entry" in document:
            value = document["entry"][0]["changes"][0]["value"]
            dead_letters[value["messages"][0]["id"], None] += 1
        else:
            dead_letters[document["wamid"], document.get("status")] += 1
    return dead_letters
