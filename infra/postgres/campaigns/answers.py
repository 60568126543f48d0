"""Answers to campaigns in Postgres: whom a customer may answer, what they answered, and what became of it. Raises
psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.campaigns.answers import AnswerOutcome, AskedRecipient, CampaignAnswer, NamedCampaign
from domain.ids import ConversationId, CustomerId
from infra.postgres.connections.arrays import column_arrays

LONGEST = timedelta(hours=720)
"""An answer is promised to somebody for so long at most (`domain.command_bodies.campaigns.AnswersTo`)."""


class AskedAbout(NamedTuple):
    """A customer who has written: the messages of campaigns that were posted to them from `since` until `until` may be
    answered."""

    customer_id: CustomerId
    phone_number_id: str
    since: datetime
    until: datetime


class AnswerCount(NamedTuple):
    """So many recipients of a campaign answered, with an outcome."""

    wave: int
    variant: int
    outcome: AnswerOutcome
    n: int


class AnswerKey(NamedTuple):
    """What is counted of answers."""

    campaign_id: UUID
    wave: int
    variant: int
    outcome: AnswerOutcome

    @classmethod
    def of(cls, answer: CampaignAnswer) -> "AnswerKey":
        """Returns where an answer is counted."""
        return cls(answer.campaign_id, answer.wave, answer.variant, answer.outcome)


def may_come(connection: Connection[Any], within: timedelta) -> bool:
    """Returns whether any campaign may be answered now, or soon: also one that is not started yet. O(campaigns of the
    last 30 days), which end one by one."""
    row = connection.execute(
        "select exists (select from campaigns where ended_at is null) or exists (select from campaigns "
        "where ended_at > clock_timestamp() - greatest(%(within)b::interval, %(longest)b::interval) "
        "and ended_at > clock_timestamp() - greatest(%(within)b::interval, "
        "coalesce((answers_to ->> 'holds_hours')::integer, 0) * interval '1 hour'))",
        {"within": within, "longest": LONGEST},
    ).fetchone()
    return row is not None and bool(row[0])


def asked(connection: Connection[Any], writers: Collection[AskedAbout]) -> dict[CustomerId, list[AskedRecipient]]:
    """Returns the recipients whom customers may answer: the messages that were posted to a phone or user id while it
    was theirs. The caller holds the customers' locks. O(messages of campaigns to these customers since then)."""
    found: dict[CustomerId, list[AskedRecipient]] = {}
    if not writers:
        return found
    rows = connection.execute(_ASKED, column_arrays(writers)).fetchall()
    for customer, campaign, row, wave, variant, at, wamid, buttons, name, answers_to, *counted in rows:
        answer = CampaignAnswer(campaign, row, wave, variant, *counted) if counted[0] is not None else None
        each = AskedRecipient(campaign, row, wave, variant, at, wamid, buttons or (), answer, name, answers_to)
        found.setdefault(customer, []).append(each)
    return found


