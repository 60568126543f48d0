"""`witiop doctor`: lists what is wrong with an installation, one line per finding with its fix, and how far it is set
up. Changes nothing."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import psycopg
from kafka.errors import KafkaError
from psycopg import Connection

from consumers.batches.starting import is_at
from domain.alarms.conditions import MAIL_SECONDS, OUTBOX_SECONDS
from domain.inbound.ses_events import IDENTITY_FEEDBACK, notice_id
from domain.setup.installation import SKEW_SECONDS
from domain.setup.steps import SetupStep
from domain.topics import Topics
from infra.kafka import topics as kafka_topics
from infra.kafka.access import principals as kafka_access
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable, OffsetRange
from infra.kafka.diagnostics import KafkaDiagnostics
from infra.kafka.record_reader import RecordReader
from infra.postgres import mails
from infra.postgres.connections.pool import connect
from infra.postgres.lists import health
from infra.postgres.lists.health import ConsumerPosition
from infra.postgres.media import received
from infra.postgres.media.received import FetchDiagnostics
from infra.postgres.messaging import restores
from infra.postgres.messaging.dead_letters import OUTBOX
from infra.postgres.messaging.parked import parked_now
from infra.postgres.migrations import SchemaIsNewer, pending
from witiop import settings as all_settings
from witiop.exit_codes import NOT_REACHABLE, REFUSED
from witiop.installation import Installation
from witiop.operations.alarm_findings import alarm_findings
from witiop.operations.campaign_findings import campaign_findings
from witiop.operations.findings import Finding
from witiop.operations.retention_findings import retention_findings
from witiop.operations.rule_findings import rule_findings
from witiop.operations.sending_findings import sending_findings
from witiop.operations.setup_steps import setup_steps, step_documents, step_lines
from witiop.operations.statistics_findings import statistics_findings
from witiop.operations.word_findings import word_findings
from witiop.settings import Settings
from witiop.wiring import from_settings

OLDEST_POSTGRES = 18
SKEW = timedelta(seconds=SKEW_SECONDS)
OVERDUE_SECONDS = 60
IDLE_SECONDS = 20
"""Consumers commit their positions every few seconds, also when no records arrive."""

_FEEDBACK_DAYS = 3
"""A finding about feedback of an identity is gone this long after the last one arrived."""


def report(installation: Installation, as_json: bool) -> int:
    """Prints the findings and the steps of setting the installation up. Returns the exit code
    (`exit_code`).

    Raises:
        SettingsError: a setting is missing or invalid.
    """
    settings = installation.settings("kafka_bootstrap_servers", "postgres_dsn")
    findings = list(examine(settings))
    is_away = any(finding.unreachable and finding.where in ("kafka", "postgres") for finding in findings)
    steps = [] if is_away else setup_steps(settings)
    from witiop.cli.views.display import harmless  # slow to import

    if as_json:
        found = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"findings": found, "steps": step_documents(steps)}))
    else:
        for finding in findings:
            click.echo(f"{finding.where}: {finding.what}; {finding.fix}")
        if not findings:
            click.echo("no problems found")
        for line in ("", "set-up:", *step_lines(steps)) if steps else ():
            click.echo(harmless(line))
    return exit_code(findings, steps)


def exit_code(findings: Iterable[Finding], steps: Iterable[SetupStep]) -> int:
    """Returns 0 if all is well, also where something is still to be done; 3 if a server did not answer, else 1."""
    found = list(findings)
    if any(finding.unreachable for finding in found):
        return NOT_REACHABLE
    return REFUSED if found or any(step.state == "trouble" for step in steps) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Yields all findings. A server that does not answer is one finding; the other checks still run."""
    yield from _settings()
    held: dict[tuple[str, int], OffsetRange] | None = None
    try:
        with closing(KafkaDiagnostics(from_settings.kafka_config(settings))) as brokers:
            yield from _brokers(brokers, settings)
            names = from_settings.topics(settings)
            held = brokers.offset_ranges([names.inbound, names.unreadable])
    except KafkaError as error:
        fix = "check that the brokers are running and that WITIOP_KAFKA_BOOTSTRAP_SERVERS points to them"
        yield Finding("kafka", _first_line(error), fix, unreachable=True)
    try:
        with closing(connect(settings.postgres_dsn.get_secret_value(), "doctor", autocommit=True)) as database:
            yield from _database(database, held, settings)
    except psycopg.OperationalError as error:
        fix = "check that PostgreSQL is running and that WITIOP_POSTGRES_DSN points to it"
        yield Finding("postgres", _first_line(error), fix, unreachable=True)
    yield from _ses(settings)
    yield from _store(settings)


