-- The words of all messages of conversations that lists search (docs/design/data.md, Search). The process `analytics`
-- writes them, behind the fold; it fills them for the conversations that are there already in the background.

create table conversation_words (
  conversation_id uuid primary key,
  phone_number_id text not null,
  version integer not null,        -- with sequence and entries: the state of the conversation whose words these are
  sequence integer not null,
  entries integer not null,
  closed boolean not null,
  last_at timestamptz not null,
  words tsvector not null
);
create index conversation_words_active on conversation_words using gin (words) where not closed;
create index conversation_words_open on conversation_words (conversation_id) where not closed;
create index conversation_words_closed on conversation_words using gin (words) with (fastupdate = off) where closed;
create index conversation_words_order on conversation_words (last_at desc, conversation_id desc) where closed;

-- One row.
create table words_progress (
  id boolean primary key default true check (id),
  searched_until timestamptz,      -- what was processed before is in conversation_words; null: nothing yet
  walked_to uuid,                  -- a walk through all conversations, the latest first: those from here on are compared
  walk_began_at timestamptz,       -- null: none is under way
  walked_at timestamptz            -- when a walk began that came to its end; null: none did, so older messages are missing
);
insert into words_progress default values;

-- Edits and deletions whose message is to be read again. Those of today are seen by the first walk.
alter table message_changes add column words_seen boolean not null default true;
alter table message_changes alter column words_seen set default false;
create index message_changes_unseen on message_changes (phone_number_id, wamid) where not words_seen;