_HELD: LiteralString = (
    "w.customer_id, w.number, w.since, w.until, i.kind, i.value, {begins} as begins, (select min(n.since) "
    "from identity_periods n where n.phone_number_id = i.phone_number_id and n.kind = i.kind and n.value = i.value "
    "and n.since > {begins}) as ends"
)
MAY_BE_SENT: LiteralString = (
    "r.state in ('claimed', 'accepted', 'sent', 'delivered', 'read', 'unknown', 'assumed_sent')"
)
"""The condition of the index `recipients_asked`."""
_TO: LiteralString = (
    "r.phone_number_id = h.number and r.address_key = h.value and (r.address_kind = 'phone') = (h.kind = 'w')"
)
_ASKED: LiteralString = f"""
with writers as (
  select * from unnest(%b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[])
    as t (customer_id, number, since, until)
), held as materialized (
  select {_HELD.replace("{begins}", "'-infinity'::timestamptz")}
  from writers w join identities i on i.customer_id = w.customer_id and i.phone_number_id = w.number
  where i.kind in ('u', 'w')
  union all
  select {_HELD.replace("{begins}", "i.since")}
  from writers w join identity_periods i on i.customer_id = w.customer_id and i.phone_number_id = w.number
  where i.kind in ('u', 'w')
)
select h.customer_id, r.campaign_id, r.row_no, r.wave, r.variant, coalesce(r.accepted_at, s.claimed_at), s.wamid, (
    select array_agg(b ->> 'text') from campaign_templates t,
      jsonb_path_query(t.components, '$[*].buttons[*] ? (@.type like_regex "quick_reply" flag "i")') as b
    where t.campaign_id = r.campaign_id and t.variant = r.variant
  ), k.name, k.answers_to, a.conversation_id, a.at, a.proof, a.outcome
from held h cross join lateral (
  select r.* from recipients r where {_TO} and {MAY_BE_SENT} and r.accepted_at >= h.since and r.accepted_at <= h.until
  union all
  select r.* from recipients r where {_TO} and r.state = 'claimed' and r.accepted_at is null
) r
join sends s on s.id = r.send_id and (r.state <> 'claimed' or s.state = 'sending')
join campaigns k on k.id = r.campaign_id
left join campaign_answers a on a.campaign_id = r.campaign_id and a.row_no = r.row_no
left join customers p on p.id = case when r.person ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
  then r.person::uuid end
where coalesce(r.accepted_at, s.claimed_at) >= h.begins
  and (h.ends is null or coalesce(r.accepted_at, s.claimed_at) < h.ends)
  and (p.id is null or coalesce(p.merged_into, p.id) = h.customer_id)
  and not exists (
    select from identities u where u.phone_number_id = h.number and u.kind = 'u' and u.value = s.user_id
      and u.customer_id <> h.customer_id
  )
"""
"""A message to a phone or user id is for the customer who had it when it was posted, and for nobody else: not for who
got the phone later, nor for who has it if the plan, or Meta's answer to the post, named another customer."""


def lock_recipients(connection: Connection[Any], wanted: Iterable[tuple[UUID, int]]) -> None:
    """Locks recipients in the order of all writers, because a transaction may write some of them twice."""
    connection.execute(
        "select from recipients r join unnest(%b::uuid[], %b::integer[]) as t (campaign_id, row_no) "
        "using (campaign_id, row_no) order by campaign_id, row_no for no key update of r",
        column_arrays(sorted(wanted)),
    )


def write(connection: Connection[Any], answers: Collection[CampaignAnswer]) -> None:
    """Writes new and changed answers. The caller holds the customers' locks."""
    rows = sorted(answers)
    if not rows:
        return
    connection.execute(
        "with t as (select * from unnest(%b::uuid[], %b::integer[], %b::smallint[], %b::smallint[], %b::uuid[], "
        "%b::timestamptz[], %b::text[], %b::text[]) "
        "as t (campaign_id, row_no, wave, variant, conversation_id, at, proof, outcome)), "
        "marked as (update recipients r set answered_at = t.at from t "
        "where r.campaign_id = t.campaign_id and r.row_no = t.row_no) "
        "insert into campaign_answers (campaign_id, row_no, wave, variant, conversation_id, at, proof, outcome) "
        "select * from t on conflict (campaign_id, row_no) do update set conversation_id = excluded.conversation_id, "
        "at = excluded.at, proof = excluded.proof, outcome = excluded.outcome",
        column_arrays(rows),
    )


def follow_conversations(
    connection: Connection[Any],
    conversations: Iterable[tuple[ConversationId, AnswerOutcome]],
    moves: Iterable[tuple[AnswerKey, int]] = (),
) -> None:
    """Gives the answers in these conversations their outcome now, and moves the counters. `moves`: what else is
    counted. The last write of a transaction, sorted by key: many transactions update the same few rows. One statement
    that returns nothing, so it costs no round trip; O(conversations), each read from an index."""
    outcomes = list(conversations)
    counted = [(*key, n) for key, n in moves]
    if outcomes or counted:
        values = [
            *(column_arrays(outcomes) if outcomes else [[], []]),
            *(column_arrays(counted) if counted else [[]] * 5),
        ]
        connection.execute(_FOLLOW, values)


