-- What is kept for how long, and the erasure of single people (docs/design/retention.md).

alter table numbers add column retention json not null default '{}';
alter table conversations add column messages_removed_at timestamptz;

-- Erasures that were asked for. What names the person is there until the erasure is done.
create table erasures (
  id uuid primary key,
  command_id text not null unique,
  asked_by text not null,
  asked_at timestamptz not null,
  state text not null check (state in ('asked', 'erased', 'swept', 'done')),
  phone text,                      -- digits; with customer_id, whom the command named
  customer_id uuid,
  until timestamptz,               -- facts from then or before are not stored any more
  subject jsonb,                   -- what the last steps need
  removed jsonb not null default '{}',  -- table -> rows
  done_at timestamptz
);
create index erasures_open on erasures (asked_at) where state <> 'done';
create index erasures_page on erasures (asked_at desc, id desc);

-- Marks of erasures: they keep repeats and late facts from bringing anything back. They outlive the topics' retention.
create table erased_people (
  mark bytea primary key,          -- keyed hash of number, kind and value of an identity
  until timestamptz not null       -- facts from then or before are not stored
);
create table erased_ids (
  id uuid primary key,             -- of a fact or a conversation
  at timestamptz not null
);

-- Files of the store that no message needs any more.
create table unneeded_files (
  sha256 text primary key,
  at timestamptz not null default now()
);

create index media_by_age on media (expires_at) where state <> 'removed';

-- One row: how far the process `retention` has come through the conversations, the oldest first.
create table retention_walk (
  id boolean primary key default true check (id),
  walked_to uuid,
  began_at timestamptz,            -- of the walk that is under way, or of the last one
  ended_at timestamptz             -- null: one is under way
);
insert into retention_walk default values;

-- The key of the marks, for the owner alone.
create table erasure_key (
  id boolean primary key default true check (id),
  secret bytea not null
);
insert into erasure_key (secret)
values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- The mark of an identity; without a number, that of an address at all numbers.
create function erased_mark(number text, kind text, value text) returns bytea language sql stable strict parallel safe
security definer set search_path = public, pg_temp
as $$
  select sha256(secret || sha256(secret || convert_to(
    format('%s:%s %s:%s %s', length(number), number, length(kind), kind, value), 'UTF8')))
  from erasure_key
$$;

-- What stands in an opt-out of an erased person in place of the address.
create function erased_value(kind text, value text) returns text language sql stable strict parallel safe
return 'erased:' || encode(erased_mark('', kind, value), 'hex');
create index opt_outs_erased on opt_outs (value) where address = '';
