"""With the real processes: nobody watches, and a customer whose window runs out is rescued, whatever dies meanwhile."""

from dataclasses import replace
from datetime import timedelta

from infra.process.crash_points import EXIT_CODE
from tests.support.office import COMPANY, open_office
from tests.support.rule_room import reserve
from tests.support.system import System
from tests.support.waiting import wait_until

PEOPLE = 30


def test_rules_rescue_everybody_once_though_processes_die(system: System) -> None:
    with open_office(system.dsn) as office:
        office.topics = system.topics
        office.apply_directory(replace(COMPANY, rules=(reserve(left=timedelta(hours=2)),)))
        for n in range(PEOPLE):
            office.customer_writes(phone=f"165055501{n:02}", hours_ago=22.5)
        safe = office.customer_writes(phone="16505550999", hours_ago=1)
        office.connection.execute("delete from outbox")

        (victim,) = system.start("rules", crash_at="rules.before-commit", rules_per_minute=1000)
        assert EXIT_CODE == victim.wait_end()
        assert office.rows("select * from rule_acts") == []
        (first, second) = (system.start("rules", rules_per_minute=1000)[0] for _ in range(2))
        for each in (first, second):
            each.wait_ready()
        wait_until(lambda: len(office.rows("select 1 from rule_acts")) == PEOPLE, seconds=60)
        first.kill()
        system.run("commands", "relay")
        wait_until(
            lambda: len(office.rows("select 1 from rule_acts where state = 'done'")) == PEOPLE, seconds=60, step=0.2
        )

        applied = office.rows(
            "select conversation_id, count(*) as times from command_audit where outcome = 'applied' "
            "and issuer = 'rule:rescue' group by 1"
        )
        assert [each["times"] for each in applied] == [1] * PEOPLE
        reserved = office.rows("select 1 from conversations where owner_id = 'sales' and owner_state = 'r'")
        assert len(reserved) == PEOPLE
        assert office.rows(f"select owner_id from conversations where id = '{safe}'") == [{"owner_id": None}]