def _settings() -> Iterator[Finding]:
    for name in all_settings.unknown_variables():
        yield Finding("settings", f"there is no setting {name}", "look up the name in docs/settings.md")


def _brokers(brokers: KafkaDiagnostics, settings: Settings) -> Iterator[Finding]:
    expected = kafka_topics.TopicSettings(settings.kafka_partitions, settings.kafka_replication_factor)
    for found in kafka_topics.findings(from_settings.kafka_config(settings), from_settings.topics(settings), expected):
        yield Finding(f"kafka {found.where}", found.what, found.fix)
    yield from access_findings(from_settings.kafka_config(settings), from_settings.topics(settings))
    clock = brokers.clock()
    if clock:
        yield from skew_findings("kafka", clock.now, clock.asked, clock.answered)


def access_findings(config: KafkaConfig, topics: Topics) -> Iterator[Finding]:
    """Yields the users at the brokers who may do less or more than the work of their processes needs."""
    found = kafka_access.differences(config, topics)
    if found is None:
        return
    for principal in found.missing:
        lacks, extra = len(found.missing[principal]), len(found.extra[principal])
        if lacks or extra:
            what = f"lacks {lacks} permissions of its process and has {extra} that its process does not need"
            yield Finding(f"kafka user {principal}", what, "run witiop topics")


def _database(
    database: Connection[Any], held: dict[tuple[str, int], OffsetRange] | None, settings: Settings
) -> Iterator[Finding]:
    asked = datetime.now(UTC)
    server = health.server(database)
    yield from skew_findings("postgres", server.now, asked, datetime.now(UTC))
    version = server.version // 10_000
    if version < OLDEST_POSTGRES:
        fix = f"upgrade to PostgreSQL {OLDEST_POSTGRES}, on which the product is tested"
        yield Finding("postgres", f"the server is PostgreSQL {version}", fix)
    if server.read_only:
        yield Finding("postgres", "the database is read-only", "point WITIOP_POSTGRES_DSN at the primary")
    missing = health.missing_standbys(database)
    if missing:
        what = f"commits wait for {missing} synchronous standby{'s' * (missing > 1)} that the server has not"
        yield Finding("postgres", what, "start the standby, or see docs/runbook.md, The standby is away")
    for setting in server.unsafe:
        fix = "turn it on: otherwise a crash of the server can lose committed transactions"
        yield Finding("postgres", f"{setting} is off", fix)
    try:
        unapplied = pending(database)
    except SchemaIsNewer as error:
        yield Finding("schema", str(error), "nothing else was checked")
        return
    if unapplied:
        yield Finding("schema", f"{', '.join(unapplied)} not applied", "run witiop migrate; nothing else was checked")
        return
    yield from _positions(held, health.consumer_positions(database), from_settings.kafka_config(settings))
    yield from _flow(database)
    yield from _mails(database)
    yield from media_findings(received.diagnostics(database), has_bucket=bool(settings.media_bucket))
    yield from sending_findings(database, settings)
    yield from campaign_findings(database)
    yield from statistics_findings(database)
    yield from rule_findings(database)
    yield from word_findings(database)
    yield from retention_findings(database)
    yield from _identity_feedback(database, settings.ses_topic_arns)
    yield from _directory(database)
    yield from alarm_findings(database)


def _positions(
    held: dict[tuple[str, int], OffsetRange] | None, positions: Sequence[ConsumerPosition], kafka: KafkaConfig
) -> Iterator[Finding]:
    yield from break_findings(positions)
    if held is None:
        return
    yield from position_findings(held, positions)
    try:
        with RecordReader(kafka.client_options()) as records:
            for position in positions:
                there, last = held.get((position.topic, position.partition)), position.last
                if there is None or last is None or not there.begin <= last.offset < there.end:
                    continue
                if not is_at(last, records.at(position.topic, position.partition, last.offset)):
                    what = f"its log is another one than the one that was read up to {position.next_offset:,}"
                    fix = "the consumer reads it again from where they part; check that it is running"
                    yield Finding(f"{position.topic}[{position.partition}]", what, fix)
    except BrokerUnreachable as error:
        yield Finding("kafka", str(error), "check that the brokers are running", unreachable=True)


