"""Campaigns in Postgres. A campaign's row is locked before customers, lanes and sends (architecture.md, P5). Raises
psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.sending.templates import Template

CAMPAIGN_COLUMNS: LiteralString = (
    "id, name, phone_number_id, account_id, source, into_active, terms, actor, created_at, state, changed_by, "
    "answers_to, reason, detail, version, wave, start_at, in_own_time, started_by, started_at, ended_at, work, zones, "
    "countries, canary_until, canary_passed, watch, tolerated"
)
"""Columns under the names of the fields of `Campaign`."""

_JSON = ("source", "terms", "answers_to", "work", "zones", "countries", "watch", "tolerated")
_FIXED = ("id", "name", "phone_number_id", "account_id", "source", "into_active", "terms", "actor", "created_at")
_CHANGING = tuple(name for name in CAMPAIGN_COLUMNS.split(", ") if name not in _FIXED)


class CampaignLogEntry(NamedTuple):
    """One thing that happened to a campaign. `event`: what; `actor`: a person, or `campaigns`; `reason`, `detail`: why,
    as a code and as a text or number for people."""

    at: datetime
    event: str
    actor: str
    reason: str | None = None
    detail: str | None = None


def create(connection: Connection[Any], campaign: Campaign, templates: Iterable[Template]) -> bool:
    """Stores a campaign with its templates; returns False if it is stored already."""
    values = _values(campaign, (*_FIXED, *_CHANGING))
    names = ", ".join(values)
    created = connection.execute(
        f"insert into campaigns ({names}) values ({', '.join(['%b'] * len(values))}) on conflict do nothing "
        "returning id",
        list(values.values()),
    ).fetchone()
    if created is None:
        return False
    for variant, template in enumerate(templates):
        connection.execute(
            "insert into campaign_templates (campaign_id, variant, name, language, category, parameter_format, "
            "components, fingerprint, delivered_within) values (%b, %b, %b, %b, %b, %b, %b, %b, %b)",
            [
                *(campaign.id, variant, template.name, template.language, template.category),
                *(template.parameter_format, Jsonb(list(template.components)), template.fingerprint),
                template.delivered_within,
            ],
        )
    return True


def lock(connection: Connection[Any], campaign: UUID) -> Campaign | None:
    """Locks a campaign and returns it; None: there is none."""
    found = _read(connection, f"select {CAMPAIGN_COLUMNS} from campaigns where id = %b for update", [campaign])
    return found[0] if found else None


def lock_of_send(connection: Connection[Any], send: UUID) -> Campaign | None:
    """Locks the campaign of whose recipients a send is, before the send, and returns it; None: it is of none."""
    row = connection.execute("select campaign_id from sends where id = %b", [send]).fetchone()
    return lock(connection, row[0]) if row is not None and row[0] is not None else None


def lock_free(connection: Connection[Any], campaign: UUID) -> Campaign | None:
    """Locks a campaign and returns it; None: there is none, or another process has it."""
    query: LiteralString = f"select {CAMPAIGN_COLUMNS} from campaigns where id = %b for update skip locked"
    found = _read(connection, query, [campaign])
    return found[0] if found else None


def write(connection: Connection[Any], campaign: Campaign) -> None:
    """Writes a changed campaign, whose lock the caller holds."""
    values = _values(campaign, _CHANGING)
    assignments = ", ".join(f"{name} = %b" for name in values)
    connection.execute(f"update campaigns set {assignments} where id = %b", [*values.values(), campaign.id])


def write_log(connection: Connection[Any], campaign: UUID, entries: Iterable[CampaignLogEntry]) -> None:
    """Adds to a campaign's log."""
    for entry in entries:
        connection.execute(
            "insert into campaign_log (campaign_id, at, event, actor, reason, detail) values (%b, %b, %b, %b, %b, %b)",
            [campaign, *entry],
        )


def add_tests(connection: Connection[Any], campaign: UUID, sends: Iterable[UUID]) -> None:
    """Notes sends that are test messages of a campaign."""
    for send in sends:
        connection.execute(
            "insert into campaign_tests (campaign_id, send_id) values (%b, %b) on conflict do nothing", [campaign, send]
        )


def find(connection: Connection[Any], campaign: UUID) -> Campaign | None:
    """Returns a campaign; None: there is none. Takes no lock."""
    found = _read(connection, f"select {CAMPAIGN_COLUMNS} from campaigns where id = %b", [campaign])
    return found[0] if found else None


def at_work(connection: Connection[Any]) -> list[Campaign]:
    """Returns the campaigns that something may be done for, the oldest first. O(campaigns that are not over)."""
    return _read(
        connection,
        f"select {CAMPAIGN_COLUMNS} from campaigns where state not in ('finished', 'ready') "
        "and (state <> 'cancelled' or work is not null) order by created_at, id",
    )


def templates_of(connection: Connection[Any], campaign: Campaign) -> list[CampaignTemplate]:
    """Returns a campaign's templates as they were when it was created, in the order of their variants."""
    rows = connection.execute(
        "select variant, name, language, category, parameter_format, components, "
        "extract(epoch from delivered_within)::integer from campaign_templates where campaign_id = %b order by variant",
        [campaign.id],
    ).fetchall()
    return [
        CampaignTemplate(
            variant,
            Template(campaign.account_id, name, language, "APPROVED", category, form, components, ttl_seconds=seconds),
        )
        for variant, name, language, category, form, components, seconds in rows
    ]


def log_of(connection: Connection[Any], campaign: UUID, most: int = 200) -> list[CampaignLogEntry]:
    """Returns at most `most` entries of a campaign's log, the latest first."""
    with connection.cursor(row_factory=class_row(CampaignLogEntry)) as cursor:
        return cursor.execute(
            "select at, event, actor, reason, detail from campaign_log where campaign_id = %b "
            "order by number desc limit %b",
            [campaign, most],
        ).fetchall()


def names_of(connection: Connection[Any], wanted: Collection[UUID]) -> dict[UUID, str]:
    """Returns campaign -> name."""
    if not wanted:
        return {}
    rows = connection.execute("select id, name from campaigns where id = any(%b::uuid[])", [[*wanted]]).fetchall()
    return dict(rows)


def _values(campaign: Campaign, names: Iterable[str]) -> dict[str, object]:
    found = {name: getattr(campaign, name) for name in names}
    return {name: Jsonb(dict(value)) if name in _JSON and value is not None else value for name, value in found.items()}


def _read(connection: Connection[Any], query: LiteralString, values: Sequence[Any] = ()) -> list[Campaign]:
    with connection.cursor(row_factory=kwargs_row(Campaign)) as cursor:
        return cursor.execute(query, values).fetchall()
