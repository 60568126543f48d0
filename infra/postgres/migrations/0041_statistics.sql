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

create table stat_hours (
  day date not null,
  hour smallint not null,
  phone_number_id text not null,
  reason text not null,
  opened integer not null,
  touched integer not null,
  unmanaged integer not null,
  rescued integer not null,
  lost integer not null,
  open integer not null,
  dismissed integer not null,
  primary key (day, hour, phone_number_id, reason)
);

-- Durations in logarithmic buckets: rows can be added up over days, numbers and skillsets.
create table stat_times (
  day date not null,
  phone_number_id text not null,
  skillset text not null,
  kind text not null,
  bucket smallint not null,
  n integer not null,
  primary key (day, phone_number_id, skillset, kind, bucket)
);

create table stat_steps (
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
