"""Measures the `rules` process over 100,000 conversations on the list: how late it acts, what it costs while
nothing is due but everything is compared, and how long a dry run takes.

Works on a copy of a world. The windows of the conversations on the list are spread over the next day, and those of some
end so that the rule's moment comes within a minute. Lateness is the time from that moment until the act was stored.
The processor time is that of the process and of its connection's backend in PostgreSQL.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep, thread_time
from typing import Any

import psutil
import psycopg
from psycopg import Connection

from benchmarks.figures import Figure, percentile
from benchmarks.setup.stories import DIRECTORY
from benchmarks.setup.world import World, copied
from consumers.workers.rules.worker import Rules
from domain.rules.rule import Rule, RuleCondition, RuleTransfer
from domain.topics import Topics
from infra.languages.detection import language_of
from infra.local.postgres import LocalPostgres
from infra.postgres import directory
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.rules.dry_run import dry_run

CONVERSATIONS = 2_000_000
"""Size of the world: one in ten conversations is active, and half of those are on the list."""
DUE = 60
"""Conversations whose moment comes within `_SECONDS`."""
_LEAD_SECONDS, _SECONDS = 60, 60
_LEFT_HOURS = 2
_RULE = Rule(
    "rescue",
    "Rescue",
    on=True,
    when=RuleCondition(left=timedelta(hours=_LEFT_HOURS)),
    transfer=RuleTransfer(skillset="sales"),
)


def measure(server: LocalPostgres, world: World) -> Iterator[Figure]:
    """Yields lateness, costs and the dry run."""
    with copied(server, world, "rules") as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        directory.apply(connection, replace(DIRECTORY, rules=(_RULE,)))
        listed = _spread(connection)
        late, share = _act(connection, dsn)
        yield Figure(
            what=f"a rule over {listed:,} conversations on the list",
            value=f"p99 {percentile(late, 99):.1f} s, at most {late[-1]:.1f} s late; {len(late)} acts",
            target="at most 5 s",
            holds=late[-1] <= 5 and len(late) == DUE,
            meaning="from the moment at which it fitted to when its command was stored",
        )
        yield Figure(
            what="a core's share of it",
            value=f"{share:.1%}",
            target="at most 10 %",
            holds=share <= 0.10,
            meaning="the process and its backend in PostgreSQL; every two to four seconds the whole list is compared",
        )
        began = monotonic()
        trial = dry_run(connection, directory.read(connection)[1], _RULE, 30, language_of)
        yield Figure(
            what="dry run against the last 30 days",
            value=f"{monotonic() - began:.1f} s",
            meaning=f"{trial.looked_at:,} of {world.conversations:,} conversations, the latest first",
        )


def _spread(connection: Connection[Any]) -> int:
    """Moves the windows, and returns how many conversations are on the list."""
    values = {"due": DUE, "lead": _LEAD_SECONDS, "seconds": _SECONDS, "left": _LEFT_HOURS}
    connection.execute(_MOVE, values)
    connection.execute("vacuum (analyze) conversations")
    row = connection.execute("select count(*) from conversations where unmanaged and status = 'a'").fetchone()
    assert row is not None
    return int(row[0])


def _act(connection: Connection[Any], dsn: str) -> tuple[list[float], float]:
    """Returns the lateness of each act in seconds, in ascending order, and the share of a core."""
    stop = Flag()
    spent: list[float] = []
    with closing(DatabaseSession(dsn, "bench rules")) as session:
        rules = Rules(session.transaction, Topics(), b"secret", per_minute=10_000)

        def run() -> None:
            while rules.poll() == 0.0:  # looks at every conversation once
                pass
            began = thread_time()
            rules.run(stop)
            spent.append(thread_time() - began)

        worker = Thread(target=run)
        worker.start()
        row = connection.execute(
            "select extract(epoch from min(window_ends_at) - now() - make_interval(hours => %s))::float "
            "from conversations where unmanaged and status = 'a'",
            [_LEFT_HOURS],
        ).fetchone()
        assert row is not None and row[0] > 0, "this machine is too slow: the first moment has come"
        sleep(row[0])
        backend = _backend(connection)
        before, began = _seconds(backend), monotonic()
        sleep(_SECONDS + 5)
        in_database, elapsed = _seconds(backend) - before, monotonic() - began
        stop.set()
        worker.join()
    late = [row[0] for row in connection.execute(_LATE, [_LEFT_HOURS]).fetchall()]
    return late, (spent[0] / (elapsed + _LEAD_SECONDS) + in_database / elapsed)


def _backend(connection: Connection[Any]) -> psutil.Process:
    (row,) = connection.execute(
        "select pid from pg_stat_activity where application_name like %s", ["%bench rules%"]
    ).fetchall()
    assert row[0] != os.getpid()
    return psutil.Process(row[0])


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


_MOVE = """
    update conversations c set window_ends_at = now() + make_interval(hours => %(left)s) + case when t.place <= %(due)s
      then make_interval(secs => %(lead)s + %(seconds)s * t.place / %(due)s::float)
      else make_interval(mins => 30 + (t.place %% 1200)::integer) end
    from (
      select id, row_number() over (order by md5(id::text)) as place from conversations
      where unmanaged and status = 'a'
    ) t
    where c.id = t.id
"""
_LATE = """
    select extract(epoch from a.at - c.window_ends_at + make_interval(hours => %s))::float
    from rule_acts a join conversations c on c.id = a.conversation_id order by 1
"""
