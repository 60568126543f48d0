"""The list of unmanaged conversations (manual facts S2, S5, S6), ordered by `last_at`, then id, the latest first; and
the list of those that were dismissed, likewise. Raises psycopg errors.

A page is a union of one ordered, limited branch per (status, reason), each read from its index. With 10 million
conversations, 100 rows take 1.3-1.8 ms. With plain filters PostgreSQL 18 may choose a skip scan with a sort, which took
up to 317 ms. A plan made for particular values may do the same, so the generic plan is forced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Placeholder

from domain.contract.row import Row
from domain.conversations.conversation import Dismissed, Owner, Released, Status, decision_ref
from domain.conversations.reasons import Reason
from domain.ids import FactId
from domain.routing.supervision import Supervision
from domain.search import PassagePiece
from infra.postgres.conversations.columns import DISMISSED_AS, OWNER_KINDS, OWNER_STATES, STATUS_CODES, STATUSES
from infra.postgres.lists.cursor import START, Cursor

MIN_ROWS, MAX_ROWS = 10, 100
"""Rows per page (manual fact S6)."""


Order = Literal["newest", "urgent"]
OfNumbers = Literal["all", "one", "several"]
"""Which numbers a list is of. Several have the condition with a branch for each, which is read from its index."""
ListedStatus = Literal["active", "closed", "dismissed"]
"""Active or closed unmanaged conversations; or, instead of them, those that were dismissed."""
ChosenStatus = Literal[ListedStatus, "all"]
"""What a person chooses to see; all: both active and closed ones."""


@dataclass(frozen=True, slots=True)
class UnmanagedFilter:
    """Which unmanaged conversations, None or empty: all; and their order. `status`: with `dismissed` those that were
    dismissed instead, which have no reason; `campaign`: those in which a recipient of the campaign answered; `words`:
    what somebody typed into the search (`domain.search`). `words` and `order` are for `infra.postgres.lists.console`;
    the functions here list the newest first and search nothing. `within`: only what a supervisor supervises."""

    status: ListedStatus | None = None
    reason: Reason | None = None
    number: str | None = None
    words: tuple[str, ...] = ()
    order: Order = "newest"
    campaign: UUID | None = None
    within: Supervision | None = None
    tag: str | None = None

    @property
    def is_of_few(self) -> bool:
        """Whether it names its conversations, by a campaign or a tag."""
        return self.tag is not None or (self.campaign is not None and self.status != "dismissed")

    @property
    def of_numbers(self) -> "OfNumbers":
        """Which numbers: all, one, or the several of a supervisor."""
        if self.within is None or self.number in self.within.numbers:
            return "all" if self.number is None else "one"
        return "several"

    def numbers(self) -> dict[str, object]:
        """The parameters of `OF_NUMBER` and of the counts. `numbers` null: all; another number than a supervisor's
        leaves none."""
        if self.within is None:
            return {"number": self.number, "numbers": None}
        return {"number": self.number, "numbers": [n for n in self.within.numbers if self.number in (None, n)]}


@dataclass(frozen=True, slots=True)
class UnmanagedPage:
    """Rows, the cursor of the next page (None: this is the last page), and the number of conversations of each status
    with the filter's number and reason; of dismissed ones with its number."""

    rows: Sequence[Row]
    next: Cursor | None
    counts: dict[ListedStatus, int]


def page(conn: Connection[Any], which: UnmanagedFilter, rows: int = MIN_ROWS, after: Cursor = START) -> UnmanagedPage:
    """Returns one page and the counts, from one consistent read. Across pages, a conversation that does not change
    meanwhile appears exactly once. `conn` must not be in a transaction."""
    with conn.transaction():
        conn.execute(
            "set transaction isolation level repeatable read, read only; set local plan_cache_mode = force_generic_plan"
        )
        values = {**which.numbers(), "at": after.at, "id": after.id, "limit": rows + 1}
        values |= {"campaign": which.campaign, "tag": which.tag}
        cursor = conn.cursor(row_factory=class_row(ListedConversation))
        found = cursor.execute(statement(which), values, prepare=True).fetchall()
        totals = counts(conn, which)
    more = len(found) > rows
    shown = found[:rows]
    return UnmanagedPage(shown, Cursor(shown[-1].last_at, shown[-1].id) if more else None, totals)


