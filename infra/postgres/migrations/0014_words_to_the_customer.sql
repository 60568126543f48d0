-- Human interaction is a word to the customer: the message of an agent, or an answer from the phone app. An acceptance
-- is none any more, so what was managed by acceptances alone is derived again from the entries:
--   * closed: on the list of unmanaged conversations, if no agent who had it closed it with a note;
--   * active: its agent has it, and at least three minutes for the first message; then the timer puts it on the list.
-- Closed conversations with a word to the customer stay as they are.

create temporary table taken on commit drop as
select c.id, c.customer_id from conversations c
where c.managed and (c.status = 'a' or not exists (
  select from entries e where e.conversation_id = c.id and e.kind in ('human_echo', 'agent_message')));

-- as every writer does: the row of the customer is the mutex of their conversations
select id from customers where id in (select customer_id from taken) order by id for no key update;

-- a time, and a fact reference, as the rules store them
create function pg_temp.moment(at timestamptz) returns text language sql immutable as
  $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
create function pg_temp.ref(at timestamptz, arrival bigint, id uuid) returns jsonb language sql immutable as
  $$ select jsonb_build_array(pg_temp.moment(at), arrival, id) $$;

create temporary table acted on commit drop as
select e.conversation_id, e.kind, e.at, e.arrival, e.input_id, e.detail ->> 'agent_id' as agent,
  pg_temp.ref(e.at, e.arrival, e.input_id) as ref, coalesce(e.detail ->> 'note', '') ~ '\S' as explained
from entries e join taken t on t.id = e.conversation_id
where e.kind in ('human_echo', 'agent_message', 'agent_accepted', 'agent_closed', 'bot_session_ended');

create temporary table claims on commit drop as
select conversation_id, agent, min(at) as first_at, (array_agg(ref order by at, arrival, input_id))[1] as first,
  max(at) as last_at, (array_agg(ref order by at desc, arrival desc, input_id desc))[1] as last
from acted where kind in ('agent_accepted', 'agent_message') group by conversation_id, agent;

-- the closings with a note after which the customer wrote nothing; a message of the same second counts as later
create temporary table explained on commit drop as
select x.conversation_id, x.agent, x.ref, x.at < c.window_ends_at and x.agent = (
    select k.agent from claims k where k.conversation_id = c.id and k.first_at <= x.at order by k.first_at, k.first limit 1
  ) as by_holder
from acted x join conversations c on c.id = x.conversation_id
where x.kind = 'agent_closed' and x.explained and x.at >= c.last_at + case
  when c.last_at > c.opened_at and c.last_at = date_trunc('second', c.last_at) then interval '0.999999 s' else '0' end;

create temporary table derived on commit drop as
select c.id,
  (select w.ref from acted w where w.conversation_id = c.id and w.kind in ('human_echo', 'agent_message')
    order by w.at, w.arrival, w.input_id limit 1) as touch,
  coalesce((select jsonb_agg(jsonb_build_array(k.agent, k.first, k.last) order by k.agent collate "C")
    from claims k where k.conversation_id = c.id), '[]') as claims,
  coalesce((select jsonb_agg(jsonb_build_array(x.ref, x.agent) order by x.ref)
    from explained x where x.conversation_id = c.id), '[]') as explained_ends,
  exists (select from explained x where x.conversation_id = c.id and x.by_holder) as closed_by_holder,
  (select x.input_id from acted x where x.conversation_id = c.id and x.kind = 'bot_session_ended'
    and c.status = 'c' and x.at = c.closed_at and c.closed_at < c.window_ends_at and not exists (
      select from acted y where y.conversation_id = c.id and y.kind = 'agent_closed' and y.at = x.at)
    order by x.input_id limit 1) as bot_end,
  (select min(k.first_at) from claims k where k.conversation_id = c.id) as accepted_at,
  (select k.last ->> 2 from claims k where k.conversation_id = c.id order by k.last_at desc, k.last desc limit 1)::uuid
    as last_claim
from conversations c join taken t on t.id = c.id;

with changed as (
  update conversations c set
    memory = m.memory::json,
    managed = not m.untouched,
    unmanaged = m.untouched and c.owner_kind is null,
    reason = case when m.untouched and c.owner_kind is null then case when d.bot_end is null then 9 else 1 end end,
    because = case when m.untouched and c.owner_kind is null
      then array_remove(array[coalesce(d.bot_end, d.last_claim)], null) else c.because end,
    owner_until = m.until,
    version = c.version + m.untouched::integer
  from derived d
  join conversations o on o.id = d.id
  cross join lateral (
    select d.touch is null and not d.closed_by_holder as untouched, case when o.owner_kind is not null and d.touch is null
      then greatest(least(d.accepted_at + interval '10 min', o.window_ends_at - interval '30 min'),
        d.accepted_at + interval '3 min', now() + interval '3 min') end as until
  ) b
  cross join lateral (
    select b.untouched, b.until, jsonb_build_array(
      (select jsonb_agg(case n when 6 then d.touch when 14 then d.claims when 15 then d.explained_ends
        else o.memory::jsonb -> 0 -> n end order by n) from generate_series(0, 15) n),
      case when b.until is null then o.memory::jsonb -> 1
        else jsonb_set(o.memory::jsonb -> 1, '{0,3}', to_jsonb(pg_temp.moment(b.until))) end) as memory
  ) m
  where c.id = d.id
  returning c.phone_number_id, c.status, c.reason
)
insert into unmanaged_counts (phone_number_id, status, reason, n)
select phone_number_id, status, reason, count(*) from changed where reason is not null group by 1, 2, 3 order by 1, 2, 3
on conflict (phone_number_id, status, reason) do update set n = unmanaged_counts.n + excluded.n;

drop function pg_temp.ref(timestamptz, bigint, uuid);
drop function pg_temp.moment(timestamptz);
