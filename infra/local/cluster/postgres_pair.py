"""PostgreSQL with a synchronous standby: what was committed is on both servers. When the primary dies, the standby is
promoted and the other one is copied from it.

A commit waits until the standby has it on its disk, so a promotion loses nothing that a client was told. While the
standby is away, every commit waits (docs/decisions/0065). A file says which of the two is the primary. It is written
before a promotion begins: a server that was the primary never accepts writes again before it was copied.
"""

from collections.abc import Mapping
from pathlib import Path

from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.postgres import SUPERUSER, LocalPostgres

STANDBY = "postgres-standby"
"""The directory of the member that is the standby at first."""
_MEMBERS = ("postgres", STANDBY)
_SETTINGS = {
    "synchronous_standby_names": "*",
    "synchronous_commit": "on",
    "wal_keep_size": "512MB",  # for a standby that was away for a while
    # the server notices within seconds that the standby is gone, and the standby that the primary is
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "wal_retrieve_retry_interval": "200ms",
}


class PostgresPair:
    """Two servers, one of which is the primary. Its data directories keep their names, whichever has which role."""

    def __init__(
        self,
        data: Path,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        guard: Guard | None = None,
    ) -> None:
        """See `LocalPostgres`."""
        self._file = data / "postgres-primary"
        options = {**_SETTINGS, **(settings or {})}
        self.members = tuple(
            LocalPostgres(data / name, fsync=fsync, settings=options, guard=guard) for name in _MEMBERS
        )

    @property
    def primary(self) -> int:
        """The index of the member that is the primary, or has to become it."""
        return int(self._file.read_text(encoding="ascii")) if self._file.exists() else 0

    @property
    def standby(self) -> int:
        """The index of the other member."""
        return 1 - self.primary

    def dsn_of(self, database: str) -> str:
        """Returns the DSN of a database, which leads to the primary, whichever that is."""
        hosts, ports = zip(*(member.place for member in self.members), strict=True)
        places = f"host={','.join(hosts)}&port={','.join(map(str, ports))}"
        return f"postgresql://{SUPERUSER}@/{database}?{places}&target_session_attrs=read-write"

    def start(self) -> None:
        """Starts both, and waits until they answer."""
        self.launch(self.primary)
        self.members[self.primary].wait_ready()
        self.launch(self.standby)
        self.members[self.standby].wait_ready()

    def launch(self, index: int) -> None:
        """Starts a member that does not run. If it was the primary and the other one runs, that one is promoted, and
        this one becomes its standby. Raises LocalServerError if a copy is needed and there is no primary to copy from.
        Blocks while the data is copied."""
        member, other = self.members[index], self.members[1 - index]
        if index == self.primary and other.pid is not None:
            self.fail_over()
        if index == self.primary:
            member.launch()
            if member.is_standby:  # it ended before it was promoted
                member.promote()
            return
        if not member.is_standby:
            if other.pid is None:
                raise LocalServerError("the standby has to be copied from the primary, which does not run")
            other.wait_ready()
            member.copy_from(other)
        member.launch()

    def fail_over(self) -> None:
        """Makes the standby the primary. The old primary must have ended: it is ended by force if it has not. Blocks
        until the new one accepts writes."""
        old, new = self.members[self.primary], self.members[self.standby]
        old.stop(0)
        self._file.write_text(str(self.standby), encoding="ascii")
        new.promote()

    def stop(self) -> None:
        """Stops the primary first, so that it does not wait for the standby."""
        for index in (self.primary, self.standby):
            self.members[index].stop()

    def __enter__(self) -> "PostgresPair":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class PairMember:
    """One of the two as a part that a supervisor starts again when it dies."""

    def __init__(self, pair: PostgresPair, index: int) -> None:
        self._pair = pair
        self._index = index

    @property
    def pid(self) -> int | None:
        """The process id; None if the server does not run."""
        return self._pair.members[self._index].pid

    def launch(self) -> None:
        """See `PostgresPair.launch`."""
        self._pair.launch(self._index)

    def last_words(self) -> str:
        """Returns the reason why the server ended, as one line."""
        return self._pair.members[self._index].last_words()

    def stop(self) -> None:
        """Stops the server and cleans up after it."""
        self._pair.members[self._index].stop()
