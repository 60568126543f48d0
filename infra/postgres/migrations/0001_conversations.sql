-- Customers, their conversations, the outbox and the directory. The reasons for this design: docs/design/data.md.
-- There are no foreign keys on the hot tables: the customer row is the mutex, and every writer locks it first.

create table customers (
  id uuid primary key,
  merged_into uuid
);
create index customers_merged on customers (merged_into) where merged_into is not null;

create table identities (
  phone_number_id text not null,
  kind "char" not null,            -- w: phone (one key for national variants), u: business-scoped user id, g: group
  value text not null,
  customer_id uuid not null,
  user_id text,                    -- only for a phone: the latest user id seen with it
  at timestamptz not null,         -- the sender's time of the latest fact that confirmed it, to within a day
  primary key (phone_number_id, kind, value)
);
create index identities_of on identities (customer_id);

create table conversations (
  id uuid primary key,
  customer_id uuid not null,
  phone_number_id text not null,
  status "char" not null,          -- a: active, c: closed
  unmanaged boolean not null,
  reason smallint,
  managed boolean not null,
  opened_at timestamptz not null,
  last_at timestamptz not null,
  window_ends_at timestamptz not null,
  closed_at timestamptz,
  owner_kind "char",               -- u: user, s: skillset
  owner_id text,
  owner_state "char",              -- q: queued, r: reserved, a: assigned, x: accepted
  owner_until timestamptz,
  queued_at timestamptz,
  last_text text,
  customer_name text,
  wa_id text,
  user_id text,
  entries integer not null,
  version integer not null,
  sequence integer not null,
  previous uuid,
  because uuid[] not null,
  memory json not null             -- evidence and decisions, read by the rules only
) with (fillfactor = 85);

create unique index conversations_one_active on conversations (customer_id, phone_number_id) where status = 'a';
create index conversations_by_customer on conversations (customer_id, phone_number_id, opened_at desc);
create index conversations_due on conversations (window_ends_at) where status = 'a';
create index conversations_reserved on conversations (owner_until) where owner_until is not null;
create index conversations_queue on conversations (owner_id, queued_at) where status = 'a' and owner_kind = 's';
create index conversations_owned on conversations (owner_id) where status = 'a' and owner_kind = 'u';
create index conversations_list_reason on conversations (status, reason, last_at desc, id desc) where unmanaged;
create index conversations_list_number on conversations (phone_number_id, status, reason, last_at desc, id desc)
  where unmanaged;

create table entries (
  input_id uuid not null,
  sent_at timestamptz not null,    -- the sender's unadjusted time; with input_id it identifies a repeat
  at timestamptz not null,
  customer_id uuid not null,
  conversation_id uuid,            -- null: does not belong to a conversation yet
  kind text not null,
  wamid text,
  body text,
  detail json not null,
  primary key (input_id, sent_at)
);
create index entries_page on entries (conversation_id, at, input_id);
create index entries_waiting on entries (customer_id, at) where conversation_id is null;

create table message_status (
  phone_number_id text not null,
  wamid text not null,
  recipient text not null,
  rank smallint not null,          -- the furthest success: 1 sent, 2 delivered, 3 read, 4 played; 0 none
  succeeded_at timestamptz,
  failed_at timestamptz,
  code bigint,
  primary key (phone_number_id, wamid, recipient)
);

create table history (
  conversation_id uuid not null,
  sequence integer not null,
  at timestamptz not null,
  event text not null,
  reason smallint,
  because uuid[] not null,
  actor text,
  owner_kind "char",
  owner_id text,
  primary key (conversation_id, sequence)
);

create table outbox (
  id bigint generated always as identity (cache 1) primary key,
  at timestamptz not null default now(),
  topic text not null,
  key text not null,
  headers json not null,
  value bytea not null
);

create table notices (
  input_id uuid primary key,       -- identifies a repeat alone, because some notices have no time of their own
  sent_at timestamptz not null,
  at timestamptz not null,
  account_id text not null,
  phone_number_id text,
  field text not null,
  body json not null
);

create table agent_presence (
  agent_id text primary key,
  state text not null,
  at timestamptz not null,
  input_id uuid not null
);

create table set_aside (
  id uuid primary key,
  kind text not null check (kind in ('unreadable', 'dead_letter')),
  source text not null,            -- reader of the bytes: whatsapp, softbot, agents; inbound: a poison record
  reason text not null,
  received_at timestamptz not null,
  raw bytea not null,
  topic text not null,
  partition integer not null,
  "offset" bigint not null,
  redriven_at timestamptz,
  unique (topic, partition, "offset", received_at)  -- a topic that was created again counts from 0
);
create index set_aside_page on set_aside (received_at desc, id desc);

create table unmanaged_counts (
  phone_number_id text not null,
  status "char" not null,
  reason smallint not null,
  n bigint not null,
  primary key (phone_number_id, status, reason)
);

create table consumer_offsets (
  group_name text not null,
  topic text not null,
  topic_id text not null,
  partition integer not null,
  next_offset bigint not null,
  caught_up_to timestamptz not null,   -- watermark: everything the broker received before it has been processed
  progressed_at timestamptz not null,
  lost bigint not null default 0,      -- records that the broker deleted before we read them
  primary key (group_name, topic, partition)
);

create table numbers (
  phone_number_id text primary key,
  name text not null,
  time_zone text not null,
  softbot boolean not null,
  hours json,
  menu json not null
);

create table skillsets (
  id text primary key,
  name text not null
);

create table users (
  id text primary key,
  name text not null,
  email text not null,
  level text not null,
  max_conversations integer not null,
  skillsets text[] not null
);

create table directory_version (
  "only" boolean primary key default true check ("only"),
  version bigint not null
);
insert into directory_version (version) values (0);
