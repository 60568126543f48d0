-- The agents' page: what agents say of their presence there, their open pages, what they are writing, quick replies.

alter table agent_presence add column reason text;  -- why an agent is paused, in the words of their desk
create trigger hint_of_first_presence after insert on agent_presence
  for each statement execute function hint_of_change();
create trigger hint_of_presence after update on agent_presence
  for each row when ((old.state, old.reason) is distinct from (new.state, new.reason))
  execute function hint_of_change();  -- a desk repeats its state every minute, which changes nothing on a page

-- What each agent last said on the page. All their pages repeat it, so that two pages are one presence.
create table desk_presence (
  agent_id text primary key,
  state text not null,             -- ready, paused, offline
  reason text,
  since timestamptz not null
);

-- The open pages of agents, as they last told of themselves.
create table desk_pages (
  agent_id text not null,
  page uuid not null,
  rings boolean not null,          -- whether an offer is heard there
  seen_at timestamptz not null,
  primary key (agent_id, page)
);

-- When an agent did something on the page: a form that is sent again is the same fact at the same time.
create table desk_actions (
  id text primary key,
  at timestamptz not null
);
create index desk_actions_old on desk_actions (at);

-- Texts that are being written, one for each conversation and person. `sent_by`: the command that asked to send it; it is
-- a draft again if that is rejected or recalled.
create table drafts (
  conversation_id uuid not null,
  person text not null,
  text text not null,
  sent_by text,
  changed_at timestamptz not null default now(),
  primary key (conversation_id, person)
);
create index drafts_of_person on drafts (person);
