-- Commands and their audit, and what routing needs to know about agents.

alter table agent_presence add column seen_at timestamptz not null default 'epoch';  -- last signed event of any kind
update agent_presence set seen_at = at;

create table agent_idle (
  agent_id text primary key,
  since timestamptz not null       -- when the agent was last assigned a conversation
);

-- One row per authentic command id; it identifies repeats.
create table commands (
  id text primary key,
  repeats integer not null default 0
);

-- One row per record of the commands topic, including rejected, repeated and unauthentic ones.
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
