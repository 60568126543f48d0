-- entries and history by month (docs/decisions/0062-retention-by-months-and-by-marks.md). What is there becomes the
-- default partition as it is: nothing is read or copied, and the locks last as long as a few renames. The process
-- `retention` splits it off later, in steps that keep nobody waiting.

create function first_conversation_id(at timestamptz) returns uuid language sql immutable parallel safe
return (lpad(to_hex(greatest(0, floor(extract(epoch from at) * 1000)::bigint)), 12, '0') || repeat('0', 20))::uuid;

alter table entries rename to entries_rest;
alter table entries_rest rename constraint entries_pkey to entries_rest_pkey;
alter index entries_page rename to entries_rest_page;
alter index entries_waiting rename to entries_rest_waiting;
alter index entries_without_conversation rename to entries_rest_without_conversation;
create table entries (like entries_rest including defaults including generated including storage)
  partition by range (sent_at);
alter table entries add primary key (input_id, sent_at);
create index entries_page on entries (conversation_id, at, input_id);
create index entries_waiting on entries (customer_id, at) where conversation_id is null;
create index entries_without_conversation on entries (at desc, input_id desc) where conversation_id is null;
alter table entries attach partition entries_rest default;

alter table history rename to history_rest;
alter table history_rest rename constraint history_pkey to history_rest_pkey;
create table history (like history_rest including defaults including generated including storage)
  partition by range (conversation_id);
alter table history add primary key (conversation_id, sequence);
alter table history attach partition history_rest default;

-- Processes go on during an upgrade: the new tables have the privileges of those that they replace.
do $$
declare granted record;
begin
  for granted in
    select r.table_name as name, r.grantee, string_agg(r.privilege_type, ', ') as privileges
    from information_schema.role_table_grants r
    where r.table_schema = 'public' and r.table_name in ('entries_rest', 'history_rest') and r.grantee <> current_user
      and r.grantee <> 'PUBLIC'
    group by 1, 2
  loop
    execute format('grant %s on %I to %I', granted.privileges, replace(granted.name, '_rest', ''), granted.grantee);
  end loop;
end
$$;

-- The partitions that the process made. The default ones, `..._rest`, hold what belongs to no month.
create table months (
  parent text not null,
  name text primary key,
  low timestamptz,                 -- null: from the beginning
  high timestamptz not null        -- exclusive; both at the beginning of a month, UTC
);

-- The bound of a table's partition key at a time, as SQL.
create function month_bound(parent text, at timestamptz) returns text language sql stable
return case parent when 'history' then quote_literal(first_conversation_id(at)) || '::uuid'
  else quote_literal(to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '+00') || '::timestamptz' end;

-- Does the next step towards partitions for all months up to `ahead` months from `today` on; returns what it did, null:
-- nothing is left to do. Each call is meant for a transaction of its own: only the step `checked` scans a table, and
-- it keeps nobody from reading and writing. Raises lock_not_available where others hold a table for too long.
create function next_month_step(parent text, today timestamptz, ahead integer) returns text language plpgsql
security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
  rest constant text := parent || '_rest';
  before constant text := parent || '_before';
  guard constant text := parent || '_before_check';
  key constant text := case parent when 'history' then 'conversation_id' else 'sent_at' end;
  this_month constant timestamptz := date_trunc('month', today at time zone 'UTC') at time zone 'UTC';
  bound timestamptz;
  is_checked boolean;
  child text;
  last timestamptz;
  upper timestamptz;
begin
  if parent not in ('entries', 'history') then
    raise exception 'no table by months: %', parent;
  end if;
  perform pg_advisory_xact_lock(hashtext('witiop months ' || parent));
  if not exists (select from months m where m.parent = next_month_step.parent) then
    select c.convalidated, obj_description(c.oid, 'pg_constraint')::timestamptz into is_checked, bound
    from pg_constraint c where c.conname = guard and c.conrelid = rest::regclass;
    if bound is null then
      bound := (this_month at time zone 'UTC' + interval '2 months') at time zone 'UTC';
      execute format('alter table %I add constraint %I check (%I < %s) not valid', rest, guard, key,
        month_bound(parent, bound));
      execute format('comment on constraint %I on %I is %L', guard, rest, bound);
      return 'guarded';
    elsif not is_checked then
      execute format('create table if not exists %I (like %I including all)', parent || '_later', rest);
      execute format('alter table %I drop constraint if exists %I', parent || '_later', guard);
      execute format('with moved as (delete from %I where %I >= %s returning *) insert into %I select * from moved',
        rest, key, month_bound(parent, bound), parent || '_later');
      execute format('alter table %I validate constraint %I', rest, guard);
      -- rows that were moved are in no partition until the next statements, which are of the same transaction
      execute format('alter table %I detach partition %I', parent, rest);
      execute format('alter table %I rename to %I', rest, before);
      execute format('alter table %I attach partition %I for values from (minvalue) to (%s)', parent, before,
        month_bound(parent, bound));
      execute format('alter table %I drop constraint %I', before, guard);
      execute format('alter table %I rename to %I', parent || '_later', rest);
      execute format('alter table %I attach partition %I default', parent, rest);
      insert into months values (parent, before, null, bound);
      return 'checked';
    end if;
  end if;
  select max(m.high) into last from months m where m.parent = next_month_step.parent;
  if last > (this_month at time zone 'UTC' + make_interval(months => ahead)) at time zone 'UTC' then
    return null;
  end if;
  last := greatest(last, this_month);
  upper := (last at time zone 'UTC' + interval '1 month') at time zone 'UTC';
  child := parent || '_' || to_char(last at time zone 'UTC', 'YYYYMM');
  -- made, filled and attached: `partition of` would wait behind every open transaction that writes to the table
  execute format('create table %I (like %I including all)', child, rest);
  execute format('with moved as (delete from %I where %I >= %s and %I < %s returning *) insert into %I '
    'select * from moved', rest, key, month_bound(parent, last), key, month_bound(parent, upper), child);
  execute format('alter table %I attach partition %I for values from (%s) to (%s)', parent, child,
    month_bound(parent, last), month_bound(parent, upper));
  insert into months values (parent, child, last, upper);
  return child;
end
$$;

-- Drops the oldest partition that ended before `until` and has no row; returns its name, null: there is none.
create function drop_emptied_month(parent text, until timestamptz) returns text language plpgsql
security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
  child text;
  is_empty boolean;
begin
  for child in
    select m.name from months m where m.parent = drop_emptied_month.parent and m.high <= until order by m.high
  loop
    execute format('select not exists (select from %I)', child) into is_empty;
    if is_empty then
      -- the parent first, as everybody else
      execute format('lock table only %I in access exclusive mode', drop_emptied_month.parent);
      execute format('lock table %I in access exclusive mode', child);
      execute format('select not exists (select from %I)', child) into is_empty;
    end if;
    if is_empty then
      execute format('alter table %I detach partition %I', drop_emptied_month.parent, child);
      execute format('drop table %I', child);
      delete from months m where m.name = child;
      return child;
    end if;
  end loop;
  return null;
end
$$;

revoke execute on function next_month_step(text, timestamptz, integer), drop_emptied_month(text, timestamptz) from public;
