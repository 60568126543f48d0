"""The outbound history: campaigns, and templates that were sent to one customer. Raises psycopg errors."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.sending.sends import Send
from infra.postgres.lists.cursor import START, Cursor
from infra.postgres.sending.sends import SEND_COLUMNS, read

_LAST = datetime.max.replace(tzinfo=UTC)


class HistoryFilter(NamedTuple):
    """Selects campaigns or single templates; None selects all. `name`: a part of the campaign's or the template's
    name; `since`, `until`: when it was created or asked for."""

    states: tuple[str, ...] = ()
    number: str | None = None
    name: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of its conditions."""
        pattern = self.name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return {
            "states": [*self.states] or None,
            "number": self.number,
            "name": f"%{pattern}%" if pattern else None,
            "since": self.since,
            "until": self.until or _LAST,
        }


class ListedCampaign(NamedTuple):
    """A campaign as the list shows it. `template`: the name of its first one; `variants`: how many there are; `rows`:
    of its file; `reached`: delivered or read."""

    id: UUID
    name: str
    phone_number_id: str
    state: str
    reason: str | None
    detail: str | None
    actor: str
    created_at: datetime
    start_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    template: str
    language: str
    variants: int
    rows: int
    accepted: int
    reached: int
    failed: int
    answered: int
    unmanaged: int


class CampaignPage(NamedTuple):
    """Campaigns, the latest first, and the cursor of the next page (None: this is the last page)."""

    rows: list[ListedCampaign]
    next: Cursor | None


class SinglePage(NamedTuple):
    """Templates that were sent to one customer, the latest first, and the cursor of the next page."""

    rows: list[Send]
    next: Cursor | None


_CAMPAIGNS: LiteralString = (
    "select c.id, c.name, c.phone_number_id, c.state, c.reason, c.detail, c.actor, c.created_at, c.start_at, "
    "c.started_at, c.ended_at, coalesce(t.name, '') as template, coalesce(t.language, '') as language, "
    "coalesce(t.variants, 0) as variants, coalesce(n.rows, 0)::bigint as rows, "
    "coalesce(n.accepted, 0)::bigint as accepted, coalesce(n.reached, 0)::bigint as reached, "
    "coalesce(n.failed, 0)::bigint as failed, coalesce(a.answered, 0)::bigint as answered, "
    "coalesce(a.unmanaged, 0)::bigint as unmanaged from ("
    "select * from campaigns where (created_at, id) < (%(at)s, %(id)s) and created_at < %(until)s "
    "and (%(since)s::timestamptz is null or created_at >= %(since)s) "
    "and (%(states)s::text[] is null or state = any(%(states)s)) "
    "and (%(number)s::text is null or phone_number_id = %(number)s) "
    "and (%(name)s::text is null or name ilike %(name)s) order by created_at desc, id desc limit %(limit)s) c "
    "left join lateral (select min(name) filter (where variant = 0) as name, "
    "min(language) filter (where variant = 0) as language, count(*) as variants "
    "from campaign_templates where campaign_id = c.id) t on true "
    "left join lateral (select sum(n) as rows, "
    "sum(n) filter (where state in ('accepted', 'sent', 'delivered', 'read', 'assumed_sent')) as accepted, "
    "sum(n) filter (where state in ('delivered', 'read')) as reached, "
    "sum(n) filter (where state = 'failed') as failed from campaign_counts where campaign_id = c.id) n on true "
    "left join lateral (select sum(n) as answered, sum(n) filter (where outcome = 'unmanaged') as unmanaged "
    "from campaign_answer_counts where campaign_id = c.id) a on true order by c.created_at desc, c.id desc"
)


def campaign_page(connection: Connection[Any], which: HistoryFilter, rows: int, after: Cursor = START) -> CampaignPage:
    """Returns one page. O(rows * counters of a campaign), with a filter O(campaigns)."""
    with connection.cursor(row_factory=class_row(ListedCampaign)) as cursor:
        values = {**which.values, "at": after.at, "id": after.id, "limit": rows + 1}
        found = cursor.execute(_CAMPAIGNS, values).fetchall()
    shown = found[:rows]
    return CampaignPage(shown, Cursor(shown[-1].created_at, shown[-1].id) if len(found) > rows else None)


def single_page(connection: Connection[Any], which: HistoryFilter, rows: int, after: Cursor = START) -> SinglePage:
    """Returns one page. O(rows), from the index of these sends; with a filter O(those of the time asked for)."""
    found = read(
        connection,
        f"select {SEND_COLUMNS} from sends where kind = 'template' and campaign_id is null "
        "and (requested_at, id) < (%(at)s, %(id)s) and requested_at < %(until)s "
        "and (%(since)s::timestamptz is null or requested_at >= %(since)s) "
        "and (%(states)s::text[] is null or state = any(%(states)s)) "
        "and (%(number)s::text is null or phone_number_id = %(number)s) "
        "and (%(name)s::text is null or content #>> '{template,name}' ilike %(name)s) "
        "order by requested_at desc, id desc limit %(limit)s",
        {**which.values, "at": after.at, "id": after.id, "limit": rows + 1},
    )
    shown = found[:rows]
    return SinglePage(shown, Cursor(shown[-1].requested_at, shown[-1].id) if len(found) > rows else None)


def all_campaigns(connection: Connection[Any], which: HistoryFilter, at_once: int = 500) -> Iterator[ListedCampaign]:
    """Yields all campaigns, page by page."""
    after: Cursor | None = START
    while after is not None:
        page = campaign_page(connection, which, at_once, after)
        yield from page.rows
        after = page.next


def all_singles(connection: Connection[Any], which: HistoryFilter, at_once: int = 500) -> Iterator[Send]:
    """Yields all templates that were sent to one customer, page by page."""
    after: Cursor | None = START
    while after is not None:
        page = single_page(connection, which, at_once, after)
        yield from page.rows
        after = page.next
