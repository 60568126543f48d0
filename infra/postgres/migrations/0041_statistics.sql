-- Numbers about conversations: what each conversation contributes, and the sums of that (docs/design/analytics.md).

-- What the public event said, for those who count it again.
alter table history add column opened_at timestamptz;
alter table history add column first_word_at timestamptz;

create table stat_contributions (
  conversation_id uuid primary key,
  phone_number_id text not null,
  sequence integer not null,
  opened_at timestamptz not null,
  day date not null,               -- when the customer wrote first, at the number's place
  hour smallint not null,
  outcome text not null,
  reason text not null,            -- empty: the customer was not left alone
  touched boolean not null,
  skillset text not null,
  assigned_s integer,
  word_s integer,
  listed_s integer,
  steps text[] not null,
  left_step text,
  rules text[] not null,
  saved_by text,
  first_word_at timestamptz,
  events text not null             -- the public events, in JSON
);
create index stat_contributions_page on stat_contributions (day desc, conversation_id desc);
create index stat_contributions_alone on stat_contributions (day desc, conversation_id desc)
  where outcome <> 'never_listed';

create table stat_offers (
  conversation_id uuid not null,
  sequence integer not null,
  phone_number_id text not null,
  agent_id text not null,
  at timestamptz not null,
  day date not null,
  result text not null,
  primary key (conversation_id, sequence)
);
create index stat_offers_page on stat_offers (agent_id, day desc, conversation_id desc, sequence desc);
create index stat_offers_day on stat_offers (day);

-- A row has the 24 hours of a day as columns, of those left alone and of those lost: 24 rows would be read 24 times slower.
create table stat_hours (
  day date not null,
  phone_number_id text not null,   -- empty: all numbers, here and in the tables below
  reason text not null,
  opened integer not null,
  touched integer not null,
  unmanaged integer not null,
  rescued integer not null,
  lost integer not null,
  open integer not null,
  dismissed integer not null,
  u00 integer not null, u01 integer not null, u02 integer not null, u03 integer not null,
  u04 integer not null, u05 integer not null, u06 integer not null, u07 integer not null,
  u08 integer not null, u09 integer not null, u10 integer not null, u11 integer not null,
  u12 integer not null, u13 integer not null, u14 integer not null, u15 integer not null,
  u16 integer not null, u17 integer not null, u18 integer not null, u19 integer not null,
  u20 integer not null, u21 integer not null, u22 integer not null, u23 integer not null,
  l00 integer not null, l01 integer not null, l02 integer not null, l03 integer not null,
  l04 integer not null, l05 integer not null, l06 integer not null, l07 integer not null,
  l08 integer not null, l09 integer not null, l10 integer not null, l11 integer not null,
  l12 integer not null, l13 integer not null, l14 integer not null, l15 integer not null,
  l16 integer not null, l17 integer not null, l18 integer not null, l19 integer not null,
  l20 integer not null, l21 integer not null, l22 integer not null, l23 integer not null,
  primary key (day, phone_number_id, reason)
);

-- Durations in logarithmic buckets, which are columns: rows can be added up over days and numbers.
create table stat_times (
  day date not null,
  phone_number_id text not null,
  kind text not null,
  b00 integer not null, b01 integer not null, b02 integer not null, b03 integer not null,
  b04 integer not null, b05 integer not null, b06 integer not null, b07 integer not null,
  b08 integer not null, b09 integer not null, b10 integer not null, b11 integer not null,
  b12 integer not null, b13 integer not null, b14 integer not null, b15 integer not null,
  b16 integer not null, b17 integer not null, b18 integer not null, b19 integer not null,
  b20 integer not null, b21 integer not null, b22 integer not null, b23 integer not null,
  b24 integer not null, b25 integer not null, b26 integer not null, b27 integer not null,
  b28 integer not null, b29 integer not null, b30 integer not null, b31 integer not null,
  b32 integer not null, b33 integer not null, b34 integer not null, b35 integer not null,
  b36 integer not null, b37 integer not null, b38 integer not null, b39 integer not null,
  b40 integer not null, b41 integer not null, b42 integer not null, b43 integer not null,
  b44 integer not null, b45 integer not null, b46 integer not null, b47 integer not null,
  b48 integer not null, b49 integer not null, b50 integer not null, b51 integer not null,
  b52 integer not null, b53 integer not null, b54 integer not null, b55 integer not null,
  b56 integer not null, b57 integer not null, b58 integer not null, b59 integer not null,
  b60 integer not null, b61 integer not null, b62 integer not null, b63 integer not null,
  b64 integer not null, b65 integer not null, b66 integer not null, b67 integer not null,
  b68 integer not null, b69 integer not null, b70 integer not null, b71 integer not null,
  primary key (day, phone_number_id, kind)
);

create table stat_steps (
  day date not null,
  phone_number_id text not null,
  step text not null,
  shown integer not null,
  left_here integer not null,
  primary key (day, phone_number_id, step)
);

-- The same by week, for the days from its Monday on.
create table stat_step_weeks (
  day date not null,
  phone_number_id text not null,
  step text not null,
  shown integer not null,
  left_here integer not null,
  primary key (day, phone_number_id, step)
);

create table stat_step_titles (
  phone_number_id text not null,
  step text not null,
  title text not null,
  primary key (phone_number_id, step)
);

create table stat_agents (
  day date not null,
  phone_number_id text not null,
  agent_id text not null,
  offered integer not null,
  accepted integer not null,
  declined integer not null,
  lapsed integer not null,
  primary key (day, phone_number_id, agent_id)
);

create table stat_rules (
  day date not null,
  phone_number_id text not null,
  rule text not null,
  acted integer not null,
  rescued integer not null,
  primary key (day, phone_number_id, rule)
);
