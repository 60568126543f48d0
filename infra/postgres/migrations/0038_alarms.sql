-- Alarms: what calls a person, whom it calls, and whether that arrived (docs/design/alarms.md).

create table alarms (
  id uuid primary key default uuidv7(),
  kind text not null,
  key text not null,               -- what of its kind it is about; '' if there can be only one
  details jsonb not null,          -- what its text is filled with; never a customer's data
  conversation_id uuid,            -- whom somebody shall look at
  began_at timestamptz not null,
  ended_at timestamptz,            -- null: it is open
  announced smallint not null default 0  -- what its channels were given: 0 nothing, 1 that it began, 2 all there is
);
create unique index alarms_open on alarms (kind, key) where ended_at is null;
create index alarms_ended on alarms (ended_at desc, id desc) where ended_at is not null;
create index alarms_to_announce on alarms (id) where announced < 2;
create index alarms_of_conversations on alarms (conversation_id) where ended_at is null and conversation_id is not null;

-- Conditions that hold but have not lasted long enough for an alarm, and those of open alarms that are gone for now.
create table alarm_conditions (
  kind text not null,
  key text not null,
  since timestamptz not null,      -- when it was first seen
  gone_since timestamptz,          -- null: it holds
  primary key (kind, key)
);

-- When the conditions were last judged, so that a reader sees that nobody does.
create table alarm_judge (
  id boolean primary key default true check (id),
  judged_at timestamptz not null
);

-- Who wants to hear nothing of an alarm for a while.
create table alarm_silences (
  kind text not null,
  key text not null,
  until timestamptz not null,
  actor text not null,
  at timestamptz not null,
  primary key (kind, key)
);

-- Where alarms are sent. The console's role may write address and secret, and not read them.
create table alarm_channels (
  id uuid primary key default uuidv7(),
  name text not null,
  form text not null,              -- text, card: a webhook's body; mail
  address text not null,           -- a secret: the webhook's URL; addresses of mails, comma separated
  shown text not null,             -- what pages show of the address
  secret text not null,            -- signs the webhook's body; empty for mails
  language text not null,
  level text not null,             -- the lowest level of what it gets: amber, red
  system boolean not null,         -- whether it gets alarms that no rule sends to it
  shows_customer boolean not null, -- whether name and phone of a customer may be in what it gets
  actor text not null,
  changed_at timestamptz not null,
  removed_at timestamptz
);
create unique index alarm_channels_name on alarm_channels (name) where removed_at is null;

-- What a channel, or a person by mail, was to be told. One row per change, so that nobody hears of it twice.
create table alarm_deliveries (
  id uuid primary key default uuidv7(),  -- what the receiver recognises a repeat by
  alarm_id uuid not null,
  channel_id uuid,
  person text,                     -- the sign-in that asked for it by mail; null: the channel
  change text not null,            -- began, ended
  state text not null,             -- due, sending, delivered, failed
  attempts integer not null default 0,
  due_at timestamptz not null,     -- of one that is being sent: when another process may take it over
  created_at timestamptz not null,
  settled_at timestamptz,
  problem text                     -- why the last attempt failed: a code or a status, never an answer's text
);
create unique index alarm_deliveries_once on alarm_deliveries (alarm_id, channel_id, person, change) nulls not distinct;
create index alarm_deliveries_due on alarm_deliveries (due_at, id) where state in ('due', 'sending');
create index alarm_deliveries_of_channel on alarm_deliveries (channel_id, id desc);

-- What a person wants to be told about conversations that run out.
create table personal_alarms (
  name text primary key,           -- of the sign-in
  minutes integer not null,        -- less time left than this
  phone_number_ids text[] not null,  -- empty: all numbers
  skillsets text[] not null,       -- empty: all
  sound boolean not null,
  desktop boolean not null,
  mail boolean not null
);
