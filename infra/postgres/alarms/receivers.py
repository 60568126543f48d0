"""Who is told about an alarm, with what a delivery needs to know of them. Raises psycopg errors."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.alarms.channels import AlarmChannel, ChannelSecrets
from domain.directory import Language
from infra.postgres.alarms.channels import channels, secrets_of
from infra.postgres.alarms.personal import TOLD_LEVELS
from infra.postgres.console.sign_ins import LEVEL


class ToldPerson(NamedTuple):
    """A person who asked for mails. `address` None: the directory has none of theirs."""

    address: str | None
    language: Language


def receiver_of(connection: Connection[Any], channel: UUID) -> tuple[AlarmChannel, ChannelSecrets] | None:
    """Returns a channel and where it leads; None: it was removed."""
    secrets = secrets_of(connection, channel)
    found = [each for each in channels(connection) if each.id == channel]
    return (found[0], secrets) if found and secrets is not None else None


def person_of(connection: Connection[Any], name: str) -> ToldPerson | None:
    """Returns where a person gets mails; None: they are not told any more (`TOLD_LEVELS`)."""
    row = connection.execute(
        "select nullif(u.email, ''), coalesce(i.language, 'en') from sign_ins i left join users u on u.id = i.name "
        f"where i.name = %b and {LEVEL} = any(%b)",
        [name, list(TOLD_LEVELS)],
    ).fetchone()
    return ToldPerson(*row) if row else None


def customer_of(connection: Connection[Any], conversation: UUID) -> str:
    """Returns the name and the phone of a conversation's customer."""
    row = connection.execute(
        "select concat_ws(', ', customer_name, '+' || wa_id) from conversations where id = %b", [conversation]
    ).fetchone()
    return str(row[0]) if row else ""
