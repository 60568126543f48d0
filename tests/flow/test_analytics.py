"""The process `analytics` on the real topic: what happens to a customer is in the numbers soon afterwards, also if the
process is killed meanwhile."""

import psycopg

from infra.postgres import directory
from infra.process.crash_points import EXIT_CODE
from tests.flow.test_relay import Installation
from tests.support.office import open_office
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


def test_the_words_of_all_messages_are_there_though_the_process_dies_while_it_reads_them(system: System) -> None:
    with open_office(system.dsn) as office:
        for n in range(10):
            office.customer_writes("A refund", phone=f"165055501{n:02}", hours_ago=1 if n < 5 else 30)

        def known() -> tuple[int, bool, bool]:
            found = office.connection.execute(
                "select (select count(*) from conversation_words where words @@ to_tsquery('simple', 'refund')), "
                "searched_until is not null, walked_at is not null from words_progress"
            ).fetchone()
            assert found is not None
            return found[0], found[1], found[2]

        def dies(crash_at: str) -> None:
            (victim,) = system.start("analytics", crash_at=crash_at)
            assert EXIT_CODE == victim.wait_end()

        dies("words.before-commit")  # with what is active
        assert (0, False, False) == known()
        dies("words.before-commit:2")  # in its first walk
        assert (10, True, False) == known()
        system.run("analytics")
        wait_until(lambda: known() == (10, True, True), seconds=60)
