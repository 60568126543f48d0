"""Claims of sends: who may be posted now. The number's lane is locked first, and the sends are chosen by a statement
begun afterwards, so two senders never take the same send, or two of one customer. Raises psycopg errors."""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import kwargs_row

from domain.conversations.placement.window import WINDOW
from domain.sending.pacing import DEFAULT_THROUGHPUT, SHARE, Bucket, PeopleLeft
from domain.sending.sends import Lane, Send
from infra.postgres.campaigns.eligibility import MAY_BE_POSTED
from infra.postgres.sending.inbound import INBOUND_RATE
from infra.postgres.sending.recipients import MEMBERS
from infra.postgres.sending.reports import PEOPLE_PER_DAY, THROUGHPUT
from infra.postgres.sending.sends import SEND_COLUMNS, send_of_row


class LaneState(NamedTuple):
    """A number's lane under its lock. `now`: the database's time; the pauses: None if Meta has accepted a message since
    the last one; `people_per_day`: whom templates may reach in 24 hours outside a window; None: no limit is known."""

    bucket: Bucket
    now: datetime
    paused_until: datetime | None
    templates_paused_until: datetime | None
    people_per_day: int | None

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.now < self.paused_until

    @property
    def is_on_trial(self) -> bool:
        """Whether a pause is over and no message has shown yet that Meta takes them again."""
        return self.paused_until is not None and not self.is_paused

    @property
    def takes_templates(self) -> bool:
        return self.templates_paused_until is None or self.now >= self.templates_paused_until

    @property
    def most(self) -> int:
        """How many messages may be posted now; on trial, one."""
        return min(int(self.bucket.tokens), 1 if self.is_on_trial else int(self.bucket.tokens))


class Claimed(NamedTuple):
    """A send that is ours to post. `window_ends_at`: the end of the customer's window on this number; None: the
    customer never wrote. `media_id`: Meta's id of the file that it shows; `reaches_person`: it counts for the limit of
    people a day."""

    send: Send
    window_ends_at: datetime | None
    media_id: str | None
    reaches_person: bool


class ClaimLimits(NamedTuple):
    """What may be claimed of a number. `most`: so many sends, `campaigns` among them; `templates`: whether they may be
    sent; `people`: how many people templates may still reach outside a window; None: any number."""

    most: int
    campaigns: int
    templates: bool
    people: PeopleLeft | None


class DueNumber(NamedTuple):
    """A number that has something due. `not_campaigns`: also something that is no message of a campaign."""

    number: str
    not_campaigns: bool


def numbers_with_due(connection: Connection[Any]) -> list[DueNumber]:
    """Returns the numbers that have something due. O(numbers with waiting sends)."""
    rows = connection.execute(
        "with recursive numbers as ("
        "(select phone_number_id from sends where state = 'queued' order by phone_number_id limit 1) union all "
        "(select (select s.phone_number_id from sends s where s.state = 'queued' "
        "and s.phone_number_id > n.phone_number_id order by s.phone_number_id limit 1) "
        "from numbers n where n.phone_number_id is not null)) "
        "select n.phone_number_id, exists (select from sends s where s.phone_number_id = n.phone_number_id "
        "and s.state = 'queued' and s.lane < %b and s.due_at <= clock_timestamp()) "
        "from numbers n where n.phone_number_id is not null and exists (select from sends s "
        "where s.phone_number_id = n.phone_number_id and s.state = 'queued' and s.due_at <= clock_timestamp())",
        [Lane.CAMPAIGN],
    ).fetchall()
    return [DueNumber(*row) for row in rows]


def lock_lane(connection: Connection[Any], number: str) -> LaneState | None:
    """Locks a number's lane and returns it; None: another sender has it."""
    return _lane(connection, number, _LANE + " skip locked")


def wait_for_lane(connection: Connection[Any], number: str) -> LaneState:
    """Locks a number's lane, also if it has to wait for another sender, and returns it."""
    lane = _lane(connection, number, _LANE)
    assert lane is not None, "a lane is never deleted"
    return lane


_LANE: LiteralString = (
    f"select l.tokens, l.refilled_at, l.slowdown, {THROUGHPUT}, clock_timestamp(), l.paused_until, "
    f"l.templates_paused_until, {INBOUND_RATE}, {PEOPLE_PER_DAY} "
    "from lanes l left join graph_numbers g using (phone_number_id) "
    "where l.phone_number_id = %b for update of l"
)


def _lane(connection: Connection[Any], number: str, query: LiteralString) -> LaneState | None:
    row = connection.execute(query, [number]).fetchone()
    if row is None:  # the number's first time, or another sender has it
        connection.execute(
            "insert into lanes (phone_number_id, tokens, refilled_at) values (%b, 1, clock_timestamp()) "
            "on conflict do nothing",
            [number],
        )
        row = connection.execute(query, [number]).fetchone()
    if row is None:
        return None
    tokens, refilled_at, slowdown, throughput, now, paused, templates_paused, inbound, people_per_day = row
    bucket = Bucket(tokens, refilled_at, throughput, slowdown, inbound)
    return LaneState(bucket, now, paused, templates_paused, people_per_day)


def rate_of(connection: Connection[Any], number: str) -> float:
    """Returns how many messages a second a number may send. Takes no lock."""
    row = connection.execute(
        f"select {THROUGHPUT} from graph_numbers g where g.phone_number_id = %b", [number]
    ).fetchone()
    return SHARE * (row[0] if row is not None else DEFAULT_THROUGHPUT)


