"""Where alarms are sent. Addresses and secrets are written here and read only for sending. Raises psycopg errors."""

from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.alarms.channels import AlarmChannel, ChannelSecrets

_COLUMNS = "id, name, form, shown, language, level, system, shows_customer"


def channels(connection: Connection[Any]) -> list[AlarmChannel]:
    """Returns the channels, by name."""
    rows = connection.execute(f"select {_COLUMNS} from alarm_channels where removed_at is null order by name, id")
    return [AlarmChannel(*row) for row in rows.fetchall()]


def add_channel(connection: Connection[Any], channel: AlarmChannel, secrets: ChannelSecrets, actor: str) -> bool:
    """Adds a channel; returns False, and adds nothing, if there is one with its name."""
    row = connection.execute(
        "insert into alarm_channels (id, name, form, shown, language, level, system, shows_customer, address, secret, "
        "actor, changed_at) values (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, clock_timestamp()) "
        "on conflict (name) where removed_at is null do nothing returning id",
        [*channel, *secrets, actor],
    ).fetchone()
    return row is not None


def change_channel(connection: Connection[Any], channel: AlarmChannel, address: str | None, actor: str) -> bool:
    """Changes what a channel gets and where it leads; returns whether it was there. `address` None: as it was. Its name
    and its form stay: rules name it, and the secret belongs to the form."""
    row = connection.execute(
        "update alarm_channels set shown = %b, language = %b, level = %b, system = %b, shows_customer = %b, "
        "address = coalesce(%b, address), actor = %b, changed_at = clock_timestamp() "
        "where id = %b and removed_at is null returning id",
        [*channel[3:], address, actor, channel.id],
    ).fetchone()
    return row is not None


def remove_channel(connection: Connection[Any], channel: UUID, actor: str) -> bool:
    """Removes a channel; returns whether it was there. Its address and its secret are forgotten."""
    row = connection.execute(
        "update alarm_channels set removed_at = clock_timestamp(), changed_at = clock_timestamp(), actor = %b, "
        "address = '', secret = '' where id = %b and removed_at is null returning id",
        [actor, channel],
    ).fetchone()
    return row is not None


def secrets_of(connection: Connection[Any], channel: UUID) -> ChannelSecrets | None:
    """Returns where a channel leads; None: it was removed."""
    row = connection.execute(
        "select address, secret from alarm_channels where id = %b and removed_at is null", [channel]
    ).fetchone()
    return ChannelSecrets(*row) if row else None