def statement(which: UnmanagedFilter) -> Composed:
    """Returns the SQL of a page. Its parameters: those of `UnmanagedFilter.numbers`, `at` and `id` (the end of the
    previous page) and `limit`."""
    return ordered(statuses_of(which.status), which.reason, which.of_numbers, of_few=which.is_of_few)


def statuses_of(status: ListedStatus | None) -> tuple[ListedStatus, ...]:
    """Returns the status alone; for None those of unmanaged conversations."""
    return (status,) if status else ("active", "closed")


@cache
def ordered(
    statuses: tuple[ListedStatus, ...],
    reason: Reason | None,
    of_numbers: OfNumbers,
    down: bool = True,
    limit: str = "limit",
    with_words: bool = False,
    of_few: bool = False,
) -> Composed:
    """Returns the SQL of a page, like `statement`. `down`: the latest first; `limit`: the name of the parameter with
    the number of rows; `with_words`: also the words of a search; `of_few`: only answers to a `campaign` or those with a
    `tag`, of which there are few: all of them are read and sorted. Dismissed conversations have a list of their own,
    without reasons and campaigns."""
    order = {"direction": DIRECTION[down], "limit": Placeholder(limit)}
    branch = _BRANCHES if of_numbers == "several" and not of_few else _BRANCH
    branches = [
        branch.format(status=sql.Literal(STATUS_CODES[status]), reason=sql.Literal(each.code), **order)
        for status, each in product(statuses, [reason] if reason else Reason)
        if status != "dismissed"
    ]
    every = SQL(" union all ").join(branches)
    following: Composed | SQL = SQL("select * from conversations where unmanaged")
    if statuses == ("dismissed",):
        following = SQL("select * from conversations where dismissed_as is not null")
        if of_few:
            following = _DISMISSED_TAGGED
        every = (_DISMISSED if branch is _BRANCH else _DISMISSED_OF_SEVERAL).format(**order)
    elif of_few:
        codes = SQL(", ").join(sql.Literal(STATUS_CODES[each]) for each in statuses if each != "dismissed")
        of_reason = SQL(" and reason = {}").format(sql.Literal(reason.code)) if reason else SQL("")
        following = SQL("select * from ({}) as c").format(SQL(NAMED))
        every = SQL("select * from following where status in ({}){}").format(codes, of_reason)
    return SQL(
        "with following as not materialized ({following} {where} {number} "
        "and (last_at, id) {beyond} (%(at)s, %(id)s)) select {columns}{further} from ({every}) as branches "
        "order by last_at {direction}, id {direction} limit {limit}"
    ).format(
        following=following,
        where=SQL("where true" if of_few and statuses != ("dismissed",) else ""),
        number=SQL("") if branch is _BRANCHES else OF_NUMBER[of_numbers],
        beyond=BEYOND[down],
        columns=LISTED,
        further=SQL(", search" if with_words else ""),
        every=every,
        **order,
    )


DIRECTION = {True: SQL("desc"), False: SQL("asc")}
BEYOND = {True: SQL("<"), False: SQL(">")}
"""By whether the latest row is first (`down`): the direction of the order, and the comparison with the previous page's
end."""
OF_NUMBER: dict[OfNumbers, SQL] = {
    "all": SQL(""),
    "one": SQL("and phone_number_id = %(number)s"),
    "several": SQL("and phone_number_id = any(%(numbers)s::text[])"),
}
"""The conditions for numbers."""

LISTED = SQL(
    """id, phone_number_id, wa_id, user_id, group_id, customer_name, last_speaker,
      status::text as status_code, reason as reason_code,
      last_text, last_at, opened_at, window_ends_at, closed_at, owner_kind::text, owner_id, owner_state::text,
      owner_until, waits_since, reply_by, parked_until, released_at, released_by, released_note,
      dismissed_as::text, dismissed_at, dismissed_by, dismissed_note, entries, version, sequence"""
)
"""The columns of a `ListedConversation`."""

