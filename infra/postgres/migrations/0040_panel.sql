-- Conversations that were dismissed, and what people of the company keep about conversations: notes, tags, saved lists,
-- and who is looking at one now.

alter table conversations
  add column dismissed_as "char",        -- n: no answer needed, s: spam, d: duplicate; null: not dismissed
  add column dismissed_at timestamptz,
  add column dismissed_by text,
  add column dismissed_note text;
alter table history add column dismissed_as "char";
comment on column conversations.search is 'folded words, separated by blanks; null: neither unmanaged nor dismissed';

create index conversations_dismissed on conversations (last_at desc, id desc) where dismissed_as is not null;
create index conversations_dismissed_number on conversations (phone_number_id, last_at desc, id desc)
  where dismissed_as is not null;

create table dismissed_counts (
  phone_number_id text not null,
  status "char" not null,
  dismissed_as "char" not null,
  n bigint not null,
  primary key (phone_number_id, status, dismissed_as)
);

-- What people of the company write about a conversation for each other. No customer ever sees it.
create table notes (
  id uuid primary key,
  conversation_id uuid not null,
  at timestamptz not null default now(),
  author text not null,            -- name of a sign-in
  text text not null
);
create index notes_of on notes (conversation_id, at);

-- Whom a note mentions. `seen_at` null: they have not opened the conversation since.
create table mentions (
  note_id uuid not null,
  person text not null,
  conversation_id uuid not null,
  at timestamptz not null,
  seen_at timestamptz,
  primary key (note_id, person)
);
create index mentions_of on mentions (person, at desc, note_id desc);
create index mentions_unseen on mentions (person, conversation_id) where seen_at is null;

create table conversation_tags (
  conversation_id uuid not null,
  tag text not null,
  at timestamptz not null default now(),
  author text not null,
  primary key (conversation_id, tag)
);
create index conversation_tags_tagged on conversation_tags (tag, at desc);

-- The lists that people saved: an address of the console without its place in the list.
create table saved_lists (
  id uuid primary key,
  owner text not null,             -- name of a sign-in
  name text not null,
  query text not null,
  shared boolean not null,
  made_at timestamptz not null default now(),
  unique (owner, name)
);
create index saved_lists_shared on saved_lists (name) where shared;

-- Open pages on which somebody looks at a conversation, or has a dialog about it open. They say so every few seconds;
-- nothing is lost with these rows.
create unlogged table viewers (
  page uuid primary key,
  conversation_id uuid not null,
  person text not null,
  dialog text,                     -- the dialog that is open; null: none
  seen_at timestamptz not null default now()
);
create index viewers_of on viewers (conversation_id);
