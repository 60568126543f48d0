-- Mails: the request, its state, and every event reported for it.

create table mails (
  id uuid primary key,
  command_id text not null unique,
  conversation_id uuid not null,
  issuer text not null,
  recipients text[] not null,
  subject text not null,
  body text not null,
  masked boolean not null,
  requested_at timestamptz not null,
  held_until timestamptz not null,
  due_at timestamptz not null,       -- the end of the hold, or of the pause before the next attempt
  state text not null check (state in ('requested', 'sending', 'sent', 'failed', 'unknown', 'recalled')),
  reason text,
  attempts integer not null default 0,
  claimed_at timestamptz,            -- when the last attempt was about to begin
  message_id text,
  fates json not null default '{}'   -- recipient -> delivered, bounced or complained
);
create index mails_due on mails (due_at) where state = 'requested';
create index mails_sending on mails (claimed_at) where state = 'sending';
create index mails_page on mails (requested_at desc, id desc);
create index mails_page_state on mails (state, requested_at desc, id desc);
create index mails_of on mails (conversation_id, requested_at);

create table mail_log (
  id uuid primary key,               -- derived from the event of SES, so it identifies a repeat
  mail_id uuid not null,
  at timestamptz not null,
  event text not null,
  actor text not null,
  recipients text[] not null default '{}',
  reason text
);
create index mail_log_of on mail_log (mail_id, at);

alter table history add column mail_id uuid;
