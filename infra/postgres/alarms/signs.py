"""What the database says of an installation, for judging its alarms. Every query reads a few rows of an index or of a
small table, however many conversations there are. Raises psycopg errors."""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection

from domain.alarms.conditions import AccountSign, InstallationSigns, TemplateSign
from domain.campaigns.campaign import BY_ITSELF
from infra.postgres import directory, mails
from infra.postgres.alarms.alarms import called
from infra.postgres.alarms.personal import running_out
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.agents import Agents
from infra.postgres.lists import health
from infra.postgres.messaging import restores
from infra.postgres.messaging.parked import parked_now
from infra.postgres.sending import sends
from infra.postgres.sending.reports import NUMBERS, TEMPLATES

_NEWS_DAYS = 3
"""A template that Meta stopped longer ago than this, or before we knew of it, calls nobody: a campaign that needs it
pauses itself."""


def read_signs(
    connection: Connection[Any], directories: directory.DirectoryCache, presence_timeout: timedelta
) -> InstallationSigns:
    """Returns what the database says now. Takes no lock."""
    now = database_now(connection)
    processed_until, timer_seconds, routing_seconds = _lateness(connection)
    standing = sends.standing(connection)
    unknown_mails, mail_seconds = mails.standing(connection)
    return InstallationSigns(
        now=now,
        numbers=tuple(directories.read(connection).numbers.values()),
        heard_at=heard_at(connection),
        ready=_ready(connection, now, presence_timeout),
        processed_until=processed_until,
        outbox_seconds=health.outbox_age(connection),
        timer_seconds=timer_seconds,
        routing_seconds=routing_seconds,
        parked=_parked(connection),
        held=restores.held_count(connection),
        missing_standbys=health.missing_standbys(connection),
        dead_letters=sum(health.waiting_dead_letters(connection).values()),
        unknown_sends=standing.unknown,
        send_seconds=standing.waited_seconds,
        paused_numbers=dict(_rows(connection, _PAUSED)),
        low_numbers=dict(_rows(connection, f"select phone_number_id, quality from {NUMBERS} n")),
        templates=[TemplateSign(*row) for row in _rows(connection, _TEMPLATES)],
        accounts=[AccountSign(*row) for row in _rows(connection, _ACCOUNTS)],
        unknown_mails=unknown_mails,
        mail_seconds=mail_seconds,
        mail_reason=_mail_reason(connection) if mail_seconds else "",
        campaigns={id_: (name, why) for id_, name, why in connection.execute(_CAMPAIGNS, [BY_ITSELF]).fetchall()},
        called=called(connection),
        persons=running_out(connection),
    )


def heard_at(connection: Connection[Any]) -> datetime | None:
    """Returns when something last came from WhatsApp, to any number; None: never. Reads one row for each number and
    partition, and one of an index."""
    row = connection.execute(_HEARD).fetchone()
    return row[0] if row else None


_HEARD: LiteralString = (
    "select greatest((select max(at) from inbound_rates), (select max(heard_at) from lanes), "
    "(select max(window_ends_at) - interval '24 hours' from conversations where status = 'a'), "
    "(select opened_at from conversations order by id desc limit 1))"
)
"""The first two are noted for numbers that something was sent from. Ids of conversations are in the order of time."""

_PAUSED: LiteralString = (
    "select phone_number_id, reason from lanes where needs_person and reason is not null order by phone_number_id"
)

_TEMPLATES: LiteralString = (
    f"select t.account_id, t.name, t.language, t.status from {TEMPLATES} t where t.status in ('PAUSED', 'DISABLED') "
    "and exists (select from meta_reports r where r.account_id = t.account_id "
    "and r.kind = 'template' and r.name = t.name and r.language = t.language and r.aspect = 'status' "
    f"and r.at > clock_timestamp() - interval '{_NEWS_DAYS} days') order by 1, 2, 3"
)

_ACCOUNTS: LiteralString = (
    "select account_id, coalesce(a.failure is not null, false), coalesce(r.value, '') from graph_accounts a full join "
    "(select account_id, value from meta_reports where kind = 'account' and aspect = 'restriction') r "
    "using (account_id) order by 1"
)

_CAMPAIGNS: LiteralString = (
    "select id::text, name, coalesce(nullif(concat_ws(': ', reason, detail), ''), '–') from campaigns "
    "where state = 'paused' and changed_by = %b order by created_at, id"
)

_LATENESS: LiteralString = (
    "select (select min(caught_up_to) from consumer_offsets where caught_up_to > 'epoch'), "
    "coalesce(extract(epoch from clock_timestamp() - (select min(window_ends_at) from conversations "
    "where status = 'a')), 0)::float, coalesce(extract(epoch from clock_timestamp() - (select min(owner_until) "
    "from conversations where owner_until is not null and owner_state in ('a', 'r'))), 0)::float"
)


def _lateness(connection: Connection[Any]) -> tuple[datetime | None, float, float]:
    row = connection.execute(_LATENESS).fetchone()
    assert row is not None
    return row[0], max(0.0, row[1]), max(0.0, row[2])


def _ready(connection: Connection[Any], now: datetime, timeout: timedelta) -> list[frozenset[str]] | None:
    if connection.execute("select exists (select from agent_presence)").fetchone() != (True,):
        return None
    return [each.skillsets for each in Agents(connection).ready().values() if each.is_ready(now, timeout)]


def _parked(connection: Connection[Any]) -> dict[str, int]:
    counts = dict[str, int]()
    for found in parked_now(connection):
        counts[found.worker] = counts.get(found.worker, 0) + found.items
    return counts


def _mail_reason(connection: Connection[Any]) -> str:
    """Why SES did not accept the mail that is longest due."""
    row = connection.execute(
        "select l.reason from mails m join mail_log l on l.mail_id = m.id where m.state = 'requested' "
        "and m.due_at <= clock_timestamp() and l.reason is not null order by m.due_at, l.at desc limit 1"
    ).fetchone()
    return str(row[0]) if row else ""


def _rows(connection: Connection[Any], query: LiteralString) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()