_FOLLOW: LiteralString = """
with t as (select * from unnest(%b::uuid[], %b::text[]) as t (conversation_id, outcome)),
old as materialized (
  select a.campaign_id, a.row_no, a.wave, a.variant, a.outcome, t.outcome as now
  from t cross join lateral (
    select * from campaign_answers a where a.conversation_id = t.conversation_id and a.outcome <> t.outcome
    order by a.campaign_id, a.row_no for update
  ) a
), changed as (
  update campaign_answers a set outcome = old.now from old
  where a.campaign_id = old.campaign_id and a.row_no = old.row_no
), moves as (
  select campaign_id, wave, variant, outcome, -1 as n from old
  union all select campaign_id, wave, variant, now, 1 from old
  union all select * from unnest(%b::uuid[], %b::smallint[], %b::smallint[], %b::text[], %b::bigint[])
)
insert into campaign_answer_counts (campaign_id, wave, variant, outcome, n)
select campaign_id, wave, variant, outcome, sum(n) from moves group by 1, 2, 3, 4 having sum(n) <> 0 order by 1, 2, 3, 4
on conflict (campaign_id, wave, variant, outcome) do update set n = campaign_answer_counts.n + excluded.n
"""


def answer_counts_of(connection: Connection[Any], campaign: UUID) -> list[AnswerCount]:
    """Returns the counts of a campaign's answers, those above 0. O(waves, variants and outcomes)."""
    with connection.cursor(row_factory=class_row(AnswerCount)) as cursor:
        return cursor.execute(
            "select wave, variant, outcome, n from campaign_answer_counts where campaign_id = %b and n > 0 "
            "order by wave, variant, outcome",
            [campaign],
        ).fetchall()


def answered_in(connection: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, list[NamedCampaign]]:
    """Returns conversation -> campaigns that the customer answered in it, the first answer first."""
    if not conversations:
        return {}
    rows = connection.execute(
        "select a.conversation_id, k.id, k.name from campaign_answers a join campaigns k on k.id = a.campaign_id "
        "where a.conversation_id = any(%b::uuid[]) group by a.conversation_id, k.id, k.name order by min(a.at), k.id",
        [[*conversations]],
    ).fetchall()
    found: dict[UUID, list[NamedCampaign]] = {}
    for conversation, *campaign in rows:
        found.setdefault(conversation, []).append(NamedCampaign(*campaign))
    return found


def wrong_answer_counts(connection: Connection[Any], campaigns: Sequence[UUID]) -> list[UUID]:
    """Returns those of the campaigns whose counters of answers differ from the answers, or whose answers have another
    outcome than their conversations. O(answers): for `witiop doctor` and tests."""
    rows = connection.execute(
        "with counted as (select campaign_id, wave, variant, outcome, count(*) as n from campaign_answers "
        "where campaign_id = any(%(campaigns)b::uuid[]) group by 1, 2, 3, 4) "
        "select distinct coalesce(c.campaign_id, k.campaign_id) from counted c full join "
        "(select * from campaign_answer_counts where campaign_id = any(%(campaigns)b::uuid[]) and n <> 0) k "
        "using (campaign_id, wave, variant, outcome) where c.n is distinct from k.n "
        "union select a.campaign_id from campaign_answers a join conversations c on c.id = a.conversation_id "
        "where a.campaign_id = any(%(campaigns)b::uuid[]) and a.outcome <> case "
        "when c.dismissed_as is not null then 'resolved' "
        "when c.status = 'c' then case when c.managed then 'resolved' else 'unmanaged' end "
        "when c.managed then 'human' when c.unmanaged then 'unmanaged' else 'waiting' end",
        {"campaigns": [*campaigns]},
    ).fetchall()
    return [row[0] for row in rows]
