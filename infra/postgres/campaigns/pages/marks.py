"""Marks of campaigns and of files with recipients: short texts that change whenever their pages would. Raises psycopg
errors."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg import Connection


def marks_of(connection: Connection[Any], wanted: Collection[UUID]) -> dict[UUID, str]:
    """Returns campaign or file -> mark. O(counters of these campaigns)."""
    if not wanted:
        return {}
    rows = connection.execute(
        "select c.id, concat_ws(' ', c.version, c.state, md5(concat(c.work::text, c.answers_to::text, "
        "(select string_agg(concat_ws(',', wave, variant, state, reason, n), ';' "
        "order by wave, variant, state, reason) "
        "from campaign_counts where campaign_id = c.id), "
        "(select string_agg(concat_ws(',', wave, variant, outcome, n), ';' order by wave, variant, outcome) "
        "from campaign_answer_counts where campaign_id = c.id), "
        "(select concat_ws(',', count(*), min(s.state), max(s.state)) from campaign_tests t "
        "join sends s on s.id = t.send_id where t.campaign_id = c.id), "
        "(select max(number) from campaign_log where campaign_id = c.id)))) "
        "from campaigns c where c.id = any(%(ids)b::uuid[]) "
        "union all select f.id, f.state from campaign_files f where f.id = any(%(ids)b::uuid[])",
        {"ids": [*wanted]},
    ).fetchall()
    return dict(rows)
