"""`witiop doctor`: what is wrong with an installation, one line per finding with its cure. Changes nothing."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import psycopg
from kafka.errors import KafkaError
from psycopg import Connection

from infra.kafka import topics as kafka_topics
from infra.kafka.consumer import OffsetRange
from infra.kafka.diagnostics import KafkaDiagnostics
from infra.postgres import mails
from infra.postgres.connections.pool import connect
from infra.postgres.lists import health
from infra.postgres.lists.health import ConsumerPosition
from infra.postgres.migrations import SchemaIsNewer, pending
from witiop import settings as all_settings
from witiop.exits import NOT_REACHABLE, REFUSED
from witiop.installation import Installation
from witiop.settings import Settings
from witiop.wiring import from_settings

OLDEST_POSTGRES = 18
SKEW = timedelta(seconds=2)
"""The webhook judges a sender's clock by its own, the timer closes windows by the database's."""
OUTBOX_SECONDS = 30
OVERDUE_SECONDS = 60
IDLE_SECONDS = 60
"""Consumers tell at least every few seconds where they stand, also when nothing comes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` it is, `what` is wrong, and the `cure`."""

    where: str
    what: str
    cure: str
    unreachable: bool = False


def report(installation: Installation, as_json: bool) -> int:
    """Print the findings and give the exit code: 0 none, 3 if a server did not answer, else 1.

    Raises:
        SettingsError: without settings there is nothing to look at.
    """
    findings = list(examine(installation.settings("kafka_bootstrap_servers", "postgres_dsn")))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{finding.where}: {finding.what}; {finding.cure}")
        if not findings:
            click.echo("nothing is wrong")
    if any(finding.unreachable for finding in findings):
        return NOT_REACHABLE
    return REFUSED if findings else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong; a server that does not answer is one finding, and the rest is still looked at."""
    yield from _settings()
    held: dict[tuple[str, int], OffsetRange] | None = None
    try:
        with closing(KafkaDiagnostics(from_settings.kafka_config(settings))) as brokers:
            yield from _brokers(brokers, settings)
            names = from_settings.topics(settings)
            held = brokers.offset_ranges([names.inbound, names.unreadable])
    except KafkaError as error:
        cure = "see that the brokers run and that WITIOP_KAFKA_BOOTSTRAP_SERVERS names them"
        yield Finding("kafka", _first_line(error), cure, unreachable=True)
    try:
        with closing(connect(settings.postgres_dsn.get_secret_value(), "doctor", autocommit=True)) as database:
            yield from _database(database, held)
    except psycopg.OperationalError as error:
        cure = "see that PostgreSQL runs and that WITIOP_POSTGRES_DSN names it"
        yield Finding("postgres", _first_line(error), cure, unreachable=True)
    yield from _ses(settings)


def _settings() -> Iterator[Finding]:
    for name in all_settings.unknown_variables():
        yield Finding("settings", f"no setting is called {name}", "see docs/settings.md for the right name")


def _brokers(brokers: KafkaDiagnostics, settings: Settings) -> Iterator[Finding]:
    wanted = kafka_topics.TopicSettings(settings.kafka_partitions, settings.kafka_replication_factor)
    for found in kafka_topics.findings(from_settings.kafka_config(settings), from_settings.topics(settings), wanted):
        yield Finding(f"kafka {found.where}", found.what, found.fix)
    clock = brokers.clock()
    if clock:
        yield from skew_findings("kafka", clock.now, clock.asked, clock.answered)


def _database(database: Connection[Any], held: dict[tuple[str, int], OffsetRange] | None) -> Iterator[Finding]:
    asked = datetime.now(UTC)
    server = health.server(database)
    yield from skew_findings("postgres", server.now, asked, datetime.now(UTC))
    version = server.version // 10_000
    if version < OLDEST_POSTGRES:
        cure = f"the product is tested on {OLDEST_POSTGRES}: upgrade"
        yield Finding("postgres", f"the server is PostgreSQL {version}", cure)
    if server.read_only:
        yield Finding("postgres", "the database is read-only", "point WITIOP_POSTGRES_DSN at the primary")
    for setting in server.unsafe:
        cure = "turn it on: without it a crash of the server can lose what was committed"
        yield Finding("postgres", f"{setting} is off", cure)
    try:
        missing = pending(database)
    except SchemaIsNewer as error:
        yield Finding("schema", str(error), "nothing else was looked at")
        return
    if missing:
        yield Finding("schema", f"{', '.join(missing)} not applied", "run witiop migrate; nothing else was looked at")
        return
    yield from _flow(database, held)
    yield from _mails(database)
    yield from _directory(database)


def _flow(database: Connection[Any], held: dict[tuple[str, int], OffsetRange] | None) -> Iterator[Finding]:
    if held is not None:
        yield from reading_findings(held, health.consumer_positions(database))
    age = health.outbox_age(database)
    if age > OUTBOX_SECONDS:
        cure = "see that witiop run relay runs and reaches the brokers"
        yield Finding("outbox", f"its oldest event has waited {age:.0f} s", cure)
    for kind, count in health.waiting_dead_letters(database).items():
        many = f"{count:,}{'+' if count == health.COUNTED else ''}"
        cure = "look with witiop set-aside list, send through again with witiop set-aside redrive"
        yield Finding("set aside", f"{many} of kind {kind} wait", cure)
    for wrong in health.miscounts(database):
        which = f"number {wrong.phone_number_id}, status {wrong.status}, reason {wrong.reason}"
        cure = f"say to the database: {health.RECOUNT}"
        yield Finding("counters", f"{which}: {wrong.counted:,} counted, {wrong.there:,} there", cure)


def _mails(database: Connection[Any]) -> Iterator[Finding]:
    unknown, overdue = mails.standing(database)
    if unknown:
        cure = (
            "look with witiop mails list --state unknown, and send again what did not arrive with witiop mails resend"
        )
        yield Finding("mails", f"of {unknown:,} nobody knows whether they were sent", cure)
    if overdue > OVERDUE_SECONDS:
        cure = "see that witiop run mails runs and reaches SES"
        yield Finding("mails", f"the oldest that is due has waited {overdue:.0f} s", cure)


def _ses(settings: Settings) -> Iterator[Finding]:
    if not (settings.ses_region and settings.ses_configuration_set and settings.ses_sender):
        return  # an installation that sends no mails
    from infra.ses.diagnostics import ExpectedSes, SesUnreachable, findings

    wanted = ExpectedSes(
        settings.ses_configuration_set, settings.ses_sender, settings.ses_topic_arns, per_second=settings.ses_rate
    )
    try:
        for what, cure in findings(from_settings.ses_access(settings), wanted):
            yield Finding("ses", what, cure)
    except SesUnreachable as error:
        cure = "see that SES can be reached in WITIOP_SES_REGION, with a key that it knows"
        yield Finding("ses", str(error), cure, unreachable=True)


def reading_findings(
    held: dict[tuple[str, int], OffsetRange], readings: Iterable[ConsumerPosition]
) -> Iterator[Finding]:
    """What is wrong with how far the consumers came in what the brokers hold."""
    start = "see that witiop run conversations runs, and what its log says"
    known = {(reading.topic, reading.partition): reading for reading in readings}
    for place, there in sorted(held.items()):
        where = f"{place[0]}[{place[1]}]"
        reading = known.get(place)
        if reading is None:
            if there.end > there.begin:
                yield Finding(where, f"{there.end - there.begin:,} records that nobody began to read", start)
            continue
        if reading.lost:
            cure = "they are gone; when you know why, clear this with: update consumer_offsets set lost = 0"
            yield Finding(where, f"the brokers deleted {reading.lost:,} records before they were read", cure)
        if reading.next_offset < there.begin:
            what = f"the brokers deleted {there.begin - reading.next_offset:,} records that nobody has read"
            yield Finding(where, what, start)
        if reading.next_offset > there.end:
            yield Finding(where, f"read up to {reading.next_offset:,}, but it ends at {there.end:,}", start)
        waiting = there.end - max(reading.next_offset, there.begin)
        if reading.idle_seconds > IDLE_SECONDS and waiting > 0:
            yield Finding(where, f"{waiting:,} records wait, no progress for {reading.idle_seconds:.0f} s", start)


def _directory(database: Connection[Any]) -> Iterator[Finding]:
    for number in health.unknown_numbers(database):
        what = f"customers write to the number {number}, which it does not know"
        yield Finding("directory", what, "add it to the file and run witiop directory apply")
    for skillset in health.unstaffed_skillsets(database):
        what = f"a menu leads to {skillset}, but no user has that skillset"
        yield Finding("directory", what, "give it to somebody and run witiop directory apply")


def skew_findings(whose: str, theirs: datetime, asked: datetime, answered: datetime) -> Iterator[Finding]:
    """The clocks differ by at least what the time between question and answer does not explain."""
    ahead = max(theirs - answered, asked - theirs)
    if ahead > SKEW:
        direction = "ahead of" if theirs > answered else "behind"
        what = f"its clock is {ahead.total_seconds():.0f} s {direction} this machine's"
        yield Finding(whose, what, "set the clocks with NTP on both")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n", 1)[0].split())
