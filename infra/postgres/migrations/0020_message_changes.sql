-- Edits and deletions by customers: one row per message, found when the message is shown or arrives. Groups: their id on
-- the row of the list.

create table message_changes (
  phone_number_id text not null,
  wamid text not null,             -- the message that was edited or deleted
  edited_at timestamptz,           -- with arrival and input_id: the reference of the last edit; null: not edited
  arrival bigint,
  input_id uuid,
  body text,                       -- the text of the last edit
  deleted boolean not null,
  primary key (phone_number_id, wamid)
);

insert into message_changes
select phone_number_id, wamid,
  max(at) filter (where type = 'edit'),
  (array_agg(arrival order by at desc, arrival desc, input_id desc) filter (where type = 'edit'))[1],
  (array_agg(input_id order by at desc, arrival desc, input_id desc) filter (where type = 'edit'))[1],
  (array_agg(body order by at desc, arrival desc, input_id desc) filter (where type = 'edit'))[1],
  bool_or(type = 'revoke')
from (
  select detail ->> 'phone_number_id' as phone_number_id, detail ->> 'marks' as wamid, detail ->> 'type' as type,
    at, arrival, input_id, body
  from entries
  where kind = 'customer_signal' and detail ->> 'type' in ('edit', 'revoke') and detail ->> 'marks' is not null
) as signals
group by 1, 2;

-- The last text of a conversation, in its column and in its evidence, as it is after edits and deletions.
update conversations c set
  last_text = case when m.deleted then null else left(m.body, 500) end,
  memory = jsonb_set(c.memory::jsonb, '{0,2,1}',
    coalesce(to_jsonb(case when m.deleted then null else left(m.body, 500) end), 'null'))::json
from message_changes m join entries e on e.wamid = m.wamid and e.kind = 'customer_turn'
where c.id = e.conversation_id and c.phone_number_id = m.phone_number_id
  and c.memory #>> '{0,2,0,-1}' = e.input_id::text;

-- An open page shows what was edited or deleted, also outside its conversation.
create trigger hint_of_change after insert or update on message_changes
  for each statement execute function hint_of_change();

alter table conversations add column group_id text;
alter table conversations add column last_speaker text;  -- of a group: who wrote the last text
update conversations c set group_id = i.value, customer_name = null
from identities i where i.kind = 'g' and i.customer_id = c.customer_id and i.phone_number_id = c.phone_number_id;

-- The words of a search, as the migration before wrote them, without what was deleted and without a member's name.
update conversations c set search = nullif(trim(regexp_replace(
    regexp_replace(lower(normalize(
      replace(concat_ws(' ', customer_name, last_text), 'ß', 'ss'), NFKD)), '[\u0300-\u036f]', '', 'g')
    || ' ' || coalesce((select string_agg(right(wa_id, n), ' ') from generate_series(4, length(wa_id)) as n), '')
    || ' ' || coalesce(lower(user_id), '') || ' ' || coalesce(lower(group_id), '')
    || ' ' || replace(id::text, '-', ''), '[^[:alnum:]]+', ' ', 'g')), '')
  where unmanaged and (group_id is not null or id in (
    select e.conversation_id from message_changes m join entries e on e.wamid = m.wamid and e.kind = 'customer_turn'));
