-- Commands, their results, and what routing needs to know of people.

alter table agent_presence add column seen_at timestamptz not null default 'epoch';  -- any signed event of that agent
update agent_presence set seen_at = at;

create table agent_idle (
  agent_id text primary key,
  since timestamptz not null       -- when the agent last got a conversation
);

-- One row an authentic command id: a repeat meets it.
create table commands (
  id text primary key,
  repeats integer not null default 0
);

-- One row a record of the commands topic, also those that were refused, repeated or not authentic.
create table command_audit (
  topic text not null,
  partition integer not null,
  "offset" bigint not null,
  received_at timestamptz not null,
  command_id text,
  type text,
  source text,
  issuer text,
  outcome text not null check (outcome in ('applied', 'rejected', 'repeated')),
  reason text,
  what text,
  conversation_id uuid,
  version integer,
  batch_id text,
  primary key (topic, partition, "offset", received_at)
);
create index command_audit_of on command_audit (conversation_id, received_at) where conversation_id is not null;
create index command_audit_id on command_audit (command_id) where command_id is not null;
