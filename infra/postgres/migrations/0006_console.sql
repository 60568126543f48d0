-- The console: its users, sessions, failed sign-ins and audit log. Hints that something changed.

create table sign_ins (
  name text primary key,           -- a user's id in the directory, or an administrator's own name
  administrator boolean not null,  -- created in the database: applying the directory file never removes them
  shown_name text,                 -- the name of an administrator who is not in the directory
  password text not null,          -- argon2id
  made_at timestamptz not null default now(),
  page_rows smallint not null default 25,
  language text,                   -- null: the browser's language
  time_zone text                   -- null: the browser's time zone
);

create table console_sessions (
  token_hash bytea primary key,    -- SHA-256, so that a leaked copy of this table opens no session
  name text not null,
  began_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);
create index console_sessions_of on console_sessions (name);

create table sign_in_tries (
  kind "char" not null,            -- n: failed sign-ins for a name, a: from an address
  key text not null,
  began_at timestamptz not null,   -- the start of the period in which tries are counted
  tries integer not null,
  primary key (kind, key)
);

create table console_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  event text not null,
  name text,                       -- the user; for a refused sign-in the name that was entered
  address text,
  conversation_id uuid,
  command_id text,
  batch_id text,
  detail json not null default '{}'
);
create unique index console_audit_asked on console_audit (command_id) where event = 'asked';
create index console_audit_batch on console_audit (batch_id, id) where batch_id is not null;

-- Search words of closed conversations only: these are written once. The active ones are few, and a search scans them.
create index conversations_words on conversations using gin (to_tsvector('simple'::regconfig,
    coalesce(customer_name, '') || ' ' || coalesce(wa_id, '') || ' ' || coalesce(right(wa_id, 10), '') || ' ' ||
    coalesce(right(wa_id, 9), '') || ' ' || coalesce(user_id, '') || ' ' || coalesce(last_text, '')))
  where unmanaged and status = 'c';

-- A hint, never data: the processes that show conversations read them again. It is sent once per statement; PostgreSQL
-- delivers the equal notifications of a transaction as one.
create function hint_of_change() returns trigger language plpgsql as $$
begin
  notify witiop_changed;
  return null;
end
$$;
create trigger hint_of_change after insert or update on conversations
  for each statement execute function hint_of_change();
create trigger hint_of_change after insert or update on mails
  for each statement execute function hint_of_change();