_BRANCH = SQL(
    "(select * from following where status = {status} and reason = {reason} "
    "order by last_at {direction}, id {direction} limit {limit})"
)
"""The rows of one index, in its order. What the branches share stands before them: psycopg caches its parsed form of
statements of up to 4,096 characters only."""
_BRANCHES = SQL(
    "(select c.* from unnest(%(numbers)s::text[]) as t (number) cross join lateral ("
    "select * from following where phone_number_id = t.number and status = {status} and reason = {reason} "
    "order by last_at {direction}, id {direction} limit {limit}) as c "
    "order by last_at {direction}, id {direction} limit {limit})"
)
"""The same for several numbers, each read from the index of its number."""
_DISMISSED = SQL("(select * from following order by last_at {direction}, id {direction} limit {limit})")
_DISMISSED_TAGGED = SQL(
    "select * from conversations c where dismissed_as is not null and exists ("
    "select from conversation_tags t where t.conversation_id = c.id and t.tag = %(tag)s)"
)
_DISMISSED_OF_SEVERAL = SQL(
    "(select c.* from unnest(%(numbers)s::text[]) as t (number) cross join lateral ("
    "select * from following where phone_number_id = t.number "
    "order by last_at {direction}, id {direction} limit {limit}) as c "
    "order by last_at {direction}, id {direction} limit {limit})"
)
"""The same of dismissed conversations."""


COUNTS: LiteralString = """
  select coalesce(sum(n) filter (where status = 'a'), 0)::bigint as active,
    coalesce(sum(n) filter (where status = 'c'), 0)::bigint as closed,
    (select coalesce(sum(n), 0)::bigint from dismissed_counts
      where (%(number)s::text is null or phone_number_id = %(number)s)
        and (%(numbers)s::text[] is null or phone_number_id = any(%(numbers)s))) as dismissed
  from unmanaged_counts
  where (%(number)s::text is null or phone_number_id = %(number)s)
    and (%(numbers)s::text[] is null or phone_number_id = any(%(numbers)s))
    and (%(reason)s::smallint is null or reason = %(reason)s)
"""
"""Counts the active and the closed conversations with a `number`, one of `numbers` and a `reason`, and the dismissed
ones with the number; null counts all."""


_MOST_TAGGED: LiteralString = "20000"
NAMED: LiteralString = f"""
  select c.* from (
    select conversation_id from campaign_answers a where campaign_id = %(campaign)s and outcome = 'unmanaged'
      and (%(tag)s::text is null or exists (
        select from conversation_tags t where t.conversation_id = a.conversation_id and t.tag = %(tag)s))
    union (select conversation_id from conversation_tags where tag = %(tag)s and %(campaign)s::uuid is null
      order by at desc limit {_MOST_TAGGED})
  ) as named cross join lateral (
    select * from conversations where id = named.conversation_id and unmanaged offset 0
  ) as c
"""
"""The unmanaged conversations in which recipients of a `campaign` answered, or that have a `tag`; with both, those that
have both. Of a tag the latest `MOST_TAGGED`. O(those), each read by its key: without `offset` PostgreSQL may read all
unmanaged ones instead."""

COUNTS_OF_FEW: LiteralString = f"""
  select count(*) filter (where status = 'a') as active, count(*) filter (where status = 'c') as closed,
    case when %(tag)s::text is null then (select coalesce(sum(n), 0)::bigint from dismissed_counts
      where (%(number)s::text is null or phone_number_id = %(number)s)
        and (%(numbers)s::text[] is null or phone_number_id = any(%(numbers)s)))
    else (select count(*) from conversation_tags t join conversations d on d.id = t.conversation_id
      where t.tag = %(tag)s and d.dismissed_as is not null
        and (%(number)s::text is null or d.phone_number_id = %(number)s)
        and (%(numbers)s::text[] is null or d.phone_number_id = any(%(numbers)s))) end as dismissed
  from ({NAMED}) as c
  where (%(number)s::text is null or phone_number_id = %(number)s)
    and (%(numbers)s::text[] is null or phone_number_id = any(%(numbers)s))
    and (%(reason)s::smallint is null or reason = %(reason)s)
"""
"""As `COUNTS`, of the answers to a `campaign`, or of a `tag`."""


MOST_TAGGED = int(_MOST_TAGGED)
"""Of so many conversations that got a tag last, the list of the tag shows those that belong on it."""


def is_cut(conn: Connection[Any], tag: str) -> bool:
    """Returns whether more than `MOST_TAGGED` conversations have a tag."""
    found = conn.execute(
        "select exists (select from conversation_tags where tag = %s offset %s)", (tag, MOST_TAGGED)
    ).fetchone()
    return found is not None and found[0] is True


