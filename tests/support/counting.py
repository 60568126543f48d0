"""The analytics on a real database: public events are taken from the outbox, as from the topic."""

from collections.abc import Sequence
from typing import Any

from consumers.analytics.handler import Analytics
from domain.facts import BotMenuShown, MenuOption, Party
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from tests.support.office import Office
from tests.support.stories import FactMaker

TABLES = (
    "stat_contributions",
    "stat_offers",
    "stat_hours",
    "stat_times",
    "stat_steps",
    "stat_step_weeks",
    "stat_agents",
    "stat_rules",
)


def a_busy_day(office: Office) -> None:
    """Customers who are lost, rescued, offered to agents, led by a bot, and corrected afterwards."""
    bot = FactMaker("bot", Party(wa_id="390000000001"))
    begin = office.hours_ago(30)
    shown = bot.bot(begin + 0.1).model_dump(exclude={"kind", "text", "wamid"})
    menu = BotMenuShown.model_validate({**shown, "options": (MenuOption(id="o", title="Orders"),)})
    chosen = bot.choice(begin + 0.2, "sales").model_copy(update={"skillset": None})
    office.process(bot.turn(begin), menu, chosen, bot.bot(begin + 0.3), arrived_hours_ago=29.5)
    lost = FactMaker(customer=Party(wa_id="390000000002"))
    office.process(lost.turn(office.hours_ago(40), "9"), arrived_hours_ago=39)
    found_late = FactMaker(customer=Party(wa_id="390000000003"))
    office.process(found_late.turn(office.hours_ago(28)), arrived_hours_ago=28)
    office.set_watermark("0 s")
    while office.timer.close_due():
        pass
    office.process(found_late.echo(office.hours_ago(27)))
    office.presence("anna", "ready")
    rescued = FactMaker(customer=Party(wa_id="390000000004"))
    office.process(rescued.turn(office.hours_ago(3)), arrived_hours_ago=3)
    ((conversation,),) = office.connection.execute("select id from conversations where wa_id = '390000000004'")
    with office.connection.transaction():
        office.commands.apply(office.connection, [office.transfer(conversation, "user", "anna", "immediate")])
    office.process(rescued.answered(office.hours_ago(0)))
    office.customer_writes("1", phone="390000000005")


class CountingRoom:
    """The handler `analytics` beside an office."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.handler = Analytics()

    def published(self) -> list[IncomingRecord]:
        """Returns all public events about conversations so far, as records."""
        rows = self.office.rows(f"select * from outbox where topic = '{Topics().conversations}' order by id")
        return [
            IncomingRecord(
                row["topic"],
                0,
                row["id"],
                row["at"],
                bytes(row["value"]),
                [(name, value.encode()) for name, value in row["headers"].items()],
            )
            for row in rows
        ]

    def take(self, records: Sequence[IncomingRecord]) -> None:
        """Counts some records in one transaction."""
        with self.office.connection.transaction():
            left = self.handler.apply(self.office.connection, records)
        assert [] == left.dead_letters

    def catch_up(self, at_once: int = 7) -> None:
        """Counts everything that was published, in batches."""
        records = self.published()
        for begin in range(0, len(records), at_once):
            self.take(records[begin : begin + at_once])

    def counted(self) -> dict[str, list[dict[str, Any]]]:
        """Returns all contributions and all cells that are not 0."""
        found = {}
        for table in TABLES:
            rows = self.office.rows(f"select * from {table} order by 1, 2, 3, 4")
            found[table] = [row for row in rows if table in TABLES[:2] or _is_counted(row)]
        return found

    def forget(self) -> None:
        """Empties all tables."""
        for table in TABLES:
            self.office.connection.execute(f"delete from {table}")


def _is_counted(row: dict[str, Any]) -> bool:
    return any(value for name, value in row.items() if isinstance(value, int) and name not in ("hour", "bucket"))
