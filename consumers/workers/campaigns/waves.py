"""Another wave of a campaign: recipients whose message failed are tried again, some thousands at a time (docs/design/
campaigns.md, *Waves*). After a crash another process goes on behind the last ones that were committed."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from domain.campaigns.campaign import Campaign
from domain.campaigns.waves import codes_to_retry
from domain.topics import Topics
from infra.postgres.campaigns import waves
from infra.postgres.campaigns.counts import Moves, counts_of
from infra.process.crash_points import crash_point

ROWS = 5000
"""Recipients of one transaction."""


def has_wave(campaign: Campaign) -> bool:
    """Whether recipients are still to become those of the campaign's wave."""
    return (campaign.work or {}).get("step") == "wave"


def retry_failed(connection: Connection[Any], topics: Topics, campaign: Campaign, now: datetime) -> Campaign:
    """Makes the next recipients those of a campaign's wave, and returns the campaign, whose lock the caller holds."""
    work = dict(campaign.work or {})
    if "left" not in work:
        failed = {count.reason for count in counts_of(connection, campaign.id) if count.state == "failed"}
        work["left"] = codes_to_retry(failed, work.get("codes"))
    left, moves = list(work["left"]), Moves()
    if left:
        after = int(work.get("row", 0))
        moved, last = waves.retry(connection, campaign.id, left[0], after, ROWS, campaign.wave, moves)
        if moved < ROWS:
            left.pop(0)
            last = 0
        work = {**work, "left": left, "row": last}
    moves.write(connection)
    crash_point("campaigns.before-wave-commit")
    waved = replace(campaign, work=work if left else None)
    return change_campaign(connection, topics, campaign, waved, now)
