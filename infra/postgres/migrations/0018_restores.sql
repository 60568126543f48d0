-- After a restore of the database nothing is posted or carried out a second time without a person.

create table restores (
  recognised_at timestamptz primary key default now(),
  confirmed_at timestamptz,
  confirmed_by text
);
create unique index restores_open on restores ((true)) where confirmed_at is null;

-- Commands that were received before the restore and that the restored database does not know.
create table held_commands (
  id text primary key,
  received_at timestamptz not null,
  issuer text not null,
  type text not null,
  conversation_id uuid,
  body bytea not null,
  held_at timestamptz not null default now(),
  decided_at timestamptz,
  decided_by text,
  again boolean                    -- carried out again; false: it was done before the restore
);
create index held_commands_open on held_commands (received_at) where decided_at is null;

-- not valid: existing rows are not read, because they satisfied a stricter check
alter table mails drop constraint mails_state_check, add constraint mails_state_check check
  (state in ('requested', 'sending', 'sent', 'failed', 'unknown', 'recalled', 'held_after_restore')) not valid;
create index mails_held on mails (requested_at) where state = 'held_after_restore';
