"""How far the process `retention` has come through the conversations. Raises psycopg errors."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection


class RetentionWalk(NamedTuple):
    """A walk through all conversations in the order of their opening. `walked_to`: where the last step ended;
    `ended_at` None: it is under way."""

    walked_to: UUID | None
    began_at: datetime | None
    ended_at: datetime | None

    @property
    def after(self) -> UUID:
        """The conversation after which the next step begins."""
        return self.walked_to or UUID(int=0)

    def is_due(self, now: datetime, again: timedelta) -> bool:
        """Returns whether there is a step to be done. `again`: from the end of one walk to the next."""
        return self.ended_at is None or self.ended_at <= now - again

    def began(self, now: datetime) -> datetime:
        """Returns when the walk began that is under way."""
        return self.began_at if self.began_at is not None and self.ended_at is None else now


def lock(connection: Connection[Any]) -> RetentionWalk | None:
    """Makes the caller's transaction the only one that walks; None: another one does."""
    row = connection.execute(
        "select walked_to, began_at, ended_at from retention_walk for update skip locked"
    ).fetchone()
    return RetentionWalk(*row) if row is not None else None


def write(connection: Connection[Any], walk: RetentionWalk, to: UUID) -> None:
    """Notes that the conversations up to `to` were looked at."""
    connection.execute(
        "update retention_walk set walked_to = %(to)b, ended_at = null, "
        "began_at = case when %(begins)b then now() else began_at end",
        {"to": to, "begins": walk.began_at is None or walk.ended_at is not None},
    )


def end(connection: Connection[Any]) -> None:
    """Notes that all conversations were looked at."""
    connection.execute("update retention_walk set walked_to = null, ended_at = now()")
