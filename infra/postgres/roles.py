"""Database roles: one per process, with the privileges that its work needs and no others. The webhook has none, because
it needs no database. Migrations and the command line use the owner of the database.

A role belongs to one database and is named after it, e.g. `witiop_console`. The functions raise psycopg errors.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from psycopg import Connection
from psycopg.rows import scalar_row
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Value

from infra.postgres.retention.personal import HOLDINGS

RoleProcess = Literal[
    "conversations",
    "commands",
    "routing",
    "mails",
    "timer",
    "sender",
    "media",
    "campaigns",
    "rules",
    "alarms",
    "analytics",
    "retention",
    "relay",
    "console",
]
"""The processes that use the database."""
ROLE_PROCESSES: tuple[RoleProcess, ...] = get_args(RoleProcess)

_LOCK = 0x726F_6C65
"""Key of the advisory lock under which privileges are granted: the bytes of "role"."""

_DIRECTORY = {"numbers": "select", "skillsets": "select", "users": "select", "directory_version": "select"}
_DECIDES = {
    **_DIRECTORY,
    "campaign_answer_counts": "select, insert, update",
    "campaign_answers": "select, update",
    "campaigns": "select",
    "conversations": "select, update",
    "customers": "select, update",  # a row lock needs UPDATE
    "dismissed_counts": "select, insert, update",
    "entries": "select, update",
    "history": "select, insert",
    "identities": "select",
    "identity_periods": "select",
    "outbox": "insert",
    "unmanaged_counts": "select, insert, update",
}
"""For processes that decide something about conversations: all of them write what changed in the same way
(`consumers.changes.unit_of_work`)."""
_ASSIGNS = {
    **_DECIDES,
    "agent_idle": "select, insert, update",
    "agent_presence": "select",
    "consumer_offsets": "select",
    "desk_pages": "select",
    "desk_presence": "select",
    "users": "select, update (id)",  # locked, never changed
}
_HOLDS = {
    "campaign_log": "select, insert",
    "campaigns": "select, update (state, reason, changed_by, version)",
    "held_commands": "select",
    "mails": "select, update",
    "restores": "select, insert",
    "sends": "select, update",
}
"""For processes that recognise a restore of the database, and hold what was open in it."""
_CONSUMES = {
    **_HOLDS,
    "consumer_offsets": "select, insert, update",
    "consumer_trail": "select, insert, delete",
    "erased_ids": "select",
    "held_commands": "select, insert",
    "set_aside": "select, insert",
}
"""For consumers of topics: positions, dead letters, and what a restore holds back."""
_SENDS = {
    "campaign_charges": "select, insert, update",
    "campaign_counts": "select, insert, update",
    "message_changes": "select",
    "outbox": "insert",
    "recipients": "select, update",
    "send_log": "select, insert",
    "sends": "select, update",
}
"""For processes that change sends (`consumers.changes.sends`)."""
_PARKS = {"parked": "select, insert, update, delete"}
_STATISTICS = (
    "stat_agent_hours",
    "stat_agents",
    "stat_contributions",
    "stat_hours",
    "stat_offers",
    "stat_rules",
    "stat_step_titles",
    "stat_step_weeks",
    "stat_steps",
    "stat_times",
)
_READS_LISTS = dict.fromkeys(
    (
        "agent_idle",
        "agent_presence",
        "alarm_deliveries",
        "alarm_judge",
        "alarms",
        "campaign_answer_counts",
        "campaign_answers",
        "campaign_charges",
        "campaign_counts",
        "campaign_files",
        "campaign_log",
        "campaign_templates",
        "campaign_tests",
        "campaigns",
        "command_audit",
        "conversation_words",
        "conversations",
        "customers",
        "dismissed_counts",
        "entries",
        "history",
        "identities",
        "identity_periods",
        "inbound_rates",
        "graph_accounts",
        "graph_numbers",
        "import_problems",
        "lanes",
        "mail_log",
        "mails",
        "opt_outs",
        "media",
        "message_changes",
        "message_status",
        "meta_reports",
        "prices",
        "recipients",
        "rule_acts",
        "rule_passes",
        "send_log",
        "sends",
        "sightings",
        "templates",
        "unmanaged_counts",
        "uploads",
        "wishes",
        "words_progress",
    ),
    "select",
)

_REMOVES = {
    **dict.fromkeys(dict.fromkeys(each.table for each in HOLDINGS if each.change is None), "select, delete"),
    **dict.fromkeys(dict.fromkeys(each.table for each in HOLDINGS if each.change is not None), "select, update"),
}
"""For the process that removes what belongs to a person, or is over."""

PRIVILEGES: Mapping[RoleProcess, Mapping[str, str]] = {
    "conversations": {
        **_ASSIGNS,
        **_CONSUMES,
        **_SENDS,
        "agent_presence": "select, insert, update",
        "conversations": "select, insert, update",
        "customers": "select, insert, update",
        "early_records": "select, insert, update (raw), delete",  # locked, never changed
        "erased_people": "select",
        "entries": "select, insert, update",
        "graph_numbers": "select",
        "identities": "select, insert, update",
        "identity_periods": "select, insert, update",
        "inbound_rates": "select, insert, update",
        "lanes": "select, insert, update",
        "campaign_answers": "select, insert, update",
        "campaign_charges": "select, insert, update",
        "campaign_templates": "select",
        "campaigns": "select",
        "mail_log": "select, insert",
        "opt_outs": "select, insert, update",
        "media": "select, insert",
        "message_changes": "select, insert, update",
        "message_status": "select, insert, update",
        "meta_reports": "select, insert, update",
        "notices": "select, insert",
        "sightings": "select, insert, update",
        "sends": "select, insert, update",
        "wishes": "select, update",
    },
    "commands": {
        **_ASSIGNS,
        **_CONSUMES,
        **_SENDS,
        "campaigns": "select, insert, update",
        "campaign_files": "select, update (id)",  # locked, never changed
        "campaign_log": "select, insert",
        "campaign_templates": "select, insert",
        "campaign_tests": "select, insert",
        "command_audit": "select, insert",
        "commands": "select, insert, update",
        "directory_drafts": "select",
        "directory_version": "select, update",
        "directory_versions": "select, insert",
        "erasures": "select, insert",
        "entries": "select, insert, update",  # a user who takes a conversation accepts it
        "mail_log": "select, insert",
        "mails": "select, insert, update",
        "opt_outs": "select",
        "meta_reports": "select",
        "graph_accounts": "select",
        "graph_numbers": "select",
        "receipts": "select, insert, update",
        "sends": "select, insert, update",
        "numbers": "select, insert, update, delete",
        "skillsets": "select, insert, update, delete",
        "templates": "select",
        "uploads": "select",
        "users": "select, insert, update, delete",
        "wishes": "select, insert, update",
    },
    "routing": {**_ASSIGNS, **_PARKS},
    "timer": {
        **_DECIDES,
        **_PARKS,
        "consumer_offsets": "select",
        "send_log": "select, insert",
        "sends": "select, update",
        "wishes": "select, update",
    },
    "mails": {
        **_DECIDES,
        **_HOLDS,
        **_PARKS,
        "consumer_offsets": "select",
        "mail_log": "select, insert",
        "media": "select",
        "message_changes": "select",
        "message_status": "select",
        "notes": "select",
        "sends": "select",
        "wishes": "select",
    },
    "sender": {
        **_HOLDS,
        **_SENDS,
        "campaign_templates": "select",
        "consumer_offsets": "select",
        "conversations": "select",
        "customers": "select",
        "graph_accounts": "select, insert, update",
        "graph_numbers": "select, insert, update, delete",
        "identities": "select",
        "identity_periods": "select",
        "inbound_rates": "select",
        "lanes": "select, insert, update",
        "opt_outs": "select",
        "message_status": "select",
        "meta_reports": "select",
        "meta_uploads": "select",
        "receipts": "select, update",
        "templates": "select, insert, update, delete",
        "uploads": "select",
    },
    "media": {
        **_SENDS,
        "campaigns": "select",
        "media": "select, update",
        "meta_uploads": "select, insert, update, delete",
        "unneeded_files": "insert",
        "uploads": "select",
    },
    "campaigns": {
        **_DIRECTORY,
        **_HOLDS,
        **_SENDS,
        "campaigns": "select, update",
        "campaign_answer_counts": "select",
        "campaign_answers": "select",
        "campaign_counts": "select, insert, update, delete",
        "campaign_file_chunks": "select, delete",
        "campaign_files": "select, update, delete",
        "campaign_log": "select, insert",
        "campaign_templates": "select",
        "consumer_offsets": "select",
        "conversations": "select",
        "customers": "select",
        "graph_accounts": "select",
        "graph_numbers": "select",
        "identities": "select",
        "identity_periods": "select",
        "import_problems": "select, insert, delete",
        "inbound_rates": "select",
        "lanes": "select",
        "opt_outs": "select",
        "meta_reports": "select",
        "recipients": "select, insert, update, delete",
        "sends": "select, insert, update",
        "templates": "select",
        "uploads": "select",
    },
    "rules": {
        **_DIRECTORY,
        **_HOLDS,
        **_PARKS,
        "alarms": "select, insert, update (ended_at)",
        "command_audit": "select",
        "consumer_offsets": "select",
        "conversations": "select",
        "customers": "select",
        "directory_versions": "select (version, at)",
        "entries": "select",
        "history": "select",
        "message_changes": "select",
        "outbox": "insert",
        "rule_acts": "select, insert, update",
        "rule_passes": "select, insert",
        "rule_switch": "select, update (id)",  # locked, never changed
        "rule_watch": "select, insert, update, delete",
    },
    "alarms": {
        **_DIRECTORY,
        "agent_idle": "select",
        "agent_presence": "select",
        "alarm_channels": "select",
        "alarm_conditions": "select, insert, update, delete",
        "alarm_deliveries": "select, insert, update",
        "alarm_judge": "select, insert, update",
        "alarm_silences": "select",
        "alarms": "select, insert, update",
        "campaigns": "select",
        "consumer_offsets": "select",
        "conversations": "select",
        "desk_pages": "select",
        "desk_presence": "select",
        "graph_accounts": "select",
        "graph_numbers": "select",
        "held_commands": "select",
        "history": "select",
        "inbound_rates": "select",
        "lanes": "select",
        "mail_log": "select",
        "mails": "select",
        "meta_reports": "select",
        "outbox": "select (id, at)",
        "parked": "select",
        "personal_alarms": "select",
        "restores": "select",
        "sends": "select",
        "set_aside": "select",
        "sign_ins": "select (name, language, level, skillsets, disabled_at)",
        "templates": "select",
    },
    "analytics": {
        **_DIRECTORY,
        **_CONSUMES,
        **dict.fromkeys(("agent_idle", "agent_presence", "desk_pages", "desk_presence"), "select"),
        "conversation_words": "select, insert, update, delete",
        "erased_people": "select",
        "conversations": "select",
        "entries": "select",
        "history": "select",
        "message_changes": "select, update (words_seen)",
        "words_progress": "select, update",
        **dict.fromkeys(_STATISTICS, "select, insert, update"),
        "stat_offers": "select, insert, update, delete",
        "stat_presence_look": "select, update",
    },
    "retention": {
        **_DIRECTORY,
        **_REMOVES,
        "campaign_log": "select, insert",
        "campaign_counts": "select, insert, update",
        "campaigns": "select",
        "command_audit": "select, update, delete",
        "console_audit": "select, update, delete",
        "consumer_offsets": "select",
        "conversations": "select, update, delete",
        "customers": "select, update, delete",  # a row lock needs UPDATE
        "dismissed_counts": "select, insert, update",
        "erased_ids": "select, insert, update, delete",
        "erased_people": "select, insert, update, delete",
        "erasures": "select, update",
        "graph_numbers": "select",
        "history": "select, update (note), delete",
        "identity_periods": "select, update, delete",
        "mails": "select, update, delete",
        "media": "select, update, delete",
        "months": "select",
        "opt_outs": "select, insert, update, delete",
        "outbox": "select, insert, delete",
        "retention_walk": "select, update",
        "unmanaged_counts": "select, insert, update",
        "unneeded_files": "select, insert, update, delete",
    },
    "relay": {"erased_ids": "select", "outbox": "select, delete", "set_aside": "select, insert"},
    "console": {
        **_DIRECTORY,
        **_READS_LISTS,
        "rule_switch": "select, update",
        # it writes where alarms are sent, and cannot read it
        "alarm_channels": "select (id, name, form, shown, language, level, system, shows_customer, actor, changed_at, "
        "removed_at), insert, update",
        "alarm_deliveries": "select, insert",
        "alarm_silences": "select, insert, update",
        "alarms": "select, insert, update (ended_at)",
        "personal_alarms": "select, insert, update, delete",
        **dict.fromkeys(_STATISTICS, "select"),
        "campaign_file_chunks": "select, insert, update",
        "campaign_files": "select, insert, update",
        "console_audit": "select, insert",
        "consumer_offsets": "select",
        "console_sessions": "select, insert, update, delete",
        "conversation_tags": "select, insert, delete",
        "desk_actions": "select, insert, delete",
        "erasures": "select",
        "notices": "select",
        "directory_drafts": "select, insert, delete",
        "directory_versions": "select",
        "uploads": "select, insert",
        "desk_pages": "select, insert, update, delete",
        "desk_presence": "select, insert, update",
        "drafts": "select, insert, update, delete",
        "mentions": "select, insert, update, delete",
        "notes": "select, insert, delete",
        "outcomes": "select, insert, delete",
        "pause_reasons": "select, insert, delete",
        "quick_replies": "select, insert, update, delete",
        "saved_lists": "select, insert, update, delete",
        "sign_in_tries": "select, insert, update, delete",
        "recovery_codes": "select, insert, delete",
        "second_factors": "select, insert, update, delete",
        "sign_ins": "select, insert, update",
        "viewers": "select, insert, update, delete",
    },
}
"""Process -> table -> privileges. A new table is added here for the processes that use it; the owner has all."""

FUNCTIONS: Mapping[RoleProcess, tuple[str, ...]] = {
    "retention": ("next_month_step(text, timestamptz, integer)", "drop_emptied_month(text, timestamptz)")
}
"""Process -> functions that nobody else may call: they act with the rights of the owner."""


SEES_SERVER: tuple[RoleProcess, ...] = ("alarms",)
"""Processes that see the server's standbys, if the owner of the database may grant that: a superuser may."""


