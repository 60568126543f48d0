"""The process `analytics` on the real topic: what happens to a customer is in the numbers soon afterwards, also if the
process is killed meanwhile."""

import psycopg

from infra.postgres import directory
from tests.flow.test_relay import Installation
from tests.support.system import System
from tests.support.waiting import wait_until
from witiop.operations.statistics import check


def test_an_event_is_counted_within_a_minute(system: System) -> None:
    """A3 of docs/design/analytics.md."""
    relay, analytics = system.run("relay", "analytics")
    with psycopg.connect(system.dsn, autocommit=True) as connection:
        installation = Installation(system, connection)
        installation.make_events()

        def counted() -> int:
            row = connection.execute(
                "select coalesce(sum(opened), 0) from stat_hours where phone_number_id = ''"
            ).fetchone()
            return int(row[0]) if row else 0

        wait_until(lambda: counted() == 30, seconds=60)
        analytics.kill()
        installation.make_events()
        wait_until(lambda: installation.waiting == 0)
        (again,) = system.run("analytics")
        wait_until(lambda: counted() == 60, seconds=60)
        assert 1 <= again.metric("witiop_analytics_behind_seconds_count")
        assert [] == again.not_ready_reason() == relay.not_ready_reason()
        _, company = directory.read(connection)
        found = check(connection, company)
        assert (60, 0, 0, 0) == tuple(found)