def keep_bucket(connection: Connection[Any], number: str, bucket: Bucket) -> None:
    """Stores what is left in a bucket, under the lane's lock."""
    connection.execute(
        "update lanes set tokens = %b, refilled_at = %b, slowdown = %b where phone_number_id = %b",
        [bucket.tokens, bucket.refilled_at, bucket.slowdown, number],
    )


def claim(connection: Connection[Any], number: str, limits: ClaimLimits) -> list[Claimed]:
    """Makes due sends of a number `sending`, agents' first, under the lane's lock; their posts may begin once this is
    committed. Of one customer only the first that is not at an end; one whose file Meta does not have yet waits until
    it expires."""
    most, campaigns, templates, people = limits
    if people is not None and people.all > 0:
        most = min(most, people.all)  # near the limit one claim never reaches more people than are left
    if people is not None and people.campaigns > 0:
        campaigns = min(campaigns, people.campaigns)
    values = {
        "number": number,
        "most": most,
        "campaigns": campaigns,
        "campaign": Lane.CAMPAIGN,
        "templates": templates,
        "reach": people is None or people.all > 0,
        "campaigns_reach": people is None or people.campaigns > 0,
        "window": WINDOW,
    }
    with connection.cursor(row_factory=kwargs_row(_claimed)) as cursor:
        return cursor.execute(_CLAIM, values).fetchall()


_WINDOW_ENDS_AT: LiteralString = (
    "(select max(v.last_at) + %(window)s from customers m join conversations v on v.customer_id = m.id "
    f"where {MEMBERS.format('s.customer_id')} and v.phone_number_id = s.phone_number_id)"
)
_CLAIM: LiteralString = f"""
with chosen as materialized (
  select s.id, s.lane, s.due_at, s.ordinal from sends s
  where s.phone_number_id = %(number)s and s.state = 'queued' and s.due_at <= clock_timestamp()
    and (%(templates)s or s.kind <> 'template')
    and (case when s.lane < %(campaign)s then %(reach)s else %(campaigns_reach)s end
      or s.kind <> 'template' or {_WINDOW_ENDS_AT} > clock_timestamp())
    and (s.upload_id is null or s.expires_at <= clock_timestamp() or exists (
      select from meta_uploads m where m.upload_id = s.upload_id and m.phone_number_id = s.phone_number_id
        and m.expires_at > clock_timestamp()
    ))
    and {MAY_BE_POSTED}
    and not exists (
      select from sends o
      where o.phone_number_id = s.phone_number_id and o.recipient = s.recipient and o.state in ('queued', 'sending')
        and (o.state = 'sending' or (o.lane <= s.lane and o.ordinal < s.ordinal))
    )
  order by s.lane, s.due_at, s.ordinal limit %(most)s for update
), allowed as materialized (
  select s.id, {_WINDOW_ENDS_AT} as window_ends_at
  from (select id, lane, row_number() over (order by lane, due_at, ordinal) as place from chosen) c
  join sends s using (id) where c.lane < %(campaign)s or c.place <= %(campaigns)s
), claimed as (
  update sends s set state = 'sending', attempt = s.attempt + 1, claimed_at = clock_timestamp(),
    gives_up_at = clock_timestamp() + s.delivered_within,
    reaches_person = s.kind = 'template' and coalesce(a.window_ends_at <= clock_timestamp(), true)
  from allowed a where s.id = a.id
  returning {", ".join(f"s.{name}" for name in SEND_COLUMNS.split(", "))}, s.ordinal, a.window_ends_at, s.reaches_person
)
select {SEND_COLUMNS}, window_ends_at, reaches_person, (
  select m.meta_id from meta_uploads m
  where m.upload_id = claimed.upload_id and m.phone_number_id = claimed.phone_number_id
) as media_id
from claimed order by lane, ordinal
"""


def pause(
    connection: Connection[Any], number: str, until: datetime, reason: str, *, templates: bool, needs_person: bool
) -> None:
    """Pauses a number's lane, or its templates, until a time; a longer pause stays."""
    column: LiteralString = "templates_paused_until" if templates else "paused_until"
    connection.execute(
        f"update lanes set {column} = greatest({column}, %b), reason = %b, needs_person = %b "
        "where phone_number_id = %b",
        [until, reason, needs_person, number],
    )


def resume(connection: Connection[Any], number: str) -> None:
    """Forgets the pauses of a number that are over, after Meta accepted a message from it."""
    connection.execute(
        "update lanes set paused_until = null, "
        "reason = case when templates_paused_until > clock_timestamp() then reason end, "
        "needs_person = needs_person and coalesce(templates_paused_until > clock_timestamp(), false), "
        "templates_paused_until = case when templates_paused_until > clock_timestamp() then templates_paused_until end "
        "where phone_number_id = %b and reason is not null and coalesce(paused_until <= clock_timestamp(), true)",
        [number],
    )


def _claimed(
    window_ends_at: datetime | None,
    media_id: str | None,
    reaches_person: bool,
    **fields: Any,  # noqa: ANN401 - columns of a row
) -> Claimed:
    return Claimed(send_of_row(**fields), window_ends_at, media_id, reaches_person)