class RoleChanges(NamedTuple):
    """What `provide` did. `created`: roles; `missing`: roles that the owner may not create."""

    created: list[str]
    missing: list[str]


def role_of(process: str, database: str) -> str:
    """Returns the name of a process's role."""
    return f"{database}_{process}"


def provide(connection: Connection[Any], passwords: Mapping[str, str] | None = None) -> RoleChanges:
    """Creates the roles that are missing, if this user may, and gives each of them its privileges, in one transaction.
    May be repeated at any time. `passwords`: process -> password; a role without one cannot log in by itself: it can be
    given to a user who can, or get a password in another way."""
    passwords = passwords or {}
    with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        (database,) = cursor.execute("select current_database()").fetchall()
        roles = {process: role_of(process, database) for process in ROLE_PROCESSES}
        existing = set(cursor.execute("select rolname from pg_roles where rolname = any(%s)", [[*roles.values()]]))
        may_create = cursor.execute(
            "select rolsuper or rolcreaterole from pg_roles where rolname = current_user"
        ).fetchone()
        (may_show,) = cursor.execute(
            "select pg_has_role(current_user, 'pg_read_all_stats', 'member with admin option')"
        ).fetchall()
        created = [role for role in roles.values() if role not in existing] if may_create else []
        for role in created:
            cursor.execute(SQL("create role {}").format(Identifier(role)))
        cursor.execute(SQL("revoke temporary on database {} from public").format(Identifier(database)))
        for process, role in roles.items():
            if role not in existing and role not in created:
                continue
            if process in passwords:
                cursor.execute(_login(connection, role, passwords[process]))
            for statement in _grants(process, role):
                cursor.execute(statement)
            if may_show and process in SEES_SERVER:
                cursor.execute(SQL("grant pg_read_all_stats to {}").format(Identifier(role)))
    return RoleChanges(created, [role for role in roles.values() if role not in existing and role not in created])


def _login(connection: Connection[Any], role: str, password: str) -> Composed:
    """The password is sent as the server stores it, so that no log of the server has it."""
    stored = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return SQL("alter role {} login password {}").format(Identifier(role), Value(stored.decode()))


def _grants(process: RoleProcess, role: str) -> list[Composed]:
    """The statements that leave a role with its privileges in this database, whatever it had before."""
    of = Identifier(role)
    return [
        SQL("revoke all on all tables in schema public from {}").format(of),
        SQL("grant usage on schema public to {}").format(of),
        *(
            SQL("grant {} on {} to {}").format(SQL(privileges), Identifier(table), of)
            for table, privileges in PRIVILEGES[process].items()
        ),
        *(
            SQL("grant execute on function {} to {}").format(SQL(function), of)
            for function in FUNCTIONS.get(process, ())
        ),
    ]
