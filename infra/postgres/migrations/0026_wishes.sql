-- Transfers on reply: a closed conversation whose customer gets a template, and the transfer that their answer leads to.

create table wishes (
  id uuid primary key,             -- derived from its command, so a repeat is the same row
  command_id text not null,
  phone_number_id text not null,
  customer_id uuid not null,       -- after joining
  conversation_id uuid not null,   -- the closed one
  send_id uuid not null,           -- of the template
  target_kind text not null,       -- user, skillset
  target_id text not null,
  mode text not null,              -- immediate, exclusive
  actor text not null,
  requested_at timestamptz not null,
  ends_at timestamptz not null,
  state text not null,             -- waiting (also while armed: that is read from the send), executed, ended
  ended_because text,              -- expired, cancelled, template_failed, superseded, opted_out
  executed_in uuid,                -- the conversation that was transferred
  changed_at timestamptz           -- when it was executed or ended
);
create unique index wishes_open on wishes (customer_id, phone_number_id) where state = 'waiting';
create index wishes_ends on wishes (ends_at) where state = 'waiting';
create index wishes_of_conversation on wishes (conversation_id);
create index wishes_page on wishes (requested_at desc, id desc);
create trigger hint_of_change after insert or update on wishes for each statement execute function hint_of_change();
