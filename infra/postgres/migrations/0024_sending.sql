-- Sending to WhatsApp: sends, what happened to them, the rates of numbers, templates and numbers as Meta reports them.

create table sends (
  id uuid primary key,             -- derived from its cause, so a repeated command is the same row
  ordinal bigint generated always as identity,  -- sends to one customer leave in this order
  command_id text not null,
  conversation_id uuid,
  customer_id uuid,
  phone_number_id text not null,
  address text not null,           -- the phone in digits, the business-scoped user id, or the group's id
  address_kind text not null,      -- phone, user_id, group
  recipient text not null,         -- whose turn it is: the customer's id, or the address of one who never wrote
  kind text not null,
  lane smallint not null,          -- 0: agents, 1: deferred transfers and automatic texts, 2: campaigns
  content jsonb not null,          -- in the form of the Graph API, frozen
  text text,                       -- what a person reads in it
  actor text not null,
  is_word boolean not null,        -- whether it is a human word to the customer once Meta accepted it
  is_claim boolean not null,       -- whether its actor then is the conversation's owner
  needs_window boolean not null,
  reply_to text,
  requested_at timestamptz not null,
  held_until timestamptz not null, -- until then it can be recalled
  due_at timestamptz not null,
  expires_at timestamptz,
  state text not null,
  attempt integer not null default 0,
  claimed_at timestamptz,
  secret bytea not null,           -- of the callback data
  wamid text,
  wa_id text,
  error integer,
  reason text,
  pair_refusals integer not null default 0,
  pricing jsonb
);
create index sends_in_line on sends (phone_number_id, recipient, lane, ordinal) where state in ('queued', 'sending');
create index sends_due on sends (phone_number_id, lane, due_at, ordinal) where state = 'queued';
create index sends_abandoned on sends (claimed_at) where state = 'sending';
create index sends_listed on sends (state, requested_at desc, id desc) where state in ('unknown', 'failed', 'queued', 'held_after_restore');
create unique index sends_by_wamid on sends (phone_number_id, wamid) where wamid is not null;
create index sends_of_conversation on sends (conversation_id, ordinal) where conversation_id is not null;
create index sends_page on sends (requested_at desc, id desc);
create trigger hint_of_change after insert or update on sends for each statement execute function hint_of_change();

-- The senders wait for this hint, which has no data.
create function hint_of_send() returns trigger language plpgsql as $$
begin
  notify witiop_sends;
  return null;
end
$$;
create trigger hint_of_send after insert on sends for each statement execute function hint_of_send();

-- Every post, and everything else that happened to a send. Only added to.
create table send_log (
  send_id uuid not null,
  at timestamptz not null,
  number integer generated always as identity,
  attempt integer not null,
  event text not null,
  actor text not null,
  code integer,
  reason text,
  milliseconds integer,
  primary key (send_id, at, number)
);

-- How much a number may send: tokens, one per message, refilled at its rate.
create table lanes (
  phone_number_id text primary key,
  tokens double precision not null,
  refilled_at timestamptz not null,
  slowdown double precision not null default 1,   -- share of the rate, below 1 after Meta said that it was too much
  paused_until timestamptz,
  templates_paused_until timestamptz,
  reason text,                                    -- why it is paused
  needs_person boolean not null default false
);

-- What Meta says of our numbers and templates, as last synchronised.
create table graph_numbers (
  phone_number_id text primary key,
  account_id text not null,
  display text not null,
  name text not null,
  quality text not null,
  throughput integer not null,     -- messages per second
  people_per_day integer,          -- whom templates may reach outside a window; null: unlimited or unknown
  synchronised_at timestamptz not null
);

create table templates (
  account_id text not null,
  name text not null,
  language text not null,
  status text not null,
  category text not null,
  parameter_format text not null,
  components jsonb not null,
  fingerprint text not null,
  quality text,
  synchronised_at timestamptz not null,
  primary key (account_id, name, language)
);

-- What the synchronisation with each account last said.
create table graph_accounts (
  account_id text primary key,
  synchronised_at timestamptz,
  failed_at timestamptz,
  failure text,
  subscribed boolean
);

-- A message of ours that did not reach the customer is no word to them.
alter table message_changes add column failed boolean not null default false;

-- What a customer is to be shown: that their messages were read, that somebody is writing. Only the latest, and not for long.
create table receipts (
  conversation_id uuid primary key,
  phone_number_id text not null,
  wamid text not null,             -- the customer's last message
  typing boolean not null,
  asked_at timestamptz not null,
  taken_at timestamptz             -- when a sender took it last
);
create index receipts_asked on receipts (asked_at) where taken_at is null or taken_at < asked_at;
create trigger hint_of_send after insert or update of asked_at on receipts
  for each statement execute function hint_of_send();

-- Files that people uploaded to be sent.
create table uploads (
  id uuid primary key,
  kind text not null,              -- image, video, audio, document, sticker
  mime_type text not null,
  file_name text not null,
  size bigint not null,
  sha256 text not null,            -- key of its bytes in the store of media
  actor text not null,
  at timestamptz not null default now()
);
