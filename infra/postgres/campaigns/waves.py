"""Recipients who are tried again in another wave, and those whom a cancelled campaign does not reach any more. Raises
psycopg errors."""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.campaigns.recipients import RETRY_LATER
from infra.postgres.campaigns.counts import CountKey, Moves


class WaitingRetries(NamedTuple):
    """Recipients whose message failed and can only succeed later. `by_code`: reason -> how many; `first`, `last`: when
    the first and the last of them can; None: there are none."""

    by_code: dict[str, int]
    first: datetime | None
    last: datetime | None


def waiting_to_retry(connection: Connection[Any], campaign: UUID) -> WaitingRetries:
    """Returns whose message can only succeed later. O(them)."""
    rows = connection.execute(
        "select coalesce(reason, ''), count(*), min(due_at), max(due_at) from recipients where campaign_id = %b "
        "and state = 'failed' and due_at > 'epoch' and due_at > clock_timestamp() group by 1",
        [campaign],
    ).fetchall()
    return WaitingRetries(
        {row[0]: row[1] for row in rows},
        min((row[2] for row in rows), default=None),
        max((row[3] for row in rows), default=None),
    )


def retry(
    connection: Connection[Any], campaign: UUID, code: str, after: int, most: int, wave: int, moves: Moves
) -> tuple[int, int]:
    """Makes at most `most` recipients behind row `after` whose message failed with a code recipients of a later wave;
    returns how many those were, and the row of the last one. Rows of which nothing is known any more, by an erasure or
    because their time is over, are left. O(most)."""
    why: LiteralString = "r.reason = %(code)b" if code else "r.reason is null and %(code)b = ''"
    found = connection.execute(
        "with old as materialized (select r.row_no, r.wave, r.variant from recipients r "
        f"where r.campaign_id = %(campaign)b and r.state = 'failed' and {why} and r.row_no > %(after)b "
        "and r.wave < %(wave)b and r.parameters is not null order by r.row_no limit %(most)b for update) "
        "update recipients r set state = case when r.due_at > clock_timestamp() then 'deferred' else 'planned' end, "
        "reason = case when r.due_at > clock_timestamp() then %(later)b end, wave = %(wave)b from old "
        "where r.campaign_id = %(campaign)b and r.row_no = old.row_no "
        "returning old.row_no, old.wave, old.variant, r.state, coalesce(r.reason, '')",
        {"campaign": campaign, "code": code, "after": after, "wave": wave, "most": most, "later": RETRY_LATER},
    ).fetchall()
    for _, old_wave, variant, state, reason in found:
        moves.add(CountKey(campaign, old_wave, variant, "failed", code), -1)
        moves.add(CountKey(campaign, wave, variant, state, reason))
    return len(found), max((row[0] for row in found), default=after)


def cancel_rest(connection: Connection[Any], campaign: UUID, most: int, moves: Moves) -> int:
    """Cancels at most `most` recipients whose message was not handed to the sender; returns how many. Those whose lock
    another process has are left to the next call. O(most)."""
    found = connection.execute(
        "with old as materialized (select r.row_no, r.wave, r.variant, r.state, r.reason from recipients r "
        "where r.campaign_id = %(campaign)b and r.state in ('imported', 'planned', 'deferred') "
        "limit %(most)b for update skip locked) "
        "update recipients r set state = 'cancelled', reason = null from old "
        "where r.campaign_id = %(campaign)b and r.row_no = old.row_no "
        "returning old.wave, old.variant, old.state, coalesce(old.reason, '')",
        {"campaign": campaign, "most": most},
    ).fetchall()
    for wave, variant, state, reason in found:
        moves.add(CountKey(campaign, wave, variant, state, reason), -1)
        moves.add(CountKey(campaign, wave, variant, "cancelled", ""))
    return len(found)
