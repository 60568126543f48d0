"""Recipients of a campaign as they are listed: those that a number of its funnel counts, in the order of the file, each
with what happened to it and why. Raises psycopg errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.campaigns.answers import AnswerOutcome, AnswerProof
from domain.campaigns.funnel import RecipientFilter
from domain.campaigns.recipients import RecipientState
from infra.postgres.campaigns.counts import counts_of

MIN_ROWS, MAX_ROWS = 10, 100
"""Recipients per page."""


@dataclass(frozen=True, slots=True)
class ListedRecipient:
    """A recipient as it is listed. `row_no`: of the file; `state`, `reason`: what happened, and why (a problem, why it
    was skipped, or Meta's code); `repeats`: the row that it repeats; `accepted_at`: when Meta was last asked;
    `answered_at`, `proof`, `outcome`, `conversation_id`: of the answer, if there is one."""

    row_no: int
    state: RecipientState
    reason: str | None
    address: str | None
    address_kind: str | None
    name: str | None
    wave: int
    variant: int
    attempt: int
    due_at: datetime
    repeats: int | None
    accepted_at: datetime | None
    send_id: UUID | None
    answered_at: datetime | None
    conversation_id: UUID | None
    proof: AnswerProof | None
    outcome: AnswerOutcome | None


@dataclass(frozen=True, slots=True)
class RecipientPage:
    """Recipients in the order of the file, and the row after which the next page begins (None: this is the last)."""

    recipients: Sequence[ListedRecipient]
    next: int | None


def page(
    connection: Connection[Any],
    campaign: UUID,
    which: RecipientFilter = RecipientFilter(),  # noqa: B008 - a tuple, never changed
    rows: int = MIN_ROWS,
    after: int = 0,
) -> RecipientPage:
    """Returns the recipients that a number of the funnel counts, behind a row. O(rows * states and reasons), each read
    from an index in its order."""
    values: dict[str, object] = {
        "campaign": campaign,
        "after": after,
        "limit": rows + 1,
        "wave": which.wave,
        "variant": which.variant,
    }
    statement = _ALL
    if which.outcomes is not None:
        statement, values["outcomes"] = _BY_OUTCOME, [*which.outcomes]
    elif which._replace(wave=None, variant=None).is_narrowed or which.wave is not None:
        keys = sorted({(each.state, each.reason) for each in counts_of(connection, campaign) if which.takes(each)})
        values |= {"states": [state for state, _ in keys], "reasons": [reason for _, reason in keys]}
        statement = _OF_WAVE if which.wave is not None and which.wave > 1 else _BY_STATE
    with connection.cursor(row_factory=class_row(ListedRecipient)) as cursor:
        found = cursor.execute(statement, values).fetchall()
    shown = found[:rows]
    return RecipientPage(shown, shown[-1].row_no if len(found) > rows else None)


_AMONG: LiteralString = (
    "(%(wave)b::smallint is null or {0}.wave = %(wave)b::smallint) "
    "and (%(variant)b::smallint is null or {0}.variant = %(variant)b::smallint)"
)
_FROM_THERE: LiteralString = "{0}.campaign_id = %(campaign)b and {0}.row_no > %(after)b"
_ORDERED: LiteralString = "order by {0}.row_no limit %(limit)b"


def _listed(rows: LiteralString) -> LiteralString:
    """Returns the SQL of a page. `rows`: selects the `row_no` of each recipient, in order. Each recipient is looked up
    by itself (`offset 0` keeps it so): a plan for any limit expects a tenth of the campaign and would read all of
    it."""
    return (
        "select r.row_no, r.state, r.reason, r.address, r.address_kind, r.name, r.wave, r.variant, r.attempt, "
        "r.due_at, r.repeats, r.accepted_at, r.send_id, r.answered_at, a.conversation_id, a.proof, a.outcome "
        f"from ({rows}) as page cross join lateral (select * from recipients q where q.campaign_id = %(campaign)b "
        "and q.row_no = page.row_no offset 0) r left join lateral (select * from campaign_answers q "
        "where q.campaign_id = %(campaign)b and q.row_no = page.row_no offset 0) a on true order by r.row_no"
    )


def _of_keys(more: LiteralString) -> LiteralString:
    """Returns the SQL of a page of the recipients with these `states` and `reasons`: one branch of the index for each,
    which ends at the limit. The branches are ranges in the order of that index alone: with plain conditions PostgreSQL
    may read the whole file in order instead, for a state in which few are."""
    own: LiteralString = "o.campaign_id = %(campaign)b and " + _AMONG.format("o") + more + " and o.state = k.state"
    return _listed(
        "select branch.row_no from unnest(%(states)b::text[], %(reasons)b::text[]) as k (state, reason) "
        f"cross join lateral ((select o.row_no from recipients o where {own} and (o.reason, o.row_no) > "
        "(k.reason, %(after)b) and o.reason <= k.reason order by o.reason, o.row_no limit %(limit)b) union all "
        f"(select o.row_no from recipients o where {own} and o.reason is null and k.reason = '' "
        "and o.row_no > %(after)b order by o.reason, o.row_no limit %(limit)b)) as branch "
        f"{_ORDERED.format('branch')}"
    )


_ALL = _listed(
    f"select o.row_no from recipients o where {_FROM_THERE.format('o')} and {_AMONG.format('o')} {_ORDERED.format('o')}"
)
_BY_STATE = _of_keys("")
_OF_WAVE = _of_keys(" and o.wave > 1")
"""From an index of its own: a later wave is small."""
_BY_OUTCOME = _listed(
    "select branch.row_no from unnest(%(outcomes)b::text[]) as k (outcome) cross join lateral ("
    f"select o.row_no from campaign_answers o where o.campaign_id = %(campaign)b and {_AMONG.format('o')} "
    "and (o.outcome, o.row_no) > (k.outcome, %(after)b) and (o.outcome, o.row_no) <= (k.outcome, 2147483647) "
    f"order by o.outcome, o.row_no limit %(limit)b) as branch {_ORDERED.format('branch')}"
)
