"""What customers answered to campaigns, and of how many nobody took care. Raises psycopg errors."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.statistics.numbers import StatPeriod

MOST_CAMPAIGNS = 20


class CampaignAnswers(NamedTuple):
    """A campaign that began in the period, with its answers until now."""

    id: UUID
    name: str
    answered: int
    unmanaged: int


def answers_to_campaigns(connection: Connection[Any], period: StatPeriod) -> list[CampaignAnswers]:
    """Returns the campaigns that began on the days of the period (in UTC) and were answered, those first of whose
    answers most are unmanaged. O(campaigns of the period)."""
    with connection.cursor(row_factory=class_row(CampaignAnswers)) as cursor:
        return cursor.execute(
            "select c.id, c.name, sum(a.n)::integer as answered, "
            "coalesce(sum(a.n) filter (where a.outcome = 'unmanaged'), 0)::integer as unmanaged "
            "from campaigns c join campaign_answer_counts a on a.campaign_id = c.id "
            "where c.started_at >= %(first)s and c.started_at < %(last)s::date + 1 "
            "and (%(number)s::text is null or c.phone_number_id = %(number)s) "
            "group by 1, 2 having sum(a.n) > 0 order by 4 desc, 3 desc, 1 limit %(most)s",
            {**period.parameters, "most": MOST_CAMPAIGNS},
        ).fetchall()
