"""Measures how long the import of a file with recipients takes, from the campaign that is created to its last row in
the database, and how much memory that takes.

The rows have six columns, a third of their phones are national ones; one in a hundred is bad, one in fifty repeats
another. The file is read by the real `campaigns` process, as in production, into a durable database. Reading it when it
is uploaded, for its headings and first rows, is measured apart: people wait for that before they choose columns.

The baseline is the COPY of the same rows into a table with the same indexes, from memory: less than that nobody can
need who stores them.
"""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection

from benchmarks.figures import Figure
from benchmarks.setup.company import company
from benchmarks.setup.stories import number_id
from domain.campaigns.campaign import Campaign
from domain.sending.templates import Template
from infra.local.graph.accounts import ACCOUNT
from infra.local.postgres import LocalPostgres
from infra.postgres.campaign_files import files
from infra.postgres.campaign_files.files import CHUNK_BYTES
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import counts_of, wrong_counts
from infra.process.clock import utc_now
from infra.sheets.workbook import Sheet, workbook
from tests.support.kafka_topics import new_topics
from tests.support.system import System, Worker
from tests.support.waiting import wait_until

_TITLES = ("Phone", "Name", "Address", "Order", "Day", "Language")
_MEMORY_MIB = 100
"""Of the process that stays; the one that reads the file ends with it."""
_WAIT_SECONDS = 600.0
_TEMPLATE = Template(
    ACCOUNT,
    "bench_import",
    "it",
    "APPROVED",
    "MARKETING",
    "POSITIONAL",
    [{"type": "BODY", "text": "Ciao {{1}}, il tuo ordine {{2}} arriva il {{3}}."}],
)
_MAPPING: dict[str, Any] = {"phone": 0, "name": 1, "parameters": {"1": 1, "2": 3, "3": 4}, "country": "IT"}


def measure(bootstrap: str, server: LocalPostgres, directory: Path, rows: int | None = None) -> Iterator[Figure]:
    """Yields the times of imports, and the memory. `rows`: another size than the usual ones. Logs are written to
    `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    cases: list[tuple[str, int, float]] = [("csv", 200_000, 20), ("csv", 1_000_000, 120), ("xlsx", 1_000_000, 150)]
    if rows is not None:
        cases = [(kind, rows, rows / 6500) for kind in ("csv", "xlsx")]
    topics = new_topics(bootstrap)
    with (
        company(server) as dsn,
        System(bootstrap, dsn, topics, directory, cold=["campaigns"]) as system,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        (worker,) = system.run("campaigns")
        for kind, many, most in cases:
            yield from _import(connection, worker, kind, many, most)


def _import(connection: Connection[Any], worker: Worker, kind: str, rows: int, most: float) -> Iterator[Figure]:
    content = _FILES[kind](rows)
    file, began = uuid4(), monotonic()
    chunks = (content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES))
    files.add(connection, file, f"people.{kind}", len(content), "", "bench", chunks)
    size = len(content) / 2**20
    del content
    wait_until(lambda: files.is_read(connection, file), _WAIT_SECONDS, step=0.05)
    read = monotonic() - began
    campaign = _campaign(file)
    campaigns.create(connection, campaign, [_TEMPLATE])
    began = monotonic()
    wait_until(lambda: _state(connection, campaign) != "importing", _WAIT_SECONDS, step=0.05)
    seconds = monotonic() - began
    memory = _peak_mib(worker)
    # nothing else is to run beside the baseline
    wait_until(lambda: _state(connection, campaign) not in ("importing", "planning"), _WAIT_SECONDS, step=0.5)
    counts = counts_of(connection, campaign.id)
    assert rows == sum(count.n for count in counts), counts
    assert wrong_counts(connection, [campaign.id]) == []
    bare = _copy_seconds(connection, campaign)
    yield Figure(
        what=f"import of {rows:,} rows ({kind.upper()}, {size:,.0f} MiB)",
        value=f"{seconds:.1f} s, {seconds / bare:.1f}x the bare COPY",
        target=f"at most {most:.0f} s",
        holds=seconds <= most,
        meaning=f"{rows / seconds:,.0f} rows a second, checked, each bad one with its reason; the bare COPY takes "
        f"{bare:.1f} s; reading it before, for its headings, {read:.1f} s",
    )
    yield Figure(
        what=f"memory of campaigns after {rows:,} rows ({kind.upper()})",
        value=f"{memory:.0f} MiB",
        target=f"at most {_MEMORY_MIB} MiB",
        holds=memory <= _MEMORY_MIB,
        meaning="the most resident memory of the process that stays, at any time until then",
    )


def _campaign(file: UUID) -> Campaign:
    return Campaign(
        id=uuid4(),
        name="import",
        phone_number_id=number_id(0),
        account_id=ACCOUNT,
        source={"file": {"file_id": str(file), "mapping": _MAPPING}},
        into_active=False,
        terms={"zone": "Europe/Rome"},
        actor="bench",
        created_at=utc_now(),
    )


def _state(connection: Connection[Any], campaign: Campaign) -> str:
    found = campaigns.find(connection, campaign.id)
    assert found is not None
    return found.state


def _rows(rows: int) -> Iterator[tuple[str, ...]]:
    for n in range(rows):
        phone = f"333{n:07}" if n % 3 == 0 else f"+39333{n:07}"
        if n % 100 == 7:
            phone = "4.4770090E+11"
        elif n % 50 == 9:
            phone = f"+39333{n - 1:07}"
        name, street = f"Oliver Rossi {n % 5000}", f"Via Garibaldi {n % 300}, Milano"
        yield phone, name, street, f"ORD-{n:08}", f"{n % 28 + 1} novembre 2026", "it"


def _csv(rows: int) -> bytes:
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(_TITLES)
    table.writerows(_rows(rows))
    return written.getvalue().encode()


def _xlsx(rows: int) -> bytes:
    sheet = Sheet("People", "People", utc_now(), [(title, 20) for title in _TITLES])
    return b"".join(workbook(sheet, _rows(rows)))


_FILES: dict[str, Callable[[int], bytes]] = {"csv": _csv, "xlsx": _xlsx}


def _copy_seconds(connection: Connection[Any], campaign: Campaign) -> float:
    """Returns the seconds in which the rows of a campaign are copied to an empty table with the same indexes."""
    written = bytearray()
    with (
        connection.cursor() as cursor,
        cursor.copy("copy (select * from recipients where campaign_id = %s) to stdout", [campaign.id]) as copy,
    ):
        for part in copy:
            written += part
    connection.execute("create table bare (like recipients including all)")
    began = monotonic()
    with connection.cursor() as cursor, cursor.copy("copy bare from stdin") as copy:
        for at in range(0, len(written), CHUNK_BYTES):
            copy.write(memoryview(written)[at : at + CHUNK_BYTES])
    seconds = monotonic() - began
    connection.execute("drop table bare")
    return seconds


def _peak_mib(worker: Worker) -> float:
    for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")