def break_findings(positions: Iterable[ConsumerPosition]) -> Iterator[Finding]:
    """Yields the partitions whose log was cut back, restored or made again since somebody last looked."""
    for position in positions:
        if position.breaks:
            what = (
                f"its log was cut back, restored or created again ({position.breaks:,} times) and was read again from "
                "where it parts from the one before; what was not read before that is lost"
            )
            fix = "once the reason is known, clear this with: update consumer_offsets set breaks = 0"
            yield Finding(f"{position.topic}[{position.partition}]", what, fix)


def _flow(database: Connection[Any]) -> Iterator[Finding]:
    age = health.outbox_age(database)
    if age > OUTBOX_SECONDS:
        fix = "check that `witiop run relay` is running and reaches the brokers"
        yield Finding("outbox", f"the oldest event has been waiting for {age:.0f} s", fix)
    for found in parked_now(database):
        what = f"{found.items:,} parked since {found.since:%Y-%m-%d %H:%M} UTC ({found.reason}), e.g. {found.example}"
        fix = "the worker tries again every ten minutes; see its row in docs/runbook.md"
        yield Finding(found.worker, what, fix)
    for kind, count in health.waiting_dead_letters(database).items():
        total = f"{count:,}{'+' if count == health.COUNTED else ''}"
        if kind == OUTBOX:
            what = f"{total} events can never be published; readers of the topic see a gap in ce_sequence"
            fix = "see witiop dead-letters list; with a larger limit of the topic, run witiop dead-letters replay"
            yield Finding("outbox", what, fix)
            continue
        fix = "see witiop dead-letters list; after fixing the cause, run witiop dead-letters replay"
        yield Finding("dead letters", f"{total} of kind {kind} not replayed", fix)
    for kind, count in health.waiting_reports(database).items():
        what = (
            f"{count:,}{'+' if count == health.COUNTED else ''} of kind {kind} belong to no conversation of a customer"
        )
        fix = "see witiop conversations unplaced; check which phone and which number the bot or agent desktop names"
        yield Finding("waiting facts", what, fix)
    for wrong in health.miscounts(database):
        fix = f"run in the database: {wrong.fix}"
        yield Finding("counters", f"{wrong}: counted {wrong.counted:,}, actually {wrong.there:,}", fix)


def _mails(database: Connection[Any]) -> Iterator[Finding]:
    held = restores.held_count(database)
    if held is not None:
        what = f"the database was restored; {held:,} mails, messages and commands are held, as they may have been done"
        yield Finding("restore", what, "see witiop restore list, and decide with witiop restore confirm")
    unknown, overdue = mails.standing(database)
    if unknown:
        fix = "see witiop mails list --state unknown, and resend those that did not arrive with witiop mails resend"
        yield Finding("mails", f"it is unknown whether {unknown:,} of them were sent", fix)
    if overdue > MAIL_SECONDS:
        fix = "check that `witiop run mails` is running and reaches SES"
        yield Finding("mails", f"the oldest one due has been waiting for {overdue:.0f} s", fix)


def _identity_feedback(database: Connection[Any], topic_arns: Iterable[str]) -> Iterator[Finding]:
    today = datetime.now(UTC).date()
    for topic in topic_arns:
        days = [today - timedelta(days=days) for days in range(_FEEDBACK_DAYS)]
        if health.is_noticed(database, [notice_id(topic, IDENTITY_FEEDBACK, day) for day in days]):
            what = f"SES sends the feedback of an identity to {topic}; that feedback names no mail, so it is not used"
            fix = "remove the topic from the identity's notifications in SES; the configuration set's events are enough"
            yield Finding("mails", what, fix)


