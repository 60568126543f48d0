-- Conversations after the first word: customers who wait for a reply, and what was given away, handed over or parked.

alter table conversations
  add column waits_since timestamptz,    -- the customer was answered and wrote again then
  add column reply_by timestamptz,       -- when the timer puts it on the list if nobody writes
  add column parked_until timestamptz,   -- its reservation is offered from then on
  add column released_at timestamptz,    -- given away by its owner or an administrator, and no word since
  add column released_by text,
  add column released_note text;
alter table history add column note text;

create index conversations_reply_due on conversations (reply_by) where reply_by is not null;
create index conversations_waiting_for_reply on conversations (waits_since, id)
  where status = 'a' and waits_since is not null;
create index conversations_waiting_for_reply_number on conversations (phone_number_id, waits_since, id)
  where status = 'a' and waits_since is not null;

-- the last word of active conversations, which the rules had not kept
create temporary table words on commit drop as
select c.id, c.customer_id, w.at, jsonb_build_array(
    to_char(w.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), w.arrival, w.input_id) as ref
from conversations c cross join lateral (
  select e.at, e.arrival, e.input_id from entries e
  where e.conversation_id = c.id and e.kind in ('human_echo', 'agent_message') and not exists (
    select from message_changes m where m.phone_number_id = c.phone_number_id and m.wamid = e.wamid and m.failed)
  order by e.at desc, e.arrival desc, e.input_id desc limit 1
) w
where c.status = 'a' and c.managed;

-- as every writer does: the row of the customer is the mutex of their conversations
select id from customers where id in (select customer_id from words) order by id for no key update;

update conversations c set
  waits_since = case when c.last_at > w.at then c.last_at end,
  memory = json_build_array(
    (select jsonb_agg(case when n = 17 then w.ref when n in (8, 14, 15) then coalesce(e -> n, '[]') else e -> n end order by n)
      from generate_series(0, 17) n, (select c.memory::jsonb -> 0) as evidence (e)),
    c.memory -> 1)
from words w where c.id = w.id;