def counts_statement(of_few: bool) -> LiteralString:
    """Returns the SQL of the counts."""
    return COUNTS_OF_FEW if of_few else COUNTS


def count_of(which: UnmanagedFilter) -> dict[str, object]:
    """Returns the parameters of the counts."""
    return {
        **which.numbers(),
        "reason": which.reason and which.reason.code,
        "campaign": which.campaign,
        "tag": which.tag,
    }


def counts(conn: Connection[Any], which: UnmanagedFilter) -> dict[ListedStatus, int]:
    """Returns status -> number of conversations with the filter's number, reason and campaign; of the dismissed ones
    with its number. The filter's status is ignored."""
    found = conn.execute(counts_statement(which.is_of_few), count_of(which)).fetchone()
    assert found is not None
    return {"active": found[0], "closed": found[1], "dismissed": found[2]}


class LastMessage(NamedTuple):
    """A customer's message that is not a text. `kind`: Meta's type; `text`: what it says, e.g. a caption; `extra`: the
    rest of it (`domain.facts.CustomerTurn`)."""

    kind: str
    text: str | None
    extra: Mapping[str, Any]


class FoundMessage(NamedTuple):
    """A message that a search found. `pieces`: the part of its text that shows why."""

    id: UUID
    at: datetime
    by_customer: bool
    pieces: Sequence[PassagePiece]


class ListedPromise(NamedTuple):
    """To whom the answer to a closed conversation is promised, and until when."""

    kind: str
    id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """The `domain.contract.row.Row` that lists read: a conversation without its `memory`, which only the rules need.
    `last`: the customer's last message, where a list has read it and it is not a text
    (`infra.postgres.lists.last_messages`); `answer`: likewise the state of the last answer that was sent from here, if
    it is `unknown` or `failed`; `promise`: likewise to whom the customer's next answer is promised;
    `campaign`: likewise the name of the campaign that the customer answered in it; `tags`: likewise its tags, and
    `notes`: the number of its notes, `note_texts`: these, for a download (`infra.postgres.kept`); `found`: the message
    that a search found, where the rest of the row does not show why it is found (`infra.postgres.words.matching`)."""

    id: UUID
    phone_number_id: str
    wa_id: str | None
    user_id: str | None
    group_id: str | None
    customer_name: str | None
    last_speaker: str | None
    status_code: str
    reason_code: int | None
    last_text: str | None
    last_at: datetime
    opened_at: datetime
    window_ends_at: datetime
    closed_at: datetime | None
    owner_kind: str | None
    owner_id: str
    owner_state: str
    owner_until: datetime | None
    waits_since: datetime | None
    reply_by: datetime | None
    parked_until: datetime | None
    released_at: datetime | None
    released_by: str | None
    released_note: str | None
    dismissed_as: str | None
    dismissed_at: datetime | None
    dismissed_by: str | None
    dismissed_note: str | None
    entries: int
    version: int
    sequence: int
    last: LastMessage | None = None
    answer: str | None = None
    promise: ListedPromise | None = None
    campaign: str | None = None
    tags: tuple[str, ...] = ()
    notes: int = 0
    note_texts: str = ""
    found: FoundMessage | None = None

    @property
    def status(self) -> Status:
        return STATUSES[self.status_code]

    @property
    def reason(self) -> Reason | None:
        return None if self.reason_code is None else Reason.of_code(self.reason_code)

    @property
    def released(self) -> Released | None:
        if self.released_at is None:
            return None
        return Released(decision_ref(self.released_at, FactId(self.id)), self.released_by, self.released_note)

    @property
    def dismissed(self) -> Dismissed | None:
        if self.dismissed_as is None or self.dismissed_at is None or self.dismissed_by is None:
            return None
        ref = decision_ref(self.dismissed_at, FactId(self.id))
        return Dismissed(ref, DISMISSED_AS[self.dismissed_as], self.dismissed_by, self.dismissed_note)

    @property
    def owner(self) -> Owner | None:
        if self.owner_kind is None:
            return None
        return Owner(OWNER_KINDS[self.owner_kind], self.owner_id, OWNER_STATES[self.owner_state], self.owner_until)