def _ses(settings: Settings) -> Iterator[Finding]:
    if not (settings.ses_region and settings.ses_configuration_set and settings.ses_sender):
        return  # an installation that sends no mails
    from infra.ses.diagnostics import ExpectedSes, SesUnreachable, findings

    expected = ExpectedSes(
        settings.ses_configuration_set, settings.ses_sender, settings.ses_topic_arns, per_second=settings.ses_rate
    )
    try:
        for what, fix in findings(from_settings.ses_access(settings), expected):
            yield Finding("ses", what, fix)
    except SesUnreachable as error:
        fix = "check that SES can be reached in WITIOP_SES_REGION and accepts the access key"
        yield Finding("ses", str(error), fix, unreachable=True)


def media_findings(found: FetchDiagnostics, *, has_bucket: bool) -> Iterator[Finding]:
    """Yields what is wrong with the files that customers send."""
    if not has_bucket and found.overdue_seconds > OVERDUE_SECONDS:
        what = "customers send files, and there is no bucket to keep them; Meta deletes them after seven days"
        yield Finding("media", what, "set WITIOP_MEDIA_BUCKET and WITIOP_MEDIA_REGION")
    elif found.overdue_seconds > OVERDUE_SECONDS:
        what = f"the file that is longest due has been waiting for {found.overdue_seconds:.0f} s"
        yield Finding("media", what, "check that `witiop run media` is running and reaches Meta and the bucket")
    if found.failed:
        what = (
            f"files of the last seven days that were not fetched: {found.failed:,}; the latest because: {found.example}"
        )
        yield Finding("media", what, "see docs/runbook.md, Files of customers")


def _store(settings: Settings) -> Iterator[Finding]:
    if not settings.media_bucket:
        return
    from infra.media.store import S3FileStore, StoreUnavailable

    try:
        S3FileStore(from_settings.store_access(settings)).check()
    except StoreUnavailable as error:
        fix = "check that the bucket WITIOP_MEDIA_BUCKET exists in WITIOP_MEDIA_REGION and that the key may use it"
        yield Finding("media", str(error), fix, unreachable=True)


def position_findings(
    held: dict[tuple[str, int], OffsetRange], positions: Iterable[ConsumerPosition]
) -> Iterator[Finding]:
    """Compares the consumers' positions with the offsets that the brokers hold and yields what is wrong."""
    check = "check that `witiop run conversations` is running, and read its log"
    known = {(position.topic, position.partition): position for position in positions}
    for partition, there in sorted(held.items()):
        where = f"{partition[0]}[{partition[1]}]"
        position = known.get(partition)
        if position is None:
            if there.end > there.begin:
                yield Finding(where, f"no consumer has started reading its {there.end - there.begin:,} records", check)
            continue
        if position.lost:
            fix = "they are lost; once the reason is known, clear this with: update consumer_offsets set lost = 0"
            yield Finding(where, f"the brokers deleted {position.lost:,} records before they were read", fix)
        if position.next_offset < there.begin:
            what = f"the brokers deleted {there.begin - position.next_offset:,} records that were not read yet"
            yield Finding(where, what, check)
        if position.next_offset > there.end:
            yield Finding(where, f"read up to {position.next_offset:,}, but the partition ends at {there.end:,}", check)
        waiting = there.end - max(position.next_offset, there.begin)
        if position.idle_seconds > IDLE_SECONDS and waiting > 0:
            yield Finding(where, f"{waiting:,} records waiting, no progress for {position.idle_seconds:.0f} s", check)


def _directory(database: Connection[Any]) -> Iterator[Finding]:
    for number in health.unknown_numbers(database):
        what = f"customers write to the number {number}, which is not in it"
        yield Finding("directory", what, "add the number to the directory file and run witiop directory apply")
    for skillset in health.unstaffed_skillsets(database):
        what = f"a menu leads to {skillset}, but no user has that skillset"
        yield Finding("directory", what, "add it to a user in the directory file and run witiop directory apply")


def skew_findings(where: str, theirs: datetime, asked: datetime, answered: datetime) -> Iterator[Finding]:
    """Yields a finding if a server's clock differs from ours by more than SKEW, even allowing for the round trip
    between `asked` and `answered`."""
    ahead = max(theirs - answered, asked - theirs)
    if ahead > SKEW:
        direction = "ahead of" if theirs > answered else "behind"
        what = f"its clock is {ahead.total_seconds():.0f} s {direction} this machine's"
        yield Finding(where, what, "synchronise both clocks with NTP")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n", 1)[0].split())
